//! Reading one sequence record by record while its rows move.
//!
//! Page numbers and offsets lie as soon as a row is added or removed before the place where one stopped. So the place
//! is remembered by the records themselves: when the next page is not what it should be, the last records read are
//! looked for, in it, behind it when rows were added, before it when rows were removed. As long as nothing moves this
//! costs no call; the signs that something did are the CRM's total, the rows read again on purpose, and the last
//! records showing up where they should not.

use std::sync::Arc;

use jiff::civil::Date;

use super::desk::{Desk, Found, Trip};
use super::mark::Mark;
use crate::cache::Policy;
use crate::crm::{Chunk, Error, Kind, Lane, Position, Source};
use crate::model::{Entity, Record};

/// How many pages the last records are looked for before the place is given up.
const SEARCHED: usize = 4;
/// Pages in a row without anything new: the CRM ignores the position.
const FRUITLESS: u32 = 3;

/// Where a sequence's pages come from.
pub(super) struct Spring<'a, E: Entity> {
    pub(super) desk: &'a Desk,
    pub(super) trip: &'a Trip<'a>,
    pub(super) source: &'a Arc<dyn Source<E>>,
    pub(super) filter: &'a E::Filter,
    pub(super) policy: &'a Policy,
}

impl<E: Entity> Spring<'_, E> {
    async fn page(&self, lane: &Lane, at: u64, newer_than: Option<u64>) -> Result<Found<E>, Error> {
        let question = self.source.question(self.filter, lane, Position(at));
        self.desk.ask(self.trip, self.source, &question, self.policy, newer_than).await
    }
}

/// One sequence, half read.
#[derive(Debug)]
pub(super) struct Pages<E> {
    pub(super) lane: Lane,
    pub(super) mark: Mark,
    chunk: Option<Arc<Chunk<E>>>,
    fruitless: u32,
}

impl<E: Entity> Pages<E> {
    /// Goes on at `mark`.
    pub(super) fn new(lane: Lane, mark: Mark) -> Self {
        Self { lane, mark, chunk: None, fruitless: 0 }
    }

    /// Whether a page of it is at hand.
    pub(super) fn was_asked(&self) -> bool {
        self.chunk.is_some() || self.mark.done || self.mark.total.is_some()
    }

    /// The next record, which stays the next until [`Pages::pass`].
    pub(super) async fn peek(&mut self, spring: &Spring<'_, E>) -> Result<Option<Arc<Record<E>>>, Error> {
        loop {
            if self.mark.done {
                return Ok(None);
            }
            let chunk = match &self.chunk {
                Some(chunk) => Arc::clone(chunk),
                None => self.arrive(spring).await?,
            };
            if let Some(record) = chunk.records.get(self.mark.index) {
                if self.is_past_the_days(record) {
                    self.mark.done = true;
                    return Ok(None);
                }
                return Ok(Some(Arc::clone(record)));
            }
            self.turn(&chunk);
        }
    }

    /// Goes past the record that [`Pages::peek`] gave.
    pub(super) fn pass(&mut self, record: &Record<E>) {
        self.mark.pass(&record.id);
        self.fruitless = 0;
    }

    /// Leaves a page that is used up.
    fn turn(&mut self, chunk: &Chunk<E>) {
        let through = self.mark.before + chunk.rows.saturating_sub(chunk.overlap);
        let all = chunk.total.is_some_and(|total| through >= total);
        match chunk.next {
            Some(next) if !all => {
                self.mark.position = next.0;
                self.mark.before = through;
                self.mark.index = 0;
                self.chunk = None;
            }
            _ => self.mark.done = true,
        }
    }

    fn is_past_the_days(&self, record: &Record<E>) -> bool {
        let oldest = self.lane.days.and_then(|(oldest, _)| oldest);
        oldest.zip(record.data.day()).is_some_and(|(oldest, day)| day < oldest)
    }

    /// Gets the page at the mark and finds the place in it.
    async fn arrive(&mut self, spring: &Spring<'_, E>) -> Result<Arc<Chunk<E>>, Error> {
        if self.mark.is_start()
            && let Some((_, Some(newest))) = self.lane.days
        {
            return self.seek(spring, newest).await;
        }
        let mut found = spring.page(&self.lane, self.mark.position, None).await?;
        if !self.is_in_place(&found.chunk) && found.generation < self.mark.generation {
            // Remembered from before the page we come from was asked for.
            found = spring.page(&self.lane, self.mark.position, Some(self.mark.generation)).await?;
        }
        if self.is_in_place(&found.chunk) {
            let index = if self.mark.last.is_empty() {
                self.mark.index
            } else {
                self.after_last(&found.chunk).unwrap_or(0)
            };
            return Ok(self.settle(found, self.mark.position, self.mark.before, index));
        }
        self.search(spring, found).await
    }

    /// Whether a page starts where the last one ended, as far as can be told.
    fn is_in_place(&self, chunk: &Chunk<E>) -> bool {
        if self.mark.last.is_empty() {
            return true;
        }
        let after = self.after_last(chunk);
        if self.mark.index > 0 {
            return after == Some(self.mark.index);
        }
        match usize::try_from(chunk.overlap) {
            Ok(overlap) if overlap > 0 => after == Some(overlap.min(chunk.records.len())),
            _ => after.is_none() && (chunk.total.is_none() || chunk.total == self.mark.total),
        }
    }

    /// The index behind the last of those read before.
    fn after_last(&self, chunk: &Chunk<E>) -> Option<usize> {
        chunk.records.iter().rposition(|record| self.mark.last.contains(&record.id)).map(|index| index + 1)
    }

    /// Rows moved: looks for the last records read.
    async fn search(&mut self, spring: &Spring<'_, E>, here: Found<E>) -> Result<Arc<Chunk<E>>, Error> {
        let (position, before) = (self.mark.position, self.mark.before);
        if let Some(index) = self.after_last(&here.chunk) {
            let nothing_new = self.mark.index == 0 && index == here.chunk.records.len();
            self.fruitless = if nothing_new { self.fruitless + 1 } else { 0 };
            if self.fruitless >= FRUITLESS {
                let detail = "the CRM gives the same page for every position";
                return Err(Error::new(spring.source.crm(), Kind::Unreadable, detail));
            }
            return Ok(self.settle(here, position, before, index));
        }
        let generation = self.mark.generation;
        let removed = here.chunk.total.zip(self.mark.total).is_some_and(|(now, then)| now < then)
            || here.chunk.overlap > 0;
        if removed {
            let (mut at, mut rows_before) = (self.mark.position, before);
            let mut step = here.chunk.previous;
            for _ in 0..SEARCHED {
                let Some(previous) = step else { break };
                at = previous.0.min(at);
                let found = spring.page(&self.lane, at, Some(generation)).await?;
                rows_before =
                    rows_before.saturating_sub(found.chunk.rows.saturating_sub(found.chunk.overlap));
                if let Some(index) = self.after_last(&found.chunk) {
                    return Ok(self.settle(found, at, rows_before, index));
                }
                step = found.chunk.previous;
            }
        } else {
            let mut rows_before = before + here.chunk.rows;
            let mut step = here.chunk.next;
            for _ in 0..SEARCHED {
                let Some(next) = step else { break };
                let found = spring.page(&self.lane, next.0, Some(generation)).await?;
                if let Some(index) = self.after_last(&found.chunk) {
                    return Ok(self.settle(found, next.0, rows_before, index));
                }
                rows_before += found.chunk.rows;
                step = found.chunk.next;
            }
        }
        // Not to be found: they are gone, and what follows them is here.
        let index = if self.mark.index > 0 {
            self.mark.index
        } else {
            usize::try_from(here.chunk.overlap).unwrap_or(0)
        };
        Ok(self.settle(here, position, before, index))
    }

    fn settle(&mut self, found: Found<E>, position: u64, before: u64, index: usize) -> Arc<Chunk<E>> {
        self.mark.position = position;
        self.mark.before = before;
        self.mark.index = index;
        self.mark.total = found.chunk.total;
        // Not when it was last asked for: a cursor stays the same as long as the page does, and so does the answer's tag.
        self.mark.generation = self.mark.generation.max(found.since);
        self.chunk = Some(Arc::clone(&found.chunk));
        found.chunk
    }

    /// Finds the first page that reaches down to `newest` in a list that runs from new to old, by bisection. Pages
    /// are numbered there, so that page k starts behind k times as many rows as the first one has.
    async fn seek(&mut self, spring: &Spring<'_, E>, newest: Date) -> Result<Arc<Chunk<E>>, Error> {
        let first = spring.page(&self.lane, 0, None).await?;
        let size = first.chunk.rows;
        let pages = first.chunk.total.filter(|_| size > 0).map_or(1, |total| total.div_ceil(size));
        let reaches = |chunk: &Chunk<E>| last_day(chunk).is_none_or(|day| day <= newest);
        if pages == 1 || reaches(&first.chunk) {
            return Ok(self.settle(first, 0, 0, 0));
        }
        let generation = first.since;
        let (mut newer, mut reaching) = (0, pages - 1);
        let mut last_newer = last_day(&first.chunk);
        while reaching - newer > 1 {
            let middle = newer + (reaching - newer) / 2;
            let found = spring.page(&self.lane, middle, None).await?;
            if last_day(&found.chunk) > last_newer {
                // Not from new to old after all: then only reading it through is right.
                return Ok(self.settle(first, 0, 0, 0));
            }
            if reaches(&found.chunk) {
                reaching = middle;
            } else {
                newer = middle;
                last_newer = last_day(&found.chunk);
            }
        }
        let found = spring.page(&self.lane, reaching, None).await?;
        self.mark.generation = generation;
        Ok(self.settle(found, reaching, reaching * size, 0))
    }
}

fn last_day<E: Entity>(chunk: &Chunk<E>) -> Option<Date> {
    chunk.records.iter().rev().find_map(|record| record.data.day())
}
