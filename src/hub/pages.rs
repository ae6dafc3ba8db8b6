//! Reading one sequence record by record while its rows move.
//!
//! Page numbers and offsets lie as soon as a row is added or removed before the place where one stopped. So the place
//! is remembered by the records themselves: when the next page is not what it should be, the last records read are
//! looked for, in it, before it and behind it. As long as nothing moves this costs no call; the signs that something
//! did are the CRM's total, the rows read again on purpose, and the last records showing up where they should not.
//!
//! Rows that are only added make no record skipped or doubled. Where rows are deleted too, none that stays is skipped
//! but in three cases that leave no sign: as many rows added as deleted between two pages, so that the total is the
//! same, in a list without rows read again; a deletion of more rows than pages are searched, together with all
//! records remembered; and a record that is moved by a change of the very field the list is sorted by. When the
//! records remembered are gone, rows are read twice rather than not at all.

use std::sync::Arc;

use futures_util::FutureExt as _;
use jiff::civil::Date;

use super::desk::{Desk, Found, Way};
use super::journal::Journal;
use super::mark::Mark;
use super::marks::Marks;
use super::wholes::Wholes;
use crate::cache::Policy;
use crate::crm::{Chunk, Error, Kind, Lane, Position, Source};
use crate::model::{Entity, Record};

/// How many pages behind the place are searched, where the CRM does not tell how many rows were added.
const SEARCHED_BEHIND: u64 = 24;
/// How many pages before the place are searched, where it does not tell how many were removed.
const SEARCHED_BEFORE: u64 = 4;
/// How far at most, whatever the totals say: the one from before comes out of a cursor, and those can be forged.
const SEARCHED_AT_MOST: u64 = 48;
/// Rows that may have come in between two records that were read one after the other.
const NEAR: usize = 20;
/// Pages in a row without anything new: the CRM ignores the position.
const FRUITLESS: u32 = 3;

/// Where a sequence's pages come from.
pub(super) struct Spring<'a, E: Entity> {
    pub(super) desk: &'a Desk,
    pub(super) trip: &'a Journal<'a>,
    pub(super) source: &'a Arc<dyn Source<E>>,
    pub(super) filter: &'a E::Filter,
    pub(super) policy: &'a Policy,
    pub(super) marks: &'a Arc<Marks>,
    /// Lists that may hold what is asked for too.
    pub(super) wholes: Option<&'a Arc<Wholes<E>>>,
}

impl<E: Entity> Spring<'_, E> {
    async fn page(&self, lane: &Lane, at: u64, newer_than: Option<u64>) -> Result<Found<E>, Error> {
        let question = self.source.question(self.filter, lane, Position(at));
        let bounds = (&**self.marks, newer_than);
        let way = Way::Page(lane, self.filter, self.wholes);
        // Before it is asked, so that a write meanwhile is not missed.
        let version = self.marks.version();
        let found = self.desk.ask(self.trip, self.source, &question, way, self.policy, bounds).await?;
        self.trip.note(&question.key, &found, self.policy, (self.marks, version));
        Ok(found)
    }
}

/// A page before the place that did not hold it.
struct Before<E> {
    found: Found<E>,
    position: u64,
    rows_before: u64,
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
                None => self.arrive(spring).boxed().await?,
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

    /// Leaves the page at hand if it is used up; the next one is not asked for.
    pub(super) fn leave(&mut self) {
        if let Some(chunk) = self.chunk.clone().filter(|chunk| self.mark.index >= chunk.records.len()) {
            self.turn(&chunk);
        }
    }

    /// Leaves a page that is used up.
    fn turn(&mut self, chunk: &Chunk<E>) {
        let through = self.mark.before.saturating_add(chunk.rows.saturating_sub(chunk.overlap));
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
        let oldest = self.lane.days.and_then(|(oldest, _)| oldest).filter(|_| !self.mark.unordered);
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

    /// The index behind the last of those read before. They are known by standing in their order: one alone in another
    /// place was moved there, and what stands before it was not read.
    fn after_last(&self, chunk: &Chunk<E>) -> Option<usize> {
        let last = &self.mark.last;
        let mut best: Option<(usize, usize)> = None;
        let mut hits: Vec<(usize, usize, usize)> = Vec::new();
        for (index, record) in chunk.records.iter().enumerate() {
            let Some(rank) = last.iter().position(|id| *id == record.id) else { continue };
            let before = hits.iter().filter(|(at, lower, _)| *lower < rank && index - at <= NEAR);
            let run = 1 + before.map(|(_, _, run)| *run).max().unwrap_or(0);
            hits.push((index, rank, run));
            let first_row = index == 0 && rank + 1 == last.len();
            if (run > 1 || first_row || last.len() == 1) && best.is_none_or(|(most, _)| run >= most) {
                best = Some((run, index + 1));
            }
        }
        best.map(|(_, after)| after)
    }

    /// Rows moved: looks for the last records read.
    async fn search(&mut self, spring: &Spring<'_, E>, here: Found<E>) -> Result<Arc<Chunk<E>>, Error> {
        let (position, before) = (self.mark.position, self.mark.before);
        let totals = here.chunk.total.zip(self.mark.total);
        if let Some(index) = self.after_last(&here.chunk) {
            let grew = totals.is_some_and(|(now, then)| now > then);
            let nothing_new = self.mark.index == 0 && index == here.chunk.records.len() && !grew;
            self.fruitless = if nothing_new { self.fruitless + 1 } else { 0 };
            if self.fruitless >= FRUITLESS {
                let detail = "the CRM gives the same page for every position";
                return Err(Error::new(spring.source.crm(), Kind::Unreadable, detail));
            }
            return Ok(self.settle(here, position, before, index));
        }
        // Back and forth between pages without anything new: what was read last stands in no order any more.
        if self.fruitless >= FRUITLESS {
            return Ok(self.give_up(here, 0, Vec::new()));
        }
        let pages = |rows_moved: u64| pages_worth(rows_moved, here.chunk.rows);
        let behind = totals.map_or(SEARCHED_BEHIND, |(now, then)| pages(now.saturating_sub(then)));
        let ahead = totals.map_or(SEARCHED_BEFORE, |(now, then)| pages(then.saturating_sub(now)));
        // The likeliest first: what moved, moved behind the place.
        let mut seen = Vec::new();
        if let Some(chunk) = self.look_before(spring, &here, 1, &mut seen).await? {
            return Ok(chunk);
        }
        if let Some(chunk) = self.look_behind(spring, &here, behind).await? {
            return Ok(chunk);
        }
        if let Some(chunk) = self.look_before(spring, &here, ahead, &mut seen).await? {
            return Ok(chunk);
        }
        let removed = totals.map_or(u64::MAX, |(now, then)| then.saturating_sub(now));
        Ok(self.give_up(here, removed, seen))
    }

    /// Looks in up to `pages` pages before `here`, of which `seen` were looked at already; those looked at are added.
    async fn look_before(
        &mut self,
        spring: &Spring<'_, E>,
        here: &Found<E>,
        pages: u64,
        seen: &mut Vec<Before<E>>,
    ) -> Result<Option<Arc<Chunk<E>>>, Error> {
        while (seen.len() as u64) < pages {
            let (step, before) = match seen.last() {
                Some(last) => (last.found.chunk.previous, last.rows_before),
                None => (here.chunk.previous, self.mark.before),
            };
            let Some(at) = step else { break };
            let found = spring.page(&self.lane, at.0, Some(self.mark.generation)).await?;
            let rows_before = before.saturating_sub(found.chunk.rows.saturating_sub(found.chunk.overlap));
            if let Some(index) = self.after_last(&found.chunk) {
                self.fruitless += u32::from(index == found.chunk.records.len());
                return Ok(Some(self.settle(found, at.0, rows_before, index)));
            }
            seen.push(Before { found, position: at.0, rows_before });
        }
        Ok(None)
    }

    /// Looks in up to `pages` pages behind `here`.
    async fn look_behind(
        &mut self,
        spring: &Spring<'_, E>,
        here: &Found<E>,
        pages: u64,
    ) -> Result<Option<Arc<Chunk<E>>>, Error> {
        let new = |chunk: &Chunk<E>| chunk.rows.saturating_sub(chunk.overlap);
        let (mut step, mut before) = (here.chunk.next, self.mark.before.saturating_add(new(&here.chunk)));
        for _ in 0..pages {
            let Some(at) = step else { break };
            let found = spring.page(&self.lane, at.0, Some(self.mark.generation)).await?;
            if let Some(index) = self.after_last(&found.chunk) {
                return Ok(Some(self.settle(found, at.0, before, index)));
            }
            before = before.saturating_add(new(&found.chunk));
            step = found.chunk.next;
        }
        Ok(None)
    }

    /// The last records read are gone, and `removed` rows at most were before the place: what follows it is so many
    /// rows further ahead at the furthest, among the pages `seen`. Rows in between may be read twice; none is skipped.
    fn give_up(&mut self, here: Found<E>, removed: u64, seen: Vec<Before<E>>) -> Arc<Chunk<E>> {
        let (position, before) = (self.mark.position, self.mark.before);
        let index = self.mark.index.max(usize::try_from(here.chunk.overlap).unwrap_or(0));
        let mut removed = usize::try_from(removed).unwrap_or(usize::MAX);
        if removed <= index || seen.is_empty() {
            return self.settle(here, position, before, index.saturating_sub(removed));
        }
        removed -= index;
        let furthest = seen.len() - 1;
        for (number, page) in seen.into_iter().enumerate() {
            let records = page.found.chunk.records.len();
            if removed <= records || number == furthest {
                let index = records.saturating_sub(removed);
                return self.settle(page.found, page.position, page.rows_before, index);
            }
            removed -= records;
        }
        unreachable!("the furthest page returns")
    }

    fn settle(&mut self, found: Found<E>, position: u64, before: u64, index: usize) -> Arc<Chunk<E>> {
        self.mark.position = position;
        self.mark.before = before;
        self.mark.index = index;
        // A list that does not run from new to old after all can only be read through.
        self.mark.unordered |= self.lane.days.is_some() && !runs_from_new_to_old(&found.chunk);
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
        let (mut removed, mut newest_seen) = (0, first.generation);
        while reaching - newer > 1 {
            let middle = newer + (reaching - newer) / 2;
            let found = spring.page(&self.lane, middle, None).await?;
            if last_day(&found.chunk) > last_newer && found.chunk.total == first.chunk.total {
                self.mark.unordered = true;
                return Ok(self.settle(first, 0, 0, 0));
            }
            newest_seen = newest_seen.max(found.generation);
            removed = removed.max(lost(first.chunk.total, found.chunk.total));
            if reaches(&found.chunk) {
                reaching = middle;
            } else {
                newer = middle;
                last_newer = last_day(&found.chunk);
            }
        }
        // Rows deleted meanwhile moved what follows them ahead; rows added only make the way longer.
        reaching = reaching.saturating_sub(removed.div_ceil(size));
        let mut found = spring.page(&self.lane, reaching, None).await?;
        if found.chunk.total != first.chunk.total {
            // The pages looked at are of different ages: what one of them lost another may not have got yet.
            let reaches_back = |chunk: &Chunk<E>| first_day(chunk).is_some_and(|day| day <= newest);
            found = spring.page(&self.lane, reaching, Some(newest_seen)).await?;
            while reaching > 0 && reaches_back(&found.chunk) {
                reaching -= 1;
                found = spring.page(&self.lane, reaching, Some(newest_seen)).await?;
            }
        }
        self.mark.generation = generation;
        Ok(self.settle(found, reaching, reaching * size, 0))
    }
}

/// How many pages of `rows` to look through for a place that was moved by so many rows.
fn pages_worth(rows_moved: u64, rows: u64) -> u64 {
    rows_moved.div_ceil(rows.max(1)).saturating_add(1).min(SEARCHED_AT_MOST)
}

fn first_day<E: Entity>(chunk: &Chunk<E>) -> Option<Date> {
    chunk.records.iter().find_map(|record| record.data.day())
}

fn runs_from_new_to_old<E: Entity>(chunk: &Chunk<E>) -> bool {
    chunk.records.iter().filter_map(|record| record.data.day()).is_sorted_by(|newer, older| newer >= older)
}

/// How many rows fewer there are now.
fn lost(then: Option<u64>, now: Option<u64>) -> u64 {
    then.zip(now).map_or(0, |(then, now)| then.saturating_sub(now))
}

fn last_day<E: Entity>(chunk: &Chunk<E>) -> Option<Date> {
    chunk.records.iter().rev().find_map(|record| record.data.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reference::ReferenceEntry;
    use crate::model::{Raw, RecordId, Source as CrmName};

    fn id(number: u64) -> RecordId {
        RecordId::new(CrmName::AlfaCrm, number)
    }

    fn page(numbers: &[u64]) -> Chunk<ReferenceEntry> {
        let record = |number: &u64| Record {
            id: id(*number),
            source: CrmName::AlfaCrm,
            source_id: number.to_string(),
            data: ReferenceEntry { name: None, active: None, weight: None, branch_ids: Vec::new() },
            custom_fields: serde_json::Map::new(),
            created_at: None,
            updated_at: None,
            raw: Raw::of(&serde_json::Value::Null),
        };
        Chunk { records: numbers.iter().map(|number| Arc::new(record(number))).collect(), ..Chunk::default() }
    }

    fn after(last: &[u64], numbers: &[u64]) -> Option<usize> {
        let mark = Mark { last: last.iter().map(|number| id(*number)).collect(), ..Mark::default() };
        Pages::<ReferenceEntry>::new(Lane::pages("test"), mark).after_last(&page(numbers))
    }

    #[test]
    fn the_place_is_behind_the_last_records_in_their_order() {
        assert_eq!(after(&[1, 2, 3, 4], &[5, 6, 7]), None);
        assert_eq!(after(&[1, 2, 3, 4], &[3, 4, 5]), Some(2));
        assert_eq!(after(&[1, 2, 3, 4], &[4, 5, 6]), Some(1));
        assert_eq!(after(&[1, 2, 3, 4], &[2, 9, 4, 5]), Some(3), "a row came in between");
        assert_eq!(after(&[1, 2, 3, 4], &[1, 3, 5]), Some(2), "the last is gone");
        assert_eq!(after(&[4], &[9, 4, 5]), Some(2), "one is all that was read");
    }

    #[test]
    fn a_place_is_searched_as_far_as_rows_moved_but_not_without_end() {
        assert_eq!(pages_worth(0, 50), 1);
        assert_eq!(pages_worth(101, 50), 4);
        assert_eq!(pages_worth(7, 0), 8, "an empty page says nothing about the size of others");
        assert_eq!(pages_worth(u64::MAX, 1), SEARCHED_AT_MOST, "a total from a forged cursor");
    }

    #[test]
    fn a_record_that_was_moved_does_not_take_the_place_with_it() {
        assert_eq!(after(&[1, 2, 3, 4], &[5, 6, 7, 2, 8]), None);
        assert_eq!(after(&[1, 2, 3, 4], &[2, 3, 4, 5, 6, 1, 8]), Some(3));
    }
}
