//! Building AlfaCRM's filters: the keys of the request body.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::model::filter::Between;
use crate::model::{RecordId, Source};

/// A filter under construction. A wish that no record of this CRM can fulfil makes it impossible.
#[derive(Debug, Default)]
pub(super) struct Body {
    keys: Map<String, Value>,
    impossible: bool,
}

impl Body {
    /// Adds a key.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.keys.insert(key.to_owned(), value.into());
    }

    /// Adds a key if there is a value.
    pub(super) fn wish(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Adds a reference; one to a record of the other CRM cannot be fulfilled.
    pub(super) fn id(&mut self, key: &str, id: Option<&RecordId>) {
        if let Some(id) = id {
            self.impossible |= !ours(id);
            self.set(key, id.number());
        }
    }

    /// Adds a list of references; those to records of the other CRM are left out.
    pub(super) fn ids(&mut self, key: &str, ids: &[RecordId]) {
        if ids.is_empty() {
            return;
        }
        let ours: Vec<u64> = ids.iter().filter(|id| ours(id)).map(RecordId::number).collect();
        self.impossible |= ours.is_empty();
        self.set(key, ours);
    }

    /// Adds `key_from` and `key_to` in the format the filter is documented with.
    pub(super) fn days(&mut self, key: &str, days: &Between<Date>, format: fn(Date) -> String) {
        self.wish(&format!("{key}_from"), days.from.map(format));
        self.wish(&format!("{key}_to"), days.to.map(format));
    }

    /// Adds `updated_at_from`: whole days only, so the day of `since` in the CRM's zone.
    pub(super) fn updated_since(&mut self, since: Option<Timestamp>, zone: &TimeZone) {
        self.wish("updated_at_from", since.map(|since| dotted(zone.to_datetime(since).date())));
    }

    /// The keys; none when no record can fit.
    pub(super) fn finish(self) -> Option<Map<String, Value>> {
        (!self.impossible).then_some(self.keys)
    }
}

/// Whether an id may be one of AlfaCRM's.
pub(super) fn ours(id: &RecordId) -> bool {
    id.source() == Source::AlfaCrm && id.parent().is_none()
}

/// `dd.mm.yyyy`.
pub(super) fn dotted(day: Date) -> String {
    format!("{:02}.{:02}.{:04}", day.day(), day.month(), day.year())
}

/// `yyyy-mm-dd`.
pub(super) fn iso(day: Date) -> String {
    day.to_string()
}
