//! A discount that a student has for some time.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::expand::{Expand, Kin, to};
use super::filter::fits;
use super::reference::Book;
use super::{Entity, Filter, Order, Query, Record, RecordId, Rows};

/// A student's discount.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Discount {
    /// Whose it is.
    #[schema(required)]
    pub student_id: Option<RecordId>,
    /// The branch it counts in.
    #[schema(required)]
    pub branch_id: Option<RecordId>,
    /// The CRM's number of its kind, whose meaning is not documented.
    #[schema(required)]
    pub kind: Option<i64>,
    /// How much, as a decimal text. The CRM does not document the unit; known clients read it as per cent.
    #[schema(required, pattern = r"^-?[0-9]+(\.[0-9]+)?$")]
    pub amount: Option<String>,
    /// The subjects it counts for; none means all.
    pub subject_ids: Vec<RecordId>,
    /// The kinds of lessons it counts for; none means all.
    pub lesson_type_ids: Vec<RecordId>,
    /// Its first day.
    #[schema(required)]
    pub from: Option<Date>,
    /// Its last day; `null` when there is no end.
    #[schema(required)]
    pub to: Option<Date>,
    /// Free text.
    #[schema(required)]
    pub note: Option<String>,
}

/// What lists of discounts may be narrowed by: nothing but the student, who comes from the path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiscountFilter {
    pub student_id: Option<RecordId>,
}

impl Filter<Discount> for DiscountFilter {
    fn read(_: &mut Query) -> Self {
        Self::default()
    }

    fn matches(&self, record: &Record<Discount>) -> bool {
        fits(&self.student_id, record.data.student_id.as_ref())
    }
}

impl Entity for Discount {
    const RESOURCE: &'static str = "discounts";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("contacts", &["custom_fields", "raw"]),
        ("balances", &["raw"]),
        ("notes", &["note", "custom_fields", "raw"]),
    ];
    const ROWS: Rows<Self> = Rows::of_student(
        |filter: &DiscountFilter| filter.student_id.as_ref(),
        |record, _, own| own.all_if(Kin::Student, record.data.student_id.as_ref()),
    );
    type Filter = DiscountFilter;
    type Draft = ReadOnly;
    const EXPANDS: &'static [Expand] = &[
        to("branch", "branch_id", Kin::Entry(Book::Branches)),
        to("subjects", "subject_ids", Kin::Entry(Book::Subjects)),
        to("lesson_types", "lesson_type_ids", Kin::Entry(Book::LessonTypes)),
    ];

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn branches(&self) -> Option<&[RecordId]> {
        Some(self.branch_id.as_slice())
    }

    fn example() -> Value {
        json!({
            "id": "alfa-21", "source": "alfacrm", "source_id": "21", "student_id": "alfa-101", "branch_id": "alfa-1",
            "kind": 1, "amount": "10", "subject_ids": ["alfa-2"], "lesson_type_ids": ["alfa-2"], "from": "2025-09-01",
            "to": "2026-05-31", "note": "Второй ребёнок", "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}
