//! The right to carry one write out: what is intended is on the disk before anything is sent, what became of it before
//! anybody is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::claim::{Fingerprint, Key, LEASE, Owner};
use super::journal::{Journal, Known, OPERATIONS, Progress, State};
use super::{Intent, Operation, OperationId, Request, Stage};
use crate::store::{self, Change};

/// Why a write is not begun.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failed {
    /// What must be remembered cannot be.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Its key was given to somebody else meanwhile.
    #[error("the claim on the idempotency key has run out")]
    Lost,
    /// As many keys are remembered for the consumer as there is room for.
    #[error("the consumer has used more idempotency keys than can be remembered for as long as was promised")]
    Full,
    /// Whoever asked was told that nothing was sent, because the disk took too long.
    #[error("the disk took so long that the write was given up")]
    GivenUp,
}

/// The right to carry a request out. While nothing is intended, dropping it leaves nothing behind.
pub struct Claimed {
    pub(super) journal: Arc<Journal>,
    pub(super) consumer: Arc<str>,
    pub(super) hold: Option<(Key, Owner)>,
    pub(super) fingerprint: Fingerprint,
    pub(super) operation: OperationId,
    pub(super) intended: Mutex<Option<Operation>>,
    pub(super) footing: Mutex<Footing>,
}

/// Whether a write may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Footing {
    /// Not yet: it is not on the disk.
    Unsure,
    /// It is on the disk.
    Durable,
    /// Never: whoever asked was told so.
    GivenUp,
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claimed").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl Claimed {
    /// The operation that it is, once something is intended.
    pub fn operation(&self) -> OperationId {
        self.operation
    }

    /// Gives the write up unless it is on the disk already; `true`: nothing was sent and nothing will be.
    pub fn give_up(&self) -> bool {
        let mut footing = self.footing();
        if *footing == Footing::Unsure {
            *footing = Footing::GivenUp;
        }
        *footing == Footing::GivenUp
    }

    /// How long nobody has worked on it since the process that began it ended.
    pub fn left_open_for(&self) -> Duration {
        let left = self.intended().as_ref().and_then(|operation| operation.left_open_at);
        let since = left.map(|left| (self.journal.clock)().duration_since(left));
        since.and_then(|since| Duration::try_from(since).ok()).unwrap_or_default()
    }

    /// What is intended.
    pub fn intended_operation(&self) -> Option<Operation> {
        self.intended().clone()
    }

    /// Whether a record is known to be written by another operation.
    pub fn is_of_another(&self, resource: &str, record: &str) -> bool {
        let state = self.journal.state();
        let others = state.operations.iter().filter(|(id, _)| **id != self.operation);
        others
            .into_iter()
            .any(|(_, known)| known.wrote.0 == resource && known.wrote.1.as_deref() == Some(record))
    }

    /// Whether the same was to be sent by another operation of which nobody knows what became.
    pub fn has_rivals(&self) -> bool {
        let state = self.journal.state();
        let Some(own) = state.operations.get(&self.operation) else { return false };
        let undecided = |known: &Known| matches!(known.progress, Progress::Pending | Progress::NeedsReview);
        let mut others = state.operations.iter().filter(|(id, _)| **id != self.operation);
        others.any(|(_, known)| undecided(known) && known.twin == own.twin && known.wrote.0 == own.wrote.0)
    }

    /// Holds a claim on its key as long as `work` takes.
    pub async fn held_during<T>(&self, work: impl Future<Output = T>) -> T {
        let renewing = async {
            loop {
                tokio::time::sleep(LEASE / 3).await;
                if let Some((key, owner)) = &self.hold {
                    self.journal.state().claims.renew(key, *owner, Instant::now());
                }
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = renewing => unreachable!("renewing has no end"),
        }
    }

    /// Notes on the disk what is about to be sent. Nothing may be sent before, and nothing when it failed.
    pub async fn intend(&self, request: Request, intent: Intent) -> Result<(), Failed> {
        let now = (self.journal.clock)();
        let operation = Operation {
            id: self.operation,
            at: now,
            consumer: self.consumer.as_ref().to_owned(),
            key: self.hold.as_ref().map(|(key, _)| key.text.as_ref().to_owned()),
            fingerprint: self.fingerprint,
            request,
            intent,
            stage: Stage::Pending,
            left_open_at: None,
        };
        let value = serde_json::to_vec(&operation).expect("an operation is plain data");
        let (mut changes, refused) = {
            let mut state = self.journal.state();
            let gone = state.tidy(&self.consumer, now);
            let refused = self.take(&mut state);
            if refused.is_none() {
                state.know(&operation, 0, false);
            }
            (gone, refused)
        };
        if let Some(refused) = refused {
            self.journal.store.commit(changes).await?;
            return Err(refused);
        }
        changes.push(Change::put(OPERATIONS, self.operation.bytes(), value));
        *self.intended() = Some(operation);
        if let Err(error) = self.journal.store.commit(changes).await {
            // Nothing was sent and nothing will be; if the note is on the disk all the same, whoever reads it finds that out.
            self.journal.state().forget(self.operation);
            *self.intended() = None;
            return Err(error.into());
        }
        let given_up = {
            let mut footing = self.footing();
            if *footing == Footing::Unsure {
                *footing = Footing::Durable;
            }
            *footing == Footing::GivenUp
        };
        if given_up {
            let change = self.journal.state().forget(self.operation);
            *self.intended() = None;
            self.journal.store.commit(change.into_iter().collect()).await?;
            return Err(Failed::GivenUp);
        }
        Ok(())
    }

    /// Hands the key over to the operation, unless that may not be begun.
    fn take(&self, state: &mut State) -> Option<Failed> {
        if state.is_full(&self.consumer) {
            return Some(Failed::Full);
        }
        let (key, owner) = self.hold.as_ref()?;
        (!state.claims.hand_over(key, *owner, self.operation)).then_some(Failed::Lost)
    }

    /// From now on somebody may ask what became of it, and a repeated request is told so.
    pub fn tell(&self) {
        if let Some(known) = self.journal.state().operations.get_mut(&self.operation) {
            known.told = true;
        }
    }

    /// Notes on the disk what became of it. Nobody may be told before. What had no effect frees the key.
    pub async fn decide(&self, stage: Stage) -> Result<(), store::Error> {
        let Some(operation) = self.intended().clone() else { return Ok(()) };
        let operation = Operation { stage, ..operation };
        let now = (self.journal.clock)();
        let (mut changes, entered) = self.journal.audit.enter(&operation, now);
        let operation = operation.without_what_the_audit_keeps();
        let failed = matches!(operation.stage, Stage::Failed { .. });
        let value = serde_json::to_vec(&operation).expect("an operation is plain data");
        let size = value.len();
        let is_told = || self.journal.state().operations.get(&self.operation).is_some_and(|known| known.told);
        // Nobody can ask for what nobody was told of. What succeeded is known not to be another's.
        let mut kept = is_told() || !failed;
        changes.push(match kept {
            true => Change::put(OPERATIONS, self.operation.bytes(), value.clone()),
            false => Change::remove(OPERATIONS, self.operation.bytes()),
        });
        self.journal.store.commit(changes).await?;
        self.journal.audit.settle(entered);
        // Somebody may have been told of it while the disk worked.
        while !self.is_closed(&operation, size, kept) {
            let put = Change::put(OPERATIONS, self.operation.bytes(), value.clone());
            self.journal.store.commit(vec![put]).await?;
            kept = true;
        }
        Ok(())
    }

    /// Takes note of what is on the disk now; `false`, and nothing is changed, when the operation is not and somebody was told
    /// of it.
    fn is_closed(&self, operation: &Operation, size: usize, kept: bool) -> bool {
        let mut state = self.journal.state();
        let told = state.operations.get(&self.operation).is_some_and(|known| known.told);
        if told && !kept {
            return false;
        }
        state.operations.remove(&self.operation);
        if kept {
            state.know(operation, size, told);
        }
        if let Some(text) = &operation.key
            && matches!(operation.stage, Stage::Failed { .. })
        {
            let key = Key { consumer: Arc::clone(&self.consumer), text: text.as_str().into() };
            state.claims.forget(&key, self.operation);
        }
        true
    }

    fn footing(&self) -> MutexGuard<'_, Footing> {
        self.footing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn intended(&self) -> MutexGuard<'_, Option<Operation>> {
        self.intended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if let Some((key, owner)) = &self.hold {
            // What was handed over to an operation is not this owner's any more and stays.
            self.journal.state().claims.free(key, *owner);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::idempotency::{Claim, Deed};
    use serde_json::Value;

    fn claimed(journal: &Arc<Journal>) -> Arc<Claimed> {
        let key = Key { consumer: "web".into(), text: "k".into() };
        match journal.claim(key, [1; 32], Instant::now()) {
            Claim::New(claimed) => claimed,
            other => panic!("{other:?}"),
        }
    }

    pub(in super::super) fn request() -> Request {
        let text = || "POST /payments".to_owned();
        Request { id: text(), method: text(), path: text(), route: text(), body: Value::Null, rights: text() }
    }

    pub(in super::super) fn intent() -> Intent {
        Intent {
            resource: "payments".to_owned(),
            crm: None,
            deed: Deed::Create,
            branch: None,
            sent: Value::Null,
            identity: None,
            marked: false,
            parents_own: None,
        }
    }

    #[tokio::test]
    async fn what_was_given_up_before_it_was_on_the_disk_is_never_sent_and_leaves_nothing() {
        let journal = Journal::in_memory();
        let write = claimed(&journal);
        assert!(write.give_up());
        assert!(matches!(write.intend(request(), intent()).await, Err(Failed::GivenUp)));
        assert_eq!(journal.operation("web", write.operation()).unwrap().map(|known| known.id), None);
        drop(write);
        let again = claimed(&journal);
        again.intend(request(), intent()).await.unwrap();
        assert!(!again.give_up(), "it is on the disk, and may be on its way");
    }

    #[tokio::test]
    async fn what_somebody_was_told_of_while_the_disk_worked_can_be_asked_for() {
        let journal = Journal::in_memory();
        let write = claimed(&journal);
        write.intend(request(), intent()).await.unwrap();
        let operation = write.intended_operation().unwrap();
        let failed = Operation { stage: Stage::Failed { problem: Value::Null }, ..operation };
        write.tell();
        assert!(!write.is_closed(&failed, 1, false), "it is not on the disk, so it is put there first");
        assert!(write.is_closed(&failed, 1, true));
        write.decide(failed.stage).await.unwrap();
        assert!(journal.operation("web", write.operation()).unwrap().is_some());
        // And its key is free.
        drop(claimed(&journal));
    }
}
