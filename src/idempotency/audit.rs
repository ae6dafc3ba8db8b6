//! Who wrote what, when, and what came of it: a log for operators of bounded size, the oldest entries of which go first.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Operation, OperationId, Stage};
use crate::store::{Change, Error, Store, Table};

const TABLE: Table = Table("audit");

/// One write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// When it was decided what became of it.
    pub at: Timestamp,
    /// When it began.
    pub begun_at: Timestamp,
    /// Its operation.
    pub operation: OperationId,
    /// Who asked for it.
    pub consumer: String,
    /// The id of the request in the log.
    pub request_id: String,
    /// `POST`.
    pub method: String,
    /// The path of the request.
    pub path: String,
    /// The kind of record.
    pub resource: String,
    /// The record, where there is one.
    pub record: Option<String>,
    /// `SUCCEEDED`, `FAILED` or `NEEDS_REVIEW`.
    pub outcome: String,
    /// Why, unless it succeeded.
    pub detail: Option<Value>,
    /// The record as the CRM showed it before.
    pub before: Option<Value>,
    /// The record as the CRM showed it afterwards.
    pub after: Option<Value>,
}

impl Entry {
    /// What is said of an operation that was decided at `at`; nothing of one that was not.
    fn of(operation: &Operation, at: Timestamp) -> Option<Self> {
        let (record, detail, after) = match &operation.stage {
            Stage::Pending => return None,
            Stage::Succeeded { record, after, .. } => (record.clone(), None, after.clone()),
            Stage::Failed { problem } => (None, Some(problem.clone()), None),
            Stage::NeedsReview { evidence } => (None, Some(evidence.clone()), None),
        };
        let deed = &operation.intent.deed;
        Some(Self {
            at,
            begun_at: operation.at,
            operation: operation.id,
            consumer: operation.consumer.clone(),
            request_id: operation.request.id.clone(),
            method: operation.request.method.clone(),
            path: operation.request.path.clone(),
            resource: operation.intent.resource.clone(),
            record: record.or_else(|| deed.id().map(str::to_owned)),
            outcome: operation.stage.name().to_owned(),
            detail,
            before: deed.before().cloned(),
            after,
        })
    }
}

/// The log.
#[derive(Debug)]
pub struct Audit {
    store: Store,
    /// Bytes at most.
    most: u64,
    held: Mutex<Held>,
}

/// What there is, without the entries.
#[derive(Debug, Default)]
struct Held {
    /// Sizes by place, the oldest first.
    places: BTreeMap<Place, u64>,
    bytes: u64,
    last: Place,
}

/// What becomes of the log when changes are on the disk.
#[derive(Debug, Default)]
pub struct Entered {
    added: Option<(Place, u64)>,
    gone: Vec<Place>,
}

/// Where an entry stands: later ones are greater.
pub type Place = u64;

impl Audit {
    /// What `store` holds; from now on at most so many bytes. Waits for the disk.
    pub fn open(store: Store, most: u64) -> Result<Self, Error> {
        let mut held = Held::default();
        store.scan(TABLE, |key, value| {
            if let Ok(place) = key.try_into().map(Place::from_be_bytes) {
                held.add(place, value.len() as u64);
            }
        })?;
        Ok(Self { store, most, held: Mutex::new(held) })
    }

    /// The changes that enter an operation that was decided at `now`, and remove what is too much then. Nothing is counted
    /// before [`Self::settle`]: a disk that fails keeps neither.
    pub fn enter(&self, operation: &Operation, now: Timestamp) -> (Vec<Change>, Entered) {
        let Some(entry) = Entry::of(operation, now) else { return Default::default() };
        let text = serde_json::to_vec(&entry).expect("an entry is plain data");
        let size = text.len() as u64;
        let mut held = self.held();
        let micros = u64::try_from(now.as_microsecond()).unwrap_or_default();
        let place = micros.max(held.last + 1);
        held.last = place;
        // The newest entry stays, however large it is.
        let mut too_much = (held.bytes + size).saturating_sub(self.most);
        let mut gone = Vec::new();
        for (oldest, size) in &held.places {
            if too_much == 0 {
                break;
            }
            too_much = too_much.saturating_sub(*size);
            gone.push(*oldest);
        }
        let removed = gone.iter().map(|place| Change::remove(TABLE, place.to_be_bytes()));
        let put = Change::put(TABLE, place.to_be_bytes(), text);
        (std::iter::once(put).chain(removed).collect(), Entered { added: Some((place, size)), gone })
    }

    /// Takes note of changes that are on the disk.
    pub fn settle(&self, entered: Entered) {
        let mut held = self.held();
        for place in entered.gone {
            // Another may have removed it as well.
            let size = held.places.remove(&place).unwrap_or_default();
            held.bytes -= size;
        }
        if let Some((place, size)) = entered.added {
            held.add(place, size);
        }
    }

    /// Shows entries from the newest to the oldest, beginning before a place, until `see` says that it is enough. Waits for
    /// the disk.
    pub fn look(
        &self,
        before: Option<Place>,
        mut see: impl FnMut(Place, Entry) -> bool,
    ) -> Result<(), Error> {
        let before = before.map(Place::to_be_bytes);
        self.store.scan_back(TABLE, before.as_ref().map(<[u8; 8]>::as_slice), |key, value| {
            let place = key.try_into().map(Place::from_be_bytes);
            match (place, serde_json::from_slice(value)) {
                (Ok(place), Ok(entry)) => see(place, entry),
                // Of another version: nothing that can be shown.
                _ => true,
            }
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn add(&mut self, place: Place, size: u64) {
        self.places.insert(place, size);
        self.bytes += size;
        self.last = self.last.max(place);
    }
}
