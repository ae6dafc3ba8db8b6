//! A write as an adapter prepares it, and what comes back.

use std::sync::Arc;

use std::time::Duration;

use crate::model::student::Student;
use crate::model::{Record, RecordId};
use crate::upstream::Call;

/// Where a record is written.
#[derive(Debug, Clone)]
pub struct Place<'a, F> {
    /// What the path says, as a filter: the record it hangs on.
    pub filter: &'a F,
    /// The branch to act in, where one is known: the record's own, or that of what it hangs on.
    pub branch: Option<u64>,
    /// Branches of the record that the consumer does not see: a list of branches that is sent whole keeps them.
    pub hidden: Vec<u64>,
    /// The student a new record is about, where it is about one.
    pub student: Option<&'a Record<Student>>,
    /// What the new record shall be found again by: a word that no other record has.
    pub mark: Option<&'a str>,
}

impl<'a, F> Place<'a, F> {
    /// Where nothing more is known than the path says.
    pub fn at(filter: &'a F) -> Self {
        Self { filter, branch: None, hidden: Vec::new(), student: None, mark: None }
    }
}

/// One call that writes, before it is made.
#[derive(Debug, Clone)]
pub struct Write {
    /// The call; never safe to repeat.
    pub call: Arc<Call>,
    /// The CRM's own id of the record that the written one hangs on.
    pub parent: Option<u64>,
    /// The id of the written record, where it is known before the CRM tells: it is read again if the CRM does not show it.
    pub id: Option<RecordId>,
    /// The CRM's names of the fields sent, with the pointer of each into the consumer's body: complaints of the CRM are
    /// told in our words.
    pub names: Vec<(&'static str, &'static str)>,
    /// Whether [`Place::mark`] is written into the record.
    pub marked: bool,
}

/// Whether a record is the one that a call made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// It carries the mark.
    Marked,
    /// It shows all that was sent.
    Alike,
    /// It shows what tells one from another, but not all that was sent: somebody may have changed it since, or the CRM wrote
    /// something else than it was sent.
    Near,
    /// It is another, or was not changed.
    Other,
}

/// What a write brought.
#[derive(Debug)]
pub struct Written<E> {
    /// The record as it is now, where the CRM shows it.
    pub record: Option<Record<E>>,
    /// Time spent in the waiting room.
    pub queued: Duration,
    /// Time the CRM took.
    pub took: Duration,
}
