//! Something to do, with the people it is about.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::{Change, Draft, Fields, Short, listed};
use super::expand::{Expand, Kin, to};
use super::filter::{Archived, Between, between, fits, narrows};
use super::record::newest_first;
use super::reference::Book;
use super::{Entity, Filter, Moment, Order, Query, Record, RecordId, Rows};

/// Something to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Task {
    /// What to do, in a few words.
    #[schema(required)]
    pub title: Option<String>,
    /// What to do, at length.
    #[schema(required)]
    pub text: Option<String>,
    /// Who wrote it, a record of `/reference/users`.
    #[schema(required)]
    pub author_user_id: Option<RecordId>,
    /// Who shall do it, records of `/reference/users`.
    pub assigned_user_ids: Vec<RecordId>,
    /// The students and leads it is about.
    pub student_ids: Vec<RecordId>,
    /// The groups it is about.
    pub group_ids: Vec<RecordId>,
    /// The branches it belongs to.
    pub branch_ids: Vec<RecordId>,
    /// The CRM's number for how urgent it is.
    #[schema(required)]
    pub priority: Option<i64>,
    /// Whether only those concerned see it in the CRM.
    #[schema(required)]
    pub private: Option<bool>,
    /// Whether it is done.
    #[schema(required)]
    pub done: Option<bool>,
    /// Whether it was put away.
    #[schema(required)]
    pub archived: Option<bool>,
    /// The day until which it shall be done.
    #[schema(required)]
    pub due_on: Option<Date>,
    /// When it was done.
    #[schema(required)]
    pub done_at: Option<Moment>,
}

/// What lists of tasks may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskFilter {
    pub done: Option<bool>,
    pub assigned_user_id: Option<RecordId>,
    pub due: Between<Date>,
    /// A list says which side of the archive it holds; a task is found by its id on either.
    pub archived: Option<Archived>,
}

impl Filter<Task> for TaskFilter {
    fn read(q: &mut Query) -> Self {
        Self {
            done: q.one("done", "Only tasks that are done, or only those that are not."),
            assigned_user_id: q.one("assigned_user_id", "Tasks that this user shall do."),
            due: between(
                q,
                ("due_from", "To be done by this day or a later one."),
                ("due_to", "To be done by this day or an earlier one."),
                None,
            ),
            archived: Some(
                q.choice("archived", "`false` (default), `true`, or `all`.").unwrap_or(Archived::False),
            ),
        }
    }

    fn narrows(&self, wider: &Self) -> bool {
        let side = |filter: &Self| filter.archived.unwrap_or(Archived::All);
        narrows(&self.done, &wider.done)
            && narrows(&self.assigned_user_id, &wider.assigned_user_id)
            && self.due.narrows(&wider.due)
            && side(self).narrows(side(wider))
    }

    fn matches(&self, record: &Record<Task>) -> bool {
        let task = &record.data;
        fits(&self.done, Some(&task.done.unwrap_or(false)))
            && self.assigned_user_id.as_ref().is_none_or(|id| task.assigned_user_ids.contains(id))
            && self.due.admits(task.due_on)
            && self.archived.is_none_or(|side| side.admits(task.archived.unwrap_or(false)))
    }
}

/// What can be written of a task.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskDraft {
    pub title: Change<Short<255>>,
    pub text: Change<String>,
    pub author: Change<RecordId>,
    pub assigned: Change<Vec<RecordId>>,
    pub students: Change<Vec<RecordId>>,
    pub groups: Change<Vec<RecordId>>,
    pub branches: Change<Vec<RecordId>>,
    pub priority: Change<i64>,
    pub private: Change<bool>,
    pub done: Change<bool>,
    pub archived: Change<bool>,
    pub due_on: Change<Date>,
}

impl Draft for TaskDraft {
    fn read(fields: &mut Fields) -> Self {
        let draft = Self {
            title: fields.required("title", "What to do, in a few words."),
            text: fields.one("text", "What to do, at length."),
            author: fields.fixed(
                "author_user_id",
                "On whose behalf it is written, a record of `/reference/users`; by default the gateway's own user.",
            ),
            assigned: fields.one("assigned_user_ids", "Who shall do it, all of them."),
            students: fields.one("student_ids", "The students and leads it is about, all of them."),
            groups: fields.one("group_ids", "The groups it is about, all of them."),
            branches: fields
                .always("branch_ids", "Its branches, all of them; may be left out where there is only one."),
            priority: fields.always("priority", "The CRM's number for how urgent it is."),
            private: fields.always("private", "Whether only those concerned see it in the CRM."),
            done: fields.always("done", "Whether it is done."),
            archived: fields.always("archived", "Whether it is put away."),
            due_on: fields.one("due_on", "The day until which it shall be done."),
        };
        fields.are_branches("branch_ids", draft.branches.value().into_iter().flatten());
        if draft.branches.value().is_some_and(Vec::is_empty) {
            fields.refuse("branch_ids", "is empty; a task belongs to some branch");
        }
        fields.read_only("done_at", "`done` sets it");
        fields.read_only("custom_fields", "set them in the CRM");
        draft
    }

    fn refers(&self) -> Vec<(Kin, &'static str, &RecordId)> {
        let students = listed(Kin::Student, "/student_ids", &self.students);
        let assigned = listed(Kin::Entry(Book::Users), "/assigned_user_ids", &self.assigned);
        let author = self.author.value().map(|user| (Kin::Entry(Book::Users), "/author_user_id", user));
        students.chain(listed(Kin::Group, "/group_ids", &self.groups)).chain(assigned).chain(author).collect()
    }

    fn branches(&self) -> &[RecordId] {
        self.branches.value().map(Vec::as_slice).unwrap_or_default()
    }

    fn branch_field(&self) -> Option<&'static str> {
        Some("/branch_ids")
    }
}

impl Entity for Task {
    const RESOURCE: &'static str = "tasks";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("notes", &["text", "custom_fields", "raw"]),
        ("contacts", &["custom_fields", "raw"]),
        ("balances", &["raw"]),
    ];
    // What staff have to do about somebody is theirs.
    const ROWS: Rows<Self> = Rows::CLOSED;
    type Filter = TaskFilter;
    type Draft = TaskDraft;
    const EXPANDS: &'static [Expand] = &[
        to("students", "student_ids", Kin::Student),
        to("groups", "group_ids", Kin::Group),
        to("author", "author_user_id", Kin::Entry(Book::Users)),
        to("assigned_users", "assigned_user_ids", Kin::Entry(Book::Users)),
        to("branches", "branch_ids", Kin::Entry(Book::Branches)),
    ];

    fn trail(_: &TaskFilter, draft: &TaskDraft) -> TaskFilter {
        let assigned_user_id = draft.assigned.value().and_then(|assigned| assigned.first()).cloned();
        TaskFilter { assigned_user_id, ..TaskFilter::default() }
    }

    fn order() -> Order<Self> {
        // Every branch is a sequence of its own, and a task may be in several.
        Order::Merged(|a, b| newest_first(a.created_at, b.created_at))
    }

    fn branches(&self) -> Option<&[RecordId]> {
        Some(&self.branch_ids)
    }

    fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    fn example() -> Value {
        json!({
            "id": "alfa-31", "source": "alfacrm", "source_id": "31", "title": "Позвонить лиду", "text": "Уточнить время пробного",
            "author_user_id": "alfa-1", "assigned_user_ids": ["alfa-3"], "student_ids": ["alfa-205"], "group_ids": [], "branch_ids": ["alfa-1"],
            "priority": 2, "private": false, "done": false, "archived": false, "due_on": "2026-02-19", "done_at": null,
            "custom_fields": {}, "created_at": "2026-02-17T14:05:00+03:00", "updated_at": null
        })
    }
}
