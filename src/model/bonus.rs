//! A student's account of bonus points: one balance, and movements that are written and never listed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::{Change, Draft, Fields, Positive, Word};
use super::expand::Kin;
use super::record::Touch;
use super::{Entity, Filter, Order, Query, Record, RecordId, Rows};

/// The bonus points of a student.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Bonus {
    /// Whose they are.
    #[schema(required)]
    pub student_id: Option<RecordId>,
    /// How many there are.
    #[schema(required)]
    pub balance: Option<i64>,
}

/// What becomes of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BonusKind {
    /// They are given.
    Add,
    /// They are spent.
    Spend,
}

/// Whose points: the path says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BonusFilter {
    pub student_id: Option<RecordId>,
}

impl Filter<Bonus> for BonusFilter {
    fn read(_: &mut Query) -> Self {
        Self::default()
    }

    fn owner(&self) -> Option<(Kin, RecordId)> {
        self.student_id.clone().map(|id| (Kin::Student, id))
    }

    fn matches(&self, record: &Record<Bonus>) -> bool {
        self.student_id.as_ref().is_none_or(|student| record.data.student_id.as_ref() == Some(student))
    }
}

/// A movement of points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BonusDraft {
    pub points: Change<Positive>,
    pub kind: Change<Word<BonusKind>>,
    pub note: Change<String>,
}

impl Draft for BonusDraft {
    fn read(fields: &mut Fields) -> Self {
        fields.read_only("balance", "`points` are added to it or taken from it");
        fields.read_only("student_id", "the path says it");
        Self {
            points: fields.required("points", "How many points."),
            kind: fields.always("kind", "Whether they are given (the default) or spent."),
            note: fields.always("note", "Free text: why."),
        }
    }
}

impl Entity for Bonus {
    const RESOURCE: &'static str = "bonus";
    const MASKED: &'static [(&'static str, &'static [&'static str])] =
        &[("balances", &["balance", "custom_fields", "raw"])];
    const ROWS: Rows<Self> = Rows::of_student(
        |filter: &BonusFilter| filter.student_id.as_ref(),
        |record, _, own| own.all_if(Kin::Student, record.data.student_id.as_ref()),
    );
    type Filter = BonusFilter;
    type Draft = BonusDraft;
    const TOUCHES: &'static [&'static str] = &["students"];

    fn owners(&self) -> Option<Vec<(Kin, RecordId)>> {
        Some(self.student_id.iter().map(|id| (Kin::Student, id.clone())).collect())
    }

    fn touched(&self) -> Vec<Touch> {
        self.student_id.iter().map(|id| Touch::Record("students", id.clone())).collect()
    }

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn example() -> Value {
        json!({
            "id": "alfa-101", "source": "alfacrm", "source_id": "101", "student_id": "alfa-101", "balance": 40,
            "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}
