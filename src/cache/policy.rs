//! How long answers are good for, and what a caller accepts.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use super::Entry;
use crate::model::interest::Terms;

/// The part of its fresh time by which entries are spread.
const SPREAD: f64 = 0.1;

/// How long an answer is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Answered from memory without asking.
    pub fresh: Duration,
    /// So long after that: answered from memory and refreshed in the background.
    pub stale: Duration,
    /// So long after it was fresh: answered when the CRM cannot.
    pub if_error: Duration,
}

impl Policy {
    /// How long an entry is of any use.
    pub fn kept(&self) -> Duration {
        self.fresh + self.stale.max(self.if_error)
    }
}

/// How much older a refreshed entry counts than it is: up to a tenth of the time it is fresh, the same each time for a
/// key. So entries that were filled together, at a start or when a class begins, do not all end together for ever. What is
/// told of an age is never too little.
pub(super) fn head_start(key: &str, fresh: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let part = f64::from(u16::try_from(hasher.finish() % 1000).unwrap_or_default()) / 1000.0;
    fresh.mul_f64(SPREAD * part)
}

/// What a caller accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wish<'a> {
    /// Nothing older than this.
    pub max_age: Option<Duration>,
    /// Only what was asked for after this generation.
    pub newer_than: Option<u64>,
    /// Rather nothing than a call.
    pub only_if_cached: bool,
    /// On what terms the caller waits for a fill, whoever it was begun for.
    pub terms: Option<&'a Terms>,
}

impl Wish<'_> {
    /// Whether an entry of this age and generation will do.
    pub fn accepts(&self, age: Duration, generation: u64) -> bool {
        self.max_age.is_none_or(|most| !most.is_zero() && age <= most)
            && self.newer_than.is_none_or(|bound| generation > bound)
    }
}

/// Lets entries go that are of no use to anybody any more.
#[derive(Debug)]
pub(super) struct Forget;

impl moka::Expiry<Arc<str>, Entry> for Forget {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Entry, _: std::time::Instant) -> Option<Duration> {
        Some(entry.left())
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        entry: &Entry,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.left())
    }
}
