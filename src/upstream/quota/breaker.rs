//! Keeps calls from a CRM that does not answer them. Pure: every method takes `now`.
//!
//! Closed, everything passes. Enough failures open it: nothing passes for a second, then one call may try (half-open).
//! If that goes well the breaker closes and forgets; if not, it stays open for twice as long, up to half a minute.
//! Refusals for the quota (429) are not failures and are not reported here: the pace sees to them.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open it.
const IN_A_ROW: u32 = 5;

/// Latest outcomes that are judged together, and the fewest that are.
const REMEMBERED: usize = 20;
const FEWEST: usize = 10;

/// Outcomes older than this are not judged.
const RECENT: Duration = Duration::from_secs(30);

/// How long it stays open: the first time, and the longest.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// A probe whose outcome has not come by then is forgotten.
const PROBE_LOST_AFTER: Duration = Duration::from_secs(30);

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The CRM answered, be it with an error of the caller's (4xx).
    Good,
    /// No connection, timeout, 5xx, or a page instead of an answer.
    Bad,
}

/// Whether a call may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// It may.
    Yes,
    /// It may, as the only one: its outcome decides for all.
    Probe,
    /// It may not; asking again is worth it after `retry_after`.
    No {
        /// At most 30 s.
        retry_after: Duration,
    },
}

/// The three states of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Calls pass.
    Closed,
    /// No call passes.
    Open,
    /// One call is, or may be, on its way to find out.
    HalfOpen,
}

#[derive(Debug)]
enum Inner {
    Closed,
    /// Nothing passes until then.
    Open {
        until: Instant,
        rest: Duration,
    },
    /// The probe left then; `rest` is how long the breaker was open before it.
    Probing {
        since: Instant,
        rest: Duration,
    },
}

/// The breaker of one CRM.
#[derive(Debug)]
pub struct Breaker {
    inner: Inner,
    /// The latest outcomes while closed, oldest first: when, and whether it failed.
    seen: VecDeque<(Instant, bool)>,
    in_a_row: u32,
    /// When a good probe closed it last.
    closed_at: Option<Instant>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// Closed: a CRM is believed to answer until it does not.
    pub fn new() -> Self {
        Self { inner: Inner::Closed, seen: VecDeque::with_capacity(REMEMBERED), in_a_row: 0, closed_at: None }
    }

    /// May a call leave now? Who gets [`Pass::Probe`] owes a call of [`Self::ended`] or [`Self::gave_up`].
    pub fn pass(&mut self, now: Instant) -> Pass {
        match (&self.inner, self.retry_after(now)) {
            (Inner::Closed, _) => Pass::Yes,
            (Inner::Open { rest, .. } | Inner::Probing { rest, .. }, Some(Duration::ZERO) | None) => {
                self.inner = Inner::Probing { since: now, rest: *rest };
                Pass::Probe
            }
            (_, Some(retry_after)) => Pass::No { retry_after },
        }
    }

    /// Where it stands. Nobody's probe is taken by asking.
    pub fn state(&self, now: Instant) -> State {
        match self.inner {
            Inner::Closed => State::Closed,
            Inner::Open { until, .. } if now < until => State::Open,
            Inner::Open { .. } | Inner::Probing { .. } => State::HalfOpen,
        }
    }

    /// How long until a call may pass, at most 30 s; `None` while closed. While a probe is on its way nobody knows: then
    /// it is as long as the breaker was open before it.
    pub fn retry_after(&self, now: Instant) -> Option<Duration> {
        match self.inner {
            Inner::Closed => None,
            Inner::Open { until, .. } => Some(until.saturating_duration_since(now).min(LONGEST_REST)),
            Inner::Probing { since, rest } => {
                Some(PROBE_LOST_AFTER.saturating_sub(now.saturating_duration_since(since)).min(rest))
            }
        }
    }

    /// The call that left at `sent_at` (not before [`Self::pass`] let it) ended now. Calls that left before the breaker
    /// opened are stragglers: good or bad, they say nothing about the CRM as it is now, so they neither close the
    /// breaker nor open it anew, even if they end after it closed. Nothing but the probe leaves after the probe, so
    /// its outcome is known by its time. A failure opens the breaker, never a good answer.
    pub fn ended(&mut self, sent_at: Instant, now: Instant, verdict: Verdict) {
        match self.inner {
            Inner::Closed if self.closed_at.is_none_or(|closed| sent_at >= closed) => {
                self.judge(now, verdict)
            }
            Inner::Probing { since, rest } if sent_at >= since => match verdict {
                Verdict::Good => {
                    self.inner = Inner::Closed;
                    self.closed_at = Some(now);
                }
                Verdict::Bad => self.open(now, (rest * 2).min(LONGEST_REST)),
            },
            Inner::Closed | Inner::Open { .. } | Inner::Probing { .. } => {}
        }
    }

    /// The probe never left, its caller went away: the next call may be the probe. Must be called only by who got
    /// [`Pass::Probe`].
    pub fn gave_up(&mut self, now: Instant) {
        if let Inner::Probing { rest, .. } = self.inner {
            self.inner = Inner::Open { until: now, rest };
        }
    }

    fn judge(&mut self, now: Instant, verdict: Verdict) {
        let failed = verdict == Verdict::Bad;
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back((now, failed));
        let recent = |(at, _): &&(Instant, bool)| now.saturating_duration_since(*at) <= RECENT;
        let judged = self.seen.iter().filter(recent).count();
        let bad = self.seen.iter().filter(recent).filter(|(_, failed)| *failed).count();
        if self.in_a_row >= IN_A_ROW || (failed && judged >= FEWEST && bad * 2 >= judged) {
            self.open(now, FIRST_REST);
        }
    }

    fn open(&mut self, now: Instant, rest: Duration) {
        self.inner = Inner::Open { until: now + rest, rest };
        self.seen.clear();
        self.in_a_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Bad, Good};
    use super::*;
    use proptest::prelude::*;

    fn start() -> Instant {
        Instant::now()
    }

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new();
        for _ in 0..IN_A_ROW {
            breaker.ended(now, now, Bad);
        }
        assert_eq!(breaker.state(now), State::Open);
        breaker
    }

    #[test]
    fn what_opens_it_and_what_does_not() {
        // One letter a second: g is good, b is bad.
        let table = [
            ("bbbb", false),
            ("bbbbb", true),
            ("bbbbgbbbb", false),
            ("gbgbgbgbg", false),
            ("gbgbgbgbgb", true),
            ("ggbggbggbggbggbggbggb", false),
            ("ggggggggggggggggbbbb", false),
            ("ggggggggggbbgbbgbbgbbgbbgbb", true),
            ("bgbgbgbgbg", false),
        ];
        for (outcomes, opens) in table {
            let start = start();
            let mut breaker = Breaker::new();
            let mut opened = false;
            for (second, outcome) in outcomes.chars().enumerate() {
                let now = start + Duration::from_secs(second as u64);
                breaker.ended(now, now, if outcome == 'g' { Good } else { Bad });
                opened |= breaker.state(now) == State::Open;
            }
            assert_eq!(opened, opens, "{outcomes}");
        }
    }

    #[test]
    fn failures_of_the_past_do_not_count() {
        let start = start();
        let mut breaker = Breaker::new();
        for round in 0..20 {
            for (after, verdict) in [(0, Bad), (0, Good)] {
                breaker.ended(
                    start + second(10 * round + after),
                    start + second(10 * round + after),
                    verdict,
                );
            }
        }
        assert_eq!(breaker.pass(start + second(200)), Pass::Yes);
    }

    #[test]
    fn each_failed_probe_doubles_the_rest_up_to_half_a_minute() {
        let mut now = start();
        let mut breaker = opened(now);
        for rest in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(breaker.pass(now), Pass::No { retry_after: second(rest) });
            now += second(rest);
            assert_eq!(breaker.state(now), State::HalfOpen);
            assert_eq!(breaker.pass(now), Pass::Probe);
            breaker.ended(now, now, Bad);
        }
    }

    #[test]
    fn a_good_probe_closes_it_and_the_past_is_forgotten() {
        let now = start();
        let mut breaker = opened(now);
        let now = now + second(1);
        assert_eq!(breaker.pass(now), Pass::Probe);
        assert!(matches!(breaker.pass(now), Pass::No { .. }));
        breaker.ended(now, now, Good);
        assert_eq!((breaker.state(now), breaker.retry_after(now)), (State::Closed, None));
        for _ in 1..IN_A_ROW {
            breaker.ended(now, now, Bad);
        }
        assert_eq!(breaker.pass(now), Pass::Yes);
        breaker.ended(now, now, Bad);
        assert_eq!(breaker.retry_after(now), Some(FIRST_REST));
    }

    #[test]
    fn stragglers_neither_prolong_the_rest_nor_end_it() {
        let before = start();
        let mut breaker = opened(before);
        breaker.ended(before, before, Bad);
        breaker.ended(before, before, Good);
        assert_eq!(breaker.retry_after(before), Some(FIRST_REST));
        let now = before + second(1);
        assert_eq!(breaker.pass(now), Pass::Probe);
        breaker.ended(before, now, Bad);
        breaker.ended(before, now, Good);
        assert_eq!(breaker.retry_after(now), Some(FIRST_REST), "the probe is still on its way");
        breaker.ended(now, now, Good);
        for _ in 0..IN_A_ROW {
            breaker.ended(before, now + second(9), Bad);
        }
        assert_eq!(breaker.pass(now + second(9)), Pass::Yes);
    }

    #[test]
    fn a_probe_that_never_left_gives_its_place_to_the_next() {
        let now = start() + second(1);
        let mut breaker = opened(now - second(1));
        breaker.gave_up(now - second(1));
        assert_eq!(breaker.retry_after(now - second(1)), Some(FIRST_REST), "nobody had it");
        assert_eq!(breaker.pass(now), Pass::Probe);
        breaker.gave_up(now);
        assert_eq!(breaker.pass(now), Pass::Probe);
        breaker.ended(now, now, Bad);
        assert_eq!(breaker.retry_after(now), Some(second(2)));
    }

    #[test]
    fn a_lost_probe_is_forgotten() {
        let now = start() + second(1);
        let mut breaker = opened(now - second(1));
        assert_eq!(breaker.pass(now), Pass::Probe);
        assert_eq!(breaker.pass(now + second(29)), Pass::No { retry_after: second(1) });
        let again = now + second(30);
        assert_eq!(breaker.pass(again), Pass::Probe);
        breaker.ended(now, again, Good);
        assert_eq!(breaker.state(again), State::HalfOpen, "the lost one's answer is old news");
    }

    proptest! {
        /// One probe at a time, no wait above half a minute, and good answers close it, whatever went before.
        #[test]
        fn it_never_lets_two_probe_at_once_and_always_closes_again(events in proptest::collection::vec((0_u8..4, 0_u64..20_000), 0..300)) {
            let mut now = start();
            let mut breaker = Breaker::new();
            let mut probe: Option<Instant> = None;
            for (event, wait) in events {
                now += Duration::from_millis(wait * u64::from(event != 2));
                let before = breaker.state(now);
                match event {
                    0 => match breaker.pass(now) {
                        Pass::Yes => prop_assert_eq!(before, State::Closed),
                        Pass::Probe => {
                            prop_assert_eq!(before, State::HalfOpen);
                            prop_assert!(probe.is_none_or(|left| now - left >= PROBE_LOST_AFTER));
                            probe = Some(now);
                        }
                        Pass::No { retry_after } => {
                            prop_assert!(before != State::Closed);
                            prop_assert!(!retry_after.is_zero() && retry_after <= second(30));
                        }
                    },
                    1 | 2 => {
                        breaker.ended(now, now, if event == 1 && wait % 3 == 0 { Good } else { Bad });
                        probe = None;
                    }
                    _ if probe.is_some() => {
                        breaker.gave_up(now);
                        probe = None;
                    }
                    _ => {}
                }
                prop_assert!(breaker.seen.len() <= REMEMBERED);
                prop_assert_eq!(breaker.retry_after(now).is_none(), breaker.state(now) == State::Closed);
                prop_assert!(breaker.retry_after(now).is_none_or(|wait| wait <= second(30)));
            }
            for _ in 0..2 {
                now += second(30);
                if breaker.pass(now) == Pass::Probe {
                    breaker.ended(now, now, Good);
                }
            }
            prop_assert_eq!(breaker.state(now), State::Closed);
        }
    }
}
