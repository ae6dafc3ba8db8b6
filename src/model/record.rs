//! What every record has, whatever it is of, and what a kind of record must say about itself.

use std::cmp::Ordering;
use std::fmt::Debug;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::draft::Draft;
use super::expand::Expand;
use super::{Moment, Query, RecordId, Source};

/// One record of a CRM, normalised. `E` holds what is particular to its kind.
#[derive(Debug, Clone, Serialize)]
pub struct Record<E> {
    /// The gateway's id.
    pub id: RecordId,
    /// The CRM it lives in.
    pub source: Source,
    /// The CRM's own id.
    pub source_id: String,
    /// What is particular to its kind.
    #[serde(flatten)]
    pub data: E,
    /// The CRM's own fields, verbatim.
    pub custom_fields: Map<String, Value>,
    /// When the CRM says it was made.
    pub created_at: Option<Moment>,
    /// When the CRM says it was last changed.
    pub updated_at: Option<Moment>,
    /// The upstream record untouched; shown with `include=raw`.
    #[serde(skip)]
    pub raw: Value,
}

/// The fields that [`Record`] adds to each kind, in the order they are shown; `raw` only when asked for.
pub const COMMON_FIELDS: [&str; 7] =
    ["id", "source", "source_id", "custom_fields", "created_at", "updated_at", "raw"];

/// In which order the sequences that make up one list are read.
#[derive(Debug)]
pub enum Order<E> {
    /// One sequence after the other, each in the CRM's order.
    OneAfterTheOther,
    /// Merged: the sequence whose next record is [`Ordering::Less`] goes first.
    Merged(fn(&Record<E>, &Record<E>) -> Ordering),
}

/// A kind of record.
pub trait Entity: Debug + Clone + Serialize + ToSchema + Send + Sync + 'static {
    /// The resource's name: path segment, scope, cache policy, metric label.
    const RESOURCE: &'static str;
    /// Fields hidden by each mask (`contacts`, `balances`, `notes`).
    const MASKED: &'static [(&'static str, &'static [&'static str])];
    /// What lists of it may be narrowed by.
    type Filter: Filter<Self>;
    /// What can be written of it; [`super::draft::ReadOnly`] for nothing.
    type Draft: Draft;
    /// References that `expand` can put names to.
    const EXPANDS: &'static [Expand] = &[];
    /// Other kinds of records that a write to one of this kind may change: their resources.
    const TOUCHES: &'static [&'static str] = &[];

    /// How the sequences of a list are joined.
    fn order() -> Order<Self>;

    /// The branches it belongs to; `None` for a record that is no branch's business.
    fn branches(&self) -> Option<&[RecordId]> {
        None
    }

    /// What people call it, where it has a name.
    fn title(&self) -> Option<&str> {
        None
    }

    /// The day by which the CRM orders its lists, newest first, where it does.
    fn day(&self) -> Option<Date> {
        None
    }

    /// An instructive example for the API document.
    fn example() -> Value;
}

/// What a list may be narrowed by.
pub trait Filter<E>: Debug + Clone + Default + PartialEq + Send + Sync + 'static {
    /// Reads itself from query parameters; the names and descriptions given there are its documentation.
    fn read(query: &mut Query) -> Self;

    /// Whether a record fits, as far as the record itself can tell. What only the CRM can tell counts as fitting.
    fn matches(&self, record: &Record<E>) -> bool;
}

/// Compares moments so that the later one comes first and none comes last.
pub fn newest_first<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
    b.cmp(&a)
}
