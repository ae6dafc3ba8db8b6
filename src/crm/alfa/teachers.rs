//! Teachers and what hangs on them: the model `teacher` (section 9.17 of the reference).

use jiff::civil::Time;

use super::filter::Body;
use super::form::Form;
use super::model::{Branching, Calls, Ids, Model, Scene};
use super::people::{contact, contacts, gender};
use crate::crm::Place;
use crate::crm::wire::Row;
use crate::model::Record;
use crate::model::student::is_phone;
use crate::model::teacher::{Teacher, TeacherDraft, TeacherFilter};
use crate::model::teacher_part::{OfTeacher, Rate, Weekday, WorkingHour};

/// Teachers.
pub(super) struct Teachers;

impl Model for Teachers {
    type Record = Teacher;
    const CALLS: Calls = Calls {
        create: Some("teacher/create"),
        update: Some("teacher/update"),
        ..Calls::reads("teacher/index")
    };
    const TEXT: Option<(&'static str, usize)> = Some(("note", 10_000));
    const CUSTOM: bool = true;
    const ID_LISTS: bool = true;

    fn ask(filter: &TeacherFilter, body: &mut Body) {
        body.archived(filter.archived);
        body.wish("name", filter.q.as_deref());
        body.ids("id", &filter.ids);
        // `phone` is about telephone numbers here; other contacts are looked for record by record.
        let (phones, others): (Vec<&str>, Vec<&str>) =
            filter.contact.as_deref().into_iter().partition(|text| is_phone(text));
        body.wish("phone", phones.first().map(|text| contact(text)));
        body.inexact_if(!others.is_empty());
    }

    fn ask_for(ids: Ids<'_>, body: &mut Body) -> bool {
        body.set("id", ids);
        body.set("removed", 1);
        true
    }

    fn read(row: &Row<'_>, scene: &Scene) -> Teacher {
        let skills = row.rows("teacher-to-skill").into_iter();
        Teacher {
            name: row.text("name"),
            birth_date: row.day("dob"),
            gender: gender(row),
            contacts: contacts(row),
            branch_ids: row.ids("branch_ids"),
            skills: skills.filter_map(|skill| row.inner(skill).text("name")).collect(),
            archived: row.day("e_date").is_some_and(|day| day <= scene.today),
            avatar_url: row.text("avatarUrl"),
            note: row.text("note"),
        }
    }

    fn write(
        draft: &TeacherDraft,
        before: Option<&Record<Teacher>>,
        _: &Place<'_, TeacherFilter>,
        form: &mut Form,
    ) {
        form.text("name", "name", &draft.name);
        form.branches(&draft.branches, before.is_none());
        form.contacts(&draft.contacts);
        form.day("dob", "birth_date", &draft.birth_date);
        form.gender(&draft.gender);
        form.long("note", "note", &draft.note);
        form.custom(&draft.custom);
    }
}

/// When a teacher works.
pub(super) struct WorkingHours;

impl Model for WorkingHours {
    type Record = WorkingHour;
    const CALLS: Calls = Calls::reads("teacher/working-hour");

    /// Hours are no branch's business.
    fn branching(_: &OfTeacher) -> Branching {
        Branching::Never
    }

    fn ask(filter: &OfTeacher, body: &mut Body) {
        body.parent("teacher_id", filter.teacher_id.as_ref());
    }

    fn ask_for(_: Ids<'_>, _: &mut Body) -> bool {
        false
    }

    fn read(row: &Row<'_>, scene: &Scene) -> WorkingHour {
        WorkingHour {
            teacher_id: row.id("teacher_id").or(scene.parent()),
            weekday: weekday(row),
            starts_at: clock(row, "time_from"),
            ends_at: clock(row, "time_to"),
        }
    }
}

/// The week begins with Sunday here, unlike in the timetable (section 9.17).
const WEEK: [Weekday; 7] = [
    Weekday::Sunday,
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
];

fn weekday(row: &Row<'_>) -> Weekday {
    let place = row.number("weekday").and_then(|day| usize::try_from(day).ok()?.checked_sub(1));
    place.and_then(|place| WEEK.get(place)).copied().unwrap_or_else(|| {
        row.note("weekday");
        Weekday::Unknown
    })
}

/// `hh:mm` out of that or `hh:mm:ss`.
fn clock(row: &Row<'_>, field: &'static str) -> Option<String> {
    let text = row.text(field)?;
    match text.trim().parse::<Time>() {
        Ok(time) => Some(super::form::clock(time)),
        Err(_) => {
            row.note(field);
            None
        }
    }
}

/// What a teacher gets for a lesson.
pub(super) struct Rates;

impl Model for Rates {
    type Record = Rate;
    const CALLS: Calls = Calls::reads("teacher/teacher-rate");

    /// Rates are no branch's business.
    fn branching(_: &OfTeacher) -> Branching {
        Branching::Never
    }

    fn ask(filter: &OfTeacher, body: &mut Body) {
        body.parent("teacher_id", filter.teacher_id.as_ref());
    }

    fn ask_for(_: Ids<'_>, _: &mut Body) -> bool {
        false
    }

    fn read(row: &Row<'_>, scene: &Scene) -> Rate {
        Rate {
            teacher_id: row.id("teacher_id").or(scene.parent()),
            lesson_type_ids: row.ids("lesson_type_ids"),
            subject_ids: row.ids("subject_ids"),
            rate: row.money("rate"),
            from: row.day("b_date"),
            to: row.day("e_date"),
        }
    }
}
