//! One pacer per CRM: it alone hands out turns. The policy is in the pure files beside it; here it meets the clock and the
//! tasks that wait.
//!
//! One task owns the timer. A caller waits on a channel of its own, so turns are handed over in order and nobody is
//! woken to look again. A caller that leaves gives its place up; a turn is spent only when it was handed over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::breaker::{self, Breaker, Pass};
use super::bucket::{Bucket, MARGIN};
use super::learn::{Learner, Outcome};
use super::retries::Retries;
use super::room::{Request, Room, Rules, Seat};
use crate::config;
use crate::model::Ctx;
use crate::model::context::{Payer, Reason};
use crate::upstream::Error;

/// How often the rate is looked at while calls wait: it rises by steps of a second after a pause.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How far a turn may come after the deadline: timers are late, and who accepts no wait at all takes a turn that is free.
const GRACE: Duration = Duration::from_millis(20);

/// What one CRM's quota allows.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Calls per second.
    pub rate: f64,
    /// Calls back to back after an idle time.
    pub burst: u32,
    /// Longest stay in the waiting room.
    pub max_wait: Duration,
    /// Who may wait, and what each class is sure of.
    pub rules: Rules,
    /// Turns that calls of an operation take; those not named take one.
    pub costs: BTreeMap<String, u32>,
}

impl From<&config::Quota> for Limits {
    fn from(quota: &config::Quota) -> Self {
        let guaranteed = [
            quota.guaranteed.interactive,
            quota.guaranteed.partner,
            quota.guaranteed.batch,
            quota.guaranteed.refresh,
        ];
        let rules = Rules {
            rate: quota.rate,
            max_calls: quota.max_queue,
            max_bytes: usize::try_from(quota.max_queue_bytes).unwrap_or(usize::MAX),
            guaranteed,
        };
        Self {
            rate: quota.rate,
            burst: quota.burst,
            max_wait: quota.max_wait,
            rules,
            costs: quota.cost.clone(),
        }
    }
}

/// How things stand in the waiting room.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What the quota allows.
    pub limits: Limits,
    /// How many wait.
    pub waiting: usize,
    /// How many of the payer's calls wait.
    pub own_waiting: usize,
    /// How long a first attempt of the payer that came now would wait for its turn.
    pub wait: Duration,
    /// Calls per second that the CRM takes from us, as far as it was learned; at most what the quota allows.
    pub learned_rate: f64,
    /// What is missing from the quota because somebody else spends it, or the CRM allows less.
    pub foreign_rate: f64,
    /// Whether calls pass at all.
    pub breaker: breaker::State,
}

/// The only one who knows whose turn it is. Cheap to clone; the clones share one waiting room.
#[derive(Debug, Clone)]
pub struct Pacer(Arc<Owner>);

#[derive(Debug)]
struct Owner {
    front: Arc<Front>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Front {
    limits: Limits,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    learner: Learner,
    breaker: Breaker,
    retries: Retries,
    room: Room<Waiter>,
    signing_in: bool,
}

/// How one who waits learns that it is its turn, or that it never will be.
type Waiter = oneshot::Sender<Result<Instant, Error>>;

/// A turn that was handed over: a call may leave.
#[derive(Debug)]
pub struct Turn {
    /// When it was handed over; the call counts as sent from then on.
    pub at: Instant,
    /// How long that took.
    pub queued: Duration,
    /// Whose turn it was.
    pub payer: Payer,
    /// Whether the call decides if others may follow.
    pub probe: bool,
}

/// What became of a call, for the limits to learn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The CRM answered.
    Answered,
    /// The CRM limits us, and perhaps says for how long.
    Limited(Option<Duration>),
    /// The CRM asks for a pause without having counted us out.
    Paused(Duration),
    /// The CRM failed or gave no answer.
    Failed,
    /// Nobody learned what became of it.
    Unknown,
}

/// What is known of a CRM after a call.
#[derive(Debug, Clone, Copy)]
pub struct Pulse {
    /// See [`Standing::learned_rate`].
    pub learned_rate: f64,
    /// See [`Standing::foreign_rate`].
    pub foreign_rate: f64,
    /// Whether calls pass.
    pub breaker: breaker::State,
    /// Whether that is new.
    pub breaker_changed: bool,
}

/// Keeps everything but sign-ins waiting while it lives.
#[derive(Debug)]
pub struct SignInFirst(Arc<Front>);

/// A place in the waiting room; dropping it is leaving.
#[derive(Debug)]
struct Place<'a> {
    front: &'a Front,
    seat: Seat,
    /// What is given back by who leaves without a turn.
    held: Held,
}

/// What a call has taken of other allowances before its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    /// One of the retries.
    Retry,
    /// The breaker's probe.
    Probe,
    /// Both.
    RetryAndProbe,
}

impl Pacer {
    /// Starts handing out turns. Must be called within a runtime.
    pub fn start(limits: Limits) -> Self {
        let now = Instant::now();
        let state = State {
            bucket: Bucket::new(limits.rate, limits.burst, now),
            learner: Learner::new(limits.rate, now),
            breaker: Breaker::new(),
            retries: Retries::new(limits.rate, now),
            room: Room::new(limits.rules, now),
            signing_in: false,
        };
        let front = Arc::new(Front { limits, state: Mutex::new(state), changed: Notify::new() });
        let task = tokio::spawn(hand_out(Arc::clone(&front))).abort_handle();
        Self(Arc::new(Owner { front, task }))
    }

    /// Waits for a turn until the deadline of `ctx`, or its `max_wait` if that is shorter (never longer than the limits
    /// allow). Refused at once when the turn would come too late, when there is no place to wait, and while the breaker
    /// is open. `operation` is what is called, `bytes` what the call holds in memory.
    pub async fn turn(&self, ctx: &Ctx, operation: &str, bytes: usize) -> Result<Turn, Error> {
        let front = &*self.0.front;
        let arrived = Instant::now();
        let longest = ctx.max_wait.unwrap_or(front.limits.max_wait).min(front.limits.max_wait);
        let until = ctx.deadline.min(arrived + longest);
        let mut payer = ctx.interest.more_urgent_than(&ctx.payer).unwrap_or_else(|| ctx.payer.clone());
        let cost = front.limits.cost(operation);
        let (mut place, mut served) = {
            let request = request(ctx.reason, &payer, cost, bytes);
            front.admit(&request, arrived, until)?
        };
        loop {
            tokio::select! {
                biased;
                handed_over = &mut served => {
                    let at = handed_over.unwrap_or(Err(Error::Abandoned))?;
                    let held = std::mem::replace(&mut place.held, Held::Nothing);
                    let probe = matches!(held, Held::Probe | Held::RetryAndProbe);
                    return Ok(Turn { at, queued: at.saturating_duration_since(arrived), payer, probe });
                }
                () = tokio::time::sleep_until(until + GRACE) => {
                    drop(place);
                    let request = request(ctx.reason, &payer, cost, bytes);
                    return Err(Error::Overloaded { retry_after: front.predicted(&request, Instant::now()) });
                }
                urgent = ctx.interest.raised_above(&payer) => {
                    payer = urgent;
                    place.change(&request(ctx.reason, &payer, cost, bytes));
                }
            }
        }
    }

    /// Says what became of a call that left at `sent_at`, and whether it was the breaker's probe; returns what is known
    /// of the CRM from then on.
    pub fn ended(&self, sent_at: Instant, probe: bool, ended: Ended) -> Pulse {
        let front = &self.0.front;
        let now = Instant::now();
        let mut state = front.lock();
        let before = state.breaker.state(now);
        let outcome = match ended {
            Ended::Answered => Outcome::Served,
            Ended::Limited(retry_after) => Outcome::Limited { retry_after },
            Ended::Paused(_) | Ended::Failed | Ended::Unknown => Outcome::Other,
        };
        if let Some(until) = state.learner.answered(sent_at, now, outcome) {
            state.bucket.hold(until);
        }
        if let Ended::Paused(pause) = ended {
            state.bucket.hold(now + pause);
        }
        let verdict = match ended {
            Ended::Answered => Some(breaker::Verdict::Good),
            Ended::Failed => Some(breaker::Verdict::Bad),
            // That is no answer to the question whether the CRM works.
            Ended::Limited(_) | Ended::Paused(_) | Ended::Unknown => None,
        };
        match verdict {
            Some(verdict) => state.breaker.ended(sent_at, now, verdict),
            None if probe => state.breaker.gave_up(now),
            None => {}
        }
        let opened = state.breaker.state(now) == breaker::State::Open;
        let refused = if opened { state.room.empty() } else { Vec::new() };
        let retry_after = state.breaker.retry_after(now).unwrap_or_default();
        let pulse = Pulse {
            learned_rate: state.learner.learned(),
            foreign_rate: state.learner.foreign(now),
            breaker: state.breaker.state(now),
            breaker_changed: state.breaker.state(now) != before,
        };
        drop(state);
        for waiter in refused {
            // Whoever left does not need to know.
            let _ = waiter.send(Err(Error::Unavailable { retry_after }));
        }
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

    /// When calls are tried again, if none pass now.
    pub fn closed_for(&self) -> Option<Duration> {
        let pause = self.0.front.lock().breaker.retry_after(Instant::now());
        pause.filter(|pause| !pause.is_zero())
    }

    /// How things stand now for a payer. Nobody's turn is taken by asking.
    pub fn standing(&self, payer: &Payer) -> Standing {
        let front = &self.0.front;
        let now = Instant::now();
        let mut state = front.lock();
        let wait = state.predicted(&request(Reason::Miss, payer, 1, 0), now);
        Standing {
            limits: front.limits.clone(),
            waiting: state.room.waiting(),
            own_waiting: state.room.waiting_of(&payer.consumer),
            wait,
            learned_rate: state.learner.learned(),
            foreign_rate: state.learner.foreign(now),
            breaker: state.breaker.state(now),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Limits {
    fn cost(&self, operation: &str) -> u32 {
        self.costs.get(operation).copied().unwrap_or(1)
    }
}

fn request<'a>(reason: Reason, payer: &'a Payer, cost: u32, bytes: usize) -> Request<'a> {
    let Payer { consumer, class, weight } = payer;
    Request { reason, class: *class, consumer, weight: *weight, cost, bytes }
}

impl Front {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the waiting room")
    }

    fn sign_in_first(&self, going_on: bool) {
        self.lock().signing_in = going_on;
        self.changed.notify_one();
    }

    fn admit(
        &self,
        request: &Request<'_>,
        now: Instant,
        until: Instant,
    ) -> Result<(Place<'_>, oneshot::Receiver<Result<Instant, Error>>), Error> {
        let mut state = self.lock();
        let wait = state.predicted(request, now);
        if now + wait > until + GRACE || !state.room.has_place_for(request) {
            return Err(Error::Overloaded { retry_after: wait });
        }
        let retry = request.reason == Reason::Retry;
        if retry && !state.retries.take(now) {
            return Err(Error::Overloaded { retry_after: wait.max(state.retries.next(now)) });
        }
        let probe = match state.breaker.pass(now) {
            Pass::Yes => false,
            Pass::Probe => true,
            Pass::No { retry_after } => {
                if retry {
                    state.retries.give_back();
                }
                return Err(Error::Unavailable { retry_after });
            }
        };
        let held = match (retry, probe) {
            (false, false) => Held::Nothing,
            (true, false) => Held::Retry,
            (false, true) => Held::Probe,
            (true, true) => Held::RetryAndProbe,
        };
        let (hand_over, served) = oneshot::channel();
        let seat = state.room.push(request, now, hand_over);
        drop(state);
        self.changed.notify_one();
        Ok((Place { front: self, seat, held }, served))
    }

    fn predicted(&self, request: &Request<'_>, now: Instant) -> Duration {
        self.lock().predicted(request, now)
    }
}

impl State {
    fn predicted(&mut self, request: &Request<'_>, now: Instant) -> Duration {
        self.bucket.set_rate(self.learner.rate(now), now);
        let ready = self.bucket.ready_at(now);
        let turns = self.room.turns_ahead_of(request, now, self.learner.learned() / MARGIN);
        let turns = (turns - f64::from(self.bucket.at_once(now) - 1)).max(0.0);
        (ready - now) + self.learner.time_for(ready, turns)
    }

    /// Hands out all turns that are due; returns when to look again, `None` for when something changes.
    fn serve(&mut self, now: Instant) -> Option<Instant> {
        while self.room.has_next(self.signing_in) {
            self.bucket.set_rate(self.learner.rate(now), now);
            let ready = self.bucket.ready_at(now);
            if ready > now {
                // The rate may change before.
                return Some(ready.min(now + LOOK_AGAIN));
            }
            let (waiter, turns) = self.room.pop(self.signing_in)?;
            if waiter.send(Ok(now)).is_ok() {
                self.bucket.spend(now, turns);
                self.learner.sent(now);
            }
        }
        None
    }
}

impl Drop for SignInFirst {
    fn drop(&mut self) {
        self.0.sign_in_first(false);
    }
}

impl Place<'_> {
    /// Takes the place that another payer has a right to.
    fn change(&mut self, request: &Request<'_>) {
        let mut state = self.front.lock();
        if let Some(waiter) = state.room.remove(self.seat) {
            self.seat = state.room.push(request, Instant::now(), waiter);
        }
        drop(state);
        self.front.changed.notify_one();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.front.lock();
        state.room.remove(self.seat);
        if matches!(self.held, Held::Retry | Held::RetryAndProbe) {
            state.retries.give_back();
        }
        if matches!(self.held, Held::Probe | Held::RetryAndProbe) {
            state.breaker.gave_up(Instant::now());
        }
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
    use crate::model::context::{Freshness, Interest};
    use futures_util::future::join_all;

    fn limits(max_calls: usize) -> Limits {
        let rules = Rules { rate: 5.0, max_calls, max_bytes: 1 << 20, guaranteed: [0.5, 0.2, 0.1, 0.05] };
        Limits { rate: 5.0, burst: 1, max_wait: Duration::from_secs(20), rules, costs: BTreeMap::new() }
    }

    fn payer(class: Class) -> Payer {
        Payer { consumer: "somebody".into(), class, weight: 1 }
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
        pacer.turn(&ctx, "customer/index", 0).await.map(|turn| turn.queued)
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
        let Err(Error::Overloaded { retry_after }) = refused else { panic!("{refused:?}") };
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
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 2);
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
}
