//! What one request used of the hub: on what terms it asks, how many calls it took, and how its answer came about.

use std::sync::{Mutex, MutexGuard};

use tokio::time::Instant;

use super::{CacheUse, Provenance};
use crate::model::{Ctx, RecordId};

/// The part of the time left that one answer may take where several CRMs are asked.
const PART: f64 = 0.75;

/// One request's way through the hub: on what terms it asks and what it used so far.
#[derive(Debug)]
pub(super) struct Trip<'a> {
    pub(super) ctx: &'a Ctx,
    sources: usize,
    tally: Mutex<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    provenance: Option<Provenance>,
    /// The same of lookups that only decide what is asked.
    aside: Option<Provenance>,
    calls: usize,
}

impl<'a> Trip<'a> {
    /// A way to so many CRMs.
    pub(super) fn new(ctx: &'a Ctx, sources: usize) -> Self {
        Self { ctx, sources, tally: Mutex::default() }
    }

    /// How long to wait for one answer. Where another CRM has a part in the list, a silent one must not use up the time
    /// in which the other could still be asked.
    pub(super) fn patience(&self) -> Instant {
        if self.sources < 2 {
            return self.ctx.deadline;
        }
        let now = Instant::now();
        now + self.ctx.deadline.saturating_duration_since(now).mul_f64(PART)
    }

    /// Whether a record was made up, to go on with.
    pub(super) fn is_made_up(&self, id: &RecordId) -> bool {
        self.ctx.rehearsal.as_ref().is_some_and(|rehearsal| rehearsal.is_made_up(id))
    }

    /// How many answers were not in memory.
    pub(super) fn calls(&self) -> usize {
        self.lock().calls
    }

    /// How the answer came about.
    pub(super) fn provenance(&self) -> Provenance {
        let tally = self.lock();
        match (tally.provenance, tally.aside) {
            (Some(parts), Some(aside)) => parts.beside(aside),
            (parts, aside) => parts.or(aside).unwrap_or_default(),
        }
    }

    /// Something was looked up on the way to know what to ask for, and is no part of the answer.
    pub(super) fn look_aside(&self, lookup: &Trip<'_>) {
        let (calls, seen) = (lookup.calls(), lookup.provenance());
        let mut tally = self.lock();
        tally.calls += calls;
        tally.aside = Some(Provenance::of_all(tally.aside.into_iter().chain([seen])));
    }

    pub(super) fn add(&self, part: Provenance) {
        let mut tally = self.lock();
        tally.calls += usize::from(matches!(part.cache, CacheUse::Miss | CacheUse::Collapsed));
        tally.provenance = Some(match tally.provenance {
            None => part,
            Some(sum) => sum.and(part),
        });
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().expect("no code panics while it holds the tally")
    }
}
