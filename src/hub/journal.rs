//! What an answer was made of, so that the same question need not be gone through again as long as all of that stands.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::desk::{Found, Trip};
use super::marks::Marks;
use super::{CacheUse, Hub, Provenance};
use crate::cache::{Cache, Glimpse, Policy};
use crate::crm::{Chunk, Error};
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
}

/// What can be seen of an answer in memory without knowing what it is about.
struct Sight {
    age: Duration,
    since: u64,
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
    let Glimpse { age, since, .. } = cache.glance::<Chunk<E>>(key)?;
    Some(Sight { age, since })
}

impl Witness {
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
        for part in &*witness.0 {
            let sight = (part.look)(&self.desk.cache, &part.key)?;
            // A write that could not have changed it is told apart where the question is asked again.
            let known = part.marks.version() == part.version;
            if sight.since != part.since || sight.age >= part.fresh || !known {
                return None;
            }
            let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
            let ttl = seconds(part.fresh) - seconds(sight.age);
            let seen = Provenance { cache: CacheUse::Hit, age: sight.age, ttl, ..Provenance::default() };
            let place = if part.aside { &mut aside } else { &mut sum };
            *place = Some(place.map_or(seen, |sum| sum.and(seen)));
        }
        sum.or(aside)
    }
}
