//! Pauses after refusals and the slow start that follows them. Pure: every method takes `now`.
//!
//! One refusal stops everything. Each refusal that follows soon doubles the pause; a minute of good answers makes it
//! short again. Afterwards a quarter of the rate is used for a second and half of it for another.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause after a refusal, and the longest we take by ourselves.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The longest pause the CRM may ask for; a longer one is a mistake or a ban, and will be asked for again.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// Good answers for so long after a pause make us forget it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// The slow start: the part of the rate that is used, and until when after the pause.
const SLOW: [(f64, Duration); 2] = [(0.25, Duration::from_secs(1)), (0.5, Duration::from_secs(2))];

/// The latest pause.
#[derive(Debug)]
pub(crate) struct Pause {
    began: Option<Instant>,
    ends: Instant,
    slow_from: Option<Instant>,
    own: Duration,
}

impl Pause {
    /// There was none yet.
    pub(crate) fn none(now: Instant) -> Self {
        Self { began: None, ends: now, slow_from: None, own: Duration::ZERO }
    }

    /// Nothing leaves until then; no slow start follows.
    pub(crate) fn hold(&mut self, now: Instant, until: Instant) -> Instant {
        self.began = Some(now);
        self.ends = self.ends.max(until);
        self.ends
    }

    /// A call was refused: pauses for our own time, for what the CRM `asked` or for `drain`, whichever is longest.
    pub(crate) fn refused(&mut self, now: Instant, asked: Duration, drain: Duration) -> Instant {
        self.own = if self.own.is_zero() { FIRST } else { (self.own * 2).min(LONGEST) };
        self.hold(now, now + self.own.max(asked.min(LONGEST_ASKED)).max(drain));
        self.slow_from = Some(self.ends);
        self.ends
    }

    /// A call that left before the pause was refused, too: it prolongs the pause if it asks for that.
    pub(crate) fn straggler(&mut self, now: Instant, asked: Duration) -> Instant {
        self.ends = self.ends.max(now + asked.min(LONGEST_ASKED));
        self.slow_from = Some(self.ends);
        self.ends
    }

    /// A call was served.
    pub(crate) fn served(&mut self, now: Instant) {
        if now.saturating_duration_since(self.ends) >= FORGOTTEN_AFTER {
            self.own = Duration::ZERO;
        }
    }

    /// Whether a call that left at `sent_at` left before the latest pause began.
    pub(crate) fn came_after(&self, sent_at: Instant) -> bool {
        self.began.is_some_and(|began| sent_at <= began)
    }

    /// The part of the rate that may be used now.
    pub(crate) fn part(&self, now: Instant) -> f64 {
        let step = |from: Instant| SLOW.iter().find(|(_, until)| now < from + *until);
        self.slow_from.and_then(step).map_or(1.0, |(part, _)| *part)
    }

    /// When slow start is over, if a call was refused ever.
    pub(crate) fn over_at(&self) -> Instant {
        self.slow_from.map_or(self.ends, |from| from + SLOW[SLOW.len() - 1].1)
    }

    /// When `calls` will have left that leave back to back from `from` on, at `rate`, never below `floor`.
    pub(crate) fn time_for(&self, from: Instant, calls: f64, rate: f64, floor: f64) -> Duration {
        let mut at = from.max(self.ends);
        let mut left = calls.max(0.0);
        for (part, until) in
            self.slow_from.iter().flat_map(|slow_from| SLOW.map(|(part, d)| (part, *slow_from + d)))
        {
            let slow = (rate * part).max(floor);
            let room = until.saturating_duration_since(at).as_secs_f64() * slow;
            if left <= room {
                return (at - from).saturating_add(seconds(left / slow));
            }
            left -= room;
            at = at.max(until);
        }
        (at - from).saturating_add(seconds(left / rate))
    }
}

/// As many seconds, or as many as there can be.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_refusal_that_follows_soon_doubles_the_pause_up_to_a_minute() {
        let mut now = Instant::now();
        let mut pause = Pause::none(now);
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let until = pause.refused(now, Duration::ZERO, Duration::ZERO);
            assert_eq!(until - now, expected * SECOND);
            now = until + 5 * SECOND;
            pause.served(now);
        }
        now += 60 * SECOND;
        pause.served(now);
        assert_eq!(pause.refused(now, Duration::ZERO, Duration::ZERO), now + SECOND);
    }

    #[test]
    fn what_the_crm_asks_for_is_kept_but_not_for_ever() {
        let now = Instant::now();
        assert_eq!(Pause::none(now).refused(now, 7 * SECOND, 3 * SECOND), now + 7 * SECOND);
        assert_eq!(Pause::none(now).refused(now, SECOND, 3 * SECOND), now + 3 * SECOND);
        assert_eq!(Pause::none(now).refused(now, Duration::MAX, SECOND), now + LONGEST_ASKED);
    }

    #[test]
    fn a_straggler_prolongs_the_pause_and_does_not_double_it() {
        let now = Instant::now();
        let mut pause = Pause::none(now);
        pause.refused(now, Duration::ZERO, Duration::ZERO);
        assert!(pause.came_after(now));
        assert_eq!(pause.straggler(now, Duration::ZERO), now + SECOND);
        assert_eq!(pause.straggler(now, 3 * SECOND), now + 3 * SECOND);
        assert_eq!(pause.part(now + 3 * SECOND), 0.25, "slow start waits too");
        assert_eq!(pause.refused(now + 9 * SECOND, Duration::ZERO, Duration::ZERO), now + 11 * SECOND);
    }

    #[test]
    fn the_foretold_time_is_the_one_it_takes() {
        let now = Instant::now();
        let mut pause = Pause::none(now);
        assert_eq!(pause.time_for(now, 8.0, 4.0, 0.1), 2 * SECOND);
        pause.refused(now, Duration::ZERO, Duration::ZERO);
        // A second's hold, one call in the first second, two in the next, then four a second.
        for (calls, expected) in [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0), (3.0, 3.0), (7.0, 4.0), (f64::NAN, 1.0)]
        {
            assert_eq!(pause.time_for(now, calls, 4.0, 0.1), seconds(expected), "{calls}");
        }
        let later = now + 2 * SECOND + SECOND / 2;
        assert_eq!(pause.time_for(later, 5.0, 4.0, 0.1), SECOND / 2 + SECOND);
        assert_eq!(pause.time_for(now, f64::MAX, 4.0, 0.1), Duration::MAX);
    }
}
