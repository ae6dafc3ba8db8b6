//! Who is in a group and in which groups somebody is: the model `cgi` (section 9.7 of the reference). Whose list it is
//! the CRM reads from the query, and it lists current memberships only.

use super::filter::{Body, dotted};
use super::form::{FAR_FUTURE, Form};
use super::model::{Branching, Calls, Ids, Model, Scene};
use crate::crm::Place;
use crate::crm::wire::Row;
use crate::model::Record;
use crate::model::draft::Change;
use crate::model::member::{Member, MemberDraft, MemberFilter};

/// Memberships.
pub(super) struct Members;

/// The call that lists the groups of a student.
const OF_STUDENT: &str = "cgi/customer";
/// The call that ends a membership for good.
const DELETE: &str = "cgi/delete";

impl Model for Members {
    type Record = Member;
    const CALLS: Calls = Calls {
        list: "cgi/index",
        create: Some("cgi/create"),
        update: Some("cgi/update"),
        delete: Some(DELETE),
    };

    fn list(filter: &MemberFilter) -> &'static str {
        if filter.student_id.is_some() { OF_STUDENT } else { Self::CALLS.list }
    }

    /// Always seen with a branch in its path (section 3.1).
    fn branching(_: &MemberFilter) -> Branching {
        Branching::Each
    }

    fn ask(filter: &MemberFilter, body: &mut Body) {
        match &filter.student_id {
            Some(student) => body.parent("customer_id", Some(student)),
            None => body.parent("group_id", filter.group_id.as_ref()),
        }
    }

    /// No filter by id is known; a group has few members.
    fn ask_for(_: Ids<'_>, _: &mut Body) -> bool {
        false
    }

    fn read(row: &Row<'_>, scene: &Scene) -> Member {
        let of_student = scene.call == OF_STUDENT;
        Member {
            student_id: row.id("customer_id").or(scene.parent().filter(|_| of_student)),
            group_id: row.id("group_id").or(scene.parent().filter(|_| !of_student)),
            from: row.day("b_date"),
            to: row.day("e_date"),
        }
    }

    /// An update overwrites the whole record (section 6.1), so all of it is sent again.
    fn write(
        draft: &MemberDraft,
        before: Option<&Record<Member>>,
        place: &Place<'_, MemberFilter>,
        form: &mut Form,
    ) {
        form.parent("group_id", place.filter.group_id.as_ref());
        if form.operation == DELETE {
            return;
        }
        let (mut student, mut from) = (draft.student.clone(), draft.from.clone());
        // Without an end it ends in a far future.
        let mut to = if draft.to.value().is_some() { draft.to.clone() } else { FAR_FUTURE };
        if let Some(before) = before {
            let now = &before.data;
            let kept = |day: Option<_>| day.map_or(Change::Keep, Change::Set);
            student = now.student_id.clone().map_or(Change::Keep, Change::Set);
            if from.is_keep() {
                from = kept(now.from);
            }
            if draft.to.is_keep() {
                to = now.to.map_or(FAR_FUTURE, Change::Set);
            }
            if student.is_keep() || from.is_keep() {
                let detail =
                    "the CRM does not tell the whole membership, and what is not sent again would be lost";
                form.refuse("", detail);
            }
            form.resend(&before.raw, &["id", "created_at", "updated_at", "customer_id", "b_date", "e_date"]);
        }
        if let (Some(first), Some(last)) = (from.value(), to.value())
            && last <= first
        {
            let (name, other) =
                if draft.to.is_keep() { ("from", "before `to`") } else { ("to", "after `from`") };
            form.refuse(
                format!("/{name}"),
                format!("does not lie {other}; the days are {} and {}", dotted(*first), dotted(*last)),
            );
        }
        form.id("customer_id", "student_id", &student);
        form.day("b_date", "from", &from);
        form.day("e_date", "to", &to);
    }
}
