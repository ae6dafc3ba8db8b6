//! Groups, who is in them, and in which groups a student is.

use serde_json::{Value, json};

use crate::http::resource::{Offer, Resource, parent};
use crate::model::expand::Kin;
use crate::model::group::Group;
use crate::model::member::{Member, MemberFilter};

pub(super) struct Groups;

impl Resource for Groups {
    type Record = Group;
    const PATH: &'static str = "/groups";
    const NAMES: (&'static str, &'static str) = ("group", "groups");
    const ABOUT: &'static str = "Groups of AlfaCRM. Archiving one (`archived`) keeps it; deleting it takes its members, its timetable and its \
         planned lessons along.";
    const OFFERS: &'static [Offer] = &[Offer::List, Offer::Get, Offer::Create, Offer::Update, Offer::Delete];

    fn example(offer: Offer) -> Value {
        match offer {
            Offer::Create => json!({
                "name": "Шахматы, начинающие",
                "branch_ids": ["alfa-1"],
                "teacher_ids": ["alfa-4"],
                "capacity": 10,
                "starts_on": "2026-03-02",
                "ends_on": "2027-05-31",
            }),
            _ => json!({"capacity": 12, "note": "Набор открыт"}),
        }
    }
}

/// Who is in a group.
pub(super) struct Members;

impl Resource for Members {
    type Record = Member;
    const PATH: &'static str = "/groups/{id}/members";
    const NAMES: (&'static str, &'static str) = ("member", "members");
    const ABOUT: &'static str = "Who is in a group, and from when to when. AlfaCRM lists current memberships only; it refuses a second one of \
         the same student in the same group, also when the first is over.";
    const OFFERS: &'static [Offer] = &[Offer::List, Offer::Get, Offer::Create, Offer::Update, Offer::Delete];
    const PARENT: Option<Kin> = Some(Kin::Group);
    const ID: &'static str = "member_id";

    fn narrow(filter: &mut MemberFilter, path: &[&str]) -> bool {
        filter.group_id = parent(path);
        filter.group_id.is_some()
    }

    fn example(offer: Offer) -> Value {
        match offer {
            Offer::Create => json!({"student_id": "alfa-101", "from": "2026-03-02", "to": null}),
            _ => json!({"to": "2028-05-31"}),
        }
    }
}

/// In which groups a student is.
pub(super) struct StudentGroups;

impl Resource for StudentGroups {
    type Record = Member;
    const PATH: &'static str = "/students/{id}/groups";
    const NAMES: (&'static str, &'static str) = ("student_group", "student_groups");
    const ABOUT: &'static str =
        "In which groups a student is, and from when to when. AlfaCRM lists current memberships only.";
    const OFFERS: &'static [Offer] = &[Offer::List];
    const PARENT: Option<Kin> = Some(Kin::Student);

    fn narrow(filter: &mut MemberFilter, path: &[&str]) -> bool {
        filter.student_id = parent(path);
        filter.student_id.is_some()
    }
}
