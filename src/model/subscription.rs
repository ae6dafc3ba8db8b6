//! A subscription: what a student bought by a tariff, and what is left of it.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::{Change, Draft, Fields};
use super::expand::{Expand, Kin, to};
use super::filter::fits;
use super::record::Touch;
use super::reference::Book;
use super::{Entity, Filter, Moment, Money, Order, Query, Record, RecordId, Rows};

/// A student's subscription.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Subscription {
    /// Whose it is.
    #[schema(required)]
    pub student_id: Option<RecordId>,
    /// The tariff it was made from.
    #[schema(required)]
    pub tariff_id: Option<RecordId>,
    /// The subjects it pays for; none means all.
    pub subject_ids: Vec<RecordId>,
    /// The kinds of lessons it pays for; none means all.
    pub lesson_type_ids: Vec<RecordId>,
    /// Whether it has a balance of its own; otherwise its lessons are paid from the student's common one.
    #[schema(required)]
    pub separate_balance: Option<bool>,
    /// Its own balance; 0 where it has none, which does not make lessons free.
    #[schema(required)]
    pub balance: Option<Money>,
    /// Lessons that are left; negative when more were taken than paid.
    #[schema(required)]
    pub lessons_left: Option<i64>,
    /// Paid lessons that are left.
    #[schema(required)]
    pub paid_lessons_left: Option<i64>,
    /// Until when it is paid.
    #[schema(required)]
    pub paid_until: Option<Moment>,
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

/// What lists of subscriptions may be narrowed by. The student comes from the path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubscriptionFilter {
    pub student_id: Option<RecordId>,
    pub tariff_id: Option<RecordId>,
    pub separate_balance: Option<bool>,
}

impl Filter<Subscription> for SubscriptionFilter {
    fn read(q: &mut Query) -> Self {
        Self {
            student_id: None,
            tariff_id: q.one("tariff_id", "Subscriptions made from this tariff."),
            separate_balance: q
                .one("separate_balance", "Only those with a balance of their own, or without."),
        }
    }

    fn owner(&self) -> Option<(Kin, RecordId)> {
        self.student_id.clone().map(|id| (Kin::Student, id))
    }

    fn matches(&self, record: &Record<Subscription>) -> bool {
        fits(&self.student_id, record.data.student_id.as_ref())
            && fits(&self.tariff_id, record.data.tariff_id.as_ref())
            && fits(&self.separate_balance, record.data.separate_balance.as_ref())
    }
}

/// What can be written of a subscription.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubscriptionDraft {
    pub tariff: Change<RecordId>,
    pub subjects: Change<Vec<RecordId>>,
    pub lesson_types: Change<Vec<RecordId>>,
    pub separate_balance: Change<bool>,
    pub from: Change<Date>,
    pub to: Change<Date>,
    pub note: Change<String>,
}

impl Draft for SubscriptionDraft {
    fn read(fields: &mut Fields) -> Self {
        let draft = Self {
            tariff: fields.required("tariff_id", "The tariff it is made from."),
            from: fields.required("from", "Its first day."),
            to: fields.required("to", "Its last day."),
            subjects: fields.one("subject_ids", "The subjects it pays for; none means all."),
            lesson_types: fields.one("lesson_type_ids", "The kinds of lessons it pays for; none means all."),
            separate_balance: fields
                .always("separate_balance", "Whether it has a balance of its own; `false` by default."),
            note: fields.one("note", "Free text."),
        };
        if let (Some(from), Some(to)) = (draft.from.value(), draft.to.value())
            && from > to
        {
            fields.refuse("to", "lies before `from`");
        }
        fields.read_only("balance", "a payment with its `subscription_id` moves it");
        fields.read_only("student_id", "the path says it");
        draft
    }
}

impl Entity for Subscription {
    const RESOURCE: &'static str = "subscriptions";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("contacts", &["custom_fields", "raw"]),
        ("balances", &["balance", "lessons_left", "paid_lessons_left", "paid_until", "raw"]),
        ("notes", &["note", "custom_fields", "raw"]),
    ];
    const ROWS: Rows<Self> = Rows::of_student(
        |filter: &SubscriptionFilter| filter.student_id.as_ref(),
        |record, _, own| own.all_if(Kin::Student, record.data.student_id.as_ref()),
    );
    type Filter = SubscriptionFilter;
    type Draft = SubscriptionDraft;
    const TOUCHES: &'static [&'static str] = &["lessons", "students"];
    const EXPANDS: &'static [Expand] = &[
        to("tariff", "tariff_id", Kin::Tariff),
        to("subjects", "subject_ids", Kin::Entry(Book::Subjects)),
        to("lesson_types", "lesson_type_ids", Kin::Entry(Book::LessonTypes)),
    ];

    fn owners(&self) -> Option<Vec<(Kin, RecordId)>> {
        Some(self.student_id.iter().map(|id| (Kin::Student, id.clone())).collect())
    }

    fn touched(&self) -> Vec<Touch> {
        let touched = |id: &RecordId| {
            [Touch::Record("students", id.clone()), Touch::Below("lessons", Kin::Student, id.clone())]
        };
        self.student_id.iter().flat_map(touched).collect()
    }

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn example() -> Value {
        json!({
            "id": "alfa-559", "source": "alfacrm", "source_id": "559", "student_id": "alfa-101", "tariff_id": "alfa-40",
            "subject_ids": ["alfa-2"], "lesson_type_ids": ["alfa-2", "alfa-1", "alfa-3"], "separate_balance": true,
            "balance": {"amount": "-31.00", "currency": "RUB"}, "lessons_left": -1, "paid_lessons_left": -1,
            "paid_until": null, "from": "2025-09-01", "to": "2026-05-31", "note": null, "custom_fields": {},
            "created_at": null, "updated_at": null
        })
    }
}
