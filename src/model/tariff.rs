//! A tariff: the template that students' subscriptions are made from.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::expand::{Expand, Kin, to};
use super::filter::contains;
use super::reference::Book;
use super::{Entity, Filter, Money, Order, Query, Record, RecordId, Rows};

/// What a subscription costs and how much it holds.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Tariff {
    /// Its name.
    #[schema(required)]
    pub name: Option<String>,
    /// What is paid for.
    pub kind: TariffKind,
    /// What it costs.
    #[schema(required)]
    pub price: Option<Money>,
    /// How many lessons it holds; 0 where it is not counted in lessons.
    #[schema(required)]
    pub lessons: Option<i64>,
    /// How long one of its lessons takes.
    #[schema(required)]
    pub duration_minutes: Option<i64>,
    /// The branches it is sold in; none means all.
    pub branch_ids: Vec<RecordId>,
    /// The subjects it is for, where the CRM tells; none means all.
    pub subject_ids: Vec<RecordId>,
    /// The kinds of lessons it is for, where the CRM tells; none means all.
    pub lesson_type_ids: Vec<RecordId>,
}

/// What is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TariffKind {
    /// A number of lessons.
    PerLesson,
    /// A month.
    Monthly,
    /// A week.
    Weekly,
    /// The CRM said something else; see `raw`.
    Unknown,
}

/// What lists of tariffs may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TariffFilter {
    pub q: Option<String>,
}

impl Filter<Tariff> for TariffFilter {
    fn read(q: &mut Query) -> Self {
        Self { q: q.one("q", "A part of the name.") }
    }

    fn matches(&self, record: &Record<Tariff>) -> bool {
        let name = record.data.name.as_deref().unwrap_or_default();
        self.q.as_deref().is_none_or(|part| contains(name, part))
    }
}

impl Entity for Tariff {
    const RESOURCE: &'static str = "tariffs";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[];
    const ROWS: Rows<Self> = Rows::OPEN;
    type Filter = TariffFilter;
    type Draft = ReadOnly;
    const EXPANDS: &'static [Expand] = &[
        to("branches", "branch_ids", Kin::Entry(Book::Branches)),
        to("subjects", "subject_ids", Kin::Entry(Book::Subjects)),
        to("lesson_types", "lesson_type_ids", Kin::Entry(Book::LessonTypes)),
    ];

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn branches(&self) -> Option<&[RecordId]> {
        // Without branches it is the whole school's.
        (!self.branch_ids.is_empty()).then_some(&self.branch_ids)
    }

    fn title(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn example() -> Value {
        json!({
            "id": "alfa-40", "source": "alfacrm", "source_id": "40", "name": "8 занятий", "kind": "PER_LESSON",
            "price": {"amount": "760.00", "currency": "RUB"}, "lessons": 8, "duration_minutes": 60,
            "branch_ids": ["alfa-1", "alfa-2"], "subject_ids": [], "lesson_type_ids": [], "custom_fields": {},
            "created_at": "2025-08-01T12:00:00+03:00", "updated_at": null
        })
    }
}
