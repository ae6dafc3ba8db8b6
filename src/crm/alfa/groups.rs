//! Groups: the model `group` (section 9.6 of the reference).

use super::filter::{Body, iso};
use super::form::{FAR_FUTURE, Form};
use super::model::{Calls, Ids, Model, Scene};
use super::people::people;
use crate::crm::Place;
use crate::crm::wire::Row;
use crate::model::draft::Change;
use crate::model::filter::Between;
use crate::model::group::{Group, GroupDraft, GroupFilter};
use crate::model::{Record, RecordId};

/// Groups.
pub(super) struct Groups;

impl Model for Groups {
    type Record = Group;
    const CALLS: Calls = Calls {
        list: "group/index",
        create: Some("group/create"),
        update: Some("group/update"),
        delete: Some("group/delete"),
    };
    const TEXT: Option<(&'static str, usize)> = Some(("note", 255));
    const CUSTOM: bool = true;
    const ID_LISTS: bool = true;

    fn ask(filter: &GroupFilter, body: &mut Body) {
        body.archived(filter.archived);
        body.wish("name", filter.q.as_deref());
        body.ids("id", &filter.ids);
        body.id("teacher_id", filter.teacher_id.as_ref());
        body.id("status_id", filter.status_id.as_ref());
        body.id("level_id", filter.level_id.as_ref());
        // A group is in a range of days that it shares a day with.
        body.days("e_date", &Between { from: filter.days.from, to: None }, iso);
        body.days("b_date", &Between { from: None, to: filter.days.to }, iso);
        body.updated_since(filter.updated_since);
        // Seen to give groups of other teachers as well (section 9.6).
        body.inexact_if(filter.teacher_id.is_some());
    }

    fn ask_for(ids: Ids<'_>, body: &mut Body) -> bool {
        body.set("id", ids);
        body.set("removed", 1);
        true
    }

    fn read(row: &Row<'_>, scene: &Scene) -> Group {
        group(row, scene)
    }

    /// Archiving is `removed`, as with the filter of that name (section 6.3).
    fn write(
        draft: &GroupDraft,
        before: Option<&Record<Group>>,
        _: &Place<'_, GroupFilter>,
        form: &mut Form,
    ) {
        form.text("name", "name", &draft.name);
        form.branches(&draft.branches, before.is_none());
        form.ids("teacher_ids", "teacher_ids", &draft.teachers);
        form.id("status_id", "status_id", &draft.status);
        form.id("level_id", "level_id", &draft.level);
        form.change("limit", "capacity", &draft.capacity, 0.into(), |number| number.0.into());
        form.text("note", "note", &draft.note);
        form.day("b_date", "starts_on", &draft.starts_on);
        let ends_on = if draft.ends_on == Change::Clear { &FAR_FUTURE } else { &draft.ends_on };
        form.day("e_date", "ends_on", ends_on);
        form.flag("removed", "archived", &draft.archived);
        form.custom(&draft.custom);
    }
}

fn group(row: &Row<'_>, scene: &Scene) -> Group {
    // A group without an end has one in a far future, which reads as none.
    let ends_on = row.day("e_date");
    let (mut teacher_ids, teacher_names) = people(row, "teacher_ids");
    if !teacher_names.is_empty() {
        teacher_ids = taught_by(row);
    }
    let known = !teacher_ids.is_empty();
    Group {
        name: row.text("name"),
        branch_ids: row.ids("branch_ids"),
        teacher_ids,
        teacher_names: if known { Vec::new() } else { teacher_names },
        status_id: row.id("status_id"),
        level_id: row.id("level_id"),
        capacity: row.whole("limit").filter(|limit| *limit != 0),
        note: row.text("note"),
        starts_on: row.day("b_date"),
        ends_on,
        archived: ends_on.is_some_and(|end| end <= scene.today),
    }
}

/// The ids beside the names, where the server gives both.
fn taught_by(row: &Row<'_>) -> Vec<RecordId> {
    let teachers = row.rows("teachers").into_iter();
    teachers.filter_map(|teacher| row.inner(teacher).id("id")).collect()
}
