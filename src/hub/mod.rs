//! One gateway made of two CRMs: which record lives where, what is remembered, and how many sequences become one list.

mod deeds;
mod desk;
pub mod discovered;
mod gather;
mod holders;
mod journal;
mod kin;
mod mark;
mod marks;
mod nested;
mod outcome;
mod own;
mod pages;
mod seal;
pub mod shelf;
mod snapshots;
mod suppose;
mod tag;
mod trip;
mod warm;
mod wholes;
mod writes;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use deeds::{Clerk, Deed, Outcome};
pub use discovered::Discovery;
pub use journal::Witness;
pub use kin::Names;
pub use marks::Purge;
pub use shelf::Shelf;
pub use snapshots::{Clock, Snapshots};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::cache::{Cache, Policy};
use crate::crm::{self, Budget, Crm, Sources};
use crate::model::bonus::Bonus;
use crate::model::calendar::CalendarEntry;
use crate::model::checklist::Checklist;
use crate::model::communication::Communication;
use crate::model::context::Payer;
use crate::model::discount::Discount;
use crate::model::group::Group;
use crate::model::history::HistoryEntry;
use crate::model::lesson::Lesson;
use crate::model::member::Member;
use crate::model::message::Message;
use crate::model::payment::Payment;
use crate::model::project::Project;
use crate::model::project_action::ProjectAction;
use crate::model::project_good::ProjectGood;
use crate::model::project_step::ProjectStep;
use crate::model::reference::ReferenceEntry;
use crate::model::rehearsal::{Rehearsal, Supposed, Way};
use crate::model::schedule::Schedule;
use crate::model::student::Student;
use crate::model::subscription::Subscription;
use crate::model::tariff::Tariff;
use crate::model::task::Task;
use crate::model::teacher::Teacher;
use crate::model::teacher_part::{Rate, WorkingHour};
use crate::model::{Entity, RecordId, Sight, Source};
use crate::store;
use crate::telemetry::Metrics;
use desk::Desk;
use discovered::Discovered;
use own::Kinship;
use shelf::Around;

/// Everything the gateway can be asked for.
pub struct Hub {
    shelves: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    around: Arc<Around>,
    discovered: Arc<Discovered>,
    crms: Vec<Arc<dyn Crm>>,
    desk: Arc<Desk>,
    /// How long an answer is good for at most.
    useful: Duration,
}

impl Hub {
    /// Over these CRMs. `branches` limits everybody to some branches; empty is all there are. `policy` gives the cache
    /// windows of a resource by its name. It goes on where the gateway that filled `snapshots` ended.
    pub fn new(
        crms: &[Arc<dyn Crm>],
        cache: Arc<Cache<crm::Error>>,
        metrics: Arc<Metrics>,
        branches: &[u64],
        policy: impl Fn(&str) -> Policy,
        snapshots: Arc<Snapshots>,
    ) -> Result<Self, store::Error> {
        let discovered = Arc::new(Discovered::default());
        let desk = Arc::new(Desk::new(cache, metrics, Arc::clone(&discovered), snapshots));
        let sources: Vec<Sources> = crms.iter().map(|crm| crm.sources()).collect();
        let around = Arc::new(Around {
            branches: branches.to_vec(),
            reference: sources.iter().filter_map(Sources::get::<ReferenceEntry>).collect(),
            reference_policy: policy("reference"),
            projects: sources.iter().filter_map(Sources::get::<Project>).collect(),
            projects_policy: policy("projects"),
            kinship: Kinship::default(),
            seal: OnceLock::new(),
        });
        let hub = Self {
            shelves: HashMap::new(),
            around,
            discovered,
            crms: crms.to_vec(),
            desk: Arc::clone(&desk),
            useful: Duration::ZERO,
        };
        let parts = Parts { sources: &sources, desk: &desk, policy: &policy };
        let hub = hub
            .with::<Student>(&parts)
            .with::<Lesson>(&parts)
            .with::<Schedule>(&parts)
            .with::<Task>(&parts)
            .with::<Communication>(&parts)
            .with::<Payment>(&parts)
            .with::<Project>(&parts)
            .with::<Group>(&parts)
            .with::<Member>(&parts)
            .with::<Teacher>(&parts)
            .with::<WorkingHour>(&parts)
            .with::<Rate>(&parts)
            .with::<CalendarEntry>(&parts)
            .with::<ReferenceEntry>(&parts)
            .with::<Tariff>(&parts)
            .with::<Subscription>(&parts)
            .with::<Discount>(&parts)
            .with::<Bonus>(&parts)
            .with::<HistoryEntry>(&parts)
            .with::<Message>(&parts)
            .with::<ProjectStep>(&parts)
            .with::<ProjectAction>(&parts)
            .with::<Checklist>(&parts)
            .with::<ProjectGood>(&parts);
        hub.around.kinship.set(hub.shelf::<Student>(), hub.shelf::<Member>(), hub.shelf::<Project>());
        hub.desk.resume(hub.useful)?;
        Ok(hub)
    }

    fn with<E: Entity>(mut self, parts: &Parts<'_>) -> Self {
        let sources = parts.sources.iter().filter_map(Sources::get::<E>).collect();
        let policy = (parts.policy)(E::RESOURCE);
        self.useful = self.useful.max(policy.kept());
        let shelf: Shelf<E> = Shelf::new(Arc::clone(parts.desk), sources, policy, Arc::clone(&self.around));
        self.shelves.insert(TypeId::of::<E>(), Box::new(Arc::new(shelf)));
        self
    }

    /// All records of one kind.
    ///
    /// # Panics
    /// If the kind is not in the list above; every resource that is mounted is asked for it once, so tests find out.
    pub fn shelf<E: Entity>(&self) -> &Arc<Shelf<E>> {
        let shelf = self.shelves.get(&TypeId::of::<E>()).and_then(|shelf| shelf.downcast_ref());
        shelf.unwrap_or_else(|| panic!("the hub has no shelf for {}", E::RESOURCE))
    }
}

impl Hub {
    /// Seals cursors with this secret, so that they are good in another process that has it. To be called before the first
    /// question.
    #[must_use]
    pub fn sealed_by(self, secret: &[u8]) -> Self {
        // Who comes late seals with what was made up.
        let _ = self.around.seal.set(seal::Seal::of(secret));
        self
    }

    /// What is known about the CRMs' own fields of a resource.
    pub fn discovered(&self, resource: &str) -> Discovery {
        self.discovered.of(resource)
    }

    /// From now on whatever carries a tag is asked for anew; `false` when it names no resource.
    pub async fn purge(&self, tag: &Purge) -> bool {
        self.desk.purge(tag).await
    }

    /// Writes what is to outlive the process and is not written yet.
    pub async fn flush(&self) {
        self.desk.snapshots.flush().await;
    }

    /// How the calls of each CRM are spent, as it is now.
    pub fn budgets(&self, payer: &Payer) -> Vec<Budget> {
        self.crms.iter().map(|crm| crm.budget(payer)).collect()
    }

    /// A rehearsal of a payer's request, which supposes this of answers that nobody knows.
    pub fn rehearsal(&self, payer: &Payer, supposed: Supposed) -> Rehearsal {
        let way = |crm: &Arc<dyn Crm>| Way { source: crm.name(), forecast: crm.forecast(payer) };
        Rehearsal::new(self.crms.iter().map(way).collect(), supposed)
    }

    /// What day it is at `now` where a CRM is; by universal time if there is no such CRM.
    pub fn day_at(&self, crm: Source, now: Timestamp) -> Date {
        let zone = self.crms.iter().find(|known| known.name() == crm).map(|known| known.zone());
        zone.unwrap_or(TimeZone::UTC).to_datetime(now).date()
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("kinds", &self.shelves.len()).finish_non_exhaustive()
    }
}

/// What all shelves are made of.
struct Parts<'a> {
    sources: &'a [Sources],
    desk: &'a Arc<Desk>,
    policy: &'a dyn Fn(&str) -> Policy,
}

#[cfg(test)]
impl Hub {
    /// A hub without CRMs, for tests of what is in front of it.
    pub(crate) fn empty() -> Self {
        let never =
            |_: &str| Policy { fresh: Duration::ZERO, stale: Duration::ZERO, if_error: Duration::ZERO };
        let (cache, metrics) = (Arc::new(Cache::new(0)), Arc::new(Metrics::new()));
        let hub = Self::new(&[], cache, metrics, &[], never, Snapshots::in_memory());
        hub.expect("memory holds what was written to it")
    }
}

/// For the fuzz target of cursors, which forges them: what a hub that is [`Hub::sealed_by`] this secret takes for its own.
#[cfg(fuzzing)]
pub fn sealed(text: &[u8], secret: &[u8]) -> Vec<u8> {
    seal::Seal::of(secret).seal(text)
}

/// The way back.
#[cfg(fuzzing)]
pub fn opened(sealed: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    seal::Seal::of(secret).open(sealed)
}

/// For the same target: `None` when `text` is not what stands in a cursor of the question with this fingerprint, else
/// whether it means the same once written anew.
#[cfg(fuzzing)]
pub fn cursor_survives(text: &str, question: &str) -> Option<bool> {
    let cursor = mark::Cursor::read(text.as_bytes(), question).ok()?;
    Some(mark::Cursor::read(&cursor.write(), question).is_ok_and(|again| again == cursor))
}

/// What an answer may be made of. There is none without saying what its consumer may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// What the consumer may see.
    pub sight: Arc<Sight>,
    /// What the consumer asked for; empty is all it may see.
    pub wanted: Vec<RecordId>,
    /// The branches of the record that the path hangs on; empty is any.
    pub within: Vec<u64>,
}

impl Scope {
    /// All that a consumer may see.
    pub fn of(sight: &Arc<Sight>) -> Self {
        Self { sight: Arc::clone(sight), wanted: Vec::new(), within: Vec::new() }
    }

    /// All there is: for finding out, not for showing.
    fn all() -> Self {
        Self::of(&Arc::new(Sight::all()))
    }
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
    /// What it was made of, if all of that was fresh in memory.
    pub witness: Option<Witness>,
}

/// How an answer came about: the worst of all parts it is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Provenance {
    /// How the cache took part.
    pub cache: CacheUse,
    /// Age of the oldest part. What was only looked up to know what to ask for is none.
    pub age: Duration,
    /// Seconds until the first part is no longer fresh; negative since when it is not.
    pub ttl: i64,
    /// Time spent waiting for turns.
    pub queued: Duration,
    /// Time the CRMs took.
    pub upstream: Duration,
}

impl Provenance {
    /// What an answer made of all these parts is like. A part for which nothing was asked is not old.
    #[must_use]
    pub fn of_all(parts: impl IntoIterator<Item = Self>) -> Self {
        let asked = parts.into_iter().filter(|part| *part != Self::default());
        asked.reduce(Self::and).unwrap_or_default()
    }

    /// What an answer made of two parts is like: each time the worse of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            cache: self.cache.max(other.cache),
            age: self.age.max(other.age),
            ttl: self.ttl.min(other.ttl),
            queued: self.queued + other.queued,
            upstream: self.upstream + other.upstream,
        }
    }

    /// What an answer is like for which `aside` was looked up, but which is not made of it: that it had to be asked for
    /// shows, how old it was does not.
    #[must_use]
    fn beside(self, aside: Self) -> Self {
        let asked = matches!(aside.cache, CacheUse::Collapsed | CacheUse::Miss);
        Self {
            cache: if asked { self.cache.max(aside.cache) } else { self.cache },
            queued: self.queued + aside.queued,
            upstream: self.upstream + aside.upstream,
            ..self
        }
    }
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
    /// It is not for who sees some students only.
    #[error("{0}")]
    NotTheirs(&'static str),
    /// No configured CRM has such records.
    #[error("no configured CRM has such records")]
    NotSupported,
    /// A field of a write cannot be taken: a pointer into the body, and why.
    #[error("{1}")]
    Invalid(&'static str, String),
    /// The record is not the one that the consumer had in mind.
    #[error("the record has changed")]
    Stale,
    /// A write cannot be noted, so it was not begun.
    #[error("the write cannot be noted")]
    NotKept,
    /// Only a part could be asked for: why not all.
    #[error("not all could be asked: {0}")]
    Partial(String),
}
