//! Tasks.

use serde_json::{Value, json};

use crate::http::resource::{Offer, Resource};
use crate::model::task::Task;

pub(super) struct Tasks;

impl Resource for Tasks {
    type Record = Task;
    const PATH: &'static str = "/tasks";
    const NAMES: (&'static str, &'static str) = ("task", "tasks");
    const ABOUT: &'static str = "Tasks of AlfaCRM, newest first, with the people they are about.";
    const OFFERS: &'static [Offer] = &[Offer::List, Offer::Get, Offer::Create, Offer::Update];

    fn example(offer: Offer) -> Value {
        match offer {
            Offer::Create => json!({
                "title": "Позвонить родителям",
                "student_ids": ["alfa-101"],
                "assigned_user_ids": ["alfa-3"],
                "branch_ids": ["alfa-1"],
                "due_on": "2026-02-27",
            }),
            _ => json!({"done": true}),
        }
    }
}
