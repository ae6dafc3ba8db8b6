//! One question through the cache. Fills run for everybody, on the terms of whoever asked first; what a request used is
//! added up in its [`Trip`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::discovered::Discovered;
use super::gather::Gather;
use super::{CacheUse, Provenance};
use crate::cache::{Cache, Filled, NoValue, Origin, Policy, Purpose, Wish};
use crate::crm::{Asked, Chunk, Error, Kind, Lane, Question, Source};
use crate::model::context::{Freshness, Interest, Reason};
use crate::model::{Ctx, Entity, RecordId, Source as CrmName};
use crate::telemetry::Metrics;

/// How long a background refresh may take.
const REFRESH_TIME: Duration = Duration::from_secs(60);
/// The part of the time left that one answer may take where several CRMs are asked.
const PART: f64 = 0.75;
/// How much longer a caller waits than the call may take: who works on it says more precisely why it was too late.
const PRECISION: Duration = Duration::from_millis(40);
/// Bytes in memory for each byte of an answer: the record and the raw form beside it.
const EXPANSION: usize = 4;

/// Where questions are asked.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) cache: Arc<Cache<Error>>,
    metrics: Arc<Metrics>,
    discovered: Arc<Discovered>,
    /// When something of a resource was last written, on the cache's scale.
    written: Mutex<HashMap<&'static str, Arc<AtomicU64>>>,
    /// Records that are being changed.
    turns: Mutex<HashMap<(&'static str, RecordId), Weak<Turn>>>,
}

/// The lock that whoever changes a record holds.
pub(super) type Turn = tokio::sync::Mutex<()>;

/// When something of a resource was last written: what was asked before is not believed any more.
#[derive(Debug, Clone)]
pub(super) struct Bar(Arc<AtomicU64>);

impl Bar {
    /// The later of this and another point that answers must be newer than.
    pub(super) fn and(&self, newer_than: Option<u64>) -> Option<u64> {
        let written = self.0.load(Ordering::Acquire);
        newer_than.max((written > 0).then_some(written))
    }
}

/// A page as it was found.
#[derive(Debug)]
pub(super) struct Found<E> {
    pub(super) chunk: Arc<Chunk<E>>,
    /// When its last fill began; later pages of one list must not be older than the page before.
    pub(super) generation: u64,
    /// Since when the CRM gave exactly this page.
    pub(super) since: u64,
}

/// What a question is about, and how it goes to the CRM.
#[derive(Debug)]
pub(super) enum Way<'a, E: Entity> {
    /// A page of a list, by a call of its own.
    Page(&'a Lane, &'a E::Filter),
    /// A record, by a call of its own.
    Record(&'a RecordId),
    /// A record, together with others like it.
    Gathered(&'a Arc<Gather<E>>, &'a RecordId),
}

impl<E: Entity> Clone for Way<'_, E> {
    fn clone(&self) -> Self {
        match self {
            Self::Page(lane, filter) => Self::Page(lane, filter),
            Self::Record(id) => Self::Record(id),
            Self::Gathered(gather, id) => Self::Gathered(gather, id),
        }
    }
}

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
    calls: usize,
}

impl<'a> Trip<'a> {
    /// A way to so many CRMs.
    pub(super) fn new(ctx: &'a Ctx, sources: usize) -> Self {
        Self { ctx, sources, tally: Mutex::default() }
    }

    /// How long to wait for one answer. Where another CRM has a part in the list, a silent one must not use up the time
    /// in which the other could still be asked.
    fn patience(&self) -> Instant {
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
        self.lock().provenance.unwrap_or_default()
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

impl Desk {
    pub(super) fn new(cache: Arc<Cache<Error>>, metrics: Arc<Metrics>, discovered: Arc<Discovered>) -> Self {
        Self { cache, metrics, discovered, written: Mutex::default(), turns: Mutex::default() }
    }

    /// What answers about a resource must be newer than.
    pub(super) fn bar(&self, resource: &'static str) -> Bar {
        Bar(Arc::clone(self.bars().entry(resource).or_default()))
    }

    /// Something of a resource was written: fills that began until now may not know it.
    pub(super) fn written(&self, resource: &'static str) {
        let now = self.cache.now();
        self.bar(resource).0.fetch_max(now, Ordering::AcqRel);
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

    fn bars(&self) -> MutexGuard<'_, HashMap<&'static str, Arc<AtomicU64>>> {
        self.written.lock().expect("no code panics while it holds the bars")
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
        (bar, newer_than): (&Bar, Option<u64>),
    ) -> Result<Found<E>, Error> {
        if let Some(rehearsal) = &trip.ctx.rehearsal {
            let bounds = (bar, newer_than);
            return self.rehearse((rehearsal, trip), source, question, way, policy, bounds).await;
        }
        let crm = source.crm();
        let newer_than = bar.and(newer_than);
        let key: Arc<str> = question.key.as_str().into();
        let freshness = trip.ctx.freshness;
        let Freshness { max_age, only_if_cached } = freshness;
        let wish = Wish { max_age, newer_than, only_if_cached, payer: Some(&trip.ctx.payer) };
        // Somebody else's fill ends on their terms; then it is asked again on ours.
        for last in [false, true] {
            let deadline = trip.patience();
            let fill = |interest, purpose| {
                fill(
                    (trip.ctx, deadline),
                    Arc::clone(source),
                    question.clone(),
                    way.clone(),
                    (interest, purpose),
                    (Arc::clone(&self.metrics), Arc::clone(&self.discovered)),
                )
            };
            let reading = self.cache.read(&key, policy, &wish, fill, Error::is_covered_by_memory);
            let read = match timeout_at(deadline + PRECISION, reading).await {
                Ok(Ok(read)) => read,
                Ok(Err(NoValue::Failed { failure, joined: true }))
                    if !last
                        && matches!(failure.kind, Kind::Overloaded | Kind::Abandoned | Kind::Timeout) =>
                {
                    continue;
                }
                Ok(Err(NoValue::Failed { failure, .. })) => return Err(failure),
                Ok(Err(NoValue::NotCached)) => {
                    return Err(Error::new(
                        crm,
                        Kind::NotCached,
                        "the answer is not in memory and the request asked for nothing else",
                    ));
                }
                Ok(Err(NoValue::Lost)) => {
                    return Err(Error::new(crm, Kind::Failed, "the call ended without a result"));
                }
                Err(_) => {
                    let late = Error::new(crm, Kind::Timeout, "no answer before the request's deadline");
                    self.cache.instead(&key, policy, &wish, late)?
                }
            };
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
            return Ok(Found { chunk: read.value, generation: read.generation, since: read.since });
        }
        unreachable!("the second round returns")
    }
}

/// Asks the CRM on a task of its own; gives up when nobody waits and nothing was sent.
fn fill<E: Entity>(
    (ctx, deadline): (&Ctx, Instant),
    source: Arc<dyn Source<E>>,
    question: Question,
    way: Way<'_, E>,
    (interest, purpose): (Interest, Purpose),
    (metrics, discovered): (Arc<Metrics>, Arc<Discovered>),
) -> impl Future<Output = Result<Filled<Chunk<E>>, Error>> + Send + use<E> {
    let mut ctx = Ctx { interest, deadline, ..ctx.clone() };
    if purpose == Purpose::Refresh {
        ctx.reason = Reason::Refresh;
        ctx.deadline = Instant::now() + REFRESH_TIME;
        ctx.max_wait = None;
    }
    let gathered = match way {
        Way::Page(..) | Way::Record(_) => None,
        Way::Gathered(gather, id) => Some((Arc::clone(gather), id.clone())),
    };
    async move {
        let asking = async {
            match gathered {
                Some((gather, id)) => gather.ask(&ctx, id).await,
                None => source.ask(&ctx, &question).await,
            }
        };
        let asked: Result<Asked<E>, Error> = tokio::select! {
            biased;
            asked = asking => asked,
            () = ctx.interest.lost() => return Err(abandoned(source.crm())),
        };
        // Here, because many answers hide it: stale ones, incomplete ones, and refreshes that nobody waits for.
        let asked = asked.inspect_err(|error| told(error, question.call.operation))?;
        for field in &asked.chunk.drift {
            metrics.drift(source.crm().name(), E::RESOURCE, field);
        }
        discovered.note(&asked.chunk.records);
        let weight = asked.size * EXPANSION + size_of::<Chunk<E>>();
        Ok(Filled {
            value: asked.chunk,
            weight,
            digest: asked.digest,
            queued: asked.queued,
            took: asked.took,
        })
    }
}

/// Logs a failure of a CRM with what lies behind it. That a call was not made is counted, not logged: it would fill the log.
pub(super) fn told(error: &Error, operation: &'static str) {
    let not_made = error.kind == Kind::Unavailable && !error.sent;
    if not_made || matches!(error.kind, Kind::Overloaded | Kind::Abandoned) {
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

fn abandoned(crm: CrmName) -> Error {
    Error::new(crm, Kind::Abandoned, "nobody waits for the answer any more; nothing was sent")
}
