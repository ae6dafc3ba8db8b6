//! A slot of the weekly timetable, of a group or of one student.

use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::{Change, Draft, Fields, Positive, Word, listed};
use super::expand::{Expand, Kin, to};
use super::filter::{fits, narrows};
use super::reference::Book;
use super::sight::Need;
use super::{Entity, Filter, Order, Query, Record, RecordId, Rows, Seen};

/// A weekly slot. The CRM makes the lessons of the coming weeks from it; further ahead there is only the slot.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Schedule {
    /// The branch it is in.
    #[schema(required)]
    pub branch_id: Option<RecordId>,
    /// The group it is of; `null` when it is a student's.
    #[schema(required)]
    pub group_id: Option<RecordId>,
    /// The student it is of; `null` when it is a group's.
    #[schema(required)]
    pub student_id: Option<RecordId>,
    /// A record of `/reference/lesson-types`.
    #[schema(required)]
    pub lesson_type_id: Option<RecordId>,
    /// A record of `/reference/subjects`.
    #[schema(required)]
    pub subject_id: Option<RecordId>,
    /// The teachers.
    pub teacher_ids: Vec<RecordId>,
    /// A record of `/reference/rooms`.
    #[schema(required)]
    pub room_id: Option<RecordId>,
    /// The days of the week, from Monday on.
    pub weekdays: Vec<Weekday>,
    /// When its lessons start, `HH:MM` in the CRM's zone.
    #[schema(required, example = "17:00")]
    pub starts_at: Option<String>,
    /// When its lessons end, `HH:MM` in the CRM's zone.
    #[schema(required, example = "18:00")]
    pub ends_at: Option<String>,
    /// Its first day.
    #[schema(required)]
    pub valid_from: Option<Date>,
    /// Its last day; `null` when it has no end.
    #[schema(required)]
    pub valid_to: Option<Date>,
    /// Whether the public sees it.
    #[schema(required)]
    pub public: Option<bool>,
    /// How many may take part; `null` when nothing limits it.
    #[schema(required)]
    pub capacity: Option<i64>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Weekday {
    /// The first one.
    Monday,
    /// The second one.
    Tuesday,
    /// The third one.
    Wednesday,
    /// The fourth one.
    Thursday,
    /// The fifth one.
    Friday,
    /// The sixth one.
    Saturday,
    /// The seventh one.
    Sunday,
}

/// What lists of schedules may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScheduleFilter {
    pub group_id: Option<RecordId>,
    pub student_id: Option<RecordId>,
    pub teacher_id: Option<RecordId>,
}

impl Filter<Schedule> for ScheduleFilter {
    fn read(q: &mut Query) -> Self {
        let filter = Self {
            group_id: q.one("group_id", "Slots of this group."),
            student_id: q.one("student_id", "Slots of this student alone; those of its groups are theirs."),
            teacher_id: q.one("teacher_id", "Slots of this teacher."),
        };
        if filter.group_id.is_some() && filter.student_id.is_some() {
            q.refuse("student_id", "cannot be asked for together with `group_id`: a slot is of one of them");
        }
        filter
    }

    fn owner(&self) -> Option<(Kin, RecordId)> {
        self.student_id
            .clone()
            .map(|id| (Kin::Student, id))
            .or_else(|| self.group_id.clone().map(|id| (Kin::Group, id)))
            .or_else(|| self.teacher_id.clone().map(|id| (Kin::Teacher, id)))
    }

    fn narrows(&self, wider: &Self) -> bool {
        narrows(&self.group_id, &wider.group_id)
            && narrows(&self.student_id, &wider.student_id)
            && narrows(&self.teacher_id, &wider.teacher_id)
    }

    fn matches(&self, record: &Record<Schedule>) -> bool {
        let slot = &record.data;
        fits(&self.group_id, slot.group_id.as_ref())
            && fits(&self.student_id, slot.student_id.as_ref())
            && self.teacher_id.as_ref().is_none_or(|id| slot.teacher_ids.contains(id))
    }
}

/// What can be written of a schedule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScheduleDraft {
    pub branch: Change<RecordId>,
    pub group: Change<RecordId>,
    pub student: Change<RecordId>,
    pub lesson_type: Change<RecordId>,
    pub subject: Change<RecordId>,
    pub teachers: Change<Vec<RecordId>>,
    pub room: Change<RecordId>,
    pub weekdays: Change<Vec<Word<Weekday>>>,
    pub starts_at: Change<Time>,
    pub ends_at: Change<Time>,
    pub valid_from: Change<Date>,
    pub valid_to: Change<Date>,
    pub public: Change<bool>,
    pub capacity: Change<Positive>,
}

impl Draft for ScheduleDraft {
    fn read(fields: &mut Fields) -> Self {
        let draft = Self {
            group: fields.fixed("group_id", "The group it is of; or say `student_id`."),
            student: fields.fixed("student_id", "The student it is of; or say `group_id`."),
            branch: fields.branch("Its branch; the student's by default, or the only one there is."),
            lesson_type: fields.required("lesson_type_id", "A record of `/reference/lesson-types`."),
            subject: fields.required("subject_id", "A record of `/reference/subjects`."),
            teachers: fields.one("teacher_ids", "The teachers, all of them."),
            room: fields.one("room_id", "A record of `/reference/rooms`, of the same branch."),
            weekdays: fields.required("weekdays", "The days of the week, all of them."),
            starts_at: fields.required("starts_at", "When its lessons start, in the CRM's zone."),
            ends_at: fields.required("ends_at", "When its lessons end, in the CRM's zone."),
            valid_from: fields.required("valid_from", "Its first day."),
            valid_to: fields.one("valid_to", "Its last day; no end by default."),
            public: fields.always("public", "Whether the public sees it."),
            capacity: fields.one("capacity", "How many may take part."),
        };
        draft.check(fields);
        fields.read_only("custom_fields", "set them in the CRM");
        draft
    }

    fn branches(&self) -> &[RecordId] {
        self.branch.value().map(std::slice::from_ref).unwrap_or_default()
    }

    fn student(&self) -> Option<&RecordId> {
        self.student.value()
    }

    fn refers(&self) -> Vec<(Kin, &'static str, &RecordId)> {
        let group = self.group.value().map(|group| (Kin::Group, "/group_id", group));
        let student = self.student.value().map(|student| (Kin::Student, "/student_id", student));
        let teachers = listed(Kin::Teacher, "/teacher_ids", &self.teachers);
        group.into_iter().chain(student).chain(teachers).collect()
    }

    fn branch_field(&self) -> Option<&'static str> {
        Some("/branch_id")
    }
}

impl ScheduleDraft {
    fn check(&self, fields: &mut Fields) {
        match (self.group.value(), self.student.value()) {
            (None, None) if fields.creating() && self.group.is_keep() && self.student.is_keep() => {
                fields.refuse(
                    "group_id",
                    "is missing; a slot is of a group, or of the student in `student_id`",
                );
            }
            (Some(_), Some(_)) => {
                fields.refuse("student_id", "cannot stand beside `group_id`: a slot is of one of them");
            }
            _ => {}
        }
        fields.never_empty("weekdays", &self.weekdays, "a slot is on some day");
        if let (Some(from), Some(to)) = (self.starts_at.value(), self.ends_at.value())
            && to <= from
        {
            fields.refuse("ends_at", "does not lie after `starts_at`");
        }
        if let (Some(from), Some(to)) = (self.valid_from.value(), self.valid_to.value())
            && to <= from
        {
            fields.refuse("valid_to", "does not lie after `valid_from`");
        }
    }
}

impl Entity for Schedule {
    const RESOURCE: &'static str = "schedules";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("notes", &["custom_fields", "raw"]),
        ("contacts", &["custom_fields", "raw"]),
        ("balances", &["raw"]),
    ];
    // What is open to new participants of a group that is not theirs stays unseen as well.
    const ROWS: Rows<Self> = Rows {
        needs: |filter| if filter.student_id.is_some() { &[] } else { &[Need::Groups] },
        on: |filter| filter.student_id.as_ref(),
        narrow: |filter, own| {
            if let Some(group) = &filter.group_id {
                return if own.has(Kin::Group, group) { vec![filter.clone()] } else { Vec::new() };
            }
            let of_student =
                |id: &RecordId| ScheduleFilter { student_id: Some(id.clone()), ..filter.clone() };
            let of_group = |id: &RecordId| ScheduleFilter { group_id: Some(id.clone()), ..filter.clone() };
            own.students.iter().map(of_student).chain(own.groups.iter().map(of_group)).collect()
        },
        see: |record, _, own| match &record.data.group_id {
            // The others of the group have it too, so it is not theirs to change.
            Some(group) if own.has(Kin::Group, group) => Seen::Part(record.data.clone()),
            Some(_) => Seen::Nothing,
            None => own.all_if(Kin::Student, record.data.student_id.as_ref()),
        },
        made_for_one: true,
        ..Rows::CLOSED
    };
    type Filter = ScheduleFilter;
    type Draft = ScheduleDraft;
    // The planned lessons of the coming weeks are made anew.
    const TOUCHES: &'static [&'static str] = &["lessons", "calendars", "students"];
    const EXPANDS: &'static [Expand] = &[
        to("group", "group_id", Kin::Group),
        to("student", "student_id", Kin::Student),
        to("subject", "subject_id", Kin::Entry(Book::Subjects)),
        to("lesson_type", "lesson_type_id", Kin::Entry(Book::LessonTypes)),
        to("teachers", "teacher_ids", Kin::Teacher),
        to("room", "room_id", Kin::Entry(Book::Rooms)),
        to("branch", "branch_id", Kin::Entry(Book::Branches)),
    ];

    fn owners(&self) -> Option<Vec<(Kin, RecordId)>> {
        let student = self.student_id.iter().map(|id| (Kin::Student, id.clone()));
        let group = self.group_id.iter().map(|id| (Kin::Group, id.clone()));
        let teachers = self.teacher_ids.iter().map(|id| (Kin::Teacher, id.clone()));
        Some(student.chain(group).chain(teachers).collect())
    }

    fn trail(_: &ScheduleFilter, draft: &ScheduleDraft) -> ScheduleFilter {
        let (group_id, student_id) = (draft.group.value().cloned(), draft.student.value().cloned());
        ScheduleFilter { group_id, student_id, teacher_id: None }
    }

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn branches(&self) -> Option<&[RecordId]> {
        Some(self.branch_id.as_slice())
    }

    fn example() -> Value {
        json!({
            "id": "alfa-301", "source": "alfacrm", "source_id": "301", "branch_id": "alfa-1", "group_id": "alfa-12", "student_id": null,
            "lesson_type_id": "alfa-2", "subject_id": "alfa-2", "teacher_ids": ["alfa-4"], "room_id": "alfa-3", "weekdays": ["WEDNESDAY"],
            "starts_at": "17:00", "ends_at": "18:00", "valid_from": "2025-09-01", "valid_to": "2026-05-31", "public": false, "capacity": null,
            "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}
