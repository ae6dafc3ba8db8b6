//! One gateway made of two CRMs: which record lives where, what is remembered, and how many sequences become one list.

mod desk;
mod mark;
mod nested;
mod pages;
pub mod shelf;

use std::sync::Arc;
use std::time::Duration;

pub use shelf::Shelf;

use crate::cache::{Cache, Policy};
use crate::crm::Crm;
use desk::Desk;
use shelf::Around;

use crate::crm;
use crate::model::lesson::Lesson;
use crate::model::payment::Payment;
use crate::model::project::Project;
use crate::model::reference::ReferenceEntry;
use crate::model::student::Student;
use crate::model::{Entity, RecordId};
use crate::telemetry::Metrics;

/// Everything the gateway can be asked for.
#[derive(Debug)]
pub struct Hub {
    /// Students and leads.
    pub students: Shelf<Student>,
    /// Lessons.
    pub lessons: Shelf<Lesson>,
    /// Payments of both CRMs.
    pub payments: Shelf<Payment>,
    /// Projects.
    pub projects: Shelf<Project>,
    /// Reference books.
    pub reference: Shelf<ReferenceEntry>,
}

impl Hub {
    /// Over these CRMs. `branches` limits everybody to some branches; empty is all there are. `policy` gives the cache
    /// windows of a resource by its name.
    pub fn new(
        crms: &[Arc<dyn Crm>],
        cache: Arc<Cache<crm::Error>>,
        metrics: Arc<Metrics>,
        branches: &[u64],
        policy: impl Fn(&str) -> Policy,
    ) -> Self {
        let desk = Arc::new(Desk::new(cache, metrics));
        let around = Arc::new(Around {
            branches: branches.to_vec(),
            reference: crms.iter().filter_map(|crm| crm.reference()).collect(),
            reference_policy: policy("reference"),
            projects: crms.iter().filter_map(|crm| crm.projects()).collect(),
            projects_policy: policy("projects"),
        });
        let parts = Parts { crms, desk, around, policy };
        Self {
            students: parts.shelf(|crm| crm.students()),
            lessons: parts.shelf(|crm| crm.lessons()),
            payments: parts.shelf(|crm| crm.payments()),
            projects: parts.shelf(|crm| crm.projects()),
            reference: parts.shelf(|crm| crm.reference()),
        }
    }
}

/// Chooses one kind of record of a CRM.
type Accessor<E> = fn(&dyn Crm) -> Option<Arc<dyn crm::Source<E>>>;

/// What all shelves are made of.
struct Parts<'a, P> {
    crms: &'a [Arc<dyn Crm>],
    desk: Arc<Desk>,
    around: Arc<Around>,
    policy: P,
}

impl<P: Fn(&str) -> Policy> Parts<'_, P> {
    fn shelf<E: Entity>(&self, accessor: Accessor<E>) -> Shelf<E> {
        let sources = self.crms.iter().filter_map(|crm| accessor(&**crm)).collect();
        Shelf::new(Arc::clone(&self.desk), sources, (self.policy)(E::RESOURCE), Arc::clone(&self.around))
    }
}

#[cfg(test)]
impl Hub {
    /// A hub without CRMs, for tests of what is in front of it.
    pub(crate) fn empty() -> Self {
        let never =
            |_: &str| Policy { fresh: Duration::ZERO, stale: Duration::ZERO, if_error: Duration::ZERO };
        Self::new(&[], Arc::new(Cache::new(0)), Arc::new(Metrics::new()), &[], never)
    }
}

/// For the fuzz target of cursors, which sees only what is public: `None` when `text` is no cursor of the question with
/// this fingerprint, else whether it means the same once written anew.
#[cfg(fuzzing)]
pub fn cursor_survives(text: &str, question: &str) -> Option<bool> {
    let cursor = mark::Cursor::decode(text, question).ok()?;
    Some(mark::Cursor::decode(&cursor.encode(), question).is_ok_and(|again| again == cursor))
}

/// Which branches an answer may come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// What the consumer may see; `None` is everything.
    pub visible: Option<Vec<u64>>,
    /// What the consumer asked for; empty is all it may see.
    pub wanted: Vec<RecordId>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many records.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// An answer with its history.
#[derive(Debug)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// How it came about.
    pub provenance: Provenance,
}

/// How an answer came about: the worst of all parts it is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Provenance {
    /// How the cache took part.
    pub cache: CacheUse,
    /// Age of the oldest part.
    pub age: Duration,
    /// Seconds until the first part is no longer fresh; negative since when it is not.
    pub ttl: i64,
    /// Time spent waiting for turns.
    pub queued: Duration,
    /// Time the CRMs took.
    pub upstream: Duration,
}

/// How the cache took part; later is worse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheUse {
    /// Everything was fresh in memory (or nothing had to be asked).
    #[default]
    Hit,
    /// Another request's call to the CRM answered this one too.
    Collapsed,
    /// The CRM was asked and its answer kept.
    Miss,
    /// Stale, and being refreshed.
    Stale,
    /// Stale, because the CRM could not answer; with the status it gave, if it gave one.
    StaleIfError(Option<u16>),
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The CRM could not answer.
    #[error(transparent)]
    Crm(#[from] crm::Error),
    /// There is no such record, or the consumer may not see it.
    #[error("there is no such record")]
    NotFound,
    /// The cursor does not belong to this question.
    #[error("{0}")]
    BadCursor(&'static str),
    /// A branch was asked for that the consumer may not see.
    #[error("branch `{0}` is not among those this key may see")]
    ForbiddenBranch(RecordId),
    /// No configured CRM has such records.
    #[error("no configured CRM has such records")]
    NotSupported,
}
