//! What an answer was made of, so that the same question need not be gone through again as long as all of that stands.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::desk::Found;
use super::marks::Marks;
use super::trip::Trip;
use super::{CacheUse, Hub, Provenance};
use crate::cache::{Cache, Glimpse, Policy};
use crate::crm::{Chunk, Error};
use crate::model::weight::{allocated, shared};
use crate::model::{Ctx, Entity};

/// A [`Trip`] that writes down what it was told.
#[derive(Debug)]
pub(super) struct Journal<'a> {
    pub(super) trip: Trip<'a>,
    parts: Mutex<Vec<Part>>,
}

/// All that an answer was made of, each part of it fresh in memory at the time.
///
/// The same question, asked with the same rights, has the same answer while [`Hub::still`] says so: the hub makes its
/// answers of these parts and of nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Witness(Arc<[Part]>);

/// One answer in memory.
#[derive(Debug, Clone)]
struct Part {
    key: Arc<str>,
    /// Names the value among all that were ever kept under the key.
    since: u64,
    fresh: Duration,
    marks: Arc<Marks>,
    /// Whether it only decided what was asked.
    aside: bool,
    /// How often the resource had been marked before the answer was judged.
    version: u64,
    look: fn(&Cache<Error>, &Arc<str>) -> Option<Sight>,
    last: Arc<Last>,
}

/// What can be seen of an answer in memory without knowing what it is about.
struct Sight {
    since: u64,
    age: Duration,
    ends: Instant,
}

/// The part as it was when it was last looked up. As long as nothing was kept since, it need not be looked up again.
#[derive(Debug)]
struct Last {
    /// [`Cache::changes`] before it was looked up.
    at: AtomicU64,
    /// Times are nanoseconds since then.
    began: Instant,
    /// When its fill ended, as its age tells.
    stored: AtomicI64,
    /// Until when it is fresh.
    fresh_until: AtomicI64,
}

impl Last {
    /// Never looked up.
    fn none() -> Self {
        let (stored, fresh_until) = Default::default();
        Self { at: AtomicU64::new(u64::MAX), began: Instant::now(), stored, fresh_until }
    }

    /// When it was stored and until when it is fresh, if that was seen at this state of the memory.
    fn seen(&self, changes: u64) -> Option<(i64, i64)> {
        // Who has seen a later state writes the number last, so what is read here is never of an earlier one.
        let same = self.at.load(Ordering::Acquire) == changes;
        same.then(|| (self.stored.load(Ordering::Acquire), self.fresh_until.load(Ordering::Acquire)))
    }

    fn note(&self, changes: u64, stored: i64, fresh_until: i64) {
        self.stored.store(stored, Ordering::Release);
        self.fresh_until.store(fresh_until, Ordering::Release);
        self.at.store(changes, Ordering::Release);
    }

    /// A point in time on this scale.
    fn nanos(&self, at: Instant) -> i64 {
        match at.checked_duration_since(self.began) {
            Some(after) => nanos(after),
            None => -nanos(self.began.duration_since(at)),
        }
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

impl Part {
    /// How old it is, if it is the one it was and fresh.
    fn age(&self, cache: &Cache<Error>, changes: u64, now: Instant) -> Option<Duration> {
        let at = self.last.nanos(now);
        let (stored, fresh_until) = match self.last.seen(changes) {
            Some(seen) => seen,
            None => {
                let Sight { since, age, ends } = (self.look)(cache, &self.key)?;
                if since != self.since {
                    return None;
                }
                let stored = at.saturating_sub(nanos(age));
                let fresh_until = stored.saturating_add(nanos(self.fresh)).min(self.last.nanos(ends));
                self.last.note(changes, stored, fresh_until);
                (stored, fresh_until)
            }
        };
        (at < fresh_until).then(|| Duration::from_nanos(at.saturating_sub(stored).unsigned_abs()))
    }
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.since == other.since && self.aside == other.aside
    }
}

impl<'a> Journal<'a> {
    /// A way to so many CRMs.
    pub(super) fn new(ctx: &'a Ctx, sources: usize) -> Self {
        Self { trip: Trip::new(ctx, sources), parts: Mutex::default() }
    }

    /// An answer was found in memory or fetched; `version` is what [`Marks::version`] was before that was decided.
    pub(super) fn note<E: Entity>(
        &self,
        key: &str,
        found: &Found<E>,
        policy: &Policy,
        (marks, version): (&Arc<Marks>, u64),
    ) {
        let part = |(key, since): (Arc<str>, u64)| Part {
            key,
            since,
            fresh: policy.fresh,
            aside: false,
            marks: Arc::clone(marks),
            version,
            look: look::<E>,
            last: Arc::new(Last::none()),
        };
        if found.at.is_empty() {
            self.add(part((key.into(), found.since)));
        }
        found.at.iter().cloned().for_each(|at| self.add(part(at)));
    }

    /// Something was looked up on the way to know what to ask for. The answer stands only as long as that does, but is
    /// not as old as that.
    pub(super) fn look_aside(&self, lookup: Journal<'_>) {
        self.trip.look_aside(&lookup.trip);
        let parts = lookup.parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        parts.into_iter().for_each(|part| self.add(Part { aside: true, ..part }));
    }

    fn add(&self, part: Part) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if !parts.contains(&part) {
            parts.push(part);
        }
    }

    /// What the answer was made of; `None` unless all of it came fresh from memory. An answer that took calls may have
    /// been cut short by what they cost, and one that is only supposed is none.
    pub(super) fn witness(&self) -> Option<Witness> {
        let given = self.trip.calls() == 0
            && self.trip.provenance().cache == CacheUse::Hit
            && self.trip.ctx.rehearsal.is_none();
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        (given && !parts.is_empty()).then(|| Witness(parts.as_slice().into()))
    }
}

impl<'a> std::ops::Deref for Journal<'a> {
    type Target = Trip<'a>;

    fn deref(&self) -> &Trip<'a> {
        &self.trip
    }
}

fn look<E: Entity>(cache: &Cache<Error>, key: &Arc<str>) -> Option<Sight> {
    let Glimpse { age, since, ends, .. } = cache.glance::<Chunk<E>>(key)?;
    Some(Sight { since, age, ends })
}

impl Witness {
    /// Bytes in memory.
    pub fn weight(&self) -> usize {
        let keys = self.0.iter().map(|part| allocated(16 + part.key.len()));
        allocated(16 + size_of_val(&*self.0)) + keys.sum::<usize>() + self.0.len() * shared::<Last>()
    }

    /// What an answer made of two answers is made of.
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&*other.0).cloned().collect())
    }
}

impl Hub {
    /// How the answer would come about now. `None` when it has to be asked for again: a part is no longer fresh, was
    /// replaced by another, or may not know of a write. Nothing is asked, and nothing is waited for.
    pub fn still(&self, witness: &Witness) -> Option<Provenance> {
        let (mut sum, mut aside): (Option<Provenance>, Option<Provenance>) = (None, None);
        let cache = &self.desk.cache;
        let (changes, now) = (cache.changes(), Instant::now());
        for part in &*witness.0 {
            // A write that could not have changed it is told apart where the question is asked again.
            if part.marks.version() != part.version {
                return None;
            }
            let age = part.age(cache, changes, now)?;
            let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
            let ttl = seconds(part.fresh) - seconds(age);
            let seen = Provenance { cache: CacheUse::Hit, age, ttl, ..Provenance::default() };
            let place = if part.aside { &mut aside } else { &mut sum };
            *place = Some(place.map_or(seen, |sum| sum.and(seen)));
        }
        sum.or(aside)
    }
}
