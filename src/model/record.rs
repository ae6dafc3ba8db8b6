//! What every record has, whatever it is of, and what a kind of record must say about itself.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt::Debug;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::draft::Draft;
use super::expand::{Expand, Kin};
use super::sight::Rows;
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
    pub raw: Raw,
}

/// Bytes that an allocation takes besides what it holds, with an [`std::sync::Arc`]'s counts.
const ALLOCATION: usize = 32;
/// Bytes of a field in a map of values, with the room that the map leaves free.
const FIELD: usize = 200;

impl<E> Record<E> {
    /// The same record with less in it: this, and neither the CRM's own fields nor its own record.
    #[must_use]
    pub fn reduced(&self, data: E) -> Self {
        Self {
            id: self.id.clone(),
            source: self.source,
            source_id: self.source_id.clone(),
            data,
            custom_fields: Map::new(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            raw: Raw::withheld(),
        }
    }

    /// Whether it is the part of a record that somebody may see who may not see all of it.
    pub fn is_reduced(&self) -> bool {
        self.raw == Raw::withheld()
    }

    /// Bytes in memory behind an [`std::sync::Arc`]. What the kind's own fields hold of text is part of what the CRM
    /// gave, so it is reckoned from that.
    pub fn weight(&self) -> usize {
        let text = self.raw.text().len();
        let custom: usize = self.custom_fields.keys().map(|name| FIELD + name.len()).sum();
        size_of::<Self>() + 2 * ALLOCATION + text + text / 2 + custom
    }
}

/// A record as its CRM gave it. It is kept as text, because a tree of values takes several times the memory and few ask
/// for it.
#[derive(Debug, Clone)]
pub struct Raw {
    text: Box<str>,
    number: u64,
}

/// Counts what was read.
static READ: AtomicU64 = AtomicU64::new(0);

impl Raw {
    /// The text of a value.
    pub fn of(value: &Value) -> Self {
        // Written in a place that is there already: it grows once, and what is kept has its size from the start.
        thread_local! {
            static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let text = TEXT.with_borrow_mut(|text| {
            text.clear();
            serde_json::to_writer(&mut *text, value).expect("memory takes whatever is written");
            std::str::from_utf8(text).expect("JSON is UTF-8").into()
        });
        Self { text, number: READ.fetch_add(1, Relaxed) }
    }

    /// In place of what is not to be seen. No CRM gives a record that is nothing.
    fn withheld() -> Self {
        Self { text: "null".into(), number: READ.fetch_add(1, Relaxed) }
    }

    /// The value, read again.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.text).expect("a value that was written can be read")
    }

    /// The value as JSON.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Tells it, and so its record, from all others that this process has read, equal ones too.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Raw {}

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
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

/// What a write changes besides the record that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touch {
    /// Anything of a resource.
    All(&'static str),
    /// What the CRM computes of a record of a resource.
    Record(&'static str, RecordId),
    /// The records of a resource that hang on a record.
    Below(&'static str, Kin, RecordId),
}

/// A kind of record.
pub trait Entity: Debug + Clone + Serialize + ToSchema + Send + Sync + 'static {
    /// The resource's name: path segment, scope, cache policy, metric label.
    const RESOURCE: &'static str;
    /// Fields hidden by each mask (`contacts`, `balances`, `notes`).
    const MASKED: &'static [(&'static str, &'static [&'static str])];
    /// Which of its records are seen by who sees some students only.
    const ROWS: Rows<Self>;
    /// What lists of it may be narrowed by.
    type Filter: Filter<Self>;
    /// What can be written of it; [`super::draft::ReadOnly`] for nothing.
    type Draft: Draft;
    /// References that `expand` can put names to.
    const EXPANDS: &'static [Expand] = &[];
    /// Other kinds of records that a write to one of this kind may change: their resources.
    const TOUCHES: &'static [&'static str] = &[];

    /// What a write to this very record may change of others. By default all of [`Entity::TOUCHES`].
    fn touched(&self) -> Vec<Touch> {
        Self::TOUCHES.iter().copied().map(Touch::All).collect()
    }

    /// Every record that it is in a list of by [`Filter::owner`]; `None` where it does not tell.
    fn owners(&self) -> Option<Vec<(Kin, RecordId)>> {
        None
    }

    /// A filter that the record made of a draft surely fits, and few others: where it is looked for. `path` says what it
    /// hangs on.
    fn trail(path: &Self::Filter, _draft: &Self::Draft) -> Self::Filter {
        path.clone()
    }

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

    /// The record that all in the list hang on, where the filter names one. What fits it, names it by
    /// [`Entity::owners`].
    fn owner(&self) -> Option<(Kin, RecordId)> {
        None
    }

    /// Whether it asks for what the CRM computes out of other records: a balance, a next lesson.
    fn is_computed(&self) -> bool {
        false
    }

    /// Whether it is `wider` with more conditions, each of which a record tells for certain. Then what fits it is what of
    /// the records that fit `wider` [`Filter::matches`], and no CRM need be asked for it.
    fn narrows(&self, wider: &Self) -> bool {
        self == wider
    }

    /// Whether a record fits, as far as the record itself can tell. What only the CRM can tell counts as fitting.
    fn matches(&self, record: &Record<E>) -> bool;
}

/// Compares moments so that the later one comes first and none comes last.
pub fn newest_first<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
    b.cmp(&a)
}
