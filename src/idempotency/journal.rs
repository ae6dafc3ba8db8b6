//! The operations there are, over the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::time::Instant;

use super::claim::{Claimable, Claims, Fingerprint, Holder, Key, Owner};
use super::claimed::{Claimed, Footing};
use super::{Audit, Deed, Intent, KEPT, Operation, OperationId, Stage};
use crate::store::{self, Change, Store, Table};

pub(super) const OPERATIONS: Table = Table("operations");

/// How many bytes of operations of one consumer are kept that have an effect on nothing any more: those without a key go
/// before they are old, those with one are kept as long as was promised, and no more are begun.
const SIZE: usize = 128 << 20;

/// What time it is. The next process must be able to tell how long ago that was.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// All writes that are not forgotten.
pub struct Journal {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) audit: Audit,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) claims: Claims,
    pub(super) operations: BTreeMap<OperationId, Known>,
    /// Bytes of the decided operations of each consumer.
    sizes: std::collections::HashMap<Arc<str>, usize>,
}

/// What is remembered of an operation without asking the store.
#[derive(Debug, Clone)]
pub(super) struct Known {
    consumer: Arc<str>,
    key: Option<Arc<str>>,
    pub(super) progress: Progress,
    size: usize,
    /// Whether somebody was told its id.
    pub(super) told: bool,
    /// The kind of record and, once it is known, the record.
    pub(super) wrote: (String, Option<String>),
    /// What was to be sent: equal for those that cannot be told from each other.
    pub(super) twin: u64,
}

impl Known {
    /// Whether forgetting it lets nobody make anything twice: what failed has given its key back.
    fn holds_no_key(&self) -> bool {
        self.key.is_none() || self.progress == Progress::Failed
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
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

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

impl Journal {
    /// What `store` holds, and the operations whose outcome is to be found out, the oldest first. The audit log takes
    /// `audit` bytes at most. Waits for the disk.
    pub fn open(store: Store, clock: Clock, audit: u64) -> Result<(Arc<Self>, Vec<Operation>), store::Error> {
        let mut state = State::default();
        let mut open = Vec::new();
        let mut unread = 0_usize;
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
            // Their keys would be good again, and what they were for would be done twice.
            return Err(store.unreadable(unread, "writes"));
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

    /// Whether a key is in use for another request than the one that has this fingerprint and is made of parts, or of which
    /// nothing is a part.
    pub fn is_used_otherwise(&self, key: &Key, of_parts: Option<Fingerprint>) -> bool {
        self.state().claims.is_used_otherwise(key, of_parts, Instant::now())
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

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn know(&mut self, operation: &Operation, size: usize, told: bool) {
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

    pub(super) fn forget(&mut self, id: OperationId) -> Option<Change> {
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
    pub(super) fn tidy(&mut self, consumer: &str, now: Timestamp) -> Vec<Change> {
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
    pub(super) fn is_full(&self, consumer: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idempotency::Answer;
    use crate::idempotency::claimed::tests::{intent, request};

    fn operation(number: u32, key: Option<&str>) -> Operation {
        Operation {
            id: OperationId::new(1, number),
            at: Timestamp::UNIX_EPOCH,
            consumer: "web".to_owned(),
            key: key.map(str::to_owned),
            fingerprint: [1; 32],
            request: request(),
            intent: intent(),
            stage: Stage::Succeeded {
                answer: Answer { status: 201, headers: Vec::new(), body: String::new() },
                record: None,
                after: None,
            },
            left_open_at: None,
        }
    }

    #[test]
    fn keys_are_kept_however_many_there_are_and_no_more_are_begun_then() {
        let mut state = State::default();
        state.know(&operation(1, None), SIZE / 2, true);
        state.know(&operation(2, Some("a")), SIZE / 2, true);
        assert!(state.tidy("web", Timestamp::UNIX_EPOCH).is_empty() && !state.is_full("web"));
        state.know(&operation(3, Some("b")), SIZE / 2, true);
        assert_eq!(state.tidy("web", Timestamp::UNIX_EPOCH).len(), 1, "the one without a key goes");
        assert!(!state.is_full("web"));
        state.know(&operation(4, Some("c")), SIZE / 2, true);
        assert!(state.tidy("web", Timestamp::UNIX_EPOCH).is_empty(), "the others stay");
        assert!(state.is_full("web") && !state.is_full("another"));
        let later = Timestamp::UNIX_EPOCH + KEPT + std::time::Duration::from_secs(1);
        assert_eq!(state.tidy("web", later).len(), 3, "as long as was promised");
        assert!(!state.is_full("web"));
    }

    #[tokio::test]
    async fn writes_of_another_version_are_not_passed_over() {
        let store = Store::in_memory();
        let unknown = Change::put(OPERATIONS, OperationId::new(1, 1).bytes(), b"{\"form\":2}".to_vec());
        store.commit(vec![unknown]).await.unwrap();
        let refused = Journal::open(store, Arc::new(Timestamp::now), 1 << 20).unwrap_err();
        assert!(refused.to_string().contains("1 writes in it cannot be read"), "{refused}");
    }
}
