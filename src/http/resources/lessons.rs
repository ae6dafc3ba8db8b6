//! Lessons.

use serde_json::{Value, json};

use crate::http::resource::{Offer, Resource};
use crate::model::Fields;
use crate::model::lesson::Lesson;
use crate::model::lesson_draft::LessonDraft;

pub(super) struct Lessons;

impl Resource for Lessons {
    type Record = Lesson;
    const PATH: &'static str = "/lessons";
    const NAMES: (&'static str, &'static str) = ("lesson", "lessons");
    const ABOUT: &'static str =
        "Lessons of AlfaCRM, planned, cancelled and conducted, with their attendance.";
    const OFFERS: &'static [Offer] = &[Offer::List, Offer::Get, Offer::Create, Offer::Update];

    fn example(offer: Offer) -> Value {
        match offer {
            Offer::Create => json!({
                "branch_id": "alfa-1",
                "starts_at": "2026-03-02T12:00:00+03:00",
                "duration_minutes": 60,
                "lesson_type_id": "alfa-1",
                "subject_id": "alfa-2",
                "teacher_ids": ["alfa-4"],
                "student_ids": ["alfa-101"],
                "topic": "Present Simple",
            }),
            _ => json!({"topic": "Past Simple", "homework": "Упр. 5"}),
        }
    }
}

/// The word that a lesson took place.
pub(super) struct Conduct;

impl Resource for Conduct {
    type Record = Lesson;
    const PATH: &'static str = "/lessons/{id}/conduct";
    const NAMES: (&'static str, &'static str) = ("conduct_lesson", "conduct_lesson");
    const ABOUT: &'static str = "Says that a lesson took place, who came and what it costs; the CRM charges the participants. What \
         the CRM makes of a lesson that was conducted already is not documented, so look at its status first.";
    const OFFERS: &'static [Offer] = &[Offer::Act];

    fn draft(fields: &mut Fields) -> LessonDraft {
        LessonDraft::read_conduct(fields)
    }

    fn example(_: Offer) -> Value {
        json!({
            "attendance": [
                {"student_id": "alfa-101", "attended": true, "grade": "5", "bonus": 5},
                {"student_id": "alfa-102", "attended": false, "reason_id": "alfa-1"},
            ],
            "topic": "Present Simple",
        })
    }
}
