//! Building AlfaCRM's questions: the keys of the request body, and the ids that are read from the query only.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::model::filter::{Archived, Between};
use crate::model::{RecordId, Source};

/// A question under construction. A wish that no record of this CRM can fulfil makes it impossible.
#[derive(Debug, Clone, Default)]
pub(super) struct Body {
    zone: Option<TimeZone>,
    keys: Map<String, Value>,
    query: Vec<(&'static str, String)>,
    parent: Option<u64>,
    impossible: bool,
    inexact: bool,
}

impl Body {
    /// A question to a CRM whose clocks show the time of `zone`.
    pub(super) fn new(zone: &TimeZone) -> Self {
        Self { zone: Some(zone.clone()), ..Self::default() }
    }

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

    /// Adds the record that the list hangs on, where the CRM reads it from: the query (section 3.2 of the reference).
    /// There as well as in the body, as clients do that work with servers of all ages. Without one there is no list.
    pub(super) fn parent(&mut self, key: &'static str, id: Option<&RecordId>) {
        let Some(id) = id.filter(|id| ours(id)) else {
            self.impossible = true;
            return;
        };
        self.parent = Some(id.number());
        self.query.push((key, id.number().to_string()));
        if key != "id" && key != "related_id" {
            self.set(key, id.number());
        }
    }

    /// Adds a parameter that is read from the query.
    pub(super) fn query(&mut self, key: &'static str, value: impl Into<String>) {
        self.query.push((key, value.into()));
    }

    /// Adds `removed`: absent for active records, 1 for all, 2 for archived ones (section 0.2).
    pub(super) fn archived(&mut self, archived: Archived) {
        self.wish(
            "removed",
            match archived {
                Archived::False => None,
                Archived::All => Some(1),
                Archived::True => Some(2),
            },
        );
    }

    /// Adds `key_from` and `key_to` in the format the filter is documented with.
    pub(super) fn days(&mut self, key: &str, days: &Between<Date>, format: fn(Date) -> String) {
        self.wish(&format!("{key}_from"), days.from.map(format));
        self.wish(&format!("{key}_to"), days.to.map(format));
    }

    /// Adds `updated_at_from`: whole days only, so the day of `since` in the CRM's zone.
    pub(super) fn updated_since(&mut self, since: Option<Timestamp>) {
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        self.wish("updated_at_from", since.map(|since| dotted(zone.to_datetime(since).date())));
        self.inexact_if(since.is_some());
    }

    /// Notes that the CRM's total counts more than what was asked for.
    pub(super) fn inexact_if(&mut self, inexact: bool) {
        self.inexact |= inexact;
    }

    /// Notes that no record can fit.
    pub(super) fn impossible_if(&mut self, impossible: bool) {
        self.impossible |= impossible;
    }

    /// Whether some record may fit.
    pub(super) fn is_possible(&self) -> bool {
        !self.impossible
    }

    /// Whether the CRM's total will count exactly what was asked for.
    pub(super) fn is_exact(&self) -> bool {
        !self.inexact
    }

    /// The record that the list hangs on.
    pub(super) fn parent_id(&self) -> Option<u64> {
        self.parent
    }

    /// The body's keys, and the text of the query, each parameter with a `&` behind it.
    pub(super) fn finish(self) -> (Map<String, Value>, String) {
        (self.keys, joined(&self.query))
    }
}

/// `a=1&b=2&`.
pub(super) fn joined(query: &[(&'static str, String)]) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(query);
    let text = text.finish();
    if text.is_empty() { text } else { format!("{text}&") }
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
