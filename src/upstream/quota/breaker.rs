//! Keeps calls from a CRM that does not answer them (a circuit breaker: closed, open, half-open). Pure: every method takes
//! `now`.
//!
//! Closed, everything passes. Enough failures open it: nothing passes for a second, then one call may try (half-open).
//! If that goes well the breaker closes and forgets; if not, it stays open for twice as long, up to half a minute.
//! Refusals for the quota (429) are not failures and are not reported here: the pace sees to them.
//!
//! A write may try only when no read did for as long again: nobody can tell what became of a payment that a sick CRM
//! did not answer. A call that fails again and again is one failure; the CRM is at fault when another one fails too.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open it.
const IN_A_ROW: usize = 5;

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
    /// No connection, timeout, 503, or a page instead of an answer: whatever is asked.
    Bad,
    /// An error of its own in answer to this call, by its fingerprint. Another call may work.
    BadAt(u64),
}

/// What a call does to the CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it may be made twice.
    Reads,
    /// It changes something.
    Writes,
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
        /// At most 30 s for a read, a minute for a write.
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
    /// The latest outcomes while closed, oldest first; of one call that fails again and again only the first.
    seen: VecDeque<(Instant, Verdict)>,
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
        Self { inner: Inner::Closed, seen: VecDeque::with_capacity(REMEMBERED), closed_at: None }
    }

    /// May a call leave now? Who gets [`Pass::Probe`] owes a call of [`Self::ended`] or [`Self::gave_up`].
    pub fn pass(&mut self, effect: Effect, now: Instant) -> Pass {
        let (tries_from, rest) = match self.inner {
            Inner::Closed => return Pass::Yes,
            Inner::Open { until, rest } => (until, rest),
            Inner::Probing { since, rest } => (since + PROBE_LOST_AFTER, rest),
        };
        // A read that had come since then would be the probe, and the breaker not where it is.
        let tries_from = if effect == Effect::Writes { tries_from + rest } else { tries_from };
        if now >= tries_from {
            self.inner = Inner::Probing { since: now, rest };
            return Pass::Probe;
        }
        let longest = if effect == Effect::Writes { rest * 2 } else { rest };
        Pass::No { retry_after: (tries_from - now).min(longest) }
    }

    /// Where it stands. Nobody's probe is taken by asking.
    pub fn state(&self, now: Instant) -> State {
        match self.inner {
            Inner::Closed => State::Closed,
            Inner::Open { until, .. } if now < until => State::Open,
            Inner::Open { .. } | Inner::Probing { .. } => State::HalfOpen,
        }
    }

    /// How long until a read may pass, at most 30 s; `None` while closed. While a probe is on its way nobody knows: then
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
                Verdict::Bad | Verdict::BadAt(_) => self.open(now, (rest * 2).min(LONGEST_REST)),
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
        let is_recent = |(at, _): &&(Instant, Verdict)| now.saturating_duration_since(*at) <= RECENT;
        let mut recent = self.seen.iter().filter(is_recent);
        if matches!(verdict, Verdict::BadAt(_)) && recent.any(|(_, seen)| *seen == verdict) {
            return;
        }
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back((now, verdict));
        let failed = |verdict: &Verdict| *verdict != Verdict::Good;
        let in_a_row = self.seen.iter().rev().map(|(_, seen)| *seen).take_while(failed);
        let recent = || self.seen.iter().filter(is_recent).map(|(_, seen)| *seen);
        let (judged, bad) = (recent().count(), recent().filter(failed).count());
        let many_in_a_row = in_a_row.clone().count() >= IN_A_ROW && is_of_the_crm(in_a_row);
        let many_of_late = judged >= FEWEST && bad * 2 >= judged && is_of_the_crm(recent().filter(failed));
        if many_in_a_row || (failed(&verdict) && many_of_late) {
            self.open(now, FIRST_REST);
        }
    }

    fn open(&mut self, now: Instant, rest: Duration) {
        self.inner = Inner::Open { until: now + rest, rest };
        self.seen.clear();
    }
}

/// Whether failures are the CRM's and not those of one call that it cannot carry out.
fn is_of_the_crm(mut failures: impl Iterator<Item = Verdict>) -> bool {
    let first = failures.next();
    first == Some(Verdict::Bad) || failures.any(|failure| Some(failure) != first)
}

#[cfg(test)]
mod tests {
    use super::Effect::{Reads, Writes};
    use super::Verdict::{Bad, BadAt, Good};
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
        // One letter a second: g is good, b is bad, and a digit is a call that the CRM answers with an error.
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
            ("1111111111", false),
            ("1111111111111111111111111111111111111111", false),
            ("111222111222", false),
            ("12345", true),
            ("1234b", true),
            ("11122334445", true),
            ("1g2g3g4g5", false),
            ("1g2g3g4g5g6", true),
            ("g1g1g1g1g1g1g1g1g1g1", false),
        ];
        for (outcomes, opens) in table {
            let start = start();
            let mut breaker = Breaker::new();
            let mut opened = false;
            for (second, outcome) in outcomes.chars().enumerate() {
                let now = start + Duration::from_secs(second as u64);
                let verdict = match outcome {
                    'g' => Good,
                    'b' => Bad,
                    call => BadAt(call.into()),
                };
                breaker.ended(now, now, verdict);
                opened |= breaker.state(now) == State::Open;
            }
            assert_eq!(opened, opens, "{outcomes}");
        }
    }

    #[test]
    fn one_call_that_always_fails_never_opens_it_and_two_that_do_open_it_in_the_end() {
        let begin = start();
        for (calls, opens) in [(1, false), (2, true)] {
            let mut breaker = Breaker::new();
            let mut opened = false;
            for second in 0..600 {
                let now = begin + Duration::from_secs(second);
                breaker.ended(now, now, BadAt(second % calls));
                opened |= breaker.state(now) != State::Closed;
            }
            assert_eq!(opened, opens, "{calls}");
        }
    }

    #[test]
    fn a_write_tries_only_when_no_read_did_for_as_long_again() {
        let now = start();
        let mut breaker = opened(now);
        assert_eq!(breaker.pass(Writes, now), Pass::No { retry_after: second(2) });
        assert_eq!(breaker.pass(Writes, now + second(1)), Pass::No { retry_after: second(1) });
        assert_eq!(breaker.pass(Reads, now + second(1)), Pass::Probe, "no write took its place");
        breaker.ended(now + second(1), now + second(1), Bad);
        assert!(matches!(breaker.pass(Writes, now + second(3)), Pass::No { .. }));
        assert_eq!(breaker.pass(Writes, now + second(5)), Pass::Probe, "nobody reads");
        breaker.ended(now + second(5), now + second(5), Good);
        assert_eq!(breaker.pass(Writes, now + second(5)), Pass::Yes);
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
        assert_eq!(breaker.pass(Reads, start + second(200)), Pass::Yes);
    }

    #[test]
    fn each_failed_probe_doubles_the_rest_up_to_half_a_minute() {
        let mut now = start();
        let mut breaker = opened(now);
        for rest in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(breaker.pass(Reads, now), Pass::No { retry_after: second(rest) });
            now += second(rest);
            assert_eq!(breaker.state(now), State::HalfOpen);
            assert_eq!(breaker.pass(Reads, now), Pass::Probe);
            breaker.ended(now, now, Bad);
        }
    }

    #[test]
    fn a_good_probe_closes_it_and_the_past_is_forgotten() {
        let now = start();
        let mut breaker = opened(now);
        let now = now + second(1);
        assert_eq!(breaker.pass(Reads, now), Pass::Probe);
        assert!(matches!(breaker.pass(Reads, now), Pass::No { .. }));
        breaker.ended(now, now, Good);
        assert_eq!((breaker.state(now), breaker.retry_after(now)), (State::Closed, None));
        for _ in 1..IN_A_ROW {
            breaker.ended(now, now, Bad);
        }
        assert_eq!(breaker.pass(Reads, now), Pass::Yes);
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
        assert_eq!(breaker.pass(Reads, now), Pass::Probe);
        breaker.ended(before, now, Bad);
        breaker.ended(before, now, Good);
        assert_eq!(breaker.retry_after(now), Some(FIRST_REST), "the probe is still on its way");
        breaker.ended(now, now, Good);
        for _ in 0..IN_A_ROW {
            breaker.ended(before, now + second(9), Bad);
        }
        assert_eq!(breaker.pass(Reads, now + second(9)), Pass::Yes);
    }

    #[test]
    fn a_probe_that_never_left_gives_its_place_to_the_next() {
        let now = start() + second(1);
        let mut breaker = opened(now - second(1));
        breaker.gave_up(now - second(1));
        assert_eq!(breaker.retry_after(now - second(1)), Some(FIRST_REST), "nobody had it");
        assert_eq!(breaker.pass(Reads, now), Pass::Probe);
        breaker.gave_up(now);
        assert_eq!(breaker.pass(Reads, now), Pass::Probe);
        breaker.ended(now, now, Bad);
        assert_eq!(breaker.retry_after(now), Some(second(2)));
    }

    #[test]
    fn a_lost_probe_is_forgotten() {
        let now = start() + second(1);
        let mut breaker = opened(now - second(1));
        assert_eq!(breaker.pass(Reads, now), Pass::Probe);
        assert_eq!(breaker.pass(Reads, now + second(29)), Pass::No { retry_after: second(1) });
        let again = now + second(30);
        assert_eq!(breaker.pass(Reads, again), Pass::Probe);
        breaker.ended(now, again, Good);
        assert_eq!(breaker.state(again), State::HalfOpen, "the lost one's answer is old news");
    }

    proptest! {
        /// One probe at a time, no wait above half a minute (a minute for writes), and good answers close it, whatever went before.
        #[test]
        fn it_never_lets_two_probe_at_once_and_always_closes_again(events in proptest::collection::vec((0_u8..5, 0_u64..20_000), 0..300)) {
            let mut now = start();
            let mut breaker = Breaker::new();
            let mut probe: Option<Instant> = None;
            for (event, wait) in events {
                now += Duration::from_millis(wait * u64::from(event != 2));
                let before = breaker.state(now);
                let a_rest_ago = breaker.state(now - FIRST_REST);
                match event {
                    4 => match breaker.pass(Writes, now) {
                        Pass::Yes => prop_assert_eq!(before, State::Closed),
                        Pass::Probe => {
                            prop_assert_eq!(a_rest_ago, State::HalfOpen);
                            prop_assert!(probe.is_none_or(|left| now - left >= PROBE_LOST_AFTER));
                            probe = Some(now);
                        }
                        Pass::No { retry_after } => {
                            prop_assert!(before != State::Closed);
                            prop_assert!(!retry_after.is_zero() && retry_after <= second(60));
                        }
                    },
                    0 => match breaker.pass(Reads, now) {
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
                        let verdicts = [Good, Bad, BadAt(wait % 5)];
                        breaker.ended(now, now, if event == 1 { verdicts[wait as usize % 3] } else { Bad });
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
                // Also a CRM that is only written to.
                now += second(60);
                if breaker.pass(Writes, now) == Pass::Probe {
                    breaker.ended(now, now, Good);
                }
            }
            prop_assert_eq!(breaker.state(now), State::Closed);
        }
    }
}
