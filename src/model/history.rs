//! The CRM's log: who added, changed or deleted what, and when.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::expand::{Expand, Kin, to};
use super::filter::{Between, between, fits, narrows};
use super::reference::Book;
use super::{Entity, Filter, Moment, Order, Query, Record, RecordId, Rows, Seen};

/// The CRM's word for students and leads.
const OF_STUDENTS: &str = "Customer";

/// One event of the log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HistoryEntry {
    /// What kind of record it happened to, in the CRM's words: `Customer`, `Pay`, `CustomerToTariff` …
    #[schema(required)]
    pub entity: Option<String>,
    /// The record it happened to.
    #[schema(required)]
    pub entity_id: Option<RecordId>,
    /// Who did it, a record of `/reference/users`.
    #[schema(required)]
    pub user_id: Option<RecordId>,
    /// What happened.
    pub event: HistoryEvent,
    /// The fields concerned as they were before, under the CRM's names; empty for a new record.
    #[schema(value_type = Object)]
    pub old: Map<String, Value>,
    /// The fields concerned as they were afterwards, under the CRM's names; empty for a deleted record.
    #[schema(value_type = Object)]
    pub new: Map<String, Value>,
    /// When.
    #[schema(required)]
    pub at: Option<Moment>,
}

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HistoryEvent {
    /// It was made.
    Added,
    /// It was changed.
    Changed,
    /// It was deleted.
    Deleted,
    /// The CRM said something else; see `raw`.
    Unknown,
}

/// What the log may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryFilter {
    pub entity: Option<String>,
    pub entity_id: Option<RecordId>,
    pub user_id: Option<RecordId>,
    pub event: Option<HistoryEvent>,
    pub days: Between<Date>,
}

impl Filter<HistoryEntry> for HistoryFilter {
    fn read(q: &mut Query) -> Self {
        Self {
            entity: q.one(
                "entity",
                "Events of this kind of record, in the CRM's words: `Customer`, `Group`, `Lesson`, `Pay`, `Task` …",
            ),
            entity_id: q.one("entity_id", "Events of this record; use it together with `entity`."),
            user_id: q.one("user_id", "What this user did."),
            event: q.choice("event", "Only this kind of event."),
            days: between(
                q,
                ("from", "Happened this day or later."),
                ("to", "Happened this day or earlier."),
                None,
            ),
        }
    }

    fn narrows(&self, wider: &Self) -> bool {
        narrows(&self.entity, &wider.entity)
            && narrows(&self.entity_id, &wider.entity_id)
            && narrows(&self.user_id, &wider.user_id)
            && narrows(&self.event, &wider.event)
            && self.days.narrows(&wider.days)
    }

    fn matches(&self, record: &Record<HistoryEntry>) -> bool {
        let entry = &record.data;
        fits(&self.entity, entry.entity.as_ref())
            && fits(&self.entity_id, entry.entity_id.as_ref())
            && fits(&self.user_id, entry.user_id.as_ref())
            && fits(&self.event, Some(&entry.event))
            && self.days.admits(entry.at.map(|at| at.local().date()))
    }
}

impl Entity for HistoryEntry {
    const RESOURCE: &'static str = "history";
    // Anything a record holds may be among its changes.
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("contacts", &["old", "new", "custom_fields", "raw"]),
        ("balances", &["old", "new", "custom_fields", "raw"]),
        ("notes", &["old", "new", "custom_fields", "raw"]),
    ];
    // Of other records the log does not tell whose they are.
    const ROWS: Rows<Self> = Rows {
        narrow: |filter, own| {
            if filter.entity.as_deref().is_some_and(|entity| entity != OF_STUDENTS) {
                return Vec::new();
            }
            let wanted =
                own.students.iter().filter(|id| filter.entity_id.as_ref().is_none_or(|one| one == *id));
            let of = |id: &RecordId| HistoryFilter {
                entity: Some(OF_STUDENTS.to_owned()),
                entity_id: Some(id.clone()),
                ..filter.clone()
            };
            wanted.map(of).collect()
        },
        see: |record, _, own| match record.data.entity.as_deref() {
            Some(OF_STUDENTS) => own.all_if(Kin::Student, record.data.entity_id.as_ref()),
            _ => Seen::Nothing,
        },
        ..Rows::CLOSED
    };
    type Filter = HistoryFilter;
    type Draft = ReadOnly;
    const EXPANDS: &'static [Expand] = &[to("user", "user_id", Kin::Entry(Book::Users))];

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn branches(&self) -> Option<&[RecordId]> {
        // The log does not tell the branch of what it is about, so none of it is for those who see some branches only.
        Some(&[])
    }

    fn example() -> Value {
        json!({
            "id": "alfa-90003", "source": "alfacrm", "source_id": "90003", "entity": "Customer", "entity_id": "alfa-205",
            "user_id": "alfa-3", "event": "CHANGED", "old": {"lead_status_id": 1}, "new": {"lead_status_id": 2},
            "at": "2026-02-19T11:20:00+03:00", "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}
