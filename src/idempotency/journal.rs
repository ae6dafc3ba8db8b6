//! The operations there are, over the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::claim::{Claimable, Claims, Fingerprint, Holder, Key, LEASE, Owner};
use super::{Audit, Deed, Intent, KEPT, Operation, OperationId, Request, Stage};
use crate::store::{self, Change, Store, Table};

const OPERATIONS: Table = Table("operations");

/// How many bytes of operations of one consumer are kept that have an effect on nothing any more: those without a key go
/// before they are old, those with one are kept as long as was promised, and no more are begun.
const SIZE: usize = 128 << 20;

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// All writes that are not forgotten.
pub struct Journal {
    store: Store,
    clock: Clock,
    audit: Audit,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    claims: Claims,
    operations: BTreeMap<OperationId, Known>,
    /// Bytes of the decided operations of each consumer.
    sizes: std::collections::HashMap<Arc<str>, usize>,
}

/// What is remembered of an operation without asking the store.
#[derive(Debug, Clone)]
struct Known {
    consumer: Arc<str>,
    key: Option<Arc<str>>,
    progress: Progress,
    size: usize,
    /// Whether somebody was told its id.
    told: bool,
    /// The kind of record and, once it is known, the record.
    wrote: (String, Option<String>),
    /// What was to be sent: equal for those that cannot be told from each other.
    twin: u64,
}

impl Known {
    /// Whether forgetting it lets nobody make anything twice: what failed has given its key back.
    fn holds_no_key(&self) -> bool {
        self.key.is_none() || self.progress == Progress::Failed
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Pending,
    Succeeded,
    Failed,
    NeedsReview,
}

impl Progress {
    fn of(stage: &Stage) -> Self {
        match stage {
            Stage::Pending => Self::Pending,
            Stage::Succeeded { .. } => Self::Succeeded,
            Stage::Failed { .. } => Self::Failed,
            Stage::NeedsReview { .. } => Self::NeedsReview,
        }
    }
}

/// How many operations wait for a decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Undecided {
    /// The gateway is finding out.
    pub open: usize,
    /// Somebody has to look into the CRM.
    pub needs_review: usize,
}

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

/// What a key says about a request.
#[derive(Debug)]
pub enum Claim {
    /// The request is to be carried out.
    New(Arc<Claimed>),
    /// The same request is being carried out.
    Running,
    /// The same request was carried out.
    Done(OperationId),
    /// Nobody knows yet what became of the same request.
    Undecided(OperationId),
    /// The key was used for another request.
    Other,
}

/// The right to carry a request out. While nothing is intended, dropping it leaves nothing behind.
pub struct Claimed {
    journal: Arc<Journal>,
    consumer: Arc<str>,
    hold: Option<(Key, Owner)>,
    fingerprint: Fingerprint,
    operation: OperationId,
    intended: Mutex<Option<Operation>>,
    footing: Mutex<Footing>,
}

/// Whether a write may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Footing {
    /// Not yet: it is not on the disk.
    Unsure,
    /// It is on the disk.
    Durable,
    /// Never: whoever asked was told so.
    GivenUp,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claimed").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl Journal {
    /// What `store` holds, and the operations whose outcome is to be found out, the oldest first. The audit log takes
    /// `audit` bytes at most. Waits for the disk.
    pub fn open(store: Store, clock: Clock, audit: u64) -> Result<(Arc<Self>, Vec<Operation>), store::Error> {
        let mut state = State::default();
        let mut open = Vec::new();
        let mut unread = 0;
        store.scan(OPERATIONS, |_, value| {
            let Ok(operation) = serde_json::from_slice::<Operation>(value) else {
                unread += 1;
                return;
            };
            state.know(&operation, value.len(), true);
            if let (Some(key), fingerprint) = (&operation.key, operation.fingerprint) {
                let key = Key { consumer: operation.consumer.as_str().into(), text: key.as_str().into() };
                if !matches!(operation.stage, Stage::Failed { .. }) {
                    state.claims.restore(key, fingerprint, operation.id);
                }
            }
            if matches!(operation.stage, Stage::Pending) {
                open.push(operation);
            }
        })?;
        if unread > 0 {
            // What another version wrote is left where it is.
            tracing::error!(
                unread,
                "the store holds writes that this version cannot read: nobody follows them up"
            );
        }
        // Noted once: a process that ends again soon must not begin to wait anew each time.
        let now = clock();
        let mut left = Vec::new();
        for operation in open.iter_mut().filter(|operation| operation.left_open_at.is_none()) {
            operation.left_open_at = Some(now);
            let value = serde_json::to_vec(operation).expect("an operation is plain data");
            left.push(Change::put(OPERATIONS, operation.id.bytes(), value));
        }
        if !left.is_empty() {
            store.commit_at_once(&left)?;
        }
        let audit = Audit::open(store.clone(), audit)?;
        Ok((Arc::new(Self { store, clock, audit, state: Mutex::new(state) }), open))
    }

    /// What ends with the process.
    pub fn in_memory() -> Arc<Self> {
        let opened = Self::open(Store::in_memory(), Arc::new(Timestamp::now), 1 << 20);
        opened.expect("memory holds what was written to it").0
    }

    /// The log for operators.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// How many operations wait for a decision.
    pub fn undecided(&self) -> Undecided {
        let state = self.state();
        let count = |progress| state.operations.values().filter(|known| known.progress == progress).count();
        Undecided { open: count(Progress::Pending), needs_review: count(Progress::NeedsReview) }
    }

    /// Claims a key for a request.
    pub fn claim(self: &Arc<Self>, key: Key, fingerprint: Fingerprint, now: Instant) -> Claim {
        let mut state = self.state();
        match state.claims.claim(&key, fingerprint, now) {
            Claimable::Taken(owner) => {
                drop(state);
                let consumer = Arc::clone(&key.consumer);
                Claim::New(self.claimed(consumer, Some((key, owner)), fingerprint))
            }
            Claimable::Other => Claim::Other,
            Claimable::Held(Holder::Owner { .. }) => Claim::Running,
            Claimable::Held(Holder::Operation(id)) => match state.operations.get(&id) {
                Some(Known { progress: Progress::Succeeded, .. }) => Claim::Done(id),
                Some(Known { progress: Progress::Pending, told: false, .. }) => Claim::Running,
                _ => Claim::Undecided(id),
            },
        }
    }

    /// Whether one of these keys of a consumer is in use for a request other than this one.
    pub fn is_used_otherwise(
        &self,
        consumer: &Arc<str>,
        mut texts: impl Iterator<Item = String>,
        fingerprint: Option<Fingerprint>,
    ) -> bool {
        let (state, now) = (self.state(), Instant::now());
        texts.any(|text| {
            let key = Key { consumer: Arc::clone(consumer), text: text.into() };
            let used = state.claims.used_for(&key, now);
            used.is_some_and(|used| Some(used) != fingerprint)
        })
    }

    /// The right to carry out a request that has no key.
    pub fn without_key(self: &Arc<Self>, consumer: Arc<str>, fingerprint: Fingerprint) -> Arc<Claimed> {
        self.claimed(consumer, None, fingerprint)
    }

    fn claimed(
        self: &Arc<Self>,
        consumer: Arc<str>,
        hold: Option<(Key, Owner)>,
        fingerprint: Fingerprint,
    ) -> Arc<Claimed> {
        let millis = u64::try_from((self.clock)().as_millisecond()).unwrap_or_default();
        let operation = OperationId::new(millis, rand::random());
        let (journal, intended) = (Arc::clone(self), Mutex::default());
        let footing = Mutex::new(Footing::Unsure);
        Arc::new(Claimed { journal, consumer, hold, fingerprint, operation, intended, footing })
    }

    /// The right to decide about an operation that an earlier process left open.
    pub fn reopen(self: &Arc<Self>, operation: Operation) -> Arc<Claimed> {
        Arc::new(Claimed {
            journal: Arc::clone(self),
            consumer: operation.consumer.as_str().into(),
            hold: None,
            fingerprint: operation.fingerprint,
            operation: operation.id,
            intended: Mutex::new(Some(operation)),
            footing: Mutex::new(Footing::Durable),
        })
    }

    /// An operation of a consumer. Waits for the disk.
    pub fn operation(&self, consumer: &str, id: OperationId) -> Result<Option<Operation>, store::Error> {
        let known = self.state().operations.get(&id).is_some_and(|known| &*known.consumer == consumer);
        if !known {
            return Ok(None);
        }
        let value = self.store.get(OPERATIONS, id.bytes())?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn know(&mut self, operation: &Operation, size: usize, told: bool) {
        let consumer: Arc<str> = operation.consumer.as_str().into();
        let progress = Progress::of(&operation.stage);
        if is_done(progress) {
            *self.sizes.entry(Arc::clone(&consumer)).or_default() += size;
        }
        let key = operation.key.as_deref().map(Arc::from);
        // What a record that was there already was changed to says nothing about who made it.
        let record = match (&operation.stage, &operation.intent.deed) {
            (Stage::Succeeded { record, .. }, Deed::Create) => record.clone(),
            _ => None,
        };
        let wrote = (operation.intent.resource.clone(), record);
        let twin = twin(&operation.intent);
        self.operations.insert(operation.id, Known { consumer, key, progress, size, told, wrote, twin });
    }

    fn forget(&mut self, id: OperationId) -> Option<Change> {
        let known = self.operations.remove(&id)?;
        if is_done(known.progress)
            && let Some(size) = self.sizes.get_mut(&known.consumer)
        {
            *size = size.saturating_sub(known.size);
        }
        if let Some(text) = known.key {
            self.claims.forget(&Key { consumer: known.consumer, text }, id);
        }
        Some(Change::remove(OPERATIONS, id.bytes()))
    }

    /// Forgets what is too old, and of what is too much of a consumer what has no key. What is not decided is never
    /// forgotten.
    fn tidy(&mut self, consumer: &str, now: Timestamp) -> Vec<Change> {
        let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
        let oldest = u64::try_from(now.as_millisecond().saturating_sub(kept)).unwrap_or_default();
        let decided = |known: &Known| known.progress != Progress::Pending;
        let old = self.operations.range(..OperationId::new(oldest, 0));
        let mut gone: Vec<OperationId> = old.filter(|(_, known)| decided(known)).map(|(id, _)| *id).collect();
        let mut too_much = self.sizes.get(consumer).copied().unwrap_or_default().saturating_sub(SIZE);
        let own = self.operations.iter().filter(|(_, known)| &*known.consumer == consumer);
        for (id, known) in own.filter(|(_, known)| is_done(known.progress) && known.holds_no_key()) {
            if too_much == 0 {
                break;
            }
            too_much = too_much.saturating_sub(known.size);
            gone.push(*id);
        }
        gone.into_iter().filter_map(|id| self.forget(id)).collect()
    }

    /// Whether no more may be begun for a consumer.
    fn is_full(&self, consumer: &str) -> bool {
        self.sizes.get(consumer).is_some_and(|size| *size > SIZE)
    }
}

/// Whether nobody has to do anything about it any more.
fn is_done(progress: Progress) -> bool {
    matches!(progress, Progress::Succeeded | Progress::Failed)
}

/// A digest of what tells writes apart that are to be sent, as far as the CRM's rows show it whole: those that agree in it
/// cannot be told from each other.
fn twin(intent: &Intent) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    let sent = intent.identity.as_ref().unwrap_or(&intent.sent);
    (&intent.resource, intent.branch, sent.to_string()).hash(&mut hasher);
    hasher.finish()
}

impl Claimed {
    /// The operation that it is, once something is intended.
    pub fn operation(&self) -> OperationId {
        self.operation
    }

    /// Whether something was about to be sent; if not, nothing ever will be.
    pub fn is_intended(&self) -> bool {
        let mut footing = self.footing();
        if *footing == Footing::Unsure {
            *footing = Footing::GivenUp;
        }
        *footing == Footing::Durable
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
        let mut changes = vec![Change::put(OPERATIONS, self.operation.bytes(), value)];
        {
            let mut state = self.journal.state();
            changes.extend(state.tidy(&self.consumer, now));
            if state.is_full(&self.consumer) {
                return Err(Failed::Full);
            }
            if let Some((key, owner)) = &self.hold
                && !state.claims.hand_over(key, *owner, self.operation)
            {
                return Err(Failed::Lost);
            }
            state.know(&operation, 0, false);
        }
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
        let mut changes = self.journal.audit.enter(&operation, now);
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
