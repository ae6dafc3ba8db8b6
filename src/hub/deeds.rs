//! Carrying out a write, once: what is intended is on the disk before the call leaves, what became of it is there before
//! anybody is told, and what nobody knows is found out.
//!
//! It runs on a task of its own, which alone decides. A caller who leaves does not stop a write half way; one that has
//! not left yet stays unmade when its callers have.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::time::{sleep, timeout_at};
use tracing::Instrument as _;

use super::desk::{self, PRECISION, abandoned};
use super::journal::Journal;
use super::outcome::Search;
use super::own::seen;
use super::{Failure, Provenance, Scope, Shelf};
use crate::crm::{self, Kind, Source, Write, Written};
use crate::idempotency::{self, Answer, Claimed, Intent, OperationId, Request, Stage};
use crate::model::context::Reason;
use crate::model::interest::Waiting;
use crate::model::{Ctx, Entity, Record};

/// How much longer than its deadline a request waits for what became of its write to be on the disk.
const FOR_THE_DISK: Duration = Duration::from_millis(250);
/// The longest pause between attempts to put on the disk what became of a write.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Puts into words what became of a write, for whoever asked for it.
pub trait Clerk<E>: Send + Sync + 'static {
    /// What is answered when it was carried out; a record that was removed is none.
    fn done(&self, record: Option<&Record<E>>) -> Answer;
    /// What is said when it surely had no effect.
    fn failed(&self, error: &crm::Error) -> Value;
}

/// A write as a consumer asks for it.
pub struct Deed<E> {
    /// The right to carry it out.
    pub claimed: Arc<Claimed>,
    /// What was asked for.
    pub request: Request,
    /// Who says what became of it.
    pub clerk: Arc<dyn Clerk<E>>,
    /// Whether nobody waits for the outcome.
    pub asynchronous: bool,
}

impl<E> std::fmt::Debug for Deed<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deed").field("claimed", &self.claimed).finish_non_exhaustive()
    }
}

/// What is known of a write when its request is answered.
#[derive(Debug)]
pub enum Outcome {
    /// It was carried out.
    Done(Answer, Provenance),
    /// Nobody knows yet.
    Undecided(OperationId),
    /// It was only gone through.
    Supposed,
}

/// What is written to.
pub(super) enum Target<E> {
    New,
    Changed(Arc<Record<E>>),
    Removed(Arc<Record<E>>),
}

/// A write that is ready to be sent.
pub(super) struct Act<E: Entity> {
    pub(super) source: Arc<dyn Source<E>>,
    pub(super) write: Write,
    pub(super) target: Target<E>,
    /// Held until it is decided what became of it.
    pub(super) turn: Option<OwnedMutexGuard<()>>,
    /// What whoever asked may see.
    pub(super) scope: Scope,
    /// What the path says.
    pub(super) path: E::Filter,
    /// Where a new record is looked for.
    pub(super) trail: E::Filter,
    pub(super) branch: Option<u64>,
}

impl<E: Entity> Act<E> {
    fn intent(&self) -> Intent {
        let known = |record: &Record<E>| (record.id.to_string(), record.raw.value());
        Intent {
            resource: E::RESOURCE.to_owned(),
            crm: Some(self.source.address().to_owned()),
            deed: match &self.target {
                Target::New => idempotency::Deed::Create,
                Target::Changed(record) => {
                    let (id, before) = known(record);
                    idempotency::Deed::Change { id, before }
                }
                Target::Removed(record) => {
                    let (id, before) = known(record);
                    idempotency::Deed::Remove { id, before }
                }
            },
            branch: self.branch,
            sent: self
                .write
                .call
                .body
                .as_deref()
                .and_then(|body| serde_json::from_slice(body).ok())
                .unwrap_or_default(),
            identity: self.source.identity(&self.write),
            marked: self.write.marked,
            parents_own: self.write.id.as_ref().map(ToString::to_string),
        }
    }
}

/// What became of a write.
pub(super) enum Decision<E> {
    /// With the record, where one is left.
    Done(Option<Made<E>>),
    Failed(crm::Error),
    Review(Value),
}

/// A record that was written.
pub(super) struct Made<E> {
    /// As the CRM shows it.
    pub(super) record: Arc<Record<E>>,
    /// What whoever asked may see of it.
    pub(super) shown: Option<Arc<Record<E>>>,
}

impl<E> Made<E> {
    /// Shown as it is.
    pub(super) fn whole(record: Arc<Record<E>>) -> Self {
        Self { shown: Some(Arc::clone(&record)), record }
    }
}

/// Tells whoever waits, once.
pub(super) struct Teller {
    waiting: Option<oneshot::Sender<Result<Outcome, Failure>>>,
    claimed: Arc<Claimed>,
    ctx: Arc<Ctx>,
    stays: Option<Waiting>,
}

impl Teller {
    /// Nobody waits for it.
    pub(super) fn nobody(claimed: Arc<Claimed>, ctx: Arc<Ctx>) -> Self {
        Self { waiting: None, claimed, ctx, stays: None }
    }

    fn tell(&mut self, outcome: Result<Outcome, Failure>) {
        if let Some(waiting) = self.waiting.take() {
            // Who left does not want to know.
            let _ = waiting.send(outcome);
        }
    }

    /// Whoever waits goes away knowing where to ask; the write goes on without.
    pub(super) fn undecided(&mut self) {
        if self.stays.is_none() {
            self.stays = Some(self.ctx.interest.join(None));
        }
        self.claimed.tell();
        self.tell(Ok(Outcome::Undecided(self.claimed.operation())));
    }
}

impl<E: Entity> Shelf<E> {
    /// Carries a write out, and answers when it is known what became of it or when it takes too long to find out.
    pub(super) async fn perform(
        self: &Arc<Self>,
        ctx: &Ctx,
        act: Act<E>,
        deed: Deed<E>,
    ) -> Result<Outcome, Failure> {
        let until = ctx.deadline + PRECISION + FOR_THE_DISK;
        let ctx = Arc::new(Ctx { reason: Reason::Write, ..ctx.clone() });
        let (waiting, told) = oneshot::channel();
        let claimed = Arc::clone(&deed.claimed);
        let teller = Teller {
            waiting: Some(waiting),
            claimed: Arc::clone(&claimed),
            ctx: Arc::clone(&ctx),
            stays: None,
        };
        tokio::spawn(Arc::clone(self).carry_out(ctx, act, deed, teller).in_current_span());
        match timeout_at(until, told).await {
            Ok(Ok(outcome)) => outcome,
            // It goes on, on its own; or it crashed, and what became of it is found out at the next start.
            Ok(Err(_)) | Err(_) if claimed.give_up() => Err(Failure::NotKept),
            Ok(Err(_)) | Err(_) => {
                claimed.tell();
                Ok(Outcome::Undecided(claimed.operation()))
            }
        }
    }

    async fn carry_out(self: Arc<Self>, ctx: Arc<Ctx>, act: Act<E>, deed: Deed<E>, mut teller: Teller) {
        if let Err(failed) = deed.claimed.intend(deed.request.clone(), act.intent()).await {
            tracing::error!(error = %failed, "a write was not begun, because it cannot be noted");
            return teller.tell(Err(Failure::NotKept));
        }
        if deed.asynchronous {
            teller.undecided();
        }
        let outcome = tokio::select! {
            biased;
            outcome = act.source.write(&ctx, &act.write) => outcome,
            () = ctx.interest.lost() => Err(abandoned(act.source.crm())),
        };
        let (decision, provenance) = match outcome {
            Ok(written) => self.written(&ctx, &act, written, &deed, &mut teller).await,
            Err(error) => {
                desk::told(&error, act.write.call.operation);
                if error.sent {
                    // Whatever it did, nobody knows to what.
                    self.desk.written::<E>(None, None).await;
                }
                let decision = if error.maybe_applied {
                    let search = Search::of(&act, &deed.claimed, false);
                    self.find_out(&ctx, &search, &mut teller).await
                } else {
                    Decision::Failed(error)
                };
                (decision, Provenance::default())
            }
        };
        let decision = match decision {
            Decision::Done(Some(Made { record, .. })) => {
                let shown = self.part_of(&ctx, &act, Arc::clone(&record)).await;
                Decision::Done(Some(Made { record, shown }))
            }
            other => other,
        };
        self.decide(&deed.claimed, &*deed.clerk, decision, provenance, teller).await;
        drop(act.turn);
    }

    /// The part of a written record that whoever asked may see; none of it where that cannot be told.
    async fn part_of(&self, ctx: &Ctx, act: &Act<E>, record: Arc<Record<E>>) -> Option<Arc<Record<E>>> {
        let trip = Journal::new(ctx, 1);
        let theirs = self.around.kinship.theirs(&trip, &act.scope, (E::ROWS.needs)(&act.path)).await;
        seen(&record, &act.path, theirs.ok()?.as_ref())
    }

    /// What the CRM says it did.
    async fn written(
        &self,
        ctx: &Arc<Ctx>,
        act: &Act<E>,
        written: Written<E>,
        deed: &Deed<E>,
        teller: &mut Teller,
    ) -> (Decision<E>, Provenance) {
        let provenance =
            Provenance { queued: written.queued, upstream: written.took, ..Provenance::default() };
        match (&act.target, &written.record) {
            (Target::New, after) => self.desk.written(None, after.as_ref()).await,
            (Target::Changed(before), Some(after)) => self.desk.written(Some(before), Some(after)).await,
            (Target::Removed(before), _) => self.desk.written(Some(before), None).await,
            (Target::Changed(..), None) => self.desk.written::<E>(None, None).await,
        }
        let decision = match (&act.target, written.record) {
            (Target::Removed(_), _) => Decision::Done(None),
            (_, Some(record)) => Decision::Done(Some(Made::whole(Arc::new(record)))),
            // It was made; how it looks has to be found out.
            (_, None) => self.find_out(ctx, &Search::of(act, &deed.claimed, true), teller).await,
        };
        (decision, provenance)
    }

    /// Puts on the disk what became of a write, and then tells it.
    pub(super) async fn decide(
        &self,
        claimed: &Claimed,
        clerk: &dyn Clerk<E>,
        decision: Decision<E>,
        provenance: Provenance,
        mut teller: Teller,
    ) {
        let (stage, told) = match decision {
            Decision::Done(made) => {
                let answer = clerk.done(made.as_ref().and_then(|made| made.shown.as_deref()));
                let after = made.as_ref().map(|made| made.record.raw.value());
                let record = made.map(|made| made.record.id.to_string());
                (
                    Stage::Succeeded { answer: answer.clone(), record, after },
                    Ok(Outcome::Done(answer, provenance)),
                )
            }
            Decision::Failed(error) => {
                (Stage::Failed { problem: clerk.failed(&error) }, Err(Failure::Crm(error)))
            }
            Decision::Review(evidence) => {
                // Whoever still waits is told where the evidence is.
                teller.undecided();
                (Stage::NeedsReview { evidence }, Ok(Outcome::Undecided(claimed.operation())))
            }
        };
        let (mut pause, mut failed) = (Duration::from_millis(500), false);
        while let Err(error) = claimed.decide(stage.clone()).await {
            tracing::error!(%error, operation = %claimed.operation(), "what became of a write cannot be noted");
            // Not told before it is kept: a crash now must not lead to another answer later.
            teller.undecided();
            sleep(pause).await;
            (pause, failed) = ((pause * 2).min(LONGEST_PAUSE), true);
        }
        if failed {
            // What the write outdated was not noted either.
            self.desk.written::<E>(None, None).await;
        }
        teller.tell(told);
    }
}

/// What is said of a write that was looked for in vain.
pub(super) fn not_carried_out(crm: crate::model::Source) -> crm::Error {
    let detail = "no answer came to the write, and it is not to be found in the CRM: it was not carried out, and the same \
                  request may be sent again";
    crm::Error::new(crm, Kind::Failed, detail)
}
