//! One pacer per CRM: it alone hands out turns, and refuses on arrival what would be served too late (admission control by
//! deadline). What it decides is in [`super::state`]; here that meets the clock and the tasks that wait.
//!
//! One task owns the timer. A caller waits on a channel of its own, so turns are handed over in order and nobody is
//! woken to look again. A caller that leaves gives its place up; a turn is spent only when it was handed over.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::admission::Admission;
use super::breaker::{self, Effect};
use super::limits::Limits;
use super::room::Lane;
use super::state::{Ended, Pulse, State, request};
use crate::model::Ctx;
use crate::model::allowance;
use crate::model::context::{Payer, Reason};
use crate::model::interest::{Refused, Terms};
use crate::model::rehearsal::Planned;
use crate::telemetry::metrics::Gauges;
use crate::upstream::{Error, Refusal};

/// How things stand in the waiting room.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What the quota allows.
    pub limits: Limits,
    /// How many wait.
    pub waiting: usize,
    /// How many of the payer's calls wait.
    pub own_waiting: usize,
    /// How long a first attempt of the payer that came now would wait for its turn, a pause of the breaker included.
    pub wait: Duration,
    /// The part of all turns that the payer's class is sure of while it has calls waiting.
    pub guaranteed: f64,
    /// Calls per second that the CRM takes from us, as far as it was learned; at most what the quota allows.
    pub learned_rate: f64,
    /// What is missing from the quota because somebody else spends it, or the CRM allows less.
    pub foreign_rate: f64,
    /// Whether calls pass at all.
    pub breaker: breaker::State,
    /// When calls are tried again, if none pass now.
    pub closed_for: Option<Duration>,
}

/// The only one who knows whose turn it is. Cheap to clone; the clones share one waiting room.
#[derive(Debug, Clone)]
pub struct Pacer(Arc<Owner>);

#[derive(Debug)]
struct Owner {
    front: Arc<Front>,
    task: AbortHandle,
}

/// What those who want a turn share.
#[derive(Debug)]
pub(super) struct Front {
    limits: Limits,
    state: Mutex<State>,
    pub(super) changed: Notify,
}

/// A turn that was handed over: a call may leave.
#[derive(Debug)]
pub struct Turn {
    /// When it was handed over; the call counts as sent from then on.
    pub at: Instant,
    /// How long that took.
    pub queued: Duration,
    /// Whose turn it was.
    pub payer: Payer,
    /// What was taken of its allowance, if it has one.
    pub allowed: Option<allowance::Held>,
    /// Whether the call decides if others may follow.
    pub probe: bool,
}

/// Keeps everything but sign-ins waiting while it lives.
#[derive(Debug)]
pub struct SignInFirst(Arc<Front>);

/// Why a payer may not cause so many calls more today.
fn lacks(payer: &Payer, calls: u64) -> Option<allowance::Exhausted> {
    payer.allowance.as_ref()?.lacks(calls)
}

impl Pacer {
    /// Starts handing out turns. Must be called within a runtime.
    pub fn start(limits: Limits) -> Self {
        let state = Mutex::new(State::new(&limits, Instant::now()));
        let front = Arc::new(Front { limits, state, changed: Notify::new() });
        let task = tokio::spawn(hand_out(Arc::clone(&front))).abort_handle();
        Self(Arc::new(Owner { front, task }))
    }

    /// Waits for a turn, in the best place that anybody has a right to who waits for the call ([`Ctx::interest`]), and for
    /// as long as somebody's terms allow (never longer than the limits do). Whoever cannot be served on their own terms
    /// is refused at once, and so is the call when that is everybody, when there is no place to wait, and while the breaker
    /// is open. `operation` is what is called, `bytes` what the call holds in memory, `effect` what it does to the CRM.
    pub fn turn<'a>(
        &'a self,
        ctx: &'a Ctx,
        operation: &str,
        bytes: usize,
        effect: Effect,
    ) -> impl Future<Output = Result<Turn, Error>> + use<'a> {
        let front = &*self.0.front;
        let arrived = Instant::now();
        let Ctx { interest, reason, .. } = ctx;
        let own = (!interest.has_terms()).then(|| interest.state(Terms::of(ctx, arrived)));
        let (cost, longest) = (front.limits.cost(operation), front.lock().longest(*reason));
        Admission { front, interest, reason: *reason, cost, bytes, effect, longest }.turn(arrived, own)
    }

    /// Why a call of these circumstances that came now would be refused, if it would, whatever it calls. Who waits for it is not
    /// asked: the terms of `ctx` count.
    pub fn refuses(&self, ctx: &Ctx) -> Option<Error> {
        if let Some(exhausted) = lacks(&ctx.payer, 1) {
            return Some(Error::Exhausted(exhausted));
        }
        let now = Instant::now();
        let mut state = self.0.front.lock();
        if let Some(retry_after) = state.closed_for(now) {
            return Some(Error::Unavailable { retry_after });
        }
        let request = request(ctx.reason, &ctx.payer, 1, 0);
        let wait = state.predicted(&request, now);
        let until = Terms::of(ctx, now).until(state.longest(ctx.reason));
        let late = Error::Overloaded { refusal: Refusal::Deadline, retry_after: wait };
        state.refuses(&request, now + wait, until).then_some(late)
    }

    /// Says what became of a call that left at `sent_at`, and whether it was the breaker's probe; returns what is known
    /// of the CRM from then on.
    pub fn ended(&self, sent_at: Instant, probe: bool, ended: Ended) -> Pulse {
        let front = &self.0.front;
        let pulse = front.lock().ended(sent_at, probe, ended, Instant::now());
        front.changed.notify_one();
        pulse
    }

    /// Until the answer is dropped only sign-ins get a turn: what else is sent would be refused.
    #[must_use]
    pub fn sign_in_first(&self) -> SignInFirst {
        self.0.front.sign_in_first(true);
        SignInFirst(Arc::clone(&self.0.front))
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.front.lock().room.waiting()
    }

    /// What metrics show.
    pub fn gauges(&self) -> Gauges {
        let now = Instant::now();
        let state = self.0.front.lock();
        let depth = state.room.waiting_by_lane();
        Gauges {
            waiting: Lane::ALL.map(|lane| (lane.name(), depth[lane as usize])),
            learned_rate: state.learner.learned(),
            foreign_rate: state.learner.foreign(now),
            breaker: match state.breaker.state(now) {
                breaker::State::Closed => 0,
                breaker::State::HalfOpen => 1,
                breaker::State::Open => 2,
            },
        }
    }

    /// When calls are tried again, if none pass now.
    pub fn closed_for(&self) -> Option<Duration> {
        self.0.front.lock().closed_for(Instant::now())
    }

    /// How things stand now for a payer. Nobody's turn is taken by asking.
    pub fn standing(&self, payer: &Payer) -> Standing {
        let front = &self.0.front;
        let now = Instant::now();
        let mut state = front.lock();
        let request = request(Reason::Miss, payer, 1, 0);
        let (wait, closed_for) = (state.predicted(&request, now), state.closed_for(now));
        Standing {
            limits: front.limits.clone(),
            waiting: state.room.waiting(),
            own_waiting: state.room.waiting_of(&payer.consumer),
            wait: wait.max(closed_for.unwrap_or_default()),
            guaranteed: front.limits.rules.guaranteed[Lane::of(payer.class, Reason::Miss) as usize],
            learned_rate: state.learner.learned(),
            foreign_rate: state.learner.foreign(now),
            breaker: state.breaker.state(now),
            closed_for,
        }
    }

    /// How long the last of these calls would wait for its turn if a payer made all of them now, in this order, and
    /// accepted no longer wait than that; or why it would be refused. `sign_in` is the operation that comes before all of
    /// them, if one does. It is judged as [`Self::turn`] judges, but nobody's turn is taken by asking.
    pub fn forecast(
        &self,
        payer: &Payer,
        calls: &[Planned],
        sign_in: Option<&str>,
        accepted: Duration,
    ) -> Result<Duration, Refused> {
        let Some((last, earlier)) = calls.split_last() else { return Ok(Duration::ZERO) };
        if let Some(exhausted) = lacks(payer, calls.len() as u64) {
            return Err(Refused::Exhausted(exhausted));
        }
        let front = &self.0.front;
        let mut request = request(Reason::Miss, payer, front.limits.cost(last.operation), last.bytes);
        for call in earlier {
            request.before.calls += 1;
            request.before.turns = request.before.turns.saturating_add(front.limits.cost(call.operation));
            request.before.bytes += call.bytes;
        }
        let now = Instant::now();
        let mut state = front.lock();
        let wait = match sign_in {
            Some(operation) => state.predicted_after_sign_in(&request, front.limits.cost(operation), now),
            None => state.predicted(&request, now),
        };
        if state.refuses(&request, now + wait, now + accepted.min(state.longest(Reason::Miss))) {
            return Err(Refused::Wait(wait));
        }
        state.closed_for(now).map_or(Ok(wait), |pause| Err(Refused::Closed(pause)))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the waiting room")
    }

    fn sign_in_first(&self, wanted: bool) {
        self.lock().sign_in_first(wanted, Instant::now());
        self.changed.notify_one();
    }
}

impl Drop for SignInFirst {
    fn drop(&mut self) {
        self.0.sign_in_first(false);
    }
}

async fn hand_out(front: Arc<Front>) {
    loop {
        let again = front.lock().serve(Instant::now());
        match again {
            Some(at) => tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = front.changed.notified() => {}
            },
            None => front.changed.notified().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Class;
    use crate::model::context::Freshness;
    use crate::model::interest::Interest;
    use crate::upstream::quota::room::Rules;
    use futures_util::future::join_all;

    fn limits(max_calls: usize) -> Limits {
        let rules = Rules { rate: 5.0, max_calls, max_bytes: 1 << 20, guaranteed: [0.5, 0.2, 0.1, 0.05] };
        Limits { rate: 5.0, burst: 1, max_wait: Duration::from_secs(20), rules, costs: Default::default() }
    }

    fn payer(class: Class) -> Payer {
        Payer { consumer: "somebody".into(), class, weight: 1, allowance: None }
    }

    fn ctx(reason: Reason) -> Ctx {
        Ctx {
            payer: payer(Class::Interactive),
            reason,
            deadline: Instant::now() + Duration::from_secs(3600),
            max_wait: None,
            freshness: Freshness::default(),
            interest: Interest::default(),
            rehearsal: None,
        }
    }

    async fn turn(pacer: &Pacer, ctx: Ctx) -> Result<Duration, Error> {
        pacer.turn(&ctx, "customer/index", 0, Effect::Reads).await.map(|turn| turn.queued)
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_order_of_arrival_at_the_rate() {
        let pacer = Pacer::start(limits(2000));
        let start = Instant::now();
        let waits = join_all((0..50).map(|_| turn(&pacer, ctx(Reason::Miss)))).await;
        let waits: Vec<_> = waits.into_iter().map(Result::unwrap).collect();
        assert!(waits.is_sorted());
        let rate = 50.0 / start.elapsed().as_secs_f64();
        assert!((4.9..=5.0).contains(&rate), "{rate}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_be_served_in_time_is_refused_at_once_and_told_when() {
        let pacer = Pacer::start(limits(2000));
        let waiting: Vec<_> = (0..90)
            .map(|_| {
                tokio::spawn({
                    let pacer = pacer.clone();
                    async move { turn(&pacer, ctx(Reason::Miss)).await }
                })
            })
            .collect();
        while pacer.waiting() < 90 {
            tokio::task::yield_now().await;
        }
        let arrived = Instant::now();
        let refused = turn(&pacer, Ctx { max_wait: Some(Duration::from_secs(5)), ..ctx(Reason::Miss) }).await;
        assert_eq!(arrived.elapsed(), Duration::ZERO);
        let Err(Error::Overloaded { retry_after, .. }) = refused else { panic!("{refused:?}") };
        assert!((17.0..20.0).contains(&retry_after.as_secs_f64()), "{retry_after:?}");
        drop(waiting);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_that_is_foretold_is_the_one_a_newcomer_has() {
        let pacer = Pacer::start(limits(2000));
        let newcomer = |reason| {
            let pacer = pacer.clone();
            tokio::spawn(async move { turn(&pacer, ctx(reason)).await })
        };
        let before: Vec<_> = (0..7).map(|_| newcomer(Reason::Miss)).collect();
        let behind = newcomer(Reason::Refresh);
        while pacer.waiting() < 8 {
            tokio::task::yield_now().await;
        }
        let foretold = pacer.standing(&payer(Class::Interactive));
        assert_eq!(foretold.waiting, 8);
        let waited = newcomer(Reason::Miss).await.unwrap().unwrap();
        let apart = waited.abs_diff(foretold.wait);
        assert!(apart < Duration::from_millis(20), "{waited:?} and not {:?}", foretold.wait);
        assert_eq!(
            pacer.standing(&payer(Class::Interactive)).waiting,
            1,
            "the refresh comes after whoever asks"
        );
        drop((before, behind));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_room_refuses() {
        let pacer = Pacer::start(limits(3));
        let results = join_all((0..5).map(|_| turn(&pacer, ctx(Reason::Miss)))).await;
        let refused: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        assert_eq!(refused.len(), 2);
        for error in refused {
            let Error::Overloaded { refusal: Refusal::Full, retry_after } = error else { panic!("{error}") };
            assert!(
                retry_after <= Duration::from_millis(210),
                "a place is free with the next turn: {retry_after:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_costs_nobody_a_turn() {
        let pacer = Pacer::start(limits(2000));
        let leaving = tokio::spawn({
            let pacer = pacer.clone();
            async move { turn(&pacer, ctx(Reason::Miss)).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(pacer.waiting(), 1);
        leaving.abort();
        let _ = leaving.await;
        assert_eq!(pacer.waiting(), 0);
        let waited = turn(&pacer, ctx(Reason::Miss)).await.unwrap();
        assert!(waited < Duration::from_millis(210), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_the_crm_asks_for_is_kept_by_those_who_wait_already() {
        let pacer = Pacer::start(limits(2000));
        let waiting = tokio::spawn({
            let pacer = pacer.clone();
            async move { turn(&pacer, ctx(Reason::Miss)).await }
        });
        tokio::task::yield_now().await;
        pacer.ended(Instant::now(), false, Ended::Paused(Duration::from_secs(4)));
        assert!(waiting.await.unwrap().unwrap() >= Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn while_signing_in_nothing_else_is_sent() {
        let pacer = Pacer::start(limits(2000));
        let first = pacer.sign_in_first();
        let waiting = tokio::spawn({
            let pacer = pacer.clone();
            async move { turn(&pacer, ctx(Reason::Miss)).await }
        });
        turn(&pacer, ctx(Reason::Auth)).await.unwrap();
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_without_time_for_us_is_not_taken_for_a_queue_at_the_crm() {
        let rate_after = async |late: Duration| {
            let pacer = Pacer::start(Limits { max_wait: Duration::from_secs(600), ..limits(2000) });
            let mut calls = tokio::task::JoinSet::new();
            for at in 0..200 {
                let pacer = pacer.clone();
                // Late from the fortieth on: by the CRM's doing, or because nothing of ours runs.
                let takes =
                    Duration::from_millis(if at < 40 || !late.is_zero() { 50 } else { 50 + 20 * (at - 40) });
                calls.spawn(async move {
                    let turn =
                        pacer.turn(&ctx(Reason::Miss), "customer/index", 0, Effect::Reads).await.unwrap();
                    tokio::time::sleep(takes).await;
                    pacer.ended(turn.at, false, Ended::Answered);
                });
            }
            let mut lowest = f64::INFINITY;
            while calls.try_join_next().is_some() || !calls.is_empty() {
                lowest = lowest.min(pacer.standing(&payer(Class::Interactive)).learned_rate);
                if !late.is_zero() && pacer.waiting() < 160 {
                    tokio::time::advance(late).await;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            lowest
        };
        assert!(rate_after(Duration::ZERO).await < 4.9, "a queue is noticed");
        assert_eq!(rate_after(Duration::from_millis(700)).await, 5.0);
    }
}
