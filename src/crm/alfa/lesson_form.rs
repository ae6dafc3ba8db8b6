//! Writing lessons (section 9.8 of the reference): `lesson/create`, `lesson/update`, and `lesson/teach` for the word
//! that a lesson took place. The CRM has one day and two times of day where consumers have two points in time.

use jiff::Unit;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::filter::dotted;
use super::form::{Form, clock};
use super::lessons::code;
use crate::model::Record;
use crate::model::draft::{Change, Object, Positive, Word};
use crate::model::lesson::{Lesson, LessonStatus};
use crate::model::lesson_draft::{LessonDraft, Mark};

/// Fills in the form of a lesson in `branch`.
pub(super) fn write(
    draft: &LessonDraft,
    before: Option<&Record<Lesson>>,
    branch: Option<u64>,
    form: &mut Form,
) {
    times(draft, before.map(|record| &record.data), form);
    form.id("lesson_type_id", "lesson_type_id", &draft.lesson_type);
    form.id("subject_id", "subject_id", &draft.subject);
    form.ids("teacher_ids", "teacher_ids", &draft.teachers);
    form.ids("customer_ids", "student_ids", &draft.students);
    form.ids("group_ids", "group_ids", &draft.groups);
    form.id("room_id", "room_id", &draft.room);
    form.long("topic", "topic", &draft.topic);
    form.long("homework", "homework", &draft.homework);
    form.long("note", "note", &draft.note);
    form.change("status", "status", &draft.status, Value::Null, |Word(status)| code(*status).into());
    if let (None, Some(branch)) = (before, branch) {
        form.set("branch_id", "branch_id", branch);
    }
    if draft.conduct {
        form.operation = "lesson/teach";
        form.set("status", "status", code(LessonStatus::Conducted));
        if let Some(branch) = branch {
            form.set("branch_id", "branch_id", branch);
        }
        if let Change::Set(marks) = &draft.attendance {
            let participants = before.map(|before| &before.data.student_ids[..]).unwrap_or_default();
            for (at, Object(mark)) in marks.iter().enumerate() {
                let stranger = mark.student.value().filter(|student| !participants.contains(student));
                // A lesson that does not name its participants yet may be for anybody.
                if let Some(stranger) = stranger.filter(|_| !participants.is_empty()) {
                    let detail = format!("is `{stranger}`, who does not take part in this lesson");
                    form.refuse(format!("/attendance/{at}/student_id"), detail);
                }
            }
            let details: Vec<Value> =
                marks.iter().enumerate().map(|(at, Object(mark))| details(mark, at, form)).collect();
            form.set("details", "attendance", details);
        }
    }
}

/// One entry of `details`: what was said, and nothing else.
fn details(mark: &Mark, at: usize, form: &mut Form) -> Value {
    let mut entry = Map::new();
    for (key, name, id) in [
        ("customer_id", "student_id", &mark.student),
        ("reason_id", "reason_id", &mark.reason),
        ("ctt_id", "subscription_id", &mark.subscription),
    ] {
        if let Change::Set(id) = id {
            entry.insert(key.to_owned(), form.reference(&format!("/attendance/{at}/{name}"), id));
        }
    }
    if let Change::Set(attended) = mark.attended {
        entry.insert("is_attend".to_owned(), u8::from(attended).into());
    }
    if let Change::Set(charge) = &mark.charge {
        entry.insert("commission".to_owned(), form.amount(&format!("/attendance/{at}/charge"), charge));
    }
    if let Change::Set(bonus) = mark.bonus {
        entry.insert("bonus".to_owned(), bonus.into());
    }
    for (key, text) in [("grade", &mark.grade), ("note", &mark.note)] {
        if let Change::Set(text) = text {
            entry.insert(key.to_owned(), json!(text));
        }
    }
    entry.into()
}

/// The day and the times of day. A lesson whose start is moved keeps its length, and says so: what the CRM does with an
/// end that nobody names is not documented.
fn times(draft: &LessonDraft, before: Option<&Lesson>, form: &mut Form) {
    let local = |at: Timestamp| form.zone().to_datetime(at).round(Unit::Minute).ok();
    let start = draft.starts_at.value().and_then(|at| local(*at));
    let end = draft.ends_at.value().and_then(|at| local(*at));
    let held = before.and_then(|lesson| lesson.date);
    let day = start.map(DateTime::date).or(draft.date.value().copied());
    // The day is said where it is new; a lesson is conducted on the day it is on.
    if let Some(day) = day.filter(|day| Some(*day) != held) {
        if draft.conduct {
            form.refuse("/starts_at", "is not on the day of the lesson; move it first");
        }
        let name = if start.is_some() { "starts_at" } else { "date" };
        form.set("lesson_date", name, dotted(day));
    }
    if let Some(start) = start {
        form.set("time_from", "starts_at", clock(start.time()));
    }
    let kept = before.filter(|_| draft.ends_at.is_keep() && draft.duration.is_keep()).and_then(length);
    let end = end.or_else(|| start?.checked_add(kept?).ok());
    if let Some(end) = end {
        if Some(end.date()) != day.or(held) {
            let name = if draft.ends_at.is_keep() { "/starts_at" } else { "/ends_at" };
            form.refuse(
                name,
                "leads past the day of the lesson; the CRM's lessons end on the day they start",
            );
        }
        form.set("time_to", if draft.ends_at.is_keep() { "starts_at" } else { "ends_at" }, clock(end.time()));
    }
    if let Change::Set(Positive(minutes)) = draft.duration {
        let past = start.and_then(|start| start.checked_add(SignedDuration::from_mins(minutes)).ok());
        if minutes > 24 * 60 || past.is_some_and(|past| Some(past.date()) != day) {
            form.refuse("/duration_minutes", "leads past the day of the lesson");
        }
        form.set("duration", "duration_minutes", minutes);
    }
    // What the CRM may complain about although it was not sent.
    for (key, name) in [("lesson_date", "date"), ("time_from", "starts_at"), ("time_to", "ends_at")] {
        form.also(key, name);
    }
}

fn length(lesson: &Lesson) -> Option<SignedDuration> {
    let (from, to) = lesson.starts_at.zip(lesson.ends_at)?;
    let length = to.local().duration_since(from.local()).round(Unit::Minute).ok()?;
    (length > SignedDuration::ZERO).then_some(length)
}
