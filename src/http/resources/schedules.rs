//! Schedules.

use serde_json::{Value, json};

use crate::http::resource::{Offer, Resource};
use crate::model::schedule::Schedule;

pub(super) struct Schedules;

impl Resource for Schedules {
    type Record = Schedule;
    const PATH: &'static str = "/schedules";
    const NAMES: (&'static str, &'static str) = ("schedule", "schedules");
    const ABOUT: &'static str = "The weekly timetable of AlfaCRM: slots of groups and of single students. Lessons of the coming weeks are \
         made from them by the CRM.";
    const OFFERS: &'static [Offer] = &[Offer::List, Offer::Get, Offer::Create, Offer::Update];

    fn example(offer: Offer) -> Value {
        match offer {
            Offer::Create => json!({
                "group_id": "alfa-12",
                "branch_id": "alfa-1",
                "lesson_type_id": "alfa-2",
                "subject_id": "alfa-2",
                "teacher_ids": ["alfa-4"],
                "weekdays": ["MONDAY", "THURSDAY"],
                "starts_at": "09:00",
                "ends_at": "10:00",
                "valid_from": "2026-03-02",
                "valid_to": "2026-05-31",
            }),
            _ => json!({"capacity": 8, "room_id": null}),
        }
    }
}
