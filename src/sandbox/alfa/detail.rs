//! Attendance: one student at one lesson, as the rows inside a lesson show it.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::cell::{flag, hundredths, int, money};

/// One student's attendance at one lesson.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Detail {
    pub(super) id: u64,
    pub(super) customer: u64,
    /// The subscription that is charged.
    pub(super) subscription: Option<u64>,
    pub(super) reason: Option<u64>,
    pub(super) attended: bool,
    /// The charge, in hundredths.
    pub(super) commission: i64,
    pub(super) grade: Option<Cow<'static, str>>,
    pub(super) bonus: i64,
    pub(super) note: Cow<'static, str>,
}

/// Why a student was absent. The CRM lists these nowhere; they show in attendance rows only.
pub(super) const REASONS: [(u64, &str); 2] = [(1, "Без уважительной причины"), (2, "Болезнь")];

/// The reason that costs nothing.
pub(super) const ILLNESS: u64 = 2;

impl Detail {
    pub(super) fn json(&self, lesson: u64, branch: &Value) -> Value {
        let reason = self.reason.and_then(|id| REASONS.iter().find(|(known, _)| *known == id));
        json!({
            "id": self.id,
            "branch_id": branch,
            "customer_id": self.customer,
            "lesson_id": lesson,
            "ctt_id": self.subscription,
            "reason_id": self.reason,
            "reason_name": reason.map(|(_, name)| *name),
            "is_attend": i64::from(self.attended),
            "commission": money(self.commission),
            "grade": self.grade,
            "homework_grade_id": null,
            "bonus": self.bonus,
            "note": self.note,
        })
    }

    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(|text| Cow::from(text.to_owned()));
        let id = |key: &str| value.get(key).and_then(int).and_then(|number| u64::try_from(number).ok());
        Some(Self {
            id: id("id").unwrap_or(0),
            customer: id("customer_id")?,
            subscription: id("ctt_id"),
            reason: id("reason_id"),
            attended: value.get("is_attend").and_then(flag).unwrap_or(false),
            commission: value.get("commission").and_then(hundredths).unwrap_or(0),
            grade: text("grade"),
            bonus: value.get("bonus").and_then(int).unwrap_or(0),
            note: text("note").unwrap_or_default(),
        })
    }
}
