//! Teachers, when they work and what they get.

use serde_json::{Value, json};

use crate::http::resource::{Offer, Resource, parent};
use crate::model::expand::Kin;
use crate::model::teacher::Teacher;
use crate::model::teacher_part::{OfTeacher, Rate, WorkingHour};

pub(super) struct Teachers;

impl Resource for Teachers {
    type Record = Teacher;
    const PATH: &'static str = "/teachers";
    const NAMES: (&'static str, &'static str) = ("teacher", "teachers");
    const ABOUT: &'static str = "Teachers of AlfaCRM.";
    const OFFERS: &'static [Offer] = &[Offer::List, Offer::Get, Offer::Create, Offer::Update];

    fn example(offer: Offer) -> Value {
        match offer {
            Offer::Create => json!({
                "name": "Наставников Глеб",
                "branch_ids": ["alfa-1"],
                "gender": "MALE",
                "contacts": {"phones": ["+7(900)000-01-77"]},
            }),
            _ => json!({"note": "Ведёт шахматы"}),
        }
    }
}

/// When a teacher works.
pub(super) struct WorkingHours;

impl Resource for WorkingHours {
    type Record = WorkingHour;
    const PATH: &'static str = "/teachers/{id}/working-hours";
    const NAMES: (&'static str, &'static str) = ("working_hour", "working_hours");
    const ABOUT: &'static str = "When a teacher works: hours of weekdays.";
    const OFFERS: &'static [Offer] = &[Offer::List];
    const PARENT: Option<Kin> = Some(Kin::Teacher);

    fn narrow(filter: &mut OfTeacher, path: &[&str]) -> bool {
        filter.teacher_id = parent(path);
        filter.teacher_id.is_some()
    }
}

/// What a teacher gets.
pub(super) struct Rates;

impl Resource for Rates {
    type Record = Rate;
    const PATH: &'static str = "/teachers/{id}/rates";
    const NAMES: (&'static str, &'static str) = ("rate", "rates");
    const ABOUT: &'static str = "What a teacher gets for a lesson, by kinds of lessons and subjects.";
    const OFFERS: &'static [Offer] = &[Offer::List];
    const PARENT: Option<Kin> = Some(Kin::Teacher);

    fn narrow(filter: &mut OfTeacher, path: &[&str]) -> bool {
        filter.teacher_id = parent(path);
        filter.teacher_id.is_some()
    }
}
