//! Tasks (section 9.18 of the reference). They were only ever seen with a branch in the path, and one that belongs to
//! several branches is in the list of each.

use super::filter::{Body, dotted};
use super::form::Form;
use super::model::{Branching, Calls, Model, Scene};
use crate::crm::Place;
use crate::crm::wire::Row;
use crate::model::Record;
use crate::model::filter::Archived;
use crate::model::task::{Task, TaskDraft, TaskFilter};

/// Tasks.
pub(super) struct Tasks;

impl Model for Tasks {
    type Record = Task;
    const CALLS: Calls =
        Calls { create: Some("task/create"), update: Some("task/update"), ..Calls::reads("task/index") };
    const TEXT: Option<(&'static str, usize)> = Some(("text", 10_000));

    fn branching(_: &TaskFilter) -> Branching {
        Branching::Each
    }

    fn ask(filter: &TaskFilter, body: &mut Body) {
        body.wish("is_done", filter.done.map(u8::from));
        body.ids("assigned_ids", filter.assigned_user_id.as_slice());
        body.days("due_date", &filter.due, dotted);
        body.wish(
            "is_archive",
            match filter.archived {
                Some(Archived::True) => Some(1),
                Some(Archived::False) => Some(0),
                Some(Archived::All) | None => None,
            },
        );
        // A task of two branches is counted twice; and whether all filters are honoured is not known, so they are
        // checked task by task.
        body.inexact_if(true);
    }

    fn read(row: &Row<'_>, _: &Scene) -> Task {
        Task {
            title: row.text("title"),
            text: row.text("text"),
            author_user_id: row.id("user_id"),
            assigned_user_ids: row.ids("assigned_ids"),
            student_ids: row.ids("customer_ids"),
            group_ids: row.ids("group_ids"),
            branch_ids: row.ids("branch_ids"),
            priority: row.whole("priority"),
            private: row.flag("is_private"),
            done: row.flag("is_done"),
            archived: row.flag("is_archive"),
            due_on: row.day("due_date"),
            done_at: row.moment("done_date"),
        }
    }

    fn write(draft: &TaskDraft, before: Option<&Record<Task>>, _: &Place<'_, TaskFilter>, form: &mut Form) {
        form.text("title", "title", &draft.title);
        form.long("text", "text", &draft.text);
        form.id("user_id", "author_user_id", &draft.author);
        form.ids("assigned_ids", "assigned_user_ids", &draft.assigned);
        form.ids("customer_ids", "student_ids", &draft.students);
        form.ids("group_ids", "group_ids", &draft.groups);
        form.branches(&draft.branches, before.is_none());
        form.number("priority", "priority", &draft.priority);
        form.flag("is_private", "private", &draft.private);
        form.flag("is_done", "done", &draft.done);
        form.flag("is_archive", "archived", &draft.archived);
        form.day("due_date", "due_on", &draft.due_on);
    }
}
