//! Lessons (section 9.8 of the reference). The CRM lists one status at a time and conducted lessons only by default, so
//! every status is a list of its own here, newest day first.

use jiff::Unit;

use super::filter::{Body, dotted};
use super::form::Form;
use super::lesson_form;
use super::model::{Calls, Model, Part, Scene};
use crate::crm::Place;
use crate::crm::wire::Row;
use crate::model::lesson::{Attendance, Lesson, LessonFilter, LessonStatus};
use crate::model::lesson_draft::LessonDraft;
use crate::model::{Moment, Record, RecordId};

/// The CRM's codes, the likeliest first.
pub(super) const STATUSES: [(LessonStatus, u64); 3] =
    [(LessonStatus::Conducted, 3), (LessonStatus::Planned, 1), (LessonStatus::Cancelled, 2)];

/// Lessons.
pub(super) struct Lessons;

impl Model for Lessons {
    type Record = Lesson;
    const CALLS: Calls = Calls {
        create: Some("lesson/create"),
        update: Some("lesson/update"),
        ..Calls::reads("lesson/index")
    };
    const TEXT: Option<(&'static str, usize)> = Some(("note", 10_000));
    const CUSTOM: bool = true;

    fn status(lesson: &Lesson) -> Option<u64> {
        STATUSES.iter().find(|(status, _)| *status == lesson.status).map(|(_, code)| *code)
    }

    /// Also by id the CRM finds a lesson only when it is asked for its status.
    fn parts(filter: &LessonFilter) -> Vec<Part> {
        let wanted = |status: &LessonStatus| filter.statuses.is_empty() || filter.statuses.contains(status);
        let codes = STATUSES.iter().filter(|(status, _)| wanted(status)).map(|(_, code)| *code);
        codes.map(|code| Part { status: Some(code), ..Part::default() }).collect()
    }

    fn ask(filter: &LessonFilter, body: &mut Body) {
        body.days("date", &filter.days, dotted);
        body.id("customer_id", filter.student_id.as_ref());
        body.id("group_id", filter.group_id.as_ref());
        body.id("teacher_id", filter.teacher_id.as_ref());
        body.id("subject_id", filter.subject_id.as_ref());
        body.id("lesson_type_id", filter.lesson_type_id.as_ref());
        body.ids("room_ids", filter.room_id.as_slice());
        body.updated_since(filter.updated_since);
    }

    fn read(row: &Row<'_>, _: &Scene) -> Lesson {
        lesson(row)
    }

    fn write(
        draft: &LessonDraft,
        before: Option<&Record<Lesson>>,
        place: &Place<'_, LessonFilter>,
        form: &mut Form,
    ) {
        // What is conducted says its own branch, whichever one stands in the path.
        let own = before.and_then(|record| record.data.branch_id.as_ref()).map(RecordId::number);
        lesson_form::write(draft, before, own.or(place.branch), form);
    }
}

/// The CRM's code of a status.
pub(super) fn code(status: LessonStatus) -> u64 {
    STATUSES.iter().find(|(known, _)| *known == status).map_or(0, |(_, code)| *code)
}

fn lesson(row: &Row<'_>) -> Lesson {
    let code = row.number("status");
    let status = STATUSES
        .iter()
        .find(|(_, known)| Some(*known) == code)
        .map_or(LessonStatus::Unknown, |(status, _)| *status);
    if status == LessonStatus::Unknown {
        row.note("status");
    }
    let (starts_at, ends_at) = (row.moment("time_from"), row.moment("time_to"));
    let details = row.rows("details");
    Lesson {
        branch_id: row.id("branch_id"),
        status,
        date: row.day("date").or_else(|| starts_at.map(|at| at.local().date())),
        starts_at,
        ends_at,
        duration_minutes: starts_at.zip(ends_at).and_then(|(from, to)| minutes(from, to)),
        lesson_type_id: row.id("lesson_type_id"),
        subject_id: row.id("subject_id"),
        room_id: row.id("room_id"),
        teacher_ids: row.ids("teacher_ids"),
        student_ids: row.ids("customer_ids"),
        group_ids: row.ids("group_ids"),
        schedule_id: row.id("regular_id"),
        online: row.flag("streaming"),
        topic: row.text("topic"),
        homework: row.text("homework"),
        note: row.text("note"),
        attendance: details
            .into_iter()
            .map(|details| {
                let entry = row.inner(details);
                let attendance = attendance(&entry, status);
                if !entry.drift().is_empty() {
                    row.note("details");
                }
                attendance
            })
            .collect(),
    }
}

fn attendance(row: &Row<'_>, status: LessonStatus) -> Attendance {
    Attendance {
        student_id: row.id("customer_id"),
        // Before the lesson the CRM says 0 for everybody.
        attended: row.flag("is_attend").filter(|_| status == LessonStatus::Conducted),
        reason_id: row.id("reason_id"),
        reason: row.text("reason_name"),
        charge: row.money("commission"),
        subscription_id: row.id("ctt_id"),
        grade: row.text("grade"),
        bonus: row.whole("bonus"),
        note: row.text("note"),
    }
}

/// The CRM parts back-to-back lessons by a second (`12:59:59`), so the length is rounded to the minute.
fn minutes(from: Moment, to: Moment) -> Option<i64> {
    let length = to.timestamp().duration_since(from.timestamp()).round(Unit::Minute).ok()?;
    (length.as_secs() >= 0).then(|| length.as_mins())
}
