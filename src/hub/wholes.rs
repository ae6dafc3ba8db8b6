//! Which lists were asked for, so that a narrower question is answered out of the pages of a wider list while memory holds
//! all of them, and costs no call.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::desk::{Found, Page};
use crate::cache::Glimpse;
use crate::crm::{Chunk, Lane, Position};
use crate::model::{Entity, Filter as _, Record};

/// Lists remembered of one sequence.
const MANY: usize = 32;

/// The longest list that a narrower one is found in, in pages.
const WHOLE: usize = 20;

/// The lists of one kind of records by the names of their sequences, the latest first. A list that is no longer in
/// memory is known all the same: its pages are looked for when they are needed.
#[derive(Debug)]
pub(super) struct Wholes<E: Entity>(RwLock<HashMap<String, Lists<E>>>);

/// The lists of one sequence, the latest first.
type Lists<E> = VecDeque<(Lane, <E as Entity>::Filter)>;

impl<E: Entity> Default for Wholes<E> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<E: Entity> Wholes<E> {
    /// Notes that the first page of a list came into memory. Lists of one owner are too many and too short to be worth it.
    pub(super) fn note(&self, lane: &Lane, filter: &E::Filter) {
        if lane.parent.is_some() || filter.owner().is_some() {
            return;
        }
        let mut lists = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let lists = lists.entry(lane.name.clone()).or_default();
        lists.retain(|(known, its)| known != lane || its != filter);
        lists.push_front((lane.clone(), filter.clone()));
        lists.truncate(MANY);
    }

    /// Lists that hold whatever a list with this filter holds.
    pub(super) fn wider(&self, lane: &Lane, filter: &E::Filter) -> Vec<(Lane, E::Filter)> {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(lists) = lists.get(&lane.name) else { return Vec::new() };
        let wider = lists.iter().filter(|(known, its)| {
            // Days are a condition of the filter.
            let same = Lane { days: lane.days, ..known.clone() } == *lane;
            same && its != filter && filter.narrows(its)
        });
        wider.cloned().collect()
    }
}

/// What fits `filter` of a wider list, if `page` gives all pages of that with their keys; with the age of the oldest.
pub(super) fn sifted<E: Entity>(
    page: &dyn Fn(Position) -> Option<(Arc<str>, Page<E>)>,
    filter: &E::Filter,
) -> Option<(Found<E>, Duration)> {
    let (mut at, mut age, mut generation, mut rows) = (Position(0), Duration::ZERO, u64::MAX, 0);
    let (mut parts, mut records) = (Vec::new(), Vec::new());
    let (mut total, mut most) = (None, 0);
    loop {
        let (key, Glimpse { value, age: its, generation: since_then, since, .. }) = page(at)?;
        if parts.is_empty() {
            (total, most) = (value.total, value.rows);
        }
        parts.push((key, since));
        (age, generation) = (age.max(its), generation.min(since_then));
        rows += value.rows.saturating_sub(value.overlap);
        for record in value.records.iter().filter(|record| filter.matches(record)) {
            if !records.iter().any(|known: &Arc<Record<E>>| known.id == record.id) {
                records.push(Arc::clone(record));
            }
        }
        // Pages between which rows moved are not the whole list; more than a page is read page by page.
        if value.total != total || records.len() as u64 > most || parts.len() > WHOLE {
            return None;
        }
        match value.next {
            Some(next) if total.is_none_or(|total| rows < total) => at = next,
            _ if total.is_none_or(|total| rows == total) => break,
            _ => return None,
        }
    }
    let since = parts.iter().map(|(_, since)| *since).max()?;
    let many = records.len() as u64;
    let chunk = Chunk { records, rows: many, total: Some(many), ..Chunk::default() };
    Some((Found { chunk: Arc::new(chunk), generation, since, at: parts }, age))
}
