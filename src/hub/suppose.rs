//! A question that is only rehearsed: answered from memory where the real one would be, else with what its answer is
//! supposed to be. The last answer to the very question is the best supposition, however old; next best is a page put
//! together from what memory holds of the same kind of records, as long as the list seems to be. Nothing is asked,
//! begun, joined or kept; what was kept before a restart is taken back into memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::desk::{Desk, Found, Way};
use super::marks::Marks;
use super::trip::Trip;
use super::{CacheUse, Provenance};
use crate::cache::{Glimpse, Policy, Wish};
use crate::crm::error::{not_cached, refused};
use crate::crm::{Chunk, Error, Lane, Position, Question, Source};
use crate::model::context::Freshness;
use crate::model::interest::Interest;
use crate::model::rehearsal::{Leaving, Planned, Rehearsal, Supposed, Unknown};
use crate::model::{Entity, Filter as _, Order, Record, RecordId, Source as CrmName};

/// The longest list that is supposed.
const LONGEST: u64 = 100_000;
/// A list of which any request leaves something over.
const FULL: u64 = 400;
/// A number so many times as large as any that was seen is nobody's.
const FAR: u64 = 10;

/// What memory holds of one kind of record.
#[derive(Debug)]
struct Seen<E> {
    /// Each record once, as it was last read, in the order of lists.
    records: Vec<Arc<Record<E>>>,
    chunks: Vec<Arc<Chunk<E>>>,
}

/// What is asked, of whom.
struct Ask<'a, E: Entity> {
    source: &'a Arc<dyn Source<E>>,
    question: &'a Question,
    way: &'a Way<'a, E>,
}

impl Desk {
    /// What [`Desk::ask`] would do.
    pub(super) async fn rehearse<E: Entity>(
        &self,
        (rehearsal, trip): (&Rehearsal, &Trip<'_>),
        source: &Arc<dyn Source<E>>,
        question: &Question,
        way: Way<'_, E>,
        policy: &Policy,
        (marks, newer_than): (&Marks, Option<u64>),
    ) -> Result<Found<E>, Error> {
        let crm = source.crm();
        let key: Arc<str> = question.key.as_str().into();
        let newer_than = newer_than.max(marks.of(&way)).max(rehearsal.written_at(E::RESOURCE));
        let Freshness { max_age, only_if_cached } = trip.ctx.freshness;
        let wish = Wish { max_age, newer_than, only_if_cached, terms: None };
        let joined = rehearsal.is_open(&key);
        // It is answered while others of this request go on.
        while rehearsal.is_open(&key) {
            tokio::task::yield_now().await;
        }
        if let Some((chunk, generation)) = rehearsal.answer::<Chunk<E>>(&key) {
            let fresh = !policy.fresh.is_zero() && wish.accepts(Duration::ZERO, generation);
            if joined || fresh {
                let cache = if joined { CacheUse::Collapsed } else { CacheUse::Hit };
                trip.add(way_of(cache, Duration::ZERO, policy));
                return Ok(Found { chunk, generation, since: generation, at: Vec::new() });
            }
        }
        let bounds = (marks, newer_than);
        let own = self.cache.glance(&key);
        let asked = (source, question, own.as_ref());
        let others = self.on_other_pages(trip, asked, &way, policy, bounds, CacheUse::Stale);
        if let Some((found, cache)) = others {
            rehearsal.remembered();
            if cache == CacheUse::Stale {
                self.suppose_refresh(rehearsal, (source, &key), &way, only_if_cached);
            }
            return Ok(found);
        }
        let known = match self.cache.glance::<Chunk<E>>(&key) {
            None if self.restore(&key, source, question, policy).await => self.cache.glance(&key),
            known => known,
        };
        if let Some(known) = known.as_ref().filter(|known| wish.accepts(known.age, known.generation)) {
            let stale = known.age >= policy.fresh;
            if known.age < policy.fresh + policy.stale {
                rehearsal.remembered();
                if stale {
                    self.suppose_refresh(rehearsal, (source, &key), &way, only_if_cached);
                }
                let cache = if stale { CacheUse::Stale } else { CacheUse::Hit };
                trip.add(way_of(cache, known.age, policy));
                return Ok(found(known));
            }
        }
        if only_if_cached {
            return Err(not_cached(crm));
        }
        let generation = self.cache.latest() + rehearsal.tick();
        let answer = |chunk: &Arc<Chunk<E>>| {
            rehearsal.answered(&key, Arc::clone(chunk) as _, generation);
        };
        if source.answers_by_itself() {
            rehearsal.remembered();
            let chunk = Arc::new(source.ask(&Arc::new(trip.ctx.clone()), question).await?.chunk);
            answer(&chunk);
            trip.add(way_of(CacheUse::Miss, Duration::ZERO, policy));
            return Ok(Found { chunk, generation, since: generation, at: Vec::new() });
        }
        let planned = Planned::from(&*question.call);
        let under_way = self.cache.under_way(&key, newer_than);
        if let Some(call) = &under_way {
            rehearsal.join(crm, wait_for(rehearsal, (crm, planned), call));
        } else if let Err(failure) = pass::<E>(rehearsal, trip, (crm, planned), (&key, &way)).await {
            let covers = |known: &&Glimpse<Chunk<E>>| {
                wish.accepts(known.age, known.generation) && known.age < policy.kept()
            };
            let Some(known) = known.as_ref().filter(covers) else { return Err(failure) };
            rehearsal.remembered();
            trip.add(way_of(CacheUse::StaleIfError(None), known.age, policy));
            return Ok(found(known));
        }
        let (chunk, since) = match known {
            Some(known) => (known.value, known.since),
            None => {
                // What the CRM does not sort out by itself is read until enough of it fits.
                let sorted = question.exact || !matches!(way, Way::Page(..));
                rehearsal.unknown(if sorted { Unknown::Answers } else { Unknown::Course });
                (self.suppose(rehearsal, &Ask { source, question, way: &way }), generation)
            }
        };
        answer(&chunk);
        let cache = if under_way.is_some() { CacheUse::Collapsed } else { CacheUse::Miss };
        trip.add(way_of(cache, Duration::ZERO, policy));
        Ok(Found { chunk, generation, since, at: Vec::new() })
    }

    /// Notes the refresh that a stale answer brings about.
    fn suppose_refresh<E: Entity>(
        &self,
        rehearsal: &Rehearsal,
        (source, key): (&Arc<dyn Source<E>>, &Arc<str>),
        way: &Way<'_, E>,
        only_if_cached: bool,
    ) {
        if only_if_cached || self.cache.is_refreshing(key) || source.answers_by_itself() {
            return;
        }
        match way {
            Way::Gathered(..) => rehearsal.refreshed_together(E::RESOURCE, source.crm()),
            Way::Page(..) | Way::Record { .. } => rehearsal.refreshed(key),
        }
    }

    /// The answer as it may be.
    fn suppose<E: Entity>(&self, rehearsal: &Rehearsal, ask: &Ask<'_, E>) -> Arc<Chunk<E>> {
        let operation = ask.question.call.operation;
        let which = if ask.source.is_of_many_kinds() { operation } else { "" };
        let seen = rehearsal.seen(which, || {
            let segment = format!("/{operation}?");
            Seen::of(self.cache.survey::<Chunk<E>>(|key| which.is_empty() || key.contains(&segment)))
        });
        Arc::new(match ask.way {
            Way::Record { id, .. } | Way::Gathered(_, id) => ask.record(rehearsal, &seen, id),
            Way::Page(lane, filter, _) => {
                let (pages, told) = self.pages_of(ask, lane, filter);
                ask.page(rehearsal, &seen, (lane, filter), (&pages, told))
            }
        })
    }

    /// The pages of the same list that are in memory from its start on, and how long they say it is.
    fn pages_of<E: Entity>(
        &self,
        ask: &Ask<'_, E>,
        lane: &Lane,
        filter: &E::Filter,
    ) -> (Vec<Arc<Chunk<E>>>, Option<u64>) {
        let (mut pages, mut at) = (Vec::new(), Position(0));
        loop {
            let question = ask.source.question(filter, lane, at);
            let known = self.cache.glance::<Chunk<E>>(&question.key.as_str().into());
            let Some(chunk) = known.map(|known| known.value) else { return (pages, None) };
            let rows = ask.source.extent(&question, u64::MAX >> 1).rows;
            let through = rows.start + chunk.rows;
            let is_short = chunk.rows < rows.end - rows.start;
            let (total, next) = (chunk.total, chunk.next);
            pages.push(chunk);
            match next {
                _ if total.is_some() => return (pages, total),
                Some(next) if !is_short && next > at => at = next,
                _ => return (pages, Some(through)),
            }
        }
    }
}

/// Makes the call as far as a rehearsal does; others of this request go on meanwhile.
async fn pass<E: Entity>(
    rehearsal: &Rehearsal,
    trip: &Trip<'_>,
    (crm, planned): (CrmName, Planned),
    (key, way): (&Arc<str>, &Way<'_, E>),
) -> Result<(), Error> {
    rehearsal.open(key);
    let gathered = matches!(way, Way::Gathered(..));
    let mut leaving = None;
    if !gathered || rehearsal.gather(E::RESOURCE, crm) {
        match call(rehearsal, trip, crm, planned) {
            Ok(call) => leaving = Some(call),
            Err(refused) => {
                rehearsal.close(key);
                rehearsal.gathered(E::RESOURCE, crm);
                return Err(refused);
            }
        }
    }
    tokio::task::yield_now().await;
    if gathered && leaving.is_some() {
        rehearsal.gathered(E::RESOURCE, crm);
    }
    Ok(())
}

/// Notes a call of this request.
pub(super) fn call<'a>(
    rehearsal: &'a Rehearsal,
    trip: &Trip<'_>,
    crm: CrmName,
    planned: Planned,
) -> Result<Leaving<'a>, Error> {
    let left = trip.ctx.deadline.saturating_duration_since(Instant::now());
    let accepted = trip.ctx.max_wait.map_or(left, |most| most.min(left));
    rehearsal.call(crm, planned, accepted).map_err(|reason| refused(crm, reason))
}

/// How long a call still waits for its turn that somebody else made. Who joins it and would be served earlier moves it up.
fn wait_for(rehearsal: &Rehearsal, (crm, planned): (CrmName, Planned), call: &Interest) -> Duration {
    let own = || rehearsal.wait(crm, planned);
    match call.expected_turn() {
        _ if call.is_sent() => Duration::ZERO,
        None => own(),
        Some(at) => at.saturating_duration_since(Instant::now()).min(own()),
    }
}

fn way_of(cache: CacheUse, age: Duration, policy: &Policy) -> Provenance {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let ttl = seconds(policy.fresh) - seconds(age);
    Provenance { cache, age, ttl, queued: Duration::ZERO, upstream: Duration::ZERO }
}

fn found<E>(known: &Glimpse<Chunk<E>>) -> Found<E> {
    Found {
        chunk: Arc::clone(&known.value),
        generation: known.generation,
        since: known.since,
        at: Vec::new(),
    }
}

impl<E: Entity> Seen<E> {
    fn of(glimpses: Vec<Glimpse<Chunk<E>>>) -> Self {
        let chunks: Vec<_> = glimpses.into_iter().map(|glimpse| glimpse.value).collect();
        let mut by_id: HashMap<&RecordId, &Arc<Record<E>>> = HashMap::new();
        for record in chunks.iter().flat_map(|chunk| &chunk.records) {
            by_id.insert(&record.id, record);
        }
        let mut records: Vec<_> = by_id.into_values().cloned().collect();
        records.sort_by_key(|record| (record.id.parent(), record.id.number()));
        if let Order::Merged(compare) = E::order() {
            records.sort_by(|a, b| compare(a, b));
        }
        Self { records, chunks }
    }

    /// How long lists of one parent's records usually are; what nothing was seen of is not empty.
    fn usual(&self, crm: CrmName) -> u64 {
        let lists = self.chunks.iter().filter(|chunk| chunk.previous.is_none());
        let of = |chunk: &&Arc<Chunk<E>>| chunk.records.iter().all(|record| record.source == crm);
        let mut lengths: Vec<u64> = lists.filter(of).map(|chunk| chunk.total.unwrap_or(chunk.rows)).collect();
        lengths.sort_unstable();
        lengths.get(lengths.len() / 2).copied().unwrap_or(1)
    }
}

impl<E: Entity> Ask<'_, E> {
    /// A record asked for by its id: as it is known, else like another one.
    fn record(&self, rehearsal: &Rehearsal, seen: &Seen<E>, id: &RecordId) -> Chunk<E> {
        let finds = self.source.finds(self.question);
        if let Some(known) = seen.records.iter().find(|record| record.id == *id) {
            return page_of(if finds(known) { vec![Arc::clone(known)] } else { Vec::new() });
        }
        let mine = seen.records.iter().filter(|record| record.source == id.source());
        let mine: Vec<_> = mine.filter(|record| record.id.parent() == id.parent()).collect();
        let last = mine.iter().map(|record| record.id.number()).max();
        let supposes = rehearsal.supposes();
        let far = last.is_some_and(|last| id.number() > last.saturating_mul(FAR));
        if supposes == Supposed::Empty || (far && supposes == Supposed::Likely) {
            return page_of(Vec::new());
        }
        rehearsal.supposed(id);
        // What was made together is alike: in the same branch, in the same state.
        let near = |record: &&&Arc<Record<E>>| record.id.number().abs_diff(id.number());
        let record = match mine.iter().min_by_key(near) {
            Some(like) => Some(Record { id: id.clone(), ..Record::clone(like) }).filter(finds),
            None => {
                rehearsal.made_up(id);
                self.source.sketch(self.question, id.number())
            }
        };
        page_of(record.map(Arc::new).into_iter().collect())
    }

    /// A page of a list of which nothing but other records of the kind is known, and perhaps its length.
    fn page(
        &self,
        rehearsal: &Rehearsal,
        seen: &Seen<E>,
        (lane, filter): (&Lane, &E::Filter),
        (pages, told): (&[Arc<Chunk<E>>], Option<u64>),
    ) -> Chunk<E> {
        let crm = self.source.crm();
        let finds = self.source.finds(self.question);
        let is_here = |record: &Record<E>| record.source == crm && finds(record);
        let here: Vec<&Arc<Record<E>>> = seen.records.iter().filter(|record| is_here(record)).collect();
        let mut fits = here.clone();
        if !self.question.exact && !pages.is_empty() {
            // What the CRM does not sort out comes as it came on the pages before.
            fits = pages.iter().flat_map(|page| &page.records).collect();
        } else if lane.days.is_none() {
            fits.retain(|record| filter.matches(record));
        }
        let below = self.question.parent.is_some() || lane.parent.is_some();
        let likely = || {
            let of_this_lane =
                |chunk: &&Arc<Chunk<E>>| chunk.records.iter().all(|record| is_here(record)) && chunk.rows > 0;
            let whole = seen.chunks.iter().filter(of_this_lane).filter_map(|chunk| chunk.total).max();
            let (known, all) = (here.len() as u64, whole.unwrap_or_default());
            match fits.len() as u64 {
                // Of this parent nothing is known, or the records do not tell whose they are.
                some if below && (some == 0 || some == known) => seen.usual(crm),
                // As many of those not seen yet fit as of those seen.
                some if all > known && known > 0 => some * all / known,
                some => some,
            }
        };
        let supposes = rehearsal.supposes();
        let length = told.unwrap_or_else(|| match supposes {
            Supposed::Likely => likely(),
            Supposed::Empty => 0,
            Supposed::Single => 1,
            Supposed::Full => FULL,
        });
        let length = length.min(LONGEST);
        let others: Vec<&Arc<Record<E>>>;
        let models = match (fits.is_empty(), here.is_empty()) {
            (false, _) => &fits,
            (true, false) => &here,
            (true, true) => {
                others = seen.records.iter().filter(|record| record.source == crm).collect();
                &others
            }
        };
        // Where nothing at all was seen, the list is not empty.
        let nothing = models.is_empty();
        let sketch: Option<Arc<Record<E>>> =
            nothing.then(|| self.source.sketch(self.question, 1)).flatten().map(Arc::new);
        let models: Vec<&Arc<Record<E>>> = models.iter().copied().chain(&sketch).collect();
        let length = match (nothing, models.is_empty()) {
            (_, true) => 0,
            (true, false) if supposes == Supposed::Likely => length.max(1),
            (_, false) => length,
        };
        let extent = self.source.extent(self.question, length);
        // Rows that are read again were there before, whoever they are.
        let rows = (extent.rows.start + extent.overlap).min(extent.rows.end)..extent.rows.end;
        let list = digest(&format!("{} {filter:?}", lane.name));
        let many = models.len() as u64;
        let mut records = Vec::new();
        for row in rows.clone() {
            let Some(like) = usize::try_from(row * many / length).ok().and_then(|at| models.get(at)) else {
                break;
            };
            let is_first = row == 0 || (row - 1) * many / length != row * many / length;
            // Behind the first page nobody knows who was on the pages before.
            if is_first && self.question.at == Position(0) && !fits.is_empty() {
                records.push(Arc::clone(like));
            } else {
                records.push(Arc::new(self.another(rehearsal, like, Rehearsal::number(list, row))));
            }
        }
        Chunk {
            rows: rows.end - rows.start,
            records,
            total: extent.total,
            next: extent.next,
            previous: extent.previous,
            overlap: 0,
            drift: Vec::new(),
        }
    }

    /// A record like this one.
    fn another(&self, rehearsal: &Rehearsal, like: &Record<E>, number: u64) -> Record<E> {
        let id = match like.id.parent() {
            Some(parent) => RecordId::under(like.source, parent, number),
            None => RecordId::new(like.source, number),
        };
        // Where the CRM sorts out by itself, whatever it brings fits.
        if self.question.exact {
            rehearsal.made_up(&id);
        }
        Record { id, ..like.clone() }
    }
}

fn digest(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

fn page_of<E>(records: Vec<Arc<Record<E>>>) -> Chunk<E> {
    Chunk { rows: records.len() as u64, total: Some(records.len() as u64), records, ..Chunk::default() }
}
