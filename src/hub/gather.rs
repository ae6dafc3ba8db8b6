//! Reads by id that come close together become one call, where the CRM takes lists of ids. Each remains a question of its
//! own in the cache: what is gathered is only the way to the CRM.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::crm::{Asked, Error, Kind, Source};
use crate::model::context::{Interest, Waiting};
use crate::model::{Ctx, Entity, RecordId};

/// How long the first of them waits for others.
const WINDOW: Duration = Duration::from_millis(4);
/// How many go into one call.
const MOST: usize = 200;

/// Gathers reads by id of one kind of record.
pub(super) struct Gather<E: Entity> {
    source: Arc<dyn Source<E>>,
    open: Mutex<Option<Batch<E>>>,
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
        Some(Arc::new(Self { source: Arc::clone(source), open: Mutex::default() }))
    }

    /// The record of that id as a page of its own, empty if there is none.
    pub(super) async fn ask(self: Arc<Self>, ctx: &Ctx, id: RecordId) -> Result<Asked<E>, Error> {
        let (mut answer, waiting, call) = self.join(ctx, id);
        let mut payer = ctx.payer.clone();
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut answer => break outcome,
                urgent = ctx.interest.raised_above(&payer) => {
                    call.raise(&urgent);
                    payer = urgent;
                }
            }
        };
        drop(waiting);
        outcome.unwrap_or_else(|_| {
            Err(Error::new(self.source.crm(), Kind::Failed, "the call ended without a result"))
        })
    }

    fn join(
        self: &Arc<Self>,
        ctx: &Ctx,
        id: RecordId,
    ) -> (oneshot::Receiver<Result<Asked<E>, Error>>, Waiting, Interest) {
        let mut open = self.lock();
        let (sender, receiver) = oneshot::channel();
        let seat = Seat { id, answer: sender };
        match &mut *open {
            Some(batch) => {
                batch.seats.push(seat);
                batch.ctx.deadline = batch.ctx.deadline.max(ctx.deadline);
                batch.ctx.interest.raise(&ctx.payer);
                // Nothing said is the longest wait.
                batch.ctx.max_wait = batch.ctx.max_wait.zip(ctx.max_wait).map(|(one, other)| one.max(other));
                if ctx.reason == crate::model::context::Reason::Miss {
                    batch.ctx.reason = ctx.reason;
                }
            }
            None => {
                let number = NUMBERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let ctx = Ctx { interest: Interest::default(), ..ctx.clone() };
                *open = Some(Batch { ctx, number, seats: vec![seat] });
                let gather = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep_until(Instant::now() + WINDOW).await;
                    let batch = gather.lock().take_if(|batch| batch.number == number);
                    if let Some(batch) = batch {
                        gather.run(batch).await;
                    }
                });
            }
        }
        let batch = open.as_ref().expect("it was just opened");
        let call = batch.ctx.interest.clone();
        let waiting = call.join();
        if batch.seats.len() >= MOST
            && let Some(full) = open.take()
        {
            let gather = Arc::clone(self);
            tokio::spawn(async move { gather.run(full).await });
        }
        (receiver, waiting, call)
    }

    async fn run(&self, batch: Batch<E>) {
        let Batch { ctx, mut seats, .. } = batch;
        seats.retain(|seat| !seat.answer.is_closed());
        // Once more for those that did not fit on the page the server was willing to give.
        while !seats.is_empty() {
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
                let part = asked.part(record.cloned(), rows, std::mem::take(&mut drift));
                // Whoever left does not need it.
                let _ = seat.answer.send(Ok(part));
            }
            if left.len() == ids.len() {
                // A page of others: this server does not take lists of ids after all.
                return self.one_by_one(&ctx, left).await;
            }
            seats = left;
        }
    }

    /// Asks for each by itself.
    async fn one_by_one(&self, ctx: &Ctx, seats: Vec<Seat<E>>) {
        for seat in seats {
            let Some(question) = self.source.by_ids(std::slice::from_ref(&seat.id)) else { return };
            let asked = self.source.ask(ctx, &question).await.map(|asked| {
                let record = asked.chunk.records.iter().find(|record| record.id == seat.id);
                asked.part(record.cloned(), 1, asked.chunk.drift.clone())
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
