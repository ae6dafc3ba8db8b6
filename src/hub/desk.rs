//! One question through the cache. Fills run for everybody, on the terms of all who wait; what a request used is added up
//! in its [`Trip`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout_at};

use super::discovered::Discovered;
use super::gather::Gather;
use super::holders::Holders;
use super::marks::{AllMarks, Marks, Purge};
use super::snapshots::{Kept, Snapshots};
use super::trip::Trip;
use super::wholes::{Wholes, sifted};
use super::{CacheUse, Provenance};
use crate::cache::{Cache, Filled, Glimpse, NoValue, Origin, Policy, Purpose, Read, Recalled, Wish};
use crate::crm::error::{not_cached, refused};
use crate::crm::{Asked, Chunk, Error, Kind, Lane, Position, Question, Source, Via};
use crate::model::context::{Freshness, Reason};
use crate::model::interest::{Interest, Terms};
use crate::model::{Ctx, Entity, Record, RecordId, Source as CrmName};
use crate::telemetry::Metrics;

/// How long a background refresh may take.
const REFRESH_TIME: Duration = Duration::from_secs(60);
/// How long it is remembered that there is no such record: long enough for who asks again and again, and short, because
/// it may be added in the CRM any moment.
const NOTHING: Duration = Duration::from_secs(10);
/// The part of its fresh time after which a record goes along when another one is refreshed.
const DUE: f64 = 0.5;
/// How much longer a caller waits than the call may take: who works on it says more precisely why it was too late.
pub(super) const PRECISION: Duration = Duration::from_millis(40);

/// Where questions are asked.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) cache: Arc<Cache<Error>>,
    metrics: Arc<Metrics>,
    discovered: Arc<Discovered>,
    /// Which pages hold which records.
    holders: Arc<Holders>,
    /// What was written.
    marks: AllMarks,
    /// What is known beyond the process.
    pub(super) snapshots: Arc<Snapshots>,
    /// Records that are being changed.
    turns: Mutex<HashMap<(&'static str, RecordId), Weak<Turn>>>,
}

/// A page in memory.
pub(super) type Page<E> = Glimpse<Chunk<E>>;

/// The lock that whoever changes a record holds.
pub(super) type Turn = tokio::sync::Mutex<()>;

/// A page as it was found.
#[derive(Debug)]
pub(super) struct Found<E> {
    pub(super) chunk: Arc<Chunk<E>>,
    /// When its last fill began; later pages of one list must not be older than the page before.
    pub(super) generation: u64,
    /// Since when the CRM gave exactly this page.
    pub(super) since: u64,
    /// Under which keys it was found and since when each of them stands, where that is not the question's own.
    pub(super) at: Vec<(Arc<str>, u64)>,
}

/// What a question is about, and how it goes to the CRM.
#[derive(Debug)]
pub(super) enum Way<'a, E: Entity> {
    /// A page of a list, by a call of its own; with the lists that may hold it too.
    Page(&'a Lane, &'a E::Filter, Option<&'a Arc<Wholes<E>>>),
    /// A record, by a call of its own; `alone` when no other call may find it.
    Record { id: &'a RecordId, alone: bool },
    /// A record, together with others like it.
    Gathered(&'a Arc<Gather<E>>, &'a RecordId),
}

impl<E: Entity> Clone for Way<'_, E> {
    fn clone(&self) -> Self {
        match self {
            Self::Page(lane, filter, wholes) => Self::Page(lane, filter, *wholes),
            Self::Record { id, alone } => Self::Record { id, alone: *alone },
            Self::Gathered(gather, id) => Self::Gathered(gather, id),
        }
    }
}

impl Desk {
    pub(super) fn new(
        cache: Arc<Cache<Error>>,
        metrics: Arc<Metrics>,
        discovered: Arc<Discovered>,
        snapshots: Arc<Snapshots>,
    ) -> Self {
        let (holders, marks, turns) = Default::default();
        Self { cache, metrics, discovered, holders, marks, turns, snapshots }
    }

    /// Goes on where the process before this one ended; nothing that was kept is good for longer than `useful`.
    pub(super) fn resume(&self, useful: Duration) -> Result<(), crate::store::Error> {
        let marks = self.snapshots.marks(useful)?;
        self.cache.begin_after(self.snapshots.latest(&marks));
        for (resource, tag, at) in marks {
            self.marks.restore(&resource, tag, at);
        }
        Ok(())
    }

    /// What of a resource must not be believed any more.
    pub(super) fn marks(&self, resource: &'static str) -> Arc<Marks> {
        self.marks.of(resource)
    }

    /// A record was written and looked like this before and after, as far as that is known: fills that began until now
    /// may not know it. When it returns, that is known after a restart too.
    pub(super) async fn written<E: Entity>(&self, before: Option<&Record<E>>, after: Option<&Record<E>>) {
        let now = self.cache.now();
        let marked = self.marks.written(before, after, now);
        self.snapshots.mark(&marked, now).await;
    }

    /// Everything that carries a tag is asked for anew, after a restart too; `false` when there is no such tag.
    pub(super) async fn purge(&self, tag: &Purge) -> bool {
        let now = self.cache.now();
        let marked = self.marks.purge(tag, now);
        self.snapshots.mark(&marked, now).await;
        !marked.is_empty()
    }

    /// The lock that whoever changes a record holds.
    pub(super) fn turn(&self, resource: &'static str, id: &RecordId) -> Arc<Turn> {
        let mut turns = self.turns.lock().expect("no code panics while it holds the turns");
        turns.retain(|_, turn| turn.strong_count() > 0);
        let known = turns.get(&(resource, id.clone())).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turn = Arc::default();
            turns.insert((resource, id.clone()), Arc::downgrade(&turn));
            turn
        })
    }

    /// An answer that pages of other questions hold, where the question's own is not as good: a record asked for by its id
    /// that is on a page of a list, or the start of a list that a wider list holds. How it came about is told by the age of
    /// those pages; `old` is the word for those that are no longer fresh, and says how old they may be.
    pub(super) fn on_other_pages<E: Entity>(
        &self,
        trip: &Trip<'_>,
        (source, question, own): (&Arc<dyn Source<E>>, &Question, Option<&Page<E>>),
        way: &Way<'_, E>,
        policy: &Policy,
        (marks, newer_than): (&Marks, Option<u64>),
        old: CacheUse,
    ) -> Option<(Found<E>, CacheUse)> {
        let oldest = match old {
            CacheUse::Hit | CacheUse::Collapsed | CacheUse::Miss => policy.fresh,
            CacheUse::Stale => policy.fresh + policy.stale,
            CacheUse::StaleIfError(_) => policy.kept(),
        };
        let Freshness { max_age, only_if_cached } = trip.ctx.freshness;
        let wish = Wish { max_age, newer_than, only_if_cached, terms: None };
        let good = |known: &Page<E>, oldest| known.age < oldest && wish.accepts(known.age, known.generation);
        let oldest = match own {
            Some(own) if good(own, policy.fresh) => return None,
            // Others of its age are no better.
            Some(own) if good(own, oldest) => policy.fresh,
            Some(_) | None => oldest,
        };
        let page = |key: &Arc<str>| {
            let known = self.cache.glance::<Chunk<E>>(key).filter(|known| good(known, oldest))?;
            marks.outdates(&known.value, known.generation).is_none().then_some(known)
        };
        let (found, age) = match way {
            // Only where one and the same call of the CRM gives pages and records, so that both look the same.
            Way::Gathered(_, id) => {
                let at = self.holders.of(E::RESOURCE, id)?;
                let page = page(&at)?;
                let record = page.value.records.iter().find(|record| record.id == **id)?;
                let chunk = Chunk { records: vec![Arc::clone(record)], rows: 1, ..Chunk::default() };
                let at = vec![(at, page.since)];
                let found =
                    Found { chunk: Arc::new(chunk), generation: page.generation, since: page.since, at };
                (source.finds(question)(record)).then_some((found, page.age))?
            }
            Way::Page(lane, filter, Some(wholes)) if question.at == Position(0) => {
                let mut best: Option<(Found<E>, Duration)> = None;
                for (lane, wider) in wholes.wider(lane, filter) {
                    let bound = marks.of::<E>(&Way::Page(&lane, &wider, None));
                    let whole = |at| {
                        let key = source.question(&wider, &lane, at).key.into();
                        let page = page(&key).filter(|page| bound.is_none_or(|mark| page.generation > mark));
                        page.map(|page| (key, page))
                    };
                    let Some(found) = sifted(&whole, *filter) else { continue };
                    if best.as_ref().is_none_or(|(_, age)| found.1 < *age) {
                        best = Some(found);
                    }
                    if best.as_ref().is_some_and(|(_, age)| *age < policy.fresh) {
                        break;
                    }
                }
                best?
            }
            Way::Page(..) | Way::Record { .. } => return None,
        };
        let cache = if age < policy.fresh { CacheUse::Hit } else { old };
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        trip.add(Provenance {
            cache,
            age,
            ttl: seconds(policy.fresh) - seconds(age),
            queued: Duration::ZERO,
            upstream: Duration::ZERO,
        });
        Some((found, cache))
    }

    /// The answer to `question`, from memory if it may be, else from the CRM. Nothing that was asked before
    /// `newer_than` is good enough.
    pub(super) async fn ask<E: Entity>(
        &self,
        trip: &Trip<'_>,
        source: &Arc<dyn Source<E>>,
        question: &Question,
        way: Way<'_, E>,
        policy: &Policy,
        (marks, newer_than): (&Marks, Option<u64>),
    ) -> Result<Found<E>, Error> {
        // Boxed, or it would be in the program once more for each of its callers.
        let asked = self.ask_for(trip, source, question, &way, policy, (marks, newer_than)).boxed().await;
        asked.or_else(|failure| {
            let bounds = (marks, newer_than.max(marks.of(&way)));
            let covered = failure.is_covered_by_memory() && trip.ctx.rehearsal.is_none();
            let old = CacheUse::StaleIfError(failure.status);
            let own = self.cache.peek(&question.key.as_str().into());
            let others =
                || self.on_other_pages(trip, (source, question, own.as_ref()), &way, policy, bounds, old);
            covered.then(others).flatten().map(|(found, _)| found).ok_or(failure)
        })
    }

    async fn ask_for<E: Entity>(
        &self,
        trip: &Trip<'_>,
        source: &Arc<dyn Source<E>>,
        question: &Question,
        way: &Way<'_, E>,
        policy: &Policy,
        (marks, newer_than): (&Marks, Option<u64>),
    ) -> Result<Found<E>, Error> {
        if let Some(rehearsal) = &trip.ctx.rehearsal {
            let bounds = (marks, newer_than);
            return self.rehearse((rehearsal, trip), source, question, way.clone(), policy, bounds).await;
        }
        let crm = source.crm();
        let mut newer_than = newer_than.max(marks.of(way));
        let key: Arc<str> = question.key.as_str().into();
        let freshness = trip.ctx.freshness;
        let Freshness { max_age, only_if_cached } = freshness;
        if let Way::Gathered(gather, id) = way {
            gather.note(&key, id);
        }
        let own = self.cache.peek(&key);
        let (asked, bounds) = ((source, question, own.as_ref()), (marks, newer_than));
        let others = self.on_other_pages(trip, asked, way, policy, bounds, CacheUse::Stale);
        if let Some((found, cache)) = others {
            if cache == CacheUse::Stale && !only_if_cached {
                self.refresh(trip.ctx, (source, question, &key), way, policy);
            }
            return Ok(found);
        }
        let since = Instant::now();
        // Somebody else's fill may end on their terms, or hold a record that was written meanwhile; then it is asked again.
        for last in [false, false, true] {
            let deadline = trip.patience();
            let terms = Terms { deadline, ..Terms::of(trip.ctx, since) };
            let wish = Wish { max_age, newer_than, only_if_cached, terms: Some(&terms) };
            let fill = |interest, purpose| {
                self.fill((trip.ctx, deadline), (source, question, way), policy, (interest, purpose))
            };
            let instead = |failure| self.cache.instead(&key, policy, &wish, failure);
            let reading = self.cache.read(&key, policy, &wish, fill, Error::is_covered_by_memory);
            let read = match timeout_at(deadline + PRECISION, reading).await {
                Ok(Ok(read)) => read,
                Ok(Err(NoValue::Failed { failure, joined: true }))
                    if !last
                        && matches!(
                            failure.kind,
                            Kind::Overloaded | Kind::Exhausted | Kind::Abandoned | Kind::Timeout
                        ) =>
                {
                    continue;
                }
                Ok(Err(NoValue::Failed { failure, .. })) => return Err(failure),
                Ok(Err(NoValue::Refused(why))) => instead(refused(crm, why))?,
                Ok(Err(NoValue::Recalled)) if !last => continue,
                Ok(Err(NoValue::NotCached))
                    if !last && Box::pin(self.restore(&key, source, question, policy)).await =>
                {
                    continue;
                }
                Ok(Err(NoValue::NotCached)) => {
                    return Err(not_cached(crm));
                }
                Ok(Err(NoValue::Lost | NoValue::Recalled)) => {
                    return Err(Error::new(crm, Kind::Failed, "the call ended without a result"));
                }
                Err(_) => instead(Error::new(crm, Kind::Timeout, "no answer before the request's deadline"))?,
            };
            let outdated = marks.outdates(&read.value, read.generation);
            if outdated.is_some() && !last {
                newer_than = newer_than.max(outdated);
                continue;
            }
            if let (Origin::Stale, Way::Gathered(gather, _), false) = (&read.origin, way, only_if_cached) {
                self.refresh_company(trip.ctx, source, gather, policy);
            }
            let cache = match &read.origin {
                Origin::Hit => CacheUse::Hit,
                Origin::Collapsed => CacheUse::Collapsed,
                Origin::Miss => CacheUse::Miss,
                Origin::Stale => CacheUse::Stale,
                Origin::StaleIfError(error) => CacheUse::StaleIfError(error.status),
            };
            trip.add(Provenance {
                cache,
                age: read.age,
                ttl: read.ttl,
                queued: read.queued,
                upstream: read.took,
            });
            let Read { value: chunk, generation, since, .. } = read;
            return Ok(Found { chunk, generation, since, at: Vec::new() });
        }
        unreachable!("the last round returns")
    }

    /// Begins a refresh of an answer, unless one is under way.
    fn refresh<E: Entity>(
        &self,
        ctx: &Ctx,
        (source, question, key): (&Arc<dyn Source<E>>, &Question, &Arc<str>),
        way: &Way<'_, E>,
        policy: &Policy,
    ) {
        let fill = |interest, purpose| {
            self.fill((ctx, ctx.deadline), (source, question, way), policy, (interest, purpose))
        };
        self.cache.refresh(key, policy, fill);
    }

    /// A record is refreshed: others that will be due soon go with it.
    fn refresh_company<E: Entity>(
        &self,
        ctx: &Ctx,
        source: &Arc<dyn Source<E>>,
        gather: &Arc<Gather<E>>,
        policy: &Policy,
    ) {
        let due = |key: &Arc<str>| {
            let known = self.cache.peek::<Chunk<E>>(key);
            known.is_some_and(|known| {
                known.age >= policy.fresh.mul_f64(DUE) && !known.value.records.is_empty()
            })
        };
        for (key, id, question) in gather.company(due) {
            self.refresh(ctx, (source, &question, &key), &Way::Gathered(gather, &id), policy);
        }
    }

    /// Gets the answer to `question` into memory as a refresh does: behind everybody who waits for anything. What was kept
    /// and is not old by `policy` is good enough.
    pub(super) async fn warm<E: Entity>(
        &self,
        ctx: &Ctx,
        (source, question): (&Arc<dyn Source<E>>, &Question),
        way: Way<'_, E>,
        policy: &Policy,
    ) -> Result<Option<Arc<Chunk<E>>>, Error> {
        let key: Arc<str> = question.key.as_str().into();
        let known = self.snapshots.age(&question.key).is_some_and(|age| age < policy.fresh);
        if !(known && self.restore(&key, source, question, policy).await) {
            let fill = |interest, purpose| {
                self.fill((ctx, ctx.deadline), (source, question, &way), policy, (interest, purpose))
            };
            self.cache.renew(&key, policy, fill).await?;
        }
        Ok(self.cache.glance(&key).map(|found| found.value))
    }

    /// Recalls an answer that memory does not hold; whether it holds it now.
    pub(super) async fn restore<E: Entity>(
        &self,
        key: &Arc<str>,
        source: &Arc<dyn Source<E>>,
        question: &Question,
        policy: &Policy,
    ) -> bool {
        if self.cache.peek::<Chunk<E>>(key).is_some() {
            return false;
        }
        let Some(filled) = recall(&self.snapshots, source, question, policy).await else { return false };
        self.cache.restore(key, policy, filled);
        true
    }

    /// Asks the CRM on a task of its own; gives up when nobody waits and nothing was sent. Where memory holds nothing, what
    /// was kept comes first.
    fn fill<E: Entity>(
        &self,
        (ctx, deadline): (&Ctx, Instant),
        (source, question, way): (&Arc<dyn Source<E>>, &Question, &Way<'_, E>),
        policy: &Policy,
        (interest, purpose): (Interest, Purpose),
    ) -> impl Future<Output = Result<Filled<Chunk<E>>, Error>> + Send + use<E> {
        let mut ctx = Ctx { interest, deadline, ..ctx.clone() };
        if purpose == Purpose::Refresh {
            ctx.reason = Reason::Refresh;
            ctx.deadline = Instant::now() + REFRESH_TIME;
            ctx.max_wait = None;
        }
        let ctx = Arc::new(ctx);
        let page = matches!(way, Way::Page(..));
        let list = match way {
            Way::Page(lane, filter, Some(wholes)) if question.at == Position(0) => {
                Some((Arc::clone(wholes), (*lane).clone(), (*filter).clone()))
            }
            _ => None,
        };
        let only = matches!(way, Way::Gathered(..) | Way::Record { alone: true, .. });
        let gathered = match way {
            Way::Page(..) | Way::Record { .. } => None,
            Way::Gathered(gather, id) => Some((Arc::clone(gather), (*id).clone())),
        };
        let (source, question, policy) = (Arc::clone(source), question.clone(), *policy);
        let wants_old = purpose == Purpose::Answer && ctx.freshness.max_age != Some(Duration::ZERO);
        let kept = wants_old && self.cache.peek::<Chunk<E>>(&question.key.as_str().into()).is_none();
        let (metrics, discovered) = (Arc::clone(&self.metrics), Arc::clone(&self.discovered));
        let (holders, snapshots) = (Arc::clone(&self.holders), Arc::clone(&self.snapshots));
        // What is kept is told to be no younger than this.
        let generation = self.cache.now();
        async move {
            let recalled = if kept { recall(&snapshots, &source, &question, &policy).await } else { None };
            let filled = match recalled {
                Some(filled) if !(only && filled.value.records.is_empty()) => filled,
                _ => {
                    let asked = call(&ctx, &source, &question, gathered).await?;
                    for field in &asked.chunk.drift {
                        metrics.drift(source.crm().name(), E::RESOURCE, field);
                    }
                    snapshots.note(&question.key, generation, &asked.body, policy.kept());
                    let nothing = only && asked.chunk.records.is_empty();
                    Filled { at_most: nothing.then_some(NOTHING), ..filled(asked, None) }
                }
            };
            discovered.note(&filled.value.records);
            if page {
                let ids = filled.value.records.iter().map(|record| &record.id);
                holders.note(E::RESOURCE, &question.key.as_str().into(), ids);
            }
            if let Some((wholes, lane, filter)) = list {
                wholes.note(&lane, &filter);
            }
            Ok(filled)
        }
    }
}

/// Makes the call of a question, or a part of one that is made for many.
async fn call<E: Entity>(
    ctx: &Arc<Ctx>,
    source: &Arc<dyn Source<E>>,
    question: &Question,
    gathered: Option<(Arc<Gather<E>>, RecordId)>,
) -> Result<Asked<E>, Error> {
    let asking = async {
        match gathered {
            Some((gather, id)) => gather.ask(ctx, id).await,
            None => source.ask(ctx, question).await,
        }
    };
    let asked = tokio::select! {
        biased;
        asked = asking => asked,
        () = ctx.interest.lost() => return Err(abandoned(source.crm())),
    };
    // Here, because many answers hide it: stale ones, incomplete ones, and refreshes that nobody waits for.
    asked.inspect_err(|error| told(error, question.call.operation))
}

/// What was kept of the answer to a question, read as a fresh one is. It is stale at best: who knows what happened since.
async fn recall<E: Entity>(
    snapshots: &Arc<Snapshots>,
    source: &Arc<dyn Source<E>>,
    question: &Question,
    policy: &Policy,
) -> Option<Filled<Chunk<E>>> {
    let Kept { body, age, generation } = snapshots.recall(&question.key).await?;
    let age = age.max(policy.fresh);
    if age >= policy.kept() {
        return None;
    }
    let asked = source.answer(Via::Kept(body), question).await.ok()?;
    Some(filled(asked, Some(Recalled { age, generation })))
}

fn filled<E>(asked: Asked<E>, recalled: Option<Recalled>) -> Filled<Chunk<E>> {
    let Asked { chunk, queued, took, digest, .. } = asked;
    Filled { weight: chunk.weight(), value: chunk, digest, queued, took, recalled, at_most: None }
}

/// Logs a failure of a CRM with what lies behind it. That a call was not made is counted, not logged: it would fill the log.
pub(super) fn told(error: &Error, operation: &'static str) {
    let not_made = error.kind == Kind::Unavailable && !error.sent;
    if not_made || matches!(error.kind, Kind::Overloaded | Kind::Exhausted | Kind::Abandoned) {
        return;
    }
    let mut cause = String::new();
    let mut link = std::error::Error::source(error);
    while let Some(inner) = link {
        cause = format!("{cause}: {inner}");
        link = inner.source();
    }
    let (crm, kind, status) = (error.crm.name(), error.kind, error.status);
    tracing::warn!(crm, operation, ?kind, status, "a call to the CRM failed{cause}");
}

pub(super) fn abandoned(crm: CrmName) -> Error {
    Error::new(crm, Kind::Abandoned, "nobody waits for the answer any more; nothing was sent")
}
