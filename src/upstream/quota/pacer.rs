//! One pacer per CRM: it alone hands out turns. The policy is in [`super::bucket`] and [`super::queue`]; here it meets
//! the clock and the tasks that wait.
//!
//! One task owns the timer. A caller waits on a channel of its own, so turns are handed over in order and nobody is
//! woken to look again. A caller that leaves gives its place up; a turn is spent only when it was handed over.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::queue::{Place, Queue};
use crate::config;
use crate::model::context::Reason;
use crate::upstream::Error;

/// What one CRM's quota allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls per second.
    pub rate: f64,
    /// Calls back to back after an idle time.
    pub burst: u32,
    /// Longest stay in the waiting room.
    pub max_wait: Duration,
    /// Most calls that wait at once.
    pub max_queue: usize,
}

impl From<&config::Quota> for Limits {
    fn from(quota: &config::Quota) -> Self {
        Self { rate: quota.rate, burst: quota.burst, max_wait: quota.max_wait, max_queue: quota.max_queue }
    }
}

/// How things stand in the waiting room.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// What the quota allows.
    pub limits: Limits,
    /// How many wait.
    pub waiting: usize,
    /// How long a first attempt that came now would wait for its turn.
    pub wait: Duration,
}

/// The only one who knows whose turn it is. Cheap to clone; the clones share one waiting room.
#[derive(Debug, Clone)]
pub struct Pacer(Arc<Owner>);

#[derive(Debug)]
struct Owner {
    room: Arc<Room>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Room {
    limits: Limits,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    queue: Queue<oneshot::Sender<()>>,
    signing_in: bool,
}

/// Keeps everything but sign-ins waiting while it lives.
#[derive(Debug)]
pub struct SignInFirst(Arc<Room>);

/// A place in the waiting room; dropping it is leaving.
#[derive(Debug)]
struct Seat {
    room: Arc<Room>,
    place: Place,
}

impl Pacer {
    /// Starts handing out turns. Must be called within a runtime.
    pub fn start(limits: Limits) -> Self {
        let state = State {
            bucket: Bucket::new(limits.rate, limits.burst, Instant::now()),
            queue: Queue::default(),
            signing_in: false,
        };
        let room = Arc::new(Room { limits, state: Mutex::new(state), changed: Notify::new() });
        let task = tokio::spawn(hand_out(Arc::clone(&room))).abort_handle();
        Self(Arc::new(Owner { room, task }))
    }

    /// Waits for a turn until `deadline`, or `max_wait` if that is shorter (never longer than the limits allow).
    /// Returns how long it took. Refused at once when the turn would come too late.
    pub async fn turn(
        &self,
        reason: Reason,
        deadline: Instant,
        max_wait: Option<Duration>,
    ) -> Result<Duration, Error> {
        let room = &self.0.room;
        let arrived = Instant::now();
        let longest = max_wait.unwrap_or(room.limits.max_wait).min(room.limits.max_wait);
        let until = deadline.min(arrived + longest);
        let (seat, served) = room.admit(reason, arrived, until)?;
        let handed_over = tokio::time::timeout_at(until, served).await;
        drop(seat);
        match handed_over {
            Ok(Ok(())) => Ok(arrived.elapsed()),
            Ok(Err(_)) => Err(Error::Abandoned),
            Err(_) => Err(Error::Overloaded { retry_after: room.predicted(reason, Instant::now()) }),
        }
    }

    /// Nobody gets a turn until then: the CRM asked for a pause.
    pub fn hold(&self, until: Instant) {
        self.0.room.lock().bucket.hold(until);
        self.0.room.changed.notify_one();
    }

    /// Until the answer is dropped only sign-ins get a turn: what else is sent would be refused.
    #[must_use]
    pub fn sign_in_first(&self) -> SignInFirst {
        self.0.room.sign_in_first(true);
        SignInFirst(Arc::clone(&self.0.room))
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.room.lock().queue.waiting()
    }

    /// How things stand now. Nobody's turn is taken by asking.
    pub fn standing(&self) -> Standing {
        let room = &self.0.room;
        let state = room.lock();
        let wait = state.predicted(Reason::Miss, Instant::now());
        Standing { limits: room.limits, waiting: state.queue.waiting(), wait }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the waiting room")
    }

    fn sign_in_first(&self, going_on: bool) {
        self.lock().signing_in = going_on;
        self.changed.notify_one();
    }

    fn admit(
        self: &Arc<Self>,
        reason: Reason,
        now: Instant,
        until: Instant,
    ) -> Result<(Seat, oneshot::Receiver<()>), Error> {
        let mut state = self.lock();
        let wait = state.predicted(reason, now);
        // Without a sign-in nobody would ever leave a full room.
        let full = state.queue.waiting() >= self.limits.max_queue && reason != Reason::Auth;
        if full || now + wait > until {
            return Err(Error::Overloaded { retry_after: wait });
        }
        let (hand_over, served) = oneshot::channel();
        let place = state.queue.push(reason, hand_over);
        drop(state);
        self.changed.notify_one();
        Ok((Seat { room: Arc::clone(self), place }, served))
    }

    fn predicted(&self, reason: Reason, now: Instant) -> Duration {
        self.lock().predicted(reason, now)
    }
}

impl State {
    fn predicted(&self, reason: Reason, now: Instant) -> Duration {
        let ahead = u32::try_from(self.queue.ahead_of(reason)).unwrap_or(u32::MAX);
        (self.bucket.ready_at(now) - now) + self.bucket.interval() * ahead
    }

    /// Hands out all turns that are due; returns when to look again, `None` for when something changes.
    fn serve(&mut self, now: Instant) -> Option<Instant> {
        while let Some(place) = self.queue.next(self.signing_in) {
            let ready = self.bucket.ready_at(now);
            if ready > now {
                return Some(ready);
            }
            let served = self.queue.remove(place).is_some_and(|waiter| waiter.send(()).is_ok());
            if served {
                self.bucket.spend(now);
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

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.lock().queue.remove(self.place);
    }
}

async fn hand_out(room: Arc<Room>) {
    loop {
        let again = room.lock().serve(Instant::now());
        match again {
            Some(at) => tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = room.changed.notified() => {}
            },
            None => room.changed.notified().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;

    const LIMITS: Limits = Limits { rate: 5.0, burst: 1, max_wait: Duration::from_secs(20), max_queue: 2000 };

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_order_of_arrival_at_the_rate() {
        let pacer = Pacer::start(LIMITS);
        let start = Instant::now();
        let waits = join_all((0..50).map(|_| pacer.turn(Reason::Miss, far(), None))).await;
        let waits: Vec<_> = waits.into_iter().map(Result::unwrap).collect();
        assert!(waits.is_sorted());
        let rate = 50.0 / start.elapsed().as_secs_f64();
        assert!((4.9..=5.0).contains(&rate), "{rate}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_be_served_in_time_is_refused_at_once_and_told_when() {
        let pacer = Pacer::start(LIMITS);
        let waiting: Vec<_> = (0..90)
            .map(|_| {
                tokio::spawn({
                    let pacer = pacer.clone();
                    async move { pacer.turn(Reason::Miss, far(), None).await }
                })
            })
            .collect();
        while pacer.waiting() < 90 {
            tokio::task::yield_now().await;
        }
        let arrived = Instant::now();
        let refused = pacer.turn(Reason::Miss, far(), Some(Duration::from_secs(5))).await;
        assert_eq!(arrived.elapsed(), Duration::ZERO);
        let Err(Error::Overloaded { retry_after }) = refused else { panic!("{refused:?}") };
        assert!((17.0..20.0).contains(&retry_after.as_secs_f64()), "{retry_after:?}");
        drop(waiting);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_that_is_foretold_is_the_one_a_newcomer_has() {
        let pacer = Pacer::start(LIMITS);
        let newcomer = |reason| {
            let pacer = pacer.clone();
            tokio::spawn(async move { pacer.turn(reason, far(), None).await })
        };
        let before: Vec<_> = (0..7).map(|_| newcomer(Reason::Miss)).collect();
        let behind = newcomer(Reason::Refresh);
        while pacer.waiting() < 8 {
            tokio::task::yield_now().await;
        }
        let foretold = pacer.standing();
        assert_eq!(foretold.waiting, 8);
        let waited = newcomer(Reason::Miss).await.unwrap().unwrap();
        let apart = waited.abs_diff(foretold.wait);
        assert!(apart < Duration::from_millis(20), "{waited:?} and not {:?}", foretold.wait);
        assert_eq!(pacer.standing().waiting, 1, "the refresh comes after whoever asks");
        drop((before, behind));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_room_refuses() {
        let pacer = Pacer::start(Limits { max_queue: 3, ..LIMITS });
        let results = join_all((0..5).map(|_| pacer.turn(Reason::Miss, far(), None))).await;
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_costs_nobody_a_turn() {
        let pacer = Pacer::start(LIMITS);
        let leaving = tokio::spawn({
            let pacer = pacer.clone();
            async move { pacer.turn(Reason::Miss, far(), None).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(pacer.waiting(), 1);
        leaving.abort();
        let _ = leaving.await;
        assert_eq!(pacer.waiting(), 0);
        let waited = pacer.turn(Reason::Miss, far(), None).await.unwrap();
        assert!(waited < Duration::from_millis(210), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_the_crm_asks_for_is_kept_by_those_who_wait_already() {
        let pacer = Pacer::start(LIMITS);
        let waiting = tokio::spawn({
            let pacer = pacer.clone();
            async move { pacer.turn(Reason::Miss, far(), None).await }
        });
        tokio::task::yield_now().await;
        pacer.hold(Instant::now() + Duration::from_secs(4));
        assert!(waiting.await.unwrap().unwrap() >= Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn while_signing_in_nothing_else_is_sent() {
        let pacer = Pacer::start(LIMITS);
        let first = pacer.sign_in_first();
        let waiting = tokio::spawn({
            let pacer = pacer.clone();
            async move { pacer.turn(Reason::Miss, far(), None).await }
        });
        pacer.turn(Reason::Auth, far(), None).await.unwrap();
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap().unwrap();
    }
}
