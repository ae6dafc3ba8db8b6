//! How long answers are good for, and what a caller accepts.

use std::sync::Arc;
use std::time::Duration;

use super::Entry;
use crate::model::context::Payer;

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

/// What a caller accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wish<'a> {
    /// Nothing older than this.
    pub max_age: Option<Duration>,
    /// Only what was asked for after this generation.
    pub newer_than: Option<u64>,
    /// Rather nothing than a call.
    pub only_if_cached: bool,
    /// Who asks: a fill that was begun for somebody less urgent becomes as urgent.
    pub payer: Option<&'a Payer>,
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
        Some(entry.keep)
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        entry: &Entry,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.keep)
    }
}
