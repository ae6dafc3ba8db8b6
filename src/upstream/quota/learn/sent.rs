//! Remembers when the latest calls left, so that a refusal tells what got through before it. Pure: the caller says when.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::super::bucket::MARGIN;

/// Calls remembered.
const REMEMBERED: usize = 1024;

/// Fewer calls say nothing.
const FEWEST: usize = 3;

/// How far apart the least and the most may be for the least to be used.
const EXACT: f64 = 1.02;

/// How often the range is halved in which the limit is looked for.
const HALVINGS: usize = 40;

/// Calls per second between which the limit is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Through {
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Through {
    pub(crate) fn exactly(limit: f64) -> Self {
        Self { least: limit, most: limit }
    }

    pub(crate) fn is_exact(self) -> bool {
        self.most <= self.least * EXACT
    }

    /// The rates at which so much leaves.
    pub(crate) fn sustained(self) -> Self {
        Self { least: self.least * MARGIN, most: self.most * MARGIN }
    }
}

/// The calls that left.
#[derive(Debug)]
pub(crate) struct Sent {
    /// When each left, and the turns it took.
    calls: VecDeque<(Instant, u32)>,
}

impl Sent {
    /// None left yet.
    pub(crate) fn none() -> Self {
        Self { calls: VecDeque::with_capacity(REMEMBERED) }
    }

    /// A call that takes so many turns leaves now. Answers with the seconds since the one before and the turns that one
    /// took.
    pub(crate) fn leaves(&mut self, now: Instant, turns: u32) -> Option<(f64, u32)> {
        let gap =
            self.calls.back().map(|(at, turns)| (now.saturating_duration_since(*at).as_secs_f64(), *turns));
        if self.calls.len() == REMEMBERED {
            self.calls.pop_front();
        }
        self.calls.push_back((now, turns));
        gap
    }

    /// Between what the limit is, if the call that left at `refused` was refused and none before it since the last pause.
    /// Nothing if that was at once.
    pub(crate) fn got_through(&self, refused: Instant) -> Option<Through> {
        let before = self.calls.iter().rposition(|(at, _)| *at <= refused)?;
        (before >= FEWEST).then(|| Through { least: self.lowest(before), most: self.lowest(before + 1) })
    }

    /// The lowest limit at which the first `calls` calls get through.
    fn lowest(&self, calls: usize) -> f64 {
        let all = self.calls.iter().map(|(_, turns)| f64::from(*turns)).sum();
        let halved = (0..HALVINGS).fold((0.0, all), |(low, high), _| {
            let middle = f64::midpoint(low, high);
            if self.get_through(calls, middle) { (low, middle) } else { (middle, high) }
        });
        halved.1
    }

    /// Whether the first `calls` calls get through a leaky bucket that holds what it lets through in a second, or one call,
    /// and was empty before.
    fn get_through(&self, calls: usize, limit: f64) -> bool {
        let (mut level, mut before) = (0.0, None);
        self.calls.iter().take(calls).all(|(at, turns)| {
            let turns = f64::from(*turns);
            let gap = before.replace(*at).map_or(0.0, |before| (*at - before).as_secs_f64());
            level = f64::max(level - gap * limit, 0.0) + turns;
            level <= limit.max(turns)
        })
    }

    /// Forgets what was before a pause.
    pub(crate) fn cut(&mut self) {
        let last = self.calls.pop_back();
        self.calls.clear();
        self.calls.extend(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The limit by what a limiter did that was called once every `gap` seconds.
    fn told(limit: f64, gap: f64) -> Option<Through> {
        let start = Instant::now();
        let (mut sent, mut level) = (Sent::none(), 0.0);
        for n in 0..REMEMBERED as u32 {
            let now = start + Duration::from_secs_f64(gap) * n;
            sent.leaves(now, 1);
            level = f64::max(level - gap * limit, 0.0) + 1.0;
            if level > limit.max(1.0) {
                // What leaves after the refused one says nothing.
                sent.leaves(now + Duration::from_secs(60), 9);
                return sent.got_through(now);
            }
        }
        None
    }

    #[test]
    fn a_refusal_tells_between_what_the_limit_is() {
        let cases =
            [(1.5, 1.1, 1.1), (2.5, 1.03, 1.02), (2.5, 1.3, 1.12), (5.0, 1.01, 1.01), (20.0, 1.1, 1.01)];
        for (limit, over, within) in cases {
            let Through { least, most } = told(limit, 1.0 / (limit * over)).expect("it was called too often");
            assert!(least <= limit + 1e-6 && limit <= most + 1e-6, "{least}..{most} of {limit}");
            assert!(most <= least * within, "{limit} {over} {}", most / least);
        }
        assert_eq!(told(2.5, 0.4), None);
        assert_eq!(told(1.0, 0.01), None, "one call says nothing");
    }

    #[test]
    fn what_was_before_a_pause_counts_as_the_gap_before_the_first_call_only() {
        let start = Instant::now();
        let mut sent = Sent::none();
        for n in 0..10 {
            sent.leaves(start + Duration::from_secs(n), 2);
        }
        assert!(sent.got_through(start + Duration::from_secs(9)).is_some());
        sent.cut();
        assert_eq!(sent.got_through(start + Duration::from_secs(9)), None);
        assert_eq!(sent.leaves(start + Duration::from_secs(12), 1), Some((3.0, 2)));
    }

    #[test]
    fn it_remembers_the_latest_calls_only() {
        let start = Instant::now();
        let mut sent = Sent::none();
        for n in 0..10_000 {
            sent.leaves(start + Duration::from_millis(700) * n, 1);
        }
        assert_eq!(sent.calls.len(), REMEMBERED);
    }
}
