//! A call that wants a turn, and those who wait for it: it is seated in the best place that any of them has a right to, and
//! each is judged by their own terms.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::breaker::Effect;
use super::pacer::{Front, Turn};
use super::room::{Request, Seat};
use super::state::{GRACE, Held, Waiter, request};
use crate::model::allowance;
use crate::model::context::{Payer, Reason};
use crate::model::interest::{Interest, Refused, Terms, Waiting};
use crate::upstream::{Error, Refusal};

/// The call.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    pub(super) front: &'a Front,
    pub(super) interest: &'a Interest,
    pub(super) reason: Reason,
    pub(super) cost: u32,
    pub(super) bytes: usize,
    pub(super) effect: Effect,
    /// The longest anybody may wait.
    pub(super) longest: Duration,
}

/// A place in the waiting room; dropping it is leaving.
#[derive(Debug)]
struct Place<'a> {
    front: &'a Front,
    seat: Seat,
    /// Whose it is.
    payer: Payer,
    /// What comes of it.
    served: oneshot::Receiver<Result<Instant, Error>>,
    /// What is given back by who leaves without a turn.
    held: Held,
    /// What the payer's allowance gave for it.
    allowed: Option<allowance::Held>,
}

impl<'a> Admission<'a> {
    /// Waits for the turn from `arrived` on, while `own` is kept; see [`super::Pacer::turn`]. Many may wait, so there is one
    /// future and not one in another.
    #[allow(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
    pub(super) fn turn(
        self,
        arrived: Instant,
        own: Option<Waiting>,
    ) -> impl Future<Output = Result<Turn, Error>> {
        async move {
            let _own = &own;
            let mut place = self.admit(arrived)?;
            loop {
                let until = self.interest.first_until(self.longest).unwrap_or(arrived);
                tokio::select! {
                    biased;
                    handed_over = &mut place.served => {
                        let Ok(at) = handed_over else {
                            return Err(self.dismiss(&mut place).unwrap_or(Error::Abandoned));
                        };
                        return place.left(at?, arrived);
                    }
                    () = sleep_until(until + GRACE) => {
                        if let Some(refusal) = self.dismiss(&mut place) {
                            return Err(refusal);
                        }
                    }
                    () = self.interest.joined() => self.consider(&mut place),
                }
            }
        }
    }

    fn request<'p>(&self, payer: &'p Payer) -> Request<'p> {
        request(self.reason, payer, self.cost, self.bytes)
    }

    /// Seats the call where it is served first of all places that those who wait have a right to. Who may cause no more
    /// calls today has none: such a one only gets what somebody else pays for.
    fn admit(&self, now: Instant) -> Result<Place<'a>, Error> {
        let mut state = self.front.lock();
        let all = self.interest.all();
        let mut best: Option<(Duration, &Payer)> = None;
        let mut exhausted = None;
        for (at, (_, terms)) in all.iter().enumerate() {
            if at > 0 && all[at - 1].1.payer == terms.payer {
                continue;
            }
            if let Some(lacks) = terms.payer.allowance.as_ref().and_then(|allowance| allowance.lacks(1)) {
                exhausted = Some(lacks);
                continue;
            }
            let wait = state.predicted(&self.request(&terms.payer), now);
            if best.is_none_or(|(least, _)| wait < least) {
                best = Some((wait, &terms.payer));
            }
        }
        // Whoever waited has left.
        let Some((wait, payer)) = best else {
            return Err(exhausted.map_or(Error::Abandoned, Error::Exhausted));
        };
        let (request, turn) = (self.request(payer), now + wait);
        state.place(&request, now)?;
        if !self.judge(&all, turn, now) {
            return Err(Error::Overloaded { refusal: Refusal::Deadline, retry_after: wait });
        }
        let allowed = hold(payer).map_err(Error::Exhausted)?;
        let held = state.take(self.reason, self.effect, wait, now)?;
        let (hand_over, served) = oneshot::channel();
        let waiter = Waiter { hand_over, interest: self.interest.clone(), reason: self.reason };
        let seat = state.room.push(&request, now, waiter);
        drop(state);
        self.interest.expect_turn(turn);
        self.front.changed.notify_one();
        Ok(Place { front: self.front, seat, payer: payer.clone(), served, held, allowed })
    }

    /// Refuses those who would not wait until `served`; whether anybody is left.
    fn judge(&self, party: &[(u32, Terms)], served: Instant, now: Instant) -> bool {
        let mut left = false;
        for (number, terms) in party {
            if served > terms.until(self.longest) + GRACE {
                let wait = served.saturating_duration_since(now);
                self.interest.refuse(*number, Refused::Wait(wait));
            } else {
                left = true;
            }
        }
        left
    }

    /// Considers those who have joined: moves to the place of one who is served earlier than the call would be, whose
    /// call it then is, and refuses those for whom even that is too late.
    fn consider(&self, place: &mut Place<'_>) {
        let now = Instant::now();
        let newcomers = self.interest.newcomers();
        let mut state = self.front.lock();
        let mut wait = state.predicted_for(place.seat, now);
        let mut better: Option<&Payer> = None;
        for (_, terms) in &newcomers {
            let spent = terms.payer.allowance.as_ref().is_some_and(|allowance| allowance.lacks(1).is_some());
            if spent || better.is_some_and(|payer| *payer == terms.payer) {
                continue;
            }
            let own = state.predicted(&self.request(&terms.payer), now);
            if own < wait {
                (wait, better) = (own, Some(&terms.payer));
            }
        }
        if let Some(payer) = better
            && let Ok(allowed) = hold(payer)
            && let Some(waiter) = state.room.remove(place.seat)
        {
            place.seat = state.room.push(&self.request(payer), now, waiter);
            place.payer = payer.clone();
            place.allowed = allowed;
        }
        drop(state);
        self.interest.expect_turn(now + wait);
        self.judge(&newcomers, now + wait, now);
        self.front.changed.notify_one();
    }

    /// Refuses those whose patience is over; with why the call is not made, if that is everybody.
    fn dismiss(&self, place: &mut Place<'_>) -> Option<Error> {
        let now = Instant::now();
        let (over, patient): (Vec<_>, Vec<_>) =
            self.interest.all().into_iter().partition(|(_, terms)| terms.until(self.longest) <= now);
        let mut state = self.front.lock();
        let signing_in = state.is_signing_in();
        let retry_after = if patient.is_empty() {
            state.room.remove(place.seat);
            state.too_late(&self.request(&place.payer), now)
        } else {
            // Whoever comes again joins the same call.
            state.predicted_for(place.seat, now)
        };
        drop(state);
        let mut last = Error::Overloaded { refusal: Refusal::Deadline, retry_after };
        for (number, terms) in over {
            // Who said how long it waits is told that it would take longer, whatever for.
            let why = if signing_in && terms.max_wait.is_none() {
                last = Error::NoSignIn;
                Refused::SignIn
            } else {
                Refused::Wait(retry_after)
            };
            self.interest.refuse(number, why);
        }
        patient.is_empty().then_some(last)
    }
}

/// Takes one call of a payer's allowance, where it has one.
fn hold(payer: &Payer) -> Result<Option<allowance::Held>, allowance::Exhausted> {
    payer.allowance.as_ref().map(allowance::Allowance::hold).transpose()
}

impl Place<'_> {
    /// The turn that came of it.
    fn left(mut self, at: Instant, arrived: Instant) -> Result<Turn, Error> {
        let Held { probe, .. } = std::mem::take(&mut self.held);
        let queued = at.saturating_duration_since(arrived);
        Ok(Turn { at, queued, payer: self.payer.clone(), allowed: self.allowed.take(), probe })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.front.lock();
        state.room.remove(self.seat);
        state.give_back(self.held, Instant::now());
    }
}
