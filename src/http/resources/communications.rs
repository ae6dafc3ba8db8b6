//! Communications: the same records below students, groups and tasks.

use serde_json::{Value, json};

use crate::http::resource::{Offer, Resource, parent};
use crate::model::communication::{AboutKind, Communication, CommunicationFilter};
use crate::model::expand::Kin;

const OFFERS: &[Offer] = &[Offer::List, Offer::Get, Offer::Create, Offer::Update];
const ID: &str = "communication_id";

fn about(kind: AboutKind, filter: &mut CommunicationFilter, path: &[&str]) -> bool {
    filter.about = parent(path).map(|id| (kind, id));
    filter.about.is_some()
}

fn example(offer: Offer) -> Value {
    match offer {
        Offer::Create => json!({"text": "Позвонили, придут в среду"}),
        _ => json!({"text": "Позвонили, придут в четверг"}),
    }
}

/// What was written about a student.
pub(super) struct OfStudents;

impl Resource for OfStudents {
    type Record = Communication;
    const PATH: &'static str = "/students/{id}/communications";
    const NAMES: (&'static str, &'static str) = ("student_communication", "student_communications");
    const ABOUT: &'static str = "What was written down about a student or lead, newest first.";
    const OFFERS: &'static [Offer] = OFFERS;
    const PARENT: Option<Kin> = Some(Kin::Student);
    const ID: &'static str = ID;

    fn narrow(filter: &mut CommunicationFilter, path: &[&str]) -> bool {
        about(AboutKind::Student, filter, path)
    }

    fn example(offer: Offer) -> Value {
        example(offer)
    }
}

/// What was written about a group.
pub(super) struct OfGroups;

impl Resource for OfGroups {
    type Record = Communication;
    const PATH: &'static str = "/groups/{id}/communications";
    const NAMES: (&'static str, &'static str) = ("group_communication", "group_communications");
    const ABOUT: &'static str = "What was written down about a group, newest first.";
    const OFFERS: &'static [Offer] = OFFERS;
    const PARENT: Option<Kin> = Some(Kin::Group);
    const ID: &'static str = ID;
    const EXAMPLE_ID: Option<&'static str> = Some("alfa-1555");

    fn narrow(filter: &mut CommunicationFilter, path: &[&str]) -> bool {
        about(AboutKind::Group, filter, path)
    }

    fn example(offer: Offer) -> Value {
        example(offer)
    }
}

/// What was written about a task.
pub(super) struct OfTasks;

impl Resource for OfTasks {
    type Record = Communication;
    const PATH: &'static str = "/tasks/{id}/communications";
    const NAMES: (&'static str, &'static str) = ("task_communication", "task_communications");
    const ABOUT: &'static str = "What was written down about a task, newest first.";
    const OFFERS: &'static [Offer] = OFFERS;
    const PARENT: Option<Kin> = Some(Kin::Task);
    const ID: &'static str = ID;
    const EXAMPLE_ID: Option<&'static str> = Some("alfa-1554");

    fn narrow(filter: &mut CommunicationFilter, path: &[&str]) -> bool {
        about(AboutKind::Task, filter, path)
    }

    fn example(offer: Offer) -> Value {
        example(offer)
    }
}
