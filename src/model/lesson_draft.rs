//! What can be written of a lesson: a new one, changes of one, and that it took place.

use jiff::civil::Date;
use jiff::{Timestamp, Unit};

use super::RecordId;
use super::draft::{Change, Draft, Fields, Object, Part, Positive, Sum, Word, listed};
use super::expand::Kin;
use super::lesson::LessonStatus;

/// What can be written of a lesson.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LessonDraft {
    /// Whether it is the word that the lesson took place; then it says something even when it names no field.
    pub conduct: bool,
    pub branch: Change<RecordId>,
    pub starts_at: Change<Timestamp>,
    pub ends_at: Change<Timestamp>,
    pub duration: Change<Positive>,
    pub date: Change<Date>,
    pub lesson_type: Change<RecordId>,
    pub subject: Change<RecordId>,
    pub teachers: Change<Vec<RecordId>>,
    pub students: Change<Vec<RecordId>>,
    pub groups: Change<Vec<RecordId>>,
    pub room: Change<RecordId>,
    pub status: Change<Word<LessonStatus>>,
    pub topic: Change<String>,
    pub homework: Change<String>,
    pub note: Change<String>,
    pub attendance: Change<Vec<Object<Mark>>>,
}

/// How one student took part in a lesson that took place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mark {
    pub student: Change<RecordId>,
    pub attended: Change<bool>,
    pub reason: Change<RecordId>,
    pub charge: Change<Sum>,
    pub subscription: Change<RecordId>,
    pub grade: Change<String>,
    pub bonus: Change<i64>,
    pub note: Change<String>,
}

impl Draft for LessonDraft {
    fn read(fields: &mut Fields) -> Self {
        let draft = Self {
            conduct: false,
            starts_at: fields.required("starts_at", "When it starts, to the minute."),
            ends_at: fields.always("ends_at", "When it ends, on the same day; or say `duration_minutes`."),
            duration: fields.always("duration_minutes", "How long it takes; or say `ends_at`."),
            date: fields.always(
                "date",
                "Moves a lesson to another day at the same time of day. A new lesson says it with `starts_at`.",
            ),
            lesson_type: fields.required("lesson_type_id", "A record of `/reference/lesson-types`."),
            subject: fields.required("subject_id", "A record of `/reference/subjects`."),
            branch: fields.branch("Its branch; may be left out where there is only one."),
            teachers: fields.one("teacher_ids", "The teachers, all of them."),
            students: fields.one("student_ids", "The participants, all of them."),
            groups: fields.one("group_ids", "The groups it is for, all of them."),
            room: fields.one("room_id", "A record of `/reference/rooms`, of the same branch."),
            status: fields.always("status", "`PLANNED` (a new lesson's) or `CANCELLED`."),
            topic: fields.one("topic", "What it is about."),
            homework: fields.one("homework", "What to do at home."),
            note: fields.one("note", "Free text."),
            attendance: Change::Keep,
        };
        let status = draft.status.value();
        let conducted = status == Some(&Word(LessonStatus::Conducted));
        fields.never("status", "CONDUCTED", conducted, "use `POST /lessons/{id}/conduct`");
        let unknown = status == Some(&Word(LessonStatus::Unknown));
        fields.never("status", "UNKNOWN", unknown, "use `PLANNED` or `CANCELLED`");
        if fields.creating() && draft.ends_at.is_keep() && draft.duration.is_keep() {
            fields.refuse("ends_at", "is missing; say it, or `duration_minutes`");
        }
        if !draft.date.is_keep() && (fields.creating() || !draft.starts_at.is_keep()) {
            fields.refuse("date", "is said by `starts_at`; leave it out");
        }
        draft.check_times(fields);
        fields.read_only("attendance", "`POST /lessons/{id}/conduct` writes it");
        fields.read_only("schedule_id", "the CRM makes lessons from `/schedules` by itself");
        fields.read_only("online", "the CRM sets it");
        fields.read_only("custom_fields", "set them in the CRM");
        draft
    }

    fn branches(&self) -> &[RecordId] {
        self.branch.value().map(std::slice::from_ref).unwrap_or_default()
    }

    fn refers(&self) -> Vec<(Kin, &'static str, &RecordId)> {
        let students = listed(Kin::Student, "/student_ids", &self.students);
        let groups = listed(Kin::Group, "/group_ids", &self.groups);
        let marked = self.attendance.value().into_iter().flatten().filter_map(|mark| mark.0.student.value());
        let marked = marked.map(|student| (Kin::Student, "/attendance", student));
        let teachers = listed(Kin::Teacher, "/teacher_ids", &self.teachers);
        students.chain(groups).chain(marked).chain(teachers).collect()
    }

    fn branch_field(&self) -> Option<&'static str> {
        Some("/branch_id")
    }
}

impl LessonDraft {
    /// Reads the word that a lesson took place.
    pub fn read_conduct(fields: &mut Fields) -> Self {
        let draft = Self {
            conduct: true,
            attendance: fields.always(
                "attendance",
                "Who came, one entry for each participant. Without it the CRM decides as it does for a lesson that is \
                 conducted without marks.",
            ),
            teachers: fields.one("teacher_ids", "Who taught."),
            starts_at: fields.always("starts_at", "When it started, on the day of the lesson, to the minute."),
            ends_at: fields.always("ends_at", "When it ended, on the same day."),
            room: fields.one("room_id", "A record of `/reference/rooms`, of the same branch."),
            topic: fields.one("topic", "What it was about."),
            homework: fields.one("homework", "What to do at home."),
            ..Self::default()
        };
        let marks = draft.attendance.value().map(Vec::as_slice).unwrap_or_default();
        for (at, Object(mark)) in marks.iter().enumerate() {
            if marks[..at].iter().any(|Object(other)| other.student == mark.student) {
                fields.refuse(&format!("attendance/{at}/student_id"), "is there twice");
            }
        }
        draft.check_times(fields);
        fields.read_only("status", "conducting sets it");
        fields.read_only("date", "move the lesson first, with `PATCH /lessons/{id}`");
        fields.read_only("duration_minutes", "say `ends_at`");
        for name in ["branch_id", "lesson_type_id", "subject_id", "student_ids", "group_ids", "note"] {
            fields.read_only(name, "`PATCH /lessons/{id}` is for that");
        }
        draft
    }

    /// An end lies behind the start, and two ways to say it agree.
    fn check_times(&self, fields: &mut Fields) {
        let (Some(from), Some(to)) = (self.starts_at.value(), self.ends_at.value()) else {
            if let (Some(_), Some(_)) = (self.ends_at.value(), self.duration.value()) {
                fields.refuse("duration_minutes", "is said by `ends_at` already; leave one of both out");
            }
            return;
        };
        let length = to.duration_since(*from).round(Unit::Minute).map_or(0, |length| length.as_mins());
        if length <= 0 {
            fields.refuse("ends_at", "does not lie after `starts_at`");
        } else if let Some(Positive(minutes)) = self.duration.value()
            && *minutes != length
        {
            let detail =
                format!("does not agree with `ends_at`, which is {length} minutes after `starts_at`");
            fields.refuse("duration_minutes", detail);
        }
    }
}

impl Part for Mark {
    fn read(fields: &mut Fields) -> Self {
        let mark = Self {
            student: fields.required("student_id", "The participant."),
            attended: fields.required("attended", "Whether the student came."),
            reason: fields.one("reason_id", "Why not; the CRM knows the reasons."),
            charge: fields.one("charge", "What it costs this student; the CRM's price by default."),
            subscription: fields.one("subscription_id", "The subscription that pays."),
            grade: fields.one("grade", "The mark."),
            bonus: fields.one("bonus", "Bonus points given."),
            note: fields.one("note", "Free text."),
        };
        if mark.attended == Change::Set(true) && mark.reason.value().is_some() {
            fields.refuse("reason_id", "says why a student did not come, and `attended` is `true`");
        }
        fields.read_only("reason", "`reason_id` says it");
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told(new: bool, body: Value, read: fn(&mut Fields) -> LessonDraft) -> Vec<String> {
        let given = body.as_object().unwrap().clone();
        let mut fields = if new { Fields::of_new(given) } else { Fields::of_change(given) };
        read(&mut fields);
        let bad = fields.finish(&["id".to_owned()]).err().unwrap_or_default();
        bad.into_iter().map(|bad| bad.pointer).collect()
    }

    #[test]
    fn what_is_said_twice_must_agree() {
        let at = "2026-03-02T17:00:00+03:00";
        for (change, expected) in [
            (json!({}), vec!["/ends_at"]),
            (json!({"duration_minutes": 60}), vec![]),
            (json!({"ends_at": "2026-03-02T18:00:00+03:00"}), vec![]),
            (json!({"ends_at": "2026-03-02T18:00:00+03:00", "duration_minutes": 60}), vec![]),
            // The CRM's own way to part lessons.
            (json!({"ends_at": "2026-03-02T17:59:59+03:00", "duration_minutes": 60}), vec![]),
            (
                json!({"ends_at": "2026-03-02T18:00:00+03:00", "duration_minutes": 45}),
                vec!["/duration_minutes"],
            ),
            (json!({"ends_at": "2026-03-02T17:00:00+03:00"}), vec!["/ends_at"]),
            (json!({"duration_minutes": 60, "date": "2026-03-02"}), vec!["/date"]),
            (json!({"duration_minutes": 60, "status": "CONDUCTED"}), vec!["/status"]),
            (json!({"duration_minutes": 60, "status": "UNKNOWN"}), vec!["/status"]),
            (json!({"duration_minutes": 60, "attendance": []}), vec!["/attendance"]),
        ] {
            let mut body = json!({"starts_at": at, "lesson_type_id": "alfa-2", "subject_id": "alfa-2"});
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            assert_eq!(told(true, body.clone(), LessonDraft::read), expected, "{body}");
        }
        assert_eq!(told(true, json!({}), LessonDraft::read).len(), 4);
    }

    #[test]
    fn a_change_names_what_changes() {
        for (body, expected) in [
            (json!({}), vec![]),
            (json!({"date": "2026-03-02"}), vec![]),
            (json!({"date": "2026-03-02", "starts_at": "2026-03-02T17:00:00+03:00"}), vec!["/date"]),
            (
                json!({"ends_at": "2026-03-02T17:00:00+03:00", "duration_minutes": 60}),
                vec!["/duration_minutes"],
            ),
            (json!({"branch_id": "alfa-1"}), vec!["/branch_id"]),
            (json!({"starts_at": null}), vec!["/starts_at"]),
            (json!({"topic": null, "room_id": null, "student_ids": null}), vec![]),
        ] {
            assert_eq!(told(false, body.clone(), LessonDraft::read), expected, "{body}");
        }
    }

    #[test]
    fn that_a_lesson_took_place_is_never_nothing() {
        let mut fields = Fields::of_change(serde_json::Map::new());
        assert_ne!(LessonDraft::read_conduct(&mut fields), LessonDraft::default());
        let mark = |extra: Value| {
            let mut mark = json!({"student_id": "alfa-101", "attended": true});
            mark.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            mark
        };
        for (marks, expected) in [
            (json!([mark(json!({"grade": "5", "charge": "95.00", "bonus": 3}))]), vec![]),
            (json!([mark(json!({"attended": false, "reason_id": "alfa-1"}))]), vec![]),
            (json!([mark(json!({"reason_id": "alfa-1"}))]), vec!["/attendance/0/reason_id"]),
            (json!([mark(json!({})), mark(json!({}))]), vec!["/attendance/1/student_id"]),
            (json!([{"student_id": "alfa-101"}]), vec!["/attendance/0/attended"]),
            (json!([mark(json!({"charge": 95.0}))]), vec!["/attendance/0/charge"]),
        ] {
            let body = json!({"attendance": marks});
            assert_eq!(told(false, body.clone(), LessonDraft::read_conduct), expected, "{body}");
        }
        assert_eq!(told(false, json!({"status": "CONDUCTED"}), LessonDraft::read_conduct), ["/status"]);
    }
}
