//! The weekly timetable: the model `regular-lesson` (section 9.9 of the reference). Whose slot it is stands in the query
//! alone. Days and times are written, and read where servers are old, in fields that end in `_v`.

use jiff::Unit;
use jiff::civil::{Date, Time};
use serde_json::{Value, json};

use super::filter::{Body, dotted};
use super::form::Form;
use super::model::{Calls, Model, Scene};
use crate::crm::Place;
use crate::crm::wire::{Row, numbers};
use crate::model::Record;
use crate::model::draft::{Positive, Word};
use crate::model::schedule::{Schedule, ScheduleDraft, ScheduleFilter, Weekday};

/// Weekly slots.
pub(super) struct Schedules;

/// The CRM's classes of those who have slots.
const GROUP: &str = "Group";
const STUDENT: &str = "Customer";

/// The CRM's stand-in for "no end" (section 0.2).
const NO_END: Date = jiff::civil::date(2030, 12, 31);

/// The days with the numbers they are written as; Sunday is also read from 0.
const DAYS: [(Weekday, u64); 7] = [
    (Weekday::Monday, 1),
    (Weekday::Tuesday, 2),
    (Weekday::Wednesday, 3),
    (Weekday::Thursday, 4),
    (Weekday::Friday, 5),
    (Weekday::Saturday, 6),
    (Weekday::Sunday, 7),
];

impl Model for Schedules {
    type Record = Schedule;
    const CALLS: Calls = Calls {
        create: Some("regular-lesson/create"),
        update: Some("regular-lesson/update"),
        ..Calls::reads("regular-lesson/index")
    };

    fn ask(filter: &ScheduleFilter, body: &mut Body) {
        let owner = filter.group_id.as_ref().map(|id| (GROUP, id));
        let owner = owner.or_else(|| filter.student_id.as_ref().map(|id| (STUDENT, id)));
        if let Some((class, id)) = owner {
            body.query("related_class", class);
            body.parent("related_id", Some(id));
        }
        body.id("teacher_id", filter.teacher_id.as_ref());
    }

    fn read(row: &Row<'_>, _: &Scene) -> Schedule {
        let class = row.text("related_class");
        let related = |wanted: &str| row.id("related_id").filter(|_| class.as_deref() == Some(wanted));
        if !matches!(class.as_deref(), Some(GROUP | STUDENT)) {
            row.note("related_class");
        }
        Schedule {
            branch_id: row.id("branch_id"),
            group_id: related(GROUP),
            student_id: related(STUDENT),
            lesson_type_id: row.id("lesson_type_id"),
            subject_id: row.id("subject_id"),
            teacher_ids: row.ids("teacher_ids"),
            room_id: row.id("room_id"),
            weekdays: weekdays(row),
            starts_at: clock(row, "time_from_v"),
            ends_at: clock(row, "time_to_v"),
            valid_from: row.day("b_date").or_else(|| row.day("b_date_v")),
            valid_to: row.day("e_date").or_else(|| row.day("e_date_v")),
            public: row.flag("is_public"),
            capacity: row.whole("customer_limit"),
        }
    }

    fn write(
        draft: &ScheduleDraft,
        before: Option<&Record<Schedule>>,
        place: &Place<'_, ScheduleFilter>,
        form: &mut Form,
    ) {
        let known = before.map(|record| (record.data.group_id.as_ref(), record.data.student_id.as_ref()));
        let (group, student) = known.unwrap_or((draft.group.value(), draft.student.value()));
        let (class, name, owner) = match group {
            Some(_) => (GROUP, "group_id", group),
            None => (STUDENT, "student_id", student),
        };
        if let Some(id) = owner {
            form.reference(name, id);
            form.query("related_class", class);
            form.parent("related_id", owner);
        } else {
            form.refuse("", "the CRM does not tell whose slot it is, so it cannot be written");
        }
        if let (None, Some(branch)) = (before, place.branch) {
            form.set("branch_id", "branch_id", branch);
        }
        form.id("lesson_type_id", "lesson_type_id", &draft.lesson_type);
        form.id("subject_id", "subject_id", &draft.subject);
        form.ids("teacher_ids", "teacher_ids", &draft.teachers);
        form.id("room_id", "room_id", &draft.room);
        form.change("days", "weekdays", &draft.weekdays, json!([]), |days| {
            let mut days: Vec<u64> = days.iter().map(|Word(day)| written(*day)).collect();
            days.sort_unstable();
            days.dedup();
            days.into()
        });
        form.clock("time_from_v", "starts_at", &draft.starts_at);
        form.clock("time_to_v", "ends_at", &draft.ends_at);
        form.day("b_date_v", "valid_from", &draft.valid_from);
        form.change("e_date_v", "valid_to", &draft.valid_to, dotted(NO_END).into(), |day| {
            dotted(*day).into()
        });
        form.flag("is_public", "public", &draft.public);
        form.change("customer_limit", "capacity", &draft.capacity, Value::Null, |Positive(most)| {
            (*most).into()
        });
        if before.is_none() {
            form.otherwise("e_date_v", "valid_to", dotted(NO_END));
        }
        // The CRM complains of some fields by other names than those they are sent under.
        for (key, name) in [
            ("related_id", name),
            ("day", "weekdays"),
            ("time_to_v", "ends_at"),
            ("b_date", "valid_from"),
            ("e_date", "valid_to"),
        ] {
            form.also(key, name);
        }
    }
}

/// `days`, or `day` on servers that have no list. 1 to 6 are Monday to Saturday by all accounts, and where Sunday is
/// not 7 it is 0.
fn weekdays(row: &Row<'_>) -> Vec<Weekday> {
    let read = |field: &'static str| {
        let Some(value) = row.value(field) else { return Vec::new() };
        let (found, whole) = numbers(value);
        let mut days: Vec<Weekday> = found.iter().filter_map(|number| weekday(*number)).collect();
        if !whole || days.len() < found.len() {
            row.note(field);
        }
        days.sort_unstable();
        days.dedup();
        days
    };
    let days = read("days");
    if days.is_empty() { read("day") } else { days }
}

fn weekday(number: u64) -> Option<Weekday> {
    let number = if number == 0 { 7 } else { number };
    DAYS.iter().find(|(_, known)| *known == number).map(|(day, _)| *day)
}

fn written(day: Weekday) -> u64 {
    DAYS.iter().find(|(known, _)| *known == day).map_or(0, |(_, number)| *number)
}

/// `hh:mm` or `hh:mm:ss`, as `hh:mm`: the seconds part back-to-back lessons and mean nothing else.
fn clock(row: &Row<'_>, field: &'static str) -> Option<String> {
    let text = row.text(field)?;
    let time = minute(text.trim());
    if time.is_none() {
        row.note(field);
    }
    time.map(super::form::clock)
}

fn minute(text: &str) -> Option<Time> {
    let plain =
        (5..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let time: Time = text.parse().ok().filter(|_| plain)?;
    // The last second of a day belongs to the day.
    let rounded = time.round(Unit::Minute).ok()?;
    Some(if rounded < time && time.second() >= 30 { Time::constant(23, 59, 0, 0) } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::wire::Dialect;
    use crate::model::Source;

    #[test]
    fn days_are_read_in_every_numbering_but_one() {
        let dialect = Dialect { crm: Source::AlfaCrm, zone: jiff::tz::TimeZone::UTC, currency: None };
        for (row, expected, drift) in [
            (json!({"days": [3], "day": 3}), vec![Weekday::Wednesday], false),
            (json!({"days": ["5", 1, 1]}), vec![Weekday::Monday, Weekday::Friday], false),
            (json!({"days": [0, 6]}), vec![Weekday::Saturday, Weekday::Sunday], false),
            (json!({"days": [7, 0]}), vec![Weekday::Sunday], false),
            (json!({"day": 2}), vec![Weekday::Tuesday], false),
            (json!({"days": [], "day": 0}), vec![Weekday::Sunday], false),
            (json!({"days": [8, 1]}), vec![Weekday::Monday], true),
            (json!({}), vec![], false),
        ] {
            let map = row.as_object().unwrap();
            let read = Row::new(map, &dialect);
            assert_eq!(weekdays(&read), expected, "{row}");
            assert_eq!(!read.drift().is_empty(), drift, "{row}");
        }
        for (day, number) in DAYS {
            assert_eq!(weekday(written(day)), Some(day));
            assert_eq!(written(day), number);
        }
    }

    #[test]
    fn times_of_day_are_whole_minutes() {
        for (text, expected) in [
            ("17:00", Some("17:00")),
            ("12:59:59", Some("13:00")),
            ("12:30:01", Some("12:30")),
            ("23:59:59", Some("23:59")),
            ("00:00:00", Some("00:00")),
            ("24:00", None),
            ("soon", None),
            ("2026-02-25", None),
        ] {
            assert_eq!(minute(text).map(super::super::form::clock).as_deref(), expected, "{text}");
        }
    }
}
