//! What the scheduler knows of one CRM, put together: it decides who gets a turn, and when, by the policies beside it. Every
//! method takes `now`.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::breaker::{self, Breaker, Effect, Pass, Verdict};
use super::bucket::{Bucket, MARGIN};
use super::learn::{Learner, Outcome};
use super::limits::Limits;
use super::retries::Retries;
use super::returns::Returns;
use super::room::{Before, Lane, Request, Room, Seat};
use crate::model::context::{Payer, Reason};
use crate::model::interest::Interest;
use crate::upstream::{Error, Refusal};

/// How often the rate is looked at while calls wait: it rises by steps of a second after a pause.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How far a turn may come after the deadline: timers are late, and who accepts no wait at all takes a turn that is free.
pub(super) const GRACE: Duration = Duration::from_millis(20);

/// No sign-in is expected to take longer, however long the last one did.
const LONGEST_SIGN_IN: Duration = Duration::from_secs(5);

/// All that changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) bucket: Bucket,
    pub(super) learner: Learner,
    pub(super) breaker: Breaker,
    pub(super) retries: Retries,
    pub(super) returns: Returns,
    pub(super) room: Room<Waiter>,
    /// Nobody may wait for longer.
    max_wait: Duration,
    /// Since when nothing but sign-ins gets a turn, and how many want that.
    signing_in: Option<(Instant, usize)>,
    /// How long that took last time.
    sign_in_takes: Duration,
    /// When the next turn was to be handed out, or looked for.
    due: Option<Instant>,
}

/// One who waits, and how it learns that it is its turn, or that it never will be.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) hand_over: oneshot::Sender<Result<Instant, Error>>,
    pub(super) interest: Interest,
    pub(super) reason: Reason,
}

/// What became of a call, for the limits to learn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The CRM answered.
    Answered,
    /// The CRM limits us, and perhaps says for how long.
    Limited(Option<Duration>),
    /// The CRM fails and says for how long.
    Paused(Duration),
    /// The CRM gave no answer, or a page of somebody in between.
    Failed,
    /// The CRM answered with an error of its own to the call with this fingerprint.
    FailedAt(u64),
    /// Nobody learned what became of it.
    Unknown,
}

/// What is known of a CRM after a call.
#[derive(Debug, Clone, Copy)]
pub struct Pulse {
    /// Calls per second that the CRM takes from us.
    pub learned_rate: f64,
    /// Calls per second that somebody else seems to spend.
    pub foreign_rate: f64,
    /// Whether calls pass.
    pub breaker: breaker::State,
    /// Whether that is new.
    pub breaker_changed: bool,
}

/// What a call that may wait has taken of other allowances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Held {
    /// One of the retries.
    pub(super) retry: bool,
    /// The breaker's probe.
    pub(super) probe: bool,
}

/// A call that wants a turn.
pub(super) fn request<'a>(reason: Reason, payer: &'a Payer, cost: u32, bytes: usize) -> Request<'a> {
    let Payer { consumer, class, weight, .. } = payer;
    let before = Before::default();
    Request { reason, class: *class, consumer, weight: *weight, cost, bytes, before }
}

impl State {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            bucket: Bucket::new(limits.rate, limits.burst, now),
            learner: Learner::new(limits.rate, now),
            breaker: Breaker::new(),
            retries: Retries::new(limits.rate, now),
            returns: Returns::default(),
            room: Room::new(limits.rules, now),
            max_wait: limits.max_wait,
            signing_in: None,
            sign_in_takes: Duration::ZERO,
            due: None,
        }
    }

    /// The longest that a call made for this reason may wait for its turn.
    pub(super) fn longest(&self, reason: Reason) -> Duration {
        // Nobody is served without a sign-in, so that it waits is better than that it is refused.
        if reason == Reason::Auth { Duration::MAX / 4 } else { self.max_wait }
    }

    /// Notes that somebody wants nothing but sign-ins to get turns, or does not want it any more.
    pub(super) fn sign_in_first(&mut self, wanted: bool, now: Instant) {
        self.signing_in = match (self.signing_in, wanted) {
            (None, wanted) => wanted.then_some((now, 1)),
            (Some((since, many)), true) => Some((since, many + 1)),
            (Some((since, many)), false) if many > 1 => Some((since, many - 1)),
            (Some((since, _)), false) => {
                self.sign_in_takes = (now - since).min(LONGEST_SIGN_IN);
                None
            }
        };
    }

    /// Whether nothing but sign-ins gets a turn.
    pub(super) fn is_signing_in(&self) -> bool {
        self.signing_in.is_some()
    }

    /// How long a call that has a seat still waits for its turn.
    pub(super) fn predicted_for(&mut self, seat: Seat, now: Instant) -> Duration {
        let turns = self.room.turns_ahead_of_seat(seat, now, self.learner.learned() / MARGIN);
        self.time_for(turns, now).max(self.signed_in_after(now))
    }

    /// How long a newcomer would wait for its turn.
    pub(super) fn predicted(&mut self, request: &Request<'_>, now: Instant) -> Duration {
        let turns = self.room.turns_ahead_of(request, now, self.learner.learned() / MARGIN);
        let wait = self.time_for(turns, now);
        if request.reason == Reason::Auth { wait } else { wait.max(self.signed_in_after(now)) }
    }

    /// How long a newcomer would wait for its turn if somebody had to sign in first, which takes `cost` turns itself.
    pub(super) fn predicted_after_sign_in(
        &mut self,
        request: &Request<'_>,
        cost: u32,
        now: Instant,
    ) -> Duration {
        let turns = self.room.turns_ahead_of(request, now, self.learner.learned() / MARGIN);
        self.time_for(turns + f64::from(cost), now).max(self.sign_in_takes)
    }

    /// How long a sign-in under way may still take, if it takes as long as the last one.
    fn signed_in_after(&self, now: Instant) -> Duration {
        let end = self.signing_in.map_or(now, |(since, _)| since + self.sign_in_takes);
        end.saturating_duration_since(now)
    }

    fn time_for(&mut self, turns: f64, now: Instant) -> Duration {
        self.bucket.set_rate(self.learner.rate(now), now);
        let ready = self.bucket.ready_at(now);
        let turns = (turns - f64::from(self.bucket.at_once(now) - 1)).max(0.0);
        (ready - now) + self.learner.time_for(ready, turns)
    }

    /// When a call whose time ran out would have its turn if it came again: behind the others who were told so.
    pub(super) fn too_late(&mut self, request: &Request<'_>, now: Instant) -> Duration {
        let lane = Lane::of(request.class, request.reason);
        let others = self.returns.before(lane, now);
        let own = self.predicted(request, now);
        let retry_after = own + self.learner.time_for(now + own, others as f64);
        self.returns.told(lane, now + retry_after);
        retry_after
    }

    /// How long until so many turns were handed out, at least one.
    fn time_of(&self, turns: usize, now: Instant) -> Duration {
        let ready = self.bucket.ready_at(now);
        (ready - now) + self.learner.time_for(ready, turns.saturating_sub(1) as f64)
    }

    /// Whether there is a place to wait; if not, the refusal says when there is one.
    pub(super) fn place(&self, request: &Request<'_>, now: Instant) -> Result<(), Error> {
        if self.room.has_place_for(request) {
            return Ok(());
        }
        let retry_after = self.time_of(self.room.turns_until_place(request), now);
        Err(Error::Overloaded { refusal: Refusal::Full, retry_after })
    }

    /// Whether a call whose turn is foretold for then is turned away: that is too late, or there is no place to wait.
    pub(super) fn refuses(&self, request: &Request<'_>, turn: Instant, until: Instant) -> bool {
        turn > until + GRACE || !self.room.has_place_for(request)
    }

    /// Takes what else the call needs before it may wait so long for its turn: one of the retries, the breaker's leave.
    pub(super) fn take(
        &mut self,
        reason: Reason,
        effect: Effect,
        wait: Duration,
        now: Instant,
    ) -> Result<Held, Error> {
        let retry = reason == Reason::Retry;
        let learned = self.learner.learned();
        self.retries.set_rate(learned, now);
        if retry && !self.retries.take(now) {
            let retry_after = wait.max(self.retries.next(now));
            return Err(Error::Overloaded { refusal: Refusal::RetryBudget, retry_after });
        }
        // The sign-in under way is the probe.
        let waits_for_sign_in = self.is_signing_in()
            && reason != Reason::Auth
            && self.breaker.state(now) == breaker::State::HalfOpen;
        let pass = if waits_for_sign_in { Pass::Yes } else { self.breaker.pass(effect, now) };
        match pass {
            Pass::Yes => Ok(Held { retry, probe: false }),
            Pass::Probe => Ok(Held { retry, probe: true }),
            Pass::No { retry_after } => {
                self.give_back(Held { retry, probe: false }, now);
                Err(Error::Unavailable { retry_after: retry_after.max(wait) })
            }
        }
    }

    /// Gives back what a call had taken that left without a turn.
    pub(super) fn give_back(&mut self, held: Held, now: Instant) {
        if held.retry {
            self.retries.give_back();
        }
        if held.probe {
            self.breaker.gave_up(now);
        }
    }

    /// When calls are tried again, if none pass now.
    pub(super) fn closed_for(&self, now: Instant) -> Option<Duration> {
        self.breaker.retry_after(now).filter(|pause| !pause.is_zero())
    }

    /// Hands out all turns that are due; returns when to look again, `None` for when something changes.
    pub(super) fn serve(&mut self, now: Instant) -> Option<Instant> {
        self.listen_to_the_clock(now);
        self.due = self.hand_out(now);
        self.due
    }

    /// If it is much later than it was to be by now, nothing of ours had time to run.
    fn listen_to_the_clock(&mut self, now: Instant) {
        if let Some(due) = self.due {
            self.learner.woke(due, now);
        }
    }

    fn hand_out(&mut self, now: Instant) -> Option<Instant> {
        while self.room.has_next(self.is_signing_in()) {
            self.bucket.set_rate(self.learner.rate(now), now);
            let ready = self.bucket.ready_at(now);
            if ready > now {
                // The rate may change before.
                return Some(ready.min(now + LOOK_AGAIN));
            }
            let (waiter, turns) = self.room.pop(self.is_signing_in())?;
            let longest = self.longest(waiter.reason);
            if waiter.interest.last_until(longest).is_some_and(|until| now > until + GRACE) {
                // The process stood still. No turn is spent on what nobody can use; the waiter finds out when it may return.
                continue;
            }
            if waiter.hand_over.send(Ok(now)).is_ok() {
                self.bucket.spend(now, turns);
                self.learner.sent(now, turns);
            }
        }
        None
    }

    /// Learns what became of a call that left at `sent_at`, perhaps as the breaker's probe. If the CRM is not called any
    /// more from now on, those who waited are sent home.
    pub(super) fn ended(&mut self, sent_at: Instant, probe: bool, ended: Ended, now: Instant) -> Pulse {
        self.listen_to_the_clock(now);
        let before = self.breaker.state(now);
        let outcome = match ended {
            Ended::Answered => Outcome::Served,
            Ended::Limited(retry_after) => Outcome::Limited { retry_after },
            Ended::Paused(_) | Ended::Failed | Ended::FailedAt(_) | Ended::Unknown => Outcome::Other,
        };
        if let Some(until) = self.learner.answered(sent_at, now, outcome) {
            self.bucket.hold(until);
        }
        if let Ended::Paused(pause) = ended {
            self.bucket.hold(now + pause);
        }
        let verdict = match ended {
            Ended::Answered => Some(Verdict::Good),
            // That a CRM says when it will work again does not mean that it works.
            Ended::Failed | Ended::Paused(_) => Some(Verdict::Bad),
            Ended::FailedAt(call) => Some(Verdict::BadAt(call)),
            // That is no answer to the question whether the CRM works.
            Ended::Limited(_) | Ended::Unknown => None,
        };
        match verdict {
            Some(verdict) => self.breaker.ended(sent_at, now, verdict),
            None if probe => self.breaker.gave_up(now),
            None => {}
        }
        let after = self.breaker.state(now);
        if after == breaker::State::Open {
            let paused = self.bucket.ready_at(now) - now;
            let retry_after = self.breaker.retry_after(now).unwrap_or_default().max(paused);
            for waiter in self.room.empty() {
                // Whoever left does not need to know.
                let _ = waiter.hand_over.send(Err(Error::Unavailable { retry_after }));
            }
        }
        Pulse {
            learned_rate: self.learner.learned(),
            foreign_rate: self.learner.foreign(now),
            breaker: after,
            breaker_changed: after != before,
        }
    }
}
