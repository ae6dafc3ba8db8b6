//! What somebody wrote down about a student, a group or a task.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::{Change, Draft, Fields, Short};
use super::expand::{Expand, Kin, to};
use super::filter::{Between, between};
use super::reference::Book;
use super::{Entity, Filter, Order, Query, Record, RecordId, Rows, Seen};

/// A comment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Communication {
    /// What it is about.
    pub about: About,
    /// The CRM's kind of communication; 1 is a comment.
    #[schema(required)]
    pub type_id: Option<RecordId>,
    /// Who wrote it, a record of `/reference/users`.
    #[schema(required)]
    pub user_id: Option<RecordId>,
    /// What was written.
    #[schema(required)]
    pub text: Option<String>,
}

/// What a communication is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct About {
    /// What kind of record.
    pub kind: AboutKind,
    /// Which one.
    #[schema(required)]
    pub id: Option<RecordId>,
}

/// What kinds of records people write about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AboutKind {
    /// A student or lead.
    Student,
    /// A group.
    Group,
    /// A task.
    Task,
    /// The CRM said something else; see `raw`.
    Unknown,
}

/// What lists of communications may be narrowed by. What they are about comes from the path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CommunicationFilter {
    pub about: Option<(AboutKind, RecordId)>,
    pub days: Between<Date>,
}

impl Filter<Communication> for CommunicationFilter {
    fn read(q: &mut Query) -> Self {
        let days = between(
            q,
            ("from", "Written on this day or later."),
            ("to", "Written on this day or earlier."),
            None,
        );
        Self { about: None, days }
    }

    fn matches(&self, record: &Record<Communication>) -> bool {
        self.days.admits(record.created_at.map(|at| at.local().date()))
    }
}

/// What can be written of a communication.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CommunicationDraft {
    pub text: Change<Short<2048>>,
    pub user: Change<RecordId>,
}

impl Draft for CommunicationDraft {
    fn read(fields: &mut Fields) -> Self {
        let draft = Self {
            text: fields.required("text", "What to write down."),
            user: fields.fixed(
                "user_id",
                "On whose behalf, a record of `/reference/users`; by default the gateway's own user.",
            ),
        };
        fields.read_only("about", "the path says it");
        fields.read_only("type_id", "what is written here is a comment");
        fields.read_only("custom_fields", "the CRM has none here");
        draft
    }

    fn refers(&self) -> Vec<(Kin, &'static str, &RecordId)> {
        self.user.value().map(|user| (Kin::Entry(Book::Users), "/user_id", user)).into_iter().collect()
    }
}

impl Entity for Communication {
    const RESOURCE: &'static str = "communications";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("notes", &["text", "custom_fields", "raw"]),
        ("contacts", &["custom_fields", "raw"]),
        ("balances", &["raw"]),
    ];
    // What was written about a group or a task may be about anybody.
    const ROWS: Rows<Self> = Rows::of_student(
        |filter: &CommunicationFilter| match &filter.about {
            Some((AboutKind::Student, id)) => Some(id),
            _ => None,
        },
        |record, _, own| match &record.data.about {
            About { kind: AboutKind::Student, id } => own.all_if(Kin::Student, id.as_ref()),
            _ => Seen::Nothing,
        },
    );
    type Filter = CommunicationFilter;
    type Draft = CommunicationDraft;
    const EXPANDS: &'static [Expand] = &[to("user", "user_id", Kin::Entry(Book::Users))];

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn example() -> Value {
        json!({
            "id": "alfa-1549", "source": "alfacrm", "source_id": "1549", "about": {"kind": "STUDENT", "id": "alfa-101"}, "type_id": "alfa-1",
            "user_id": "alfa-1", "text": "Позвонили, придут в среду", "custom_fields": {}, "created_at": "2026-02-18T18:38:17+03:00",
            "updated_at": null
        })
    }
}
