//! What hangs on a teacher: when the person works, and what a lesson is paid with.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::expand::{Expand, Kin, to};
use super::reference::Book;
use super::{Entity, Filter, Money, Order, Query, Record, RecordId, Rows};

/// Hours of a weekday in which a teacher works.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WorkingHour {
    /// The teacher.
    #[schema(required)]
    pub teacher_id: Option<RecordId>,
    /// The weekday.
    pub weekday: Weekday,
    /// From when, `HH:MM`.
    #[schema(required, example = "10:00")]
    pub starts_at: Option<String>,
    /// Until when, `HH:MM`.
    #[schema(required, example = "18:00")]
    pub ends_at: Option<String>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = WorkingDay)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
    /// The CRM said something else; see `raw`.
    Unknown,
}

/// What a teacher gets for a lesson.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Rate {
    /// The teacher.
    #[schema(required)]
    pub teacher_id: Option<RecordId>,
    /// The kinds of lessons it is for, records of `/reference/lesson-types`; none means all.
    pub lesson_type_ids: Vec<RecordId>,
    /// The subjects it is for, records of `/reference/subjects`; none means all.
    pub subject_ids: Vec<RecordId>,
    /// How much.
    #[schema(required)]
    pub rate: Option<Money>,
    /// The first day.
    #[schema(required)]
    pub from: Option<Date>,
    /// The last day; `null` when none is set.
    #[schema(required)]
    pub to: Option<Date>,
}

/// Whose they are: the path says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OfTeacher {
    pub teacher_id: Option<RecordId>,
}

impl OfTeacher {
    /// Whether a record of this teacher belongs in; one that does not tell was put there by the CRM.
    fn admits(&self, id: Option<&RecordId>) -> bool {
        self.teacher_id.as_ref().is_none_or(|wanted| id.is_none_or(|id| id == wanted))
    }
}

impl Filter<WorkingHour> for OfTeacher {
    fn read(_: &mut Query) -> Self {
        Self::default()
    }

    fn matches(&self, record: &Record<WorkingHour>) -> bool {
        self.admits(record.data.teacher_id.as_ref())
    }
}

impl Filter<Rate> for OfTeacher {
    fn read(_: &mut Query) -> Self {
        Self::default()
    }

    fn matches(&self, record: &Record<Rate>) -> bool {
        self.admits(record.data.teacher_id.as_ref())
    }
}

impl Entity for WorkingHour {
    const RESOURCE: &'static str = "working_hours";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[];
    const ROWS: Rows<Self> = Rows::CLOSED;
    type Filter = OfTeacher;
    type Draft = ReadOnly;
    const EXPANDS: &'static [Expand] = &[to("teacher", "teacher_id", Kin::Teacher)];

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn example() -> Value {
        json!({
            "id": "alfa-1", "source": "alfacrm", "source_id": "1", "teacher_id": "alfa-4", "weekday": "MONDAY",
            "starts_at": "10:00", "ends_at": "18:00", "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}

impl Entity for Rate {
    const RESOURCE: &'static str = "rates";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[("balances", &["rate", "raw"])];
    const ROWS: Rows<Self> = Rows::CLOSED;
    type Filter = OfTeacher;
    type Draft = ReadOnly;
    const EXPANDS: &'static [Expand] = &[
        to("teacher", "teacher_id", Kin::Teacher),
        to("lesson_types", "lesson_type_ids", Kin::Entry(Book::LessonTypes)),
        to("subjects", "subject_ids", Kin::Entry(Book::Subjects)),
    ];

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn example() -> Value {
        json!({
            "id": "alfa-1", "source": "alfacrm", "source_id": "1", "teacher_id": "alfa-4", "lesson_type_ids": ["alfa-2"],
            "subject_ids": ["alfa-2"], "rate": {"amount": "600.00", "currency": "RUB"}, "from": "2025-09-01", "to": null,
            "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}
