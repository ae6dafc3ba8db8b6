//! The port to the CRMs. An adapter answers *one question with one call*; making lists of answers, caching and merging
//! is the hub's business.

pub mod alfa;
pub mod budget;
pub mod crypto;
pub mod error;
pub mod mark;
pub mod wire;
pub mod write;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

pub use budget::Budget;
pub use error::{Error, Kind};
pub use write::{Likeness, Place, Write, Written};

use crate::model::context::Payer;
use crate::model::rehearsal::Forecast;
use crate::model::{Ctx, Entity, Record, RecordId, Source as CrmName};

/// One CRM: which records it has. What it declares is a claim that the conformance suite tests.
pub trait Crm: Send + Sync {
    /// Which one.
    fn name(&self) -> CrmName;
    /// The zone its clocks show.
    fn zone(&self) -> TimeZone;
    /// The kinds of records it has.
    fn sources(&self) -> Sources;
    /// How its calls are spent, as it is now; no call is made to find out.
    fn budget(&self, payer: &Payer) -> Budget;
    /// What is foretold of a payer's calls, each time as things stand then; no call is made to find out.
    fn forecast(&self, payer: &Payer) -> Forecast;
}

/// The kinds of records a CRM has, by their types.
#[derive(Debug, Default)]
pub struct Sources {
    by_type: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    names: Vec<&'static str>,
}

impl Sources {
    /// Adds a kind of record.
    #[must_use]
    pub fn with<E: Entity>(mut self, source: impl Source<E> + 'static) -> Self {
        let source: Arc<dyn Source<E>> = Arc::new(source);
        self.by_type.insert(TypeId::of::<E>(), Box::new(source));
        self.names.push(E::RESOURCE);
        self
    }

    /// The source of a kind of record, if there is one.
    pub fn get<E: Entity>(&self) -> Option<Arc<dyn Source<E>>> {
        self.by_type.get(&TypeId::of::<E>())?.downcast_ref().cloned()
    }

    /// The resources of all kinds, for tests that must miss none.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }
}

/// What one CRM knows about one kind of record.
pub trait Source<E: Entity>: Send + Sync {
    /// The CRM.
    fn crm(&self) -> CrmName;

    /// The sequences that together hold every record that fits `filter`, each in the order of [`Entity::order`].
    /// None means that this CRM surely has no such record.
    fn lanes(&self, filter: &E::Filter, branches: &Branches) -> Result<Vec<Lane>, Error>;

    /// Whether the CRM keeps what `filter` asks for at all: a reference book may be another CRM's.
    fn has(&self, _filter: &E::Filter) -> bool {
        true
    }

    /// Whether its records belong to branches; if not, they are in no answer about a branch.
    fn has_branches(&self) -> bool {
        false
    }

    /// Whether [`Source::lanes`] and [`Source::by_id`] need to know every branch, as opposed to only those asked for.
    fn needs_branches(&self, _filter: &E::Filter) -> bool {
        false
    }

    /// The call that reads `lane` at `at`.
    fn question(&self, filter: &E::Filter, lane: &Lane, at: Position) -> Question;

    /// How a record is found by its id. `filter` says what the path says, for records that hang on others.
    fn by_id(&self, id: &RecordId, filter: &E::Filter, branches: &Branches) -> Find;

    /// One call that finds all of these records at once, where the CRM takes lists of ids and the first call of
    /// [`Find::Ask`] is the same for one.
    fn by_ids(&self, _ids: &[RecordId]) -> Option<Question> {
        None
    }

    /// Why a call of these circumstances would be refused now, if it would; no call is made to find out.
    fn refuses(&self, _ctx: &Ctx) -> Option<Error> {
        None
    }

    /// Whether it answers out of what is configured, without a call.
    fn answers_by_itself(&self) -> bool {
        false
    }

    /// Whether each of its calls lists records of another kind, so that what one brought says nothing about the others.
    fn is_of_many_kinds(&self) -> bool {
        false
    }

    /// Which records the call may find, as far as the call itself says: those of a branch, a status, a parent. What it
    /// is narrowed by besides is the filter's business.
    fn finds<'a>(&'a self, _question: &'a Question) -> Finds<'a, E> {
        Box::new(|_| true)
    }

    /// Which of `records` records the call would bring if there were so many. Where lists come whole, all.
    fn extent(&self, _question: &Question, records: u64) -> Extent {
        Extent { rows: 0..records, total: Some(records), ..Extent::default() }
    }

    /// A record of that number about which nothing else is known, where such a one can be.
    fn sketch(&self, _question: &Question, _number: u64) -> Option<Record<E>> {
        None
    }

    /// Translates the answer to a question, wherever it comes from.
    fn answer<'a>(&'a self, via: Via<'a>, question: &'a Question) -> BoxFuture<'a, Result<Asked<E>, Error>>;

    /// Makes the call and translates its answer.
    fn ask<'a>(
        &'a self,
        ctx: &'a Arc<Ctx>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Asked<E>, Error>> {
        self.answer(Via::Call(ctx), question)
    }

    /// The body that would answer a question for this record alone, so that one out of a call for many can be read again;
    /// empty where that is not known.
    fn alone(&self, _record: Option<&Record<E>>) -> Bytes {
        Bytes::new()
    }

    /// The call that makes a record.
    fn create(&self, _draft: &E::Draft, _place: &Place<'_, E::Filter>) -> Result<Write, Error> {
        Err(error::no_such_write(self.crm()))
    }

    /// The call that changes a record, which was just read.
    fn update(
        &self,
        _before: &Record<E>,
        _draft: &E::Draft,
        _place: &Place<'_, E::Filter>,
    ) -> Result<Write, Error> {
        Err(error::no_such_write(self.crm()))
    }

    /// The call that removes a record.
    fn delete(&self, _before: &Record<E>, _place: &Place<'_, E::Filter>) -> Result<Write, Error> {
        Err(error::no_such_write(self.crm()))
    }

    /// Whether a record is the one that a call with this body made or changed. `mark` is the word that a new record was
    /// to be found again by.
    fn likeness(&self, _sent: &serde_json::Value, _mark: &str, _record: &Record<E>) -> Likeness {
        Likeness::Other
    }

    /// What of a new record's call tells it from another that is made at the same time.
    fn identity(&self, _write: &Write) -> Option<serde_json::Value> {
        None
    }

    /// Where the CRM is called. What was written at one address is not looked for at another.
    fn address(&self) -> &str {
        ""
    }

    /// How long after a call nothing follows from a record not being found.
    fn settles_after(&self) -> Duration {
        Duration::ZERO
    }

    /// Makes a call that writes. It is made once: what is not surely without effect is never repeated.
    fn write<'a>(
        &'a self,
        _ctx: &'a Arc<Ctx>,
        _write: &'a Write,
    ) -> BoxFuture<'a, Result<Written<E>, Error>> {
        let error = error::no_such_write(self.crm());
        Box::pin(async move { Err(error) })
    }
}

/// Where the answer to a question comes from.
#[derive(Debug, Clone)]
pub enum Via<'a> {
    /// The CRM, by a call of these circumstances.
    Call(&'a Arc<Ctx>),
    /// A call made before, which was answered with this body. Nothing is asked, and nothing is waited for.
    Kept(Bytes),
}

/// Whether a call may find a record.
pub type Finds<'a, E> = Box<dyn Fn(&Record<E>) -> bool + 'a>;

/// How a record is found by its id.
#[derive(Debug, Clone)]
pub enum Find {
    /// Some of these calls finds it, in the order to try them; none when there can be no such record.
    Ask(Vec<Question>),
    /// The CRM cannot be asked for it: the list of all is looked through.
    Walk,
}

/// The branches to look in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Branches {
    /// All there are; ids are given where the source said it needs them.
    All(Vec<u64>),
    /// Only these.
    Only(Vec<u64>),
}

/// One sequence of records in a CRM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Its name, stable over time and unique within a list: cursors carry it.
    pub name: String,
    /// The branch it is limited to.
    pub branch: Option<u64>,
    /// The record it hangs on, where it is a list below another record.
    pub parent: Option<u64>,
    /// The CRM's status code it is limited to, where every status is a list of its own.
    pub status: Option<u64>,
    /// The days the records must lie between, where the CRM orders by day, newest first, and cannot be asked for days.
    pub days: Option<(Option<jiff::civil::Date>, Option<jiff::civil::Date>)>,
    /// What it is made of.
    pub kind: LaneKind,
}

impl Lane {
    /// The pages of one list.
    pub fn pages(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            branch: None,
            parent: None,
            status: None,
            days: None,
            kind: LaneKind::Pages,
        }
    }

    /// The pages of one list, limited to a branch.
    pub fn in_branch(name: &str, branch: u64) -> Self {
        Self { branch: Some(branch), ..Self::pages(format!("{name} b{branch}")) }
    }
}

/// What a sequence is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneKind {
    /// The pages of one list.
    Pages,
    /// One list below each project that has some, projects newest first.
    PerProject,
}

/// Where a page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Position(pub u64);

/// One call to a CRM, before it is made. Equal keys are equal questions.
#[derive(Debug, Clone)]
pub struct Question {
    /// What makes it equal to another: method, path, query and body in canonical form.
    pub key: String,
    /// The call.
    pub call: Arc<crate::upstream::Call>,
    /// Where its page starts.
    pub at: Position,
    /// How many rows of the page before it asks for again.
    pub overlap: u64,
    /// Whether the CRM's total counts exactly what was asked for.
    pub exact: bool,
    /// The CRM's own id of the record that the list hangs on.
    pub parent: Option<u64>,
}

/// Which part of a list a page is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extent {
    /// The rows, counted from the start of the list.
    pub rows: std::ops::Range<u64>,
    /// See [`Chunk::total`].
    pub total: Option<u64>,
    /// See [`Chunk::next`].
    pub next: Option<Position>,
    /// See [`Chunk::previous`].
    pub previous: Option<Position>,
    /// See [`Chunk::overlap`].
    pub overlap: u64,
}

/// A page of records as one call gave it, and what the call cost.
#[derive(Debug)]
pub struct Asked<E> {
    /// The records.
    pub chunk: Chunk<E>,
    /// Time spent in the waiting room.
    pub queued: Duration,
    /// Time the CRM took.
    pub took: Duration,
    /// Equal digests are equal answers.
    pub digest: u64,
    /// What [`Via::Kept`] makes the same of; empty where it cannot.
    pub body: Bytes,
}

impl<E> Asked<E> {
    /// What an answer was translated to; `besides` is what else the translation depends on.
    pub(crate) fn of(
        chunk: Chunk<E>,
        answer: &crate::upstream::Answer,
        besides: impl std::hash::Hash,
    ) -> Self {
        let (queued, took) = (answer.queued, answer.took);
        // Another status is part of what was said.
        let body = if answer.status == 200 { answer.body.clone() } else { Bytes::new() };
        Self { chunk, queued, took, digest: digest(&answer.body, besides), body }
    }

    /// What is known without asking: it never changes while the gateway runs.
    pub(crate) fn known(chunk: Chunk<E>) -> Self {
        Self { chunk, queued: Duration::ZERO, took: Duration::ZERO, digest: 0, body: Bytes::new() }
    }

    /// One record out of an answer that holds several, and what the answer cost. `body` is what would have answered for
    /// it alone.
    pub(crate) fn part(&self, record: Option<Arc<Record<E>>>, drift: Vec<&'static str>, body: Bytes) -> Self {
        let digest = record.as_ref().map_or(0, |record| digest(record.raw.text().as_bytes(), ()));
        let chunk = Chunk {
            rows: u64::from(record.is_some()),
            records: record.into_iter().collect(),
            drift,
            ..Chunk::default()
        };
        Self { chunk, queued: self.queued, took: self.took, digest, body }
    }
}

/// A digest of an answer's body and of what else its translation depends on.
fn digest(body: &[u8], besides: impl std::hash::Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    besides.hash(&mut hasher);
    hasher.finish()
}

/// A page of records.
#[derive(Debug)]
pub struct Chunk<E> {
    /// The records, in the CRM's order.
    pub records: Vec<Arc<Record<E>>>,
    /// How many rows the CRM sent, those included that could not be read as a record.
    pub rows: u64,
    /// How many the CRM says there are.
    pub total: Option<u64>,
    /// Where the next page starts; `None` when this surely was the last.
    pub next: Option<Position>,
    /// Where the page before starts, if there is one.
    pub previous: Option<Position>,
    /// How many of the first rows were on the page before already, if nothing moved.
    pub overlap: u64,
    /// Fields that could not be read, by record: what the drift metric counts.
    pub drift: Vec<&'static str>,
}

impl<E> Chunk<E> {
    /// Bytes in memory, as closely as that can be told without looking at each field.
    pub fn weight(&self) -> usize {
        size_of::<Self>()
            + self.records.iter().map(|record| size_of_val(record) + record.weight()).sum::<usize>()
    }
}

impl<E> Default for Chunk<E> {
    /// An empty page behind which nothing comes.
    fn default() -> Self {
        Self {
            records: Vec::new(),
            rows: 0,
            total: None,
            next: None,
            previous: None,
            overlap: 0,
            drift: Vec::new(),
        }
    }
}
