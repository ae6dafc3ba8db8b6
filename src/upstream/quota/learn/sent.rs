//! Remembers how many turns were taken when, for half a minute. Pure: every method takes `now`.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How many marks are kept of how many calls had left, and how often one is made.
const MARKS: usize = 32;
const MARK_EVERY: Duration = Duration::from_secs(1);

/// A shorter time says nothing, in seconds.
const SHORTEST: f64 = 5.0;

/// The calls that left.
#[derive(Debug)]
pub(crate) struct Sent {
    /// When the last one left, and the turns it took.
    last: Option<(Instant, u32)>,
    /// Turns taken so far.
    count: u64,
    marks: VecDeque<(Instant, u64)>,
}

impl Sent {
    /// None left yet.
    pub(crate) fn none() -> Self {
        Self { last: None, count: 0, marks: VecDeque::with_capacity(MARKS) }
    }

    /// A call that takes so many turns leaves now. Answers with the seconds since the one before and the turns that one
    /// took.
    pub(crate) fn leaves(&mut self, now: Instant, turns: u32) -> Option<(f64, u32)> {
        let last = self.last.replace((now, turns));
        let gap = last.map(|(at, turns)| (now.saturating_duration_since(at).as_secs_f64(), turns));
        self.count += u64::from(turns);
        if self.marks.back().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= MARK_EVERY) {
            if self.marks.len() == MARKS {
                self.marks.pop_front();
            }
            self.marks.push_back((now, self.count));
        }
        gap
    }

    /// The highest rate that surely got through in some of the last seconds, when a limiter that may have saved up
    /// `spare` calls has just refused one. Zero if too little is known.
    pub(crate) fn got_through(&self, now: Instant, spare: f64) -> f64 {
        let since = |(at, count): &(Instant, u64)| {
            let span = now.saturating_duration_since(*at).as_secs_f64();
            if span < SHORTEST { 0.0 } else { ((self.count - count) as f64 - spare) / span }
        };
        self.marks.iter().map(since).fold(0.0, f64::max)
    }

    /// Forgets what was before a pause.
    pub(crate) fn cut(&mut self) {
        self.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_got_through_is_what_was_sent_less_what_was_saved_up() {
        let start = Instant::now();
        let mut sent = Sent::none();
        assert_eq!(sent.leaves(start, 1), None);
        for n in 1..=100_u32 {
            assert_eq!(sent.leaves(start + Duration::from_millis(200) * n, 1), Some((0.2, 1)));
        }
        let now = start + Duration::from_secs(20);
        assert_eq!(sent.got_through(now, 0.0), 5.0);
        assert_eq!(sent.got_through(now, 5.0), 4.75);
        sent.cut();
        assert_eq!(sent.got_through(now, 0.0), 0.0);
    }

    #[test]
    fn it_remembers_half_a_minute_at_most() {
        let start = Instant::now();
        let mut sent = Sent::none();
        for n in 0..10_000 {
            sent.leaves(start + Duration::from_millis(700) * n, 1);
        }
        assert_eq!(sent.marks.len(), MARKS);
    }
}
