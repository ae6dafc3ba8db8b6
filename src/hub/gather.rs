//! Reads by id that come close together become one call, where the CRM takes lists of ids. Each remains a question of its
//! own in the cache: what is gathered is only the way to the CRM. A refresh of one takes those along that were read of late
//! and will be due soon: that costs no call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::crm::{Asked, Error, Kind, Question, Source};
use crate::model::context::Reason;
use crate::model::interest::{Interest, Waiting};
use crate::model::{Ctx, Entity, RecordId};

/// How long the first of them waits for others.
const WINDOW: Duration = Duration::from_millis(4);
/// How many go into one call.
const MOST: usize = 200;
/// How long a record that was read is taken along when another one is refreshed.
const LATELY: Duration = Duration::from_secs(60 * 60);
/// Records of which it is known when they were read.
const MANY: usize = 2000;
/// How many go along: with the one they fit on the smallest page that a CRM was seen to give for a list of ids.
const COMPANY: usize = 49;
/// How often those that are due are looked for at most.
const LOOK: Duration = Duration::from_secs(1);

/// Gathers reads by id of one kind of record.
pub(super) struct Gather<E: Entity> {
    source: Arc<dyn Source<E>>,
    open: Mutex<Option<Batch<E>>>,
    lately: Mutex<Lately>,
}

/// What was read by id of late, by the keys of its questions.
#[derive(Default)]
struct Lately {
    read: HashMap<Arc<str>, (Instant, RecordId)>,
    looked: Option<Instant>,
}

/// Those that wait for the same call.
struct Batch<E> {
    /// Circumstances that are good enough for all of them.
    ctx: Ctx,
    number: u64,
    seats: Vec<Seat<E>>,
}

struct Seat<E> {
    id: RecordId,
    answer: oneshot::Sender<Result<Asked<E>, Error>>,
}

impl<E: Entity> std::fmt::Debug for Gather<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gather").field("resource", &E::RESOURCE).finish_non_exhaustive()
    }
}

impl<E: Entity> Gather<E> {
    /// For `source`, if its CRM takes lists of ids.
    pub(super) fn of(source: &Arc<dyn Source<E>>) -> Option<Arc<Self>> {
        let probe = RecordId::new(source.crm(), 1);
        source.by_ids(&[probe])?;
        Some(Arc::new(Self { source: Arc::clone(source), open: Mutex::default(), lately: Mutex::default() }))
    }

    /// Notes that somebody reads a record.
    pub(super) fn note(&self, key: &Arc<str>, id: &RecordId) {
        let now = Instant::now();
        let mut lately = self.lately.lock().expect("no code panics while it holds what was read");
        if let Some((at, _)) = lately.read.get_mut(key) {
            *at = now;
            return;
        }
        if lately.read.len() >= MANY {
            lately.read.retain(|_, (at, _)| now - *at < LATELY);
        }
        if lately.read.len() < MANY {
            lately.read.insert(Arc::clone(key), (now, id.clone()));
        }
    }

    /// Those that were read of late and are `due`, the last read first; none when it was looked a moment ago. A record of
    /// which the question is not [`Source::by_ids`]'s does not go along.
    pub(super) fn company(&self, due: impl Fn(&Arc<str>) -> bool) -> Vec<(Arc<str>, RecordId, Question)> {
        let now = Instant::now();
        let mut lately = self.lately.lock().expect("no code panics while it holds what was read");
        if lately.looked.is_some_and(|at| now - at < LOOK) {
            return Vec::new();
        }
        lately.looked = Some(now);
        let read = lately.read.iter().filter(|(_, (at, _))| now - *at < LATELY);
        let mut due: Vec<_> = read.filter(|(key, _)| due(key)).collect();
        due.sort_by_key(|(_, (at, _))| std::cmp::Reverse(*at));
        let question = |(key, (_, id)): (&Arc<str>, &(Instant, RecordId))| {
            let question = self.source.by_ids(std::slice::from_ref(id))?;
            (question.key == **key).then(|| (Arc::clone(key), id.clone(), question))
        };
        due.into_iter().filter_map(question).take(COMPANY).collect()
    }

    /// The record of that id as a page of its own, empty if there is none.
    pub(super) async fn ask(self: Arc<Self>, ctx: &Ctx, id: RecordId) -> Result<Asked<E>, Error> {
        // Whoever cannot be served need not wait for others first.
        if let Some(refusal) = self.source.refuses(ctx) {
            return Err(refusal);
        }
        let (mut answer, call, seat) = self.join(ctx, id);
        // Everybody who waits for this record waits for the call, on their own terms.
        let mut waiting = vec![seat];
        let mut refusals = FuturesUnordered::new();
        let mut party = ctx.interest.all();
        loop {
            for (number, terms) in party {
                let joined = call.join(Some(terms));
                refusals.push(async move { (number, joined.refused().await, joined) });
            }
            tokio::select! {
                biased;
                outcome = &mut answer => {
                    let crashed = || Error::new(self.source.crm(), Kind::Failed, "the call ended without a result");
                    return outcome.unwrap_or_else(|_| Err(crashed()));
                }
                Some((number, why, joined)) = refusals.next() => {
                    ctx.interest.refuse(number, why);
                    waiting.push(joined);
                    party = Vec::new();
                }
                () = ctx.interest.joined() => party = ctx.interest.newcomers(),
            }
        }
    }

    fn join(
        self: &Arc<Self>,
        ctx: &Ctx,
        id: RecordId,
    ) -> (oneshot::Receiver<Result<Asked<E>, Error>>, Interest, Waiting) {
        let mut open = self.lock();
        let (sender, receiver) = oneshot::channel();
        let seat = Seat { id, answer: sender };
        match &mut *open {
            Some(batch) => {
                batch.seats.push(seat);
                if ctx.reason == Reason::Miss {
                    batch.ctx.reason = ctx.reason;
                }
            }
            None => {
                let number = NUMBERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let ctx = Ctx { interest: Interest::default(), ..ctx.clone() };
                *open = Some(Batch { ctx, number, seats: vec![seat] });
                let gather = Arc::clone(self);
                let soon = async move {
                    tokio::time::sleep_until(Instant::now() + WINDOW).await;
                    let batch = gather.lock().take_if(|batch| batch.number == number);
                    if let Some(batch) = batch {
                        gather.run(batch).await;
                    }
                };
                tokio::spawn(soon.in_current_span());
            }
        }
        let batch = open.as_ref().expect("it was just opened");
        let call = batch.ctx.interest.clone();
        // Before anybody else sees the batch: a call that nobody waits for is not made.
        let waits = call.join(None);
        if batch.seats.len() >= MOST
            && let Some(full) = open.take()
        {
            let gather = Arc::clone(self);
            tokio::spawn(async move { gather.run(full).await }.in_current_span());
        }
        (receiver, call, waits)
    }

    async fn run(&self, batch: Batch<E>) {
        let Batch { ctx, mut seats, .. } = batch;
        let ctx = Arc::new(ctx);
        // Once more for those that did not fit on the page the server was willing to give.
        loop {
            seats.retain(|seat| !seat.answer.is_closed());
            if seats.is_empty() {
                return;
            }
            let ids: Vec<RecordId> = seats.iter().map(|seat| seat.id.clone()).collect();
            let asked = match self.source.by_ids(&ids) {
                Some(question) => tokio::select! {
                    biased;
                    asked = self.source.ask(&ctx, &question) => asked,
                    () = ctx.interest.lost() => return,
                },
                None => return,
            };
            let asked = match asked {
                Ok(asked) => asked,
                Err(error) => {
                    for seat in seats {
                        let _ = seat.answer.send(Err(error.clone()));
                    }
                    return;
                }
            };
            let rows = asked.chunk.records.len();
            // One of many may be the first alone, where a server reads a list as a number.
            let first_alone = rows == 1 && ids.len() > 1;
            let complete = rows == 0
                || (!first_alone && asked.chunk.total.is_none_or(|total| total <= asked.chunk.rows));
            let mut drift = asked.chunk.drift.clone();
            let mut left = Vec::new();
            for seat in seats {
                let record = asked.chunk.records.iter().find(|record| record.id == seat.id);
                if record.is_none() && !complete {
                    left.push(seat);
                    continue;
                }
                let body = self.source.alone(record.map(AsRef::as_ref));
                let part = asked.part(record.cloned(), std::mem::take(&mut drift), body);
                // Whoever left does not need it.
                let _ = seat.answer.send(Ok(part));
            }
            if left.len() == ids.len() {
                // A page of others: this server does not take lists of ids after all.
                return self.one_by_one(&ctx, left).await;
            }
            seats = left;
            ctx.interest.not_sent();
        }
    }

    /// Asks for each by itself.
    async fn one_by_one(&self, ctx: &Arc<Ctx>, seats: Vec<Seat<E>>) {
        for seat in seats {
            if seat.answer.is_closed() {
                continue;
            }
            let Some(question) = self.source.by_ids(std::slice::from_ref(&seat.id)) else { return };
            ctx.interest.not_sent();
            let asked = tokio::select! {
                biased;
                asked = self.source.ask(ctx, &question) => asked,
                () = ctx.interest.lost() => return,
            };
            let asked = asked.map(|asked| {
                let record = asked.chunk.records.iter().find(|record| record.id == seat.id);
                let body = self.source.alone(record.map(AsRef::as_ref));
                asked.part(record.cloned(), asked.chunk.drift.clone(), body)
            });
            let _ = seat.answer.send(asked);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Batch<E>>> {
        self.open.lock().expect("no code panics while it holds the batch")
    }
}

/// Tells batches apart, so that none is closed by the timer of another.
static NUMBERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
