//! A lesson of any status, with its attendance.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::Change;
use super::expand::{Expand, Kin, to, within};
use super::filter::{Between, between, changed_since, chooses_among, fits, narrows};
use super::lesson_draft::LessonDraft;
use super::record::{Touch, newest_first};
use super::reference::Book;
use super::sight::Need;
use super::{Entity, Filter, Moment, Money, Order, Own, Query, Record, RecordId, Rows, Seen};

/// One lesson.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Lesson {
    /// The branch it takes place in.
    #[schema(required)]
    pub branch_id: Option<RecordId>,
    /// Planned, cancelled or conducted.
    pub status: LessonStatus,
    /// Its day.
    #[schema(required)]
    pub date: Option<Date>,
    /// When it starts.
    #[schema(required)]
    pub starts_at: Option<Moment>,
    /// When it ends.
    #[schema(required)]
    pub ends_at: Option<Moment>,
    /// How long it takes, rounded to the minute.
    #[schema(required)]
    pub duration_minutes: Option<i64>,
    /// A record of `/reference/lesson-types`.
    #[schema(required)]
    pub lesson_type_id: Option<RecordId>,
    /// A record of `/reference/subjects`.
    #[schema(required)]
    pub subject_id: Option<RecordId>,
    /// A record of `/reference/rooms`.
    #[schema(required)]
    pub room_id: Option<RecordId>,
    /// The teachers.
    pub teacher_ids: Vec<RecordId>,
    /// The participants.
    pub student_ids: Vec<RecordId>,
    /// The groups it is for.
    pub group_ids: Vec<RecordId>,
    /// The timetable entry it was made from.
    #[schema(required)]
    pub schedule_id: Option<RecordId>,
    /// Whether it is held online, where the CRM tells.
    #[schema(required)]
    pub online: Option<bool>,
    /// What it was about.
    #[schema(required)]
    pub topic: Option<String>,
    /// What to do at home.
    #[schema(required)]
    pub homework: Option<String>,
    /// Free text.
    #[schema(required)]
    pub note: Option<String>,
    /// Who came and what it costs. A planned lesson may hold the expected charges.
    pub attendance: Vec<Attendance>,
}

/// One participant of a lesson.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Attendance {
    /// The participant.
    #[schema(required)]
    pub student_id: Option<RecordId>,
    /// Whether the student came; `null` while the lesson has not taken place.
    #[schema(required)]
    pub attended: Option<bool>,
    /// Why not.
    #[schema(required)]
    pub reason_id: Option<RecordId>,
    /// Why not, in words.
    #[schema(required)]
    pub reason: Option<String>,
    /// What the lesson costs this student.
    #[schema(required)]
    pub charge: Option<Money>,
    /// The subscription that pays.
    #[schema(required)]
    pub subscription_id: Option<RecordId>,
    /// The mark.
    #[schema(required)]
    pub grade: Option<String>,
    /// Bonus points given.
    #[schema(required)]
    pub bonus: Option<i64>,
    /// Free text.
    #[schema(required)]
    pub note: Option<String>,
}

/// What became of a lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LessonStatus {
    /// Will take place.
    Planned,
    /// Will not take place.
    Cancelled,
    /// Took place.
    Conducted,
    /// The CRM said something else; see `raw`.
    Unknown,
}

/// What lists of lessons may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LessonFilter {
    pub statuses: Vec<LessonStatus>,
    pub days: Between<Date>,
    pub student_id: Option<RecordId>,
    pub group_id: Option<RecordId>,
    pub teacher_id: Option<RecordId>,
    pub subject_id: Option<RecordId>,
    pub lesson_type_id: Option<RecordId>,
    pub room_id: Option<RecordId>,
    pub updated_since: Option<Timestamp>,
}

impl Filter<Lesson> for LessonFilter {
    fn read(q: &mut Query) -> Self {
        Self {
            statuses: q.choices("status", "Only lessons of these statuses; all by default."),
            days: between(q, ("from", "On this day or later."), ("to", "On this day or earlier."), None),
            student_id: q.one("student_id", "Lessons of this student."),
            group_id: q.one("group_id", "Lessons of this group."),
            teacher_id: q.one("teacher_id", "Lessons of this teacher."),
            subject_id: q.one("subject_id", "Lessons of this subject."),
            lesson_type_id: q.one("lesson_type_id", "Lessons of this type."),
            room_id: q.one("room_id", "Lessons in this room."),
            updated_since: q.one("updated_since", "Changed at this time or later."),
        }
    }

    fn owner(&self) -> Option<(Kin, RecordId)> {
        self.student_id
            .clone()
            .map(|id| (Kin::Student, id))
            .or_else(|| self.group_id.clone().map(|id| (Kin::Group, id)))
            .or_else(|| self.teacher_id.clone().map(|id| (Kin::Teacher, id)))
    }

    fn narrows(&self, wider: &Self) -> bool {
        // Not by student, as below.
        self.student_id == wider.student_id
            && self.updated_since == wider.updated_since
            && chooses_among(&self.statuses, &wider.statuses)
            && self.days.narrows(&wider.days)
            && narrows(&self.group_id, &wider.group_id)
            && narrows(&self.teacher_id, &wider.teacher_id)
            && narrows(&self.subject_id, &wider.subject_id)
            && narrows(&self.lesson_type_id, &wider.lesson_type_id)
            && narrows(&self.room_id, &wider.room_id)
    }

    fn matches(&self, record: &Record<Lesson>) -> bool {
        let lesson = &record.data;
        let among =
            |wanted: &Option<RecordId>, ids: &[RecordId]| wanted.as_ref().is_none_or(|id| ids.contains(id));
        let student = self.student_id.as_ref().is_none_or(|id| {
            lesson.student_ids.contains(id)
                || lesson.attendance.iter().any(|entry| entry.student_id.as_ref() == Some(id))
        });
        // A planned lesson may not name its participants yet; then only the CRM can tell.
        let unexpanded = lesson.student_ids.is_empty() && lesson.attendance.is_empty();
        (self.statuses.is_empty() || self.statuses.contains(&lesson.status))
            && self.days.admits(lesson.date)
            && (student || unexpanded)
            && among(&self.group_id, &lesson.group_ids)
            && among(&self.teacher_id, &lesson.teacher_ids)
            && fits(&self.subject_id, lesson.subject_id.as_ref())
            && fits(&self.lesson_type_id, lesson.lesson_type_id.as_ref())
            && fits(&self.room_id, lesson.room_id.as_ref())
            && changed_since(self.updated_since, record.updated_at)
    }
}

impl Lesson {
    /// Who takes part; `None` where a planned lesson does not name its participants yet.
    fn students(&self) -> Option<Vec<RecordId>> {
        let attending = self.attendance.iter().filter_map(|entry| entry.student_id.clone());
        let mut students: Vec<RecordId> = self.student_ids.iter().cloned().chain(attending).collect();
        students.sort();
        students.dedup();
        (!students.is_empty()).then_some(students)
    }
}

impl Lesson {
    /// What of it is theirs: that it takes place, what it is about, and their own attendance. A planned lesson may name
    /// nobody yet; then it is theirs by its groups. A note may be about anybody.
    fn seen_by(&self, own: &Own) -> Seen<Self> {
        let theirs = |id: &RecordId| own.has(Kin::Student, id);
        let by_name = self.students().map(|students| students.iter().any(theirs));
        if !by_name.unwrap_or_else(|| self.group_ids.iter().any(|id| own.has(Kin::Group, id))) {
            return Seen::Nothing;
        }
        let mut part = self.clone();
        part.student_ids.retain(theirs);
        part.attendance.retain(|entry| entry.student_id.as_ref().is_some_and(theirs));
        part.group_ids.retain(|id| own.has(Kin::Group, id));
        part.note = None;
        Seen::Part(part)
    }
}

impl Entity for Lesson {
    const RESOURCE: &'static str = "lessons";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("balances", &["attendance", "raw"]),
        ("notes", &["note", "attendance", "custom_fields", "raw"]),
        ("contacts", &["custom_fields", "raw"]),
    ];
    const ROWS: Rows<Self> = Rows {
        needs: |_| &[Need::Groups],
        on: |filter| filter.student_id.as_ref(),
        narrow: |filter, own| {
            let of = |id: &RecordId| LessonFilter { student_id: Some(id.clone()), ..filter.clone() };
            own.students.iter().map(of).collect()
        },
        see: |record, _, own| record.data.seen_by(own),
        ..Rows::CLOSED
    };
    type Filter = LessonFilter;
    type Draft = LessonDraft;
    // Conducting charges the participants and gives them points; any change shows in calendars.
    const TOUCHES: &'static [&'static str] = &["students", "subscriptions", "calendars", "bonus"];
    const EXPANDS: &'static [Expand] = &[
        to("teachers", "teacher_ids", Kin::Teacher),
        to("students", "student_ids", Kin::Student),
        to("groups", "group_ids", Kin::Group),
        to("subject", "subject_id", Kin::Entry(Book::Subjects)),
        to("lesson_type", "lesson_type_id", Kin::Entry(Book::LessonTypes)),
        to("room", "room_id", Kin::Entry(Book::Rooms)),
        to("branch", "branch_id", Kin::Entry(Book::Branches)),
        within("attendance", "student", "student_id", Kin::Student),
    ];

    fn owners(&self) -> Option<Vec<(Kin, RecordId)>> {
        let students = self.students()?;
        let students = students.into_iter().map(|id| (Kin::Student, id));
        let groups = self.group_ids.iter().map(|id| (Kin::Group, id.clone()));
        let teachers = self.teacher_ids.iter().map(|id| (Kin::Teacher, id.clone()));
        Some(students.chain(groups).chain(teachers).collect())
    }

    fn touched(&self) -> Vec<Touch> {
        let (Some(owners), Some(students)) = (self.owners(), self.students()) else {
            return Self::TOUCHES.iter().copied().map(Touch::All).collect();
        };
        let calendars = owners.into_iter().map(|(kin, id)| Touch::Below("calendars", kin, id));
        let students = students.into_iter().flat_map(|id| {
            [
                Touch::Record("students", id.clone()),
                Touch::Below("subscriptions", Kin::Student, id.clone()),
                Touch::Below("bonus", Kin::Student, id),
            ]
        });
        calendars.chain(students).collect()
    }

    fn trail(_: &LessonFilter, draft: &LessonDraft) -> LessonFilter {
        let first = |ids: &Change<Vec<RecordId>>| ids.value().and_then(|ids| ids.first()).cloned();
        // In no zone is it another day than the one before or after.
        let day = draft.date.value().copied();
        let starts_at = draft.starts_at.value().map(|at| TimeZone::UTC.to_datetime(*at).date());
        let day = day.or(starts_at);
        LessonFilter {
            days: Between {
                from: day.and_then(|day| day.yesterday().ok()),
                to: day.and_then(|day| day.tomorrow().ok()),
            },
            student_id: first(&draft.students).filter(|_| first(&draft.groups).is_none()),
            group_id: first(&draft.groups),
            ..LessonFilter::default()
        }
    }

    fn order() -> Order<Self> {
        // Every status is a sequence of its own, each newest day first.
        Order::Merged(|a, b| {
            newest_first(a.data.date, b.data.date)
                .then_with(|| newest_first(a.data.starts_at, b.data.starts_at))
        })
    }

    fn branches(&self) -> Option<&[RecordId]> {
        Some(self.branch_id.as_slice())
    }

    fn title(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    fn day(&self) -> Option<Date> {
        self.date
    }

    fn example() -> Value {
        json!({
            "id": "alfa-5001", "source": "alfacrm", "source_id": "5001", "branch_id": "alfa-1", "status": "CONDUCTED", "date": "2026-02-18",
            "starts_at": "2026-02-18T17:00:00+03:00", "ends_at": "2026-02-18T18:00:00+03:00", "duration_minutes": 60, "lesson_type_id": "alfa-2",
            "subject_id": "alfa-2", "room_id": "alfa-3", "teacher_ids": ["alfa-4"], "student_ids": ["alfa-101", "alfa-102"], "group_ids": ["alfa-12"],
            "schedule_id": "alfa-301", "online": false, "topic": "Present Simple", "homework": "Упр. 4", "note": null,
            "attendance": [{"student_id": "alfa-101", "attended": true, "reason_id": null, "reason": null, "charge": {"amount": "95.00", "currency": "RUB"},
                "subscription_id": "alfa-559", "grade": "5", "bonus": 5, "note": null}],
            "custom_fields": {}, "created_at": "2026-02-01T03:00:10+03:00", "updated_at": "2026-02-18T18:05:12+03:00"
        })
    }
}
