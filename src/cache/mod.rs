//! A memory of answers, typed by whoever stores them. It promises that one question is asked once however many want to
//! know, that a fill belongs to nobody and so survives any caller, and that memory is bounded by weight.
//!
//! What is *fresh* is policy and comes from the caller; how old something is, is told with every answer.

pub mod flight;
pub mod policy;

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use moka::ops::compute::Op;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::model::interest::{Interest, Refused, Waiting};
use flight::{Flight, Landing};
pub use policy::{Policy, Wish};

/// What an entry weighs besides its value and the text of its key, in bytes. It is what moka 0.12 was seen to allocate for
/// each of a million entries, as the allocator rounds it; `make bench-memory` holds it against what a process takes.
///
/// | bytes | for |
/// |---|---|
/// | 32 | the counts of the key's text, and what is lost by rounding |
/// | 48 | the key as moka shares it: two more counts around a pointer and a length |
/// | 112 | [`Entry`] and the pointers to the next two |
/// | 80 | key, hash, weight, and when it was used, was written and ends |
/// | 48 | where it stands in the queues, behind a lock |
/// | 32, 64 | its places in the queue of use and in the wheel of ends |
/// | 32 | its bucket |
/// | 32 | its part of the table, of which up to three quarters are empty, and of the counts of what is asked for |
/// | 32 | the counts of its value, and what is lost by rounding |
const OVERHEAD: u32 = 512;

/// Answers by question. `F` is what a fill may fail with.
#[derive(Debug)]
pub struct Cache<F> {
    store: moka::sync::Cache<Arc<str>, Entry>,
    flights: Mutex<HashMap<Arc<str>, Flight<F>>>,
    generations: AtomicU64,
    /// Counts what was kept.
    changes: AtomicU64,
}

/// A value with its history.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    value: Arc<dyn Any + Send + Sync>,
    stored: Instant,
    generation: u64,
    since: u64,
    digest: u64,
    weight: u32,
    /// From then on it is of no use.
    ends: Instant,
    recalled: bool,
}

/// An entry as its fill brings it to those who wait.
#[derive(Debug, Clone)]
pub(crate) struct Landed {
    entry: Entry,
    queued: Duration,
    took: Duration,
}

/// What a fill brings.
#[derive(Debug)]
pub struct Filled<T> {
    /// The value.
    pub value: T,
    /// Its size in memory, in bytes.
    pub weight: usize,
    /// Equal digests are equal values: then the value in memory stays, and with it everything made of it.
    pub digest: u64,
    /// Time it waited for its turn.
    pub queued: Duration,
    /// Time the CRM took.
    pub took: Duration,
    /// Where nothing was asked: what is known of the fill that brought it once.
    pub recalled: Option<Recalled>,
    /// How long it is of use at most, whatever the policy says.
    pub at_most: Option<Duration>,
}

/// A fill of long ago.
#[derive(Debug, Clone, Copy)]
pub struct Recalled {
    /// How old its value is; never fresh.
    pub age: Duration,
    /// When it began.
    pub generation: u64,
}

/// A value as it was found.
#[derive(Debug)]
pub struct Read<T, F> {
    /// The value.
    pub value: Arc<T>,
    /// Where it came from.
    pub origin: Origin<F>,
    /// How old it is.
    pub age: Duration,
    /// Seconds it stays fresh; negative since when it is not.
    pub ttl: i64,
    /// When its last fill began, on a scale that only grows, also over restarts.
    pub generation: u64,
    /// When the fill began that first brought this value; it was the same ever since.
    pub since: u64,
    /// Time its fill waited, if this caller waited for it.
    pub queued: Duration,
    /// Time the CRM took, if this caller waited for it.
    pub took: Duration,
}

/// A value that is looked at without being asked for.
#[derive(Debug)]
pub struct Glimpse<T> {
    /// The value.
    pub value: Arc<T>,
    /// How old it is.
    pub age: Duration,
    /// When its last fill began.
    pub generation: u64,
    /// When the fill began that first brought this value.
    pub since: u64,
    /// From then on it is of no use.
    pub ends: Instant,
}

/// Where a value came from.
#[derive(Debug)]
pub enum Origin<F> {
    /// Memory, fresh.
    Hit,
    /// A fill that somebody else had begun.
    Collapsed,
    /// A fill begun for this caller.
    Miss,
    /// Memory, stale; a refresh is under way.
    Stale,
    /// Memory, stale, because the fill failed.
    StaleIfError(F),
}

/// Why there is no value.
#[derive(Debug)]
pub enum NoValue<F> {
    /// It is not in memory and the caller wanted nothing else.
    NotCached,
    /// The fill failed; `joined` tells that somebody else had begun it, on their terms.
    Failed {
        /// Why.
        failure: F,
        /// Whether it was somebody else's.
        joined: bool,
    },
    /// The fill cannot be had on the caller's terms.
    Refused(Refused),
    /// The fill ended without a result: it crashed.
    Lost,
    /// The fill found an old value, which is in memory now and is to be judged as such: ask again.
    Recalled,
}

impl<F: Clone + Send + Sync + 'static> Cache<F> {
    /// A cache of at most `max_size` bytes.
    pub fn new(max_size: u64) -> Self {
        let store = moka::sync::Cache::builder()
            .max_capacity(max_size)
            .weigher(|key: &Arc<str>, entry: &Entry| {
                let key = u32::try_from(key.len()).unwrap_or(u32::MAX);
                entry.weight.saturating_add(key).saturating_add(OVERHEAD)
            })
            .expire_after(policy::Forget)
            .build();
        // Counting from the clock, generations grow over restarts too.
        let start = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default();
        let (flights, changes) = Default::default();
        Self { store, flights, generations: AtomicU64::new(start), changes }
    }

    /// The value of `key`, from memory if `policy` and `wish` allow, else by `fill`, which is run on a task of its own,
    /// once for all who ask meanwhile. The fill gets the interest of those who wait and may stop when it is lost.
    /// `refresh` is run instead when a stale value was good enough. A failure that `covered` accepts is answered from
    /// memory within the policy's window.
    pub async fn read<T, Fill, Task>(
        self: &Arc<Self>,
        key: &Arc<str>,
        policy: &Policy,
        wish: &Wish<'_>,
        fill: Fill,
        covered: fn(&F) -> bool,
    ) -> Result<Read<T, F>, NoValue<F>>
    where
        T: Send + Sync + 'static,
        Fill: FnOnce(Interest, Purpose) -> Task,
        Task: Future<Output = Result<Filled<T>, F>> + Send + 'static,
    {
        let now = Instant::now();
        let known = self.find(key, now);
        if let Some(entry) = &known
            && wish.accepts(entry.age(now), entry.generation)
        {
            let age = entry.age(now);
            if age < policy.fresh {
                return entry.read(Origin::Hit, policy, now).ok_or(NoValue::Lost);
            }
            if age < policy.fresh + policy.stale {
                if !wish.only_if_cached {
                    self.refresh(key, policy, fill);
                }
                return entry.read(Origin::Stale, policy, now).ok_or(NoValue::Lost);
            }
        }
        if wish.only_if_cached {
            return Err(NoValue::NotCached);
        }
        let (landing, waiting, joined) = self.board(key, policy, wish, fill);
        let outcome = tokio::select! {
            biased;
            outcome = landing.wait() => outcome,
            why = waiting.refused() => return Err(NoValue::Refused(why)),
        };
        drop(waiting);
        let now = Instant::now();
        match outcome {
            Some(Ok(landed)) if landed.entry.recalled => Err(NoValue::Recalled),
            Some(Ok(Landed { entry, queued, took })) => {
                let origin = if joined { Origin::Collapsed } else { Origin::Miss };
                let read = entry.read(origin, policy, now).ok_or(NoValue::Lost)?;
                Ok(Read { queued, took, ..read })
            }
            Some(Err(failure)) if covered(&failure) => match known
                .filter(|entry| entry.covers(policy, wish, now))
            {
                Some(entry) => entry.read(Origin::StaleIfError(failure), policy, now).ok_or(NoValue::Lost),
                None => Err(NoValue::Failed { failure, joined }),
            },
            Some(Err(failure)) => Err(NoValue::Failed { failure, joined }),
            None => Err(NoValue::Lost),
        }
    }

    /// What is answered in place of a failure that the caller found by itself: a fill that takes too long.
    pub fn instead<T: Send + Sync + 'static>(
        &self,
        key: &Arc<str>,
        policy: &Policy,
        wish: &Wish<'_>,
        failure: F,
    ) -> Result<Read<T, F>, F> {
        let now = Instant::now();
        let last = self.look(key, now).filter(|entry| entry.covers(policy, wish, now));
        let value =
            last.as_ref().and_then(|entry| entry.read(Origin::StaleIfError(failure.clone()), policy, now));
        value.ok_or(failure)
    }

    /// Takes what was recalled into memory, unless there is something already.
    pub fn restore<T: Send + Sync + 'static>(&self, key: &Arc<str>, policy: &Policy, filled: Filled<T>) {
        self.keep(key, self.entry(key, filled, (0, Duration::ZERO), policy.kept()));
    }

    /// From now on fills begin after this point.
    pub fn begin_after(&self, generation: u64) {
        self.generations.fetch_max(generation, Ordering::AcqRel);
    }

    /// What is in memory for `key`, whatever its age. Nothing is asked.
    pub fn glance<T: Send + Sync + 'static>(&self, key: &Arc<str>) -> Option<Glimpse<T>> {
        let now = Instant::now();
        self.find(key, now)?.glimpse(now)
    }

    /// The same without counting as a use of what is not there.
    pub fn peek<T: Send + Sync + 'static>(&self, key: &Arc<str>) -> Option<Glimpse<T>> {
        let now = Instant::now();
        self.look(key, now)?.glimpse(now)
    }

    /// Everything in memory that is a `T` and whose key is wanted, oldest fill first. It goes through the whole memory.
    pub fn survey<T: Send + Sync + 'static>(&self, wanted: impl Fn(&str) -> bool) -> Vec<Glimpse<T>> {
        let now = Instant::now();
        let entries = self.store.iter().filter(|(key, _)| wanted(key));
        let mut found: Vec<Glimpse<T>> = entries.filter_map(|(_, entry)| entry.glimpse(now)).collect();
        found.sort_by_key(|glimpse| glimpse.generation);
        found
    }

    /// The interest in a fill that is under way for somebody who waits and began after `newer_than`, if there is one.
    pub fn under_way(&self, key: &Arc<str>, newer_than: Option<u64>) -> Option<Interest> {
        let flights = self.flights();
        let joinable = flights.get(key).filter(|flight| {
            flight.purpose() == Purpose::Answer && newer_than.is_none_or(|bound| flight.generation() > bound)
        });
        joinable.map(|flight| flight.interest().clone())
    }

    /// Whether any fill is under way, also one that nobody waits for.
    pub fn is_refreshing(&self, key: &Arc<str>) -> bool {
        self.flights().contains_key(key)
    }

    /// The last point on the scale of generations.
    pub fn latest(&self) -> u64 {
        self.generations.load(Ordering::Acquire)
    }

    /// Another number after each value that was kept: what was seen at the same number would be seen again, unless there was
    /// no room for it any more.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// A point on the scale of generations: every fill that began until now is before it.
    pub fn now(&self) -> u64 {
        self.generations.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Bytes in use, as far as the table has counted them.
    pub fn weight(&self) -> u64 {
        self.store.weighted_size()
    }

    /// Entries held.
    pub fn len(&self) -> u64 {
        self.store.run_pending_tasks();
        self.store.entry_count()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Joins the fill under way or begins one.
    fn board<T, Fill, Task>(
        self: &Arc<Self>,
        key: &Arc<str>,
        policy: &Policy,
        wish: &Wish<'_>,
        fill: Fill,
    ) -> (Landing<F>, Waiting, bool)
    where
        T: Send + Sync + 'static,
        Fill: FnOnce(Interest, Purpose) -> Task,
        Task: Future<Output = Result<Filled<T>, F>> + Send + 'static,
    {
        let mut flights = self.flights();
        // A refresh under way may wait behind everybody else; who needs the answer now does not wait for it.
        if let Some(flight) = flights.get(key)
            && flight.purpose() == Purpose::Answer
            && wish.newer_than.is_none_or(|bound| flight.generation() > bound)
        {
            let waiting = flight.interest().join(wish.terms.cloned());
            return (flight.landing(), waiting, true);
        }
        // The fill that was under way a moment ago may have landed since.
        let now = Instant::now();
        if let Some(entry) = self.look(key, now)
            && wish.accepts(entry.age(now), entry.generation)
            && entry.age(now) < policy.fresh
        {
            let landed = Landed { entry, queued: Duration::ZERO, took: Duration::ZERO };
            return (Landing::of(Ok(landed)), Interest::default().join(None), true);
        }
        let interest = Interest::default();
        let waiting = interest.join(wish.terms.cloned());
        let task = fill(interest.clone(), Purpose::Answer);
        let landing = self.begin(&mut flights, key, policy, (interest, Purpose::Answer), task);
        (landing, waiting, false)
    }

    /// Fills anew, as a refresh that this caller waits for; a value that is fresh stays, and a fill under way is waited for.
    pub async fn renew<T, Fill, Task>(
        self: &Arc<Self>,
        key: &Arc<str>,
        policy: &Policy,
        fill: Fill,
    ) -> Result<(), F>
    where
        T: Send + Sync + 'static,
        Fill: FnOnce(Interest, Purpose) -> Task,
        Task: Future<Output = Result<Filled<T>, F>> + Send + 'static,
    {
        let now = Instant::now();
        if self.look(key, now).is_some_and(|entry| entry.age(now) < policy.fresh) {
            return Ok(());
        }
        let landing = self.set_off(key, policy, fill);
        landing.wait().await.transpose().map(|_| ())
    }

    /// Begins a fill that nobody waits for, unless one is under way.
    pub fn refresh<T, Fill, Task>(self: &Arc<Self>, key: &Arc<str>, policy: &Policy, fill: Fill)
    where
        T: Send + Sync + 'static,
        Fill: FnOnce(Interest, Purpose) -> Task,
        Task: Future<Output = Result<Filled<T>, F>> + Send + 'static,
    {
        drop(self.set_off(key, policy, fill));
    }

    fn set_off<T, Fill, Task>(self: &Arc<Self>, key: &Arc<str>, policy: &Policy, fill: Fill) -> Landing<F>
    where
        T: Send + Sync + 'static,
        Fill: FnOnce(Interest, Purpose) -> Task,
        Task: Future<Output = Result<Filled<T>, F>> + Send + 'static,
    {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(key) {
            return flight.landing();
        }
        let interest = Interest::default();
        let waiting = interest.join(None);
        let work = fill(interest.clone(), Purpose::Refresh);
        // Nobody waits for a refresh, so it waits for itself.
        let task = async move {
            let _waiting = waiting;
            work.await
        };
        self.begin(&mut flights, key, policy, (interest, Purpose::Refresh), task)
    }

    fn begin<T, Task>(
        self: &Arc<Self>,
        flights: &mut MutexGuard<'_, HashMap<Arc<str>, Flight<F>>>,
        key: &Arc<str>,
        policy: &Policy,
        (interest, purpose): (Interest, Purpose),
        task: Task,
    ) -> Landing<F>
    where
        T: Send + Sync + 'static,
        Task: Future<Output = Result<Filled<T>, F>> + Send + 'static,
    {
        let generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let (flight, pilot) = Flight::new(generation, interest, purpose);
        let landing = flight.landing();
        flights.insert(Arc::clone(key), flight);
        let (cache, key, keep) = (Arc::clone(self), Arc::clone(key), policy.kept());
        let head_start = match purpose {
            Purpose::Answer => Duration::ZERO,
            Purpose::Refresh => policy::head_start(&key, policy.fresh),
        };
        let fill = async move {
            // Also when the fill panics, nobody must join it any more.
            let gone = Gone { cache: Arc::clone(&cache), key: Arc::clone(&key), generation };
            let began = (generation, head_start);
            let outcome = task.await.map(|filled| {
                let (queued, took) = (filled.queued, filled.took);
                Landed { entry: cache.entry(&key, filled, began, keep), queued, took }
            });
            if let Ok(landed) = &outcome {
                cache.keep(&key, landed.entry.clone());
            }
            drop(gone);
            pilot.land(outcome);
        };
        tokio::spawn(fill.in_current_span());
        landing
    }

    /// What a fill that began at `generation` brought, as it is kept: as if it were older by its head start. A value that is
    /// known already stays.
    fn entry<T: Send + Sync + 'static>(
        &self,
        key: &Arc<str>,
        filled: Filled<T>,
        (generation, head_start): (u64, Duration),
        keep: Duration,
    ) -> Entry {
        let (age, generation) = match filled.recalled {
            Some(Recalled { age, generation }) => (age, generation),
            None => (head_start, generation),
        };
        let keep = filled.at_most.map_or(keep, |most| keep.min(most));
        let known = self.look(key, Instant::now()).filter(|entry| entry.digest == filled.digest);
        let (value, since) = match known {
            Some(entry) => (entry.value, entry.since),
            None => (Arc::new(filled.value) as Arc<dyn Any + Send + Sync>, generation),
        };
        let now = Instant::now();
        Entry {
            value,
            stored: now.checked_sub(age).unwrap_or(now),
            generation,
            since,
            digest: filled.digest,
            weight: u32::try_from(filled.weight).unwrap_or(u32::MAX),
            ends: now + keep.saturating_sub(age),
            recalled: filled.recalled.is_some(),
        }
    }

    /// What was recalled never takes the place of what was asked for, while that is of use.
    fn keep(&self, key: &Arc<str>, entry: Entry) {
        if entry.recalled {
            let now = Instant::now();
            self.store.entry_by_ref(key).and_compute_with(|held| match held {
                Some(held) if now < held.value().ends => Op::Nop,
                _ => Op::Put(entry),
            });
        } else {
            self.store.insert(Arc::clone(key), entry);
        }
        // After the change that it counts.
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// What is in memory and of use. The table does the same by a clock of its own, later.
    fn find(&self, key: &Arc<str>, now: Instant) -> Option<Entry> {
        self.store.get(key).filter(|entry| now < entry.ends)
    }

    /// The same for who looks by the way. The table keeps what is asked for often, also while it is not there; something
    /// that is read once must not look as if it had been asked for at each step of being fetched.
    fn look(&self, key: &Arc<str>, now: Instant) -> Option<Entry> {
        if self.store.contains_key(key) { self.find(key, now) } else { None }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Arc<str>, Flight<F>>> {
        self.flights.lock().expect("no code panics while it holds the flights")
    }
}

/// What a fill is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody waits for it.
    Answer,
    /// A stale value was good enough for now.
    Refresh,
}

/// Takes a flight off the list when its task ends, however it ends.
struct Gone<F: Clone + Send + Sync + 'static> {
    cache: Arc<Cache<F>>,
    key: Arc<str>,
    generation: u64,
}

impl<F: Clone + Send + Sync + 'static> Drop for Gone<F> {
    fn drop(&mut self) {
        let mut flights = self.cache.flights();
        if flights.get(&self.key).is_some_and(|flight| flight.generation() == self.generation) {
            flights.remove(&self.key);
        }
    }
}

impl Entry {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.stored)
    }

    /// How long it is of use.
    fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    fn glimpse<T: Send + Sync + 'static>(&self, now: Instant) -> Option<Glimpse<T>> {
        let value = Arc::clone(&self.value).downcast().ok()?;
        let Self { generation, since, ends, .. } = *self;
        Some(Glimpse { value, age: self.age(now), generation, since, ends })
    }

    /// Whether it is better than a failure.
    fn covers(&self, policy: &Policy, wish: &Wish<'_>, now: Instant) -> bool {
        let age = self.age(now);
        wish.accepts(age, self.generation) && age < policy.kept()
    }

    fn read<T: Send + Sync + 'static, F>(
        &self,
        origin: Origin<F>,
        policy: &Policy,
        now: Instant,
    ) -> Option<Read<T, F>> {
        let age = self.age(now);
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Some(Read {
            value: Arc::clone(&self.value).downcast().ok()?,
            origin,
            age,
            ttl: seconds(policy.fresh) - seconds(age),
            generation: self.generation,
            since: self.since,
            queued: Duration::ZERO,
            took: Duration::ZERO,
        })
    }
}

#[cfg(test)]
mod tests;
