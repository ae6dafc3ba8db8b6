//! Lessons: a list holds conducted ones unless another status is asked for, also when it asks by id.

use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, ToSpan};
use serde_json::{Map, Value, json};

use super::attendance;
use crate::sandbox::alfa::call::Call;
use crate::sandbox::alfa::cell::{Cell, int};
use crate::sandbox::alfa::dates;
use crate::sandbox::alfa::desk::Desk;
use crate::sandbox::alfa::errors::{Errors, Fault};
use crate::sandbox::alfa::filter;
use crate::sandbox::alfa::list::Test;
use crate::sandbox::alfa::row::Row;
use crate::sandbox::alfa::schema::{
    Column, DateFormat, How, Kind, Link, Model, Order, Spec, Writes, column, filter,
};
use crate::sandbox::alfa::switches::LessonDetails;

pub(in crate::sandbox::alfa) const PLANNED: i64 = 1;
pub(in crate::sandbox::alfa) const CONDUCTED: i64 = 3;
/// The lesson type of a trial.
pub(in crate::sandbox::alfa) const TRIAL: i64 = 3;

pub(crate) static LESSON: Spec = Spec {
    model: Model::Lesson,
    name: "lesson",
    entity: "Lesson",
    columns: &[
        column("branch_id", Kind::Int).label("Филиал", "Branch"),
        column("regular_id", Kind::Int).fixed(),
        column("date", Kind::DateIso).fixed(),
        column("time_from", Kind::Stamp).fixed(),
        column("time_to", Kind::Stamp).fixed(),
        column("lesson_type_id", Kind::Int).label("Тип урока", "Lesson type"),
        // Computed whenever the row is shown.
        column("lesson_type_name", Kind::Text).fixed(),
        column("status", Kind::Int).label("Статус", "Status").start(PLANNED),
        column("subject_id", Kind::Int).label("Предмет", "Subject"),
        column("room_id", Kind::Int).label("Аудитория", "Room"),
        column("teacher_ids", Kind::Ints).label("Педагоги", "Teachers"),
        column("customer_ids", Kind::Ints).label("Клиенты", "Customers"),
        column("group_ids", Kind::Ints).label("Группы", "Groups"),
        column("streaming", Kind::Bool),
        column("note", Kind::Text).label("Примечание", "Note"),
        column("topic", Kind::Text).label("Тема", "Topic"),
        column("homework", Kind::Text).label("Домашнее задание", "Homework"),
        column("created_at", Kind::Stamp).fixed(),
        column("updated_at", Kind::Stamp).fixed(),
        column("details", Kind::Details).fixed(),
    ],
    filters: &[
        filter("date_from", "date", How::Since(DateFormat::Either)),
        filter("date_to", "date", How::Until(DateFormat::Either)),
        filter("customer_id", "customer_ids", How::Holds),
        filter("group_id", "group_ids", How::Holds),
        filter("teacher_id", "teacher_ids", How::Holds),
        filter("subject_id", "subject_id", How::Is),
        filter("lesson_type_id", "lesson_type_id", How::Is),
        filter("room_ids", "room_id", How::Is),
        filter("updated_at_from", "updated_at", How::Since(DateFormat::Ru)),
        filter("updated_at_to", "updated_at", How::Until(DateFormat::Ru)),
    ],
    order: Order::Newest("time_from"),
    link: Link::One,
    required: &["lesson_type_id", "subject_id"],
    writes: Writes::CreateUpdate,
};

/// What a write calls date and times; the rows have other names or formats for them.
static LESSON_DATE: Column = column("lesson_date", Kind::DateIso).label("Дата", "Date");
static TIME_FROM: Column = column("time_from", Kind::Clock).label("Время начала", "Start time");
static TIME_TO: Column = column("time_to", Kind::Clock).label("Время окончания", "End time");
static DURATION: Column = column("duration", Kind::Int).label("Длительность", "Duration");

/// One status at a time, conducted by default; rooms by their location.
pub(in crate::sandbox::alfa) fn tests<'a>(desk: &'a Desk<'_>, call: &Call) -> Vec<Test<'a>> {
    let status = call.body_int("status").unwrap_or(CONDUCTED);
    let at = LESSON.at("status");
    let mut tests: Vec<Test<'a>> = vec![Box::new(move |row| row.cells[at].number() == Some(status))];
    if let Some(locations) = call.body.get("location_ids").and_then(filter::numbers)
        && !locations.is_empty()
    {
        tests.push(Box::new(move |row| {
            row.key("room_id")
                .and_then(|room| desk.store.get(Model::Room, room))
                .and_then(|room| room.int("location_id"))
                .is_some_and(|location| locations.contains(&location))
        }));
    }
    tests
}

pub(in crate::sandbox::alfa) fn present(
    desk: &Desk<'_>,
    call: &Call,
    row: &Row,
    item: &mut Map<String, Value>,
) {
    let kind = row.key("lesson_type_id").unwrap_or(0);
    item.insert("lesson_type_name".to_owned(), json!(desk.store.name(Model::LessonType, kind)));
    let shown = match desk.switches.lesson_details {
        LessonDetails::Always => matches!(row.int("status"), Some(PLANNED | CONDUCTED)),
        LessonDetails::WithCustomer => call.body.contains_key("customer_id"),
    };
    if !shown {
        item.insert("details".to_owned(), json!([]));
    }
}

/// Works out date, times, participants and attendance of a lesson that is about to be saved. `old` is what it was.
pub(in crate::sandbox::alfa) fn check(
    desk: &mut Desk<'_>,
    call: &Call,
    old: Option<&Row>,
    row: &mut Row,
    errors: &mut Errors,
) {
    if row.cell("branch_id").is_empty() {
        row.set("branch_id", call.branch.into());
    }
    if row.cell("branch_id").is_empty() {
        errors.at(row, "branch_id", Fault::Blank);
    }
    if !call.body.contains_key("room_id")
        && let Some(rooms) = call.body.get("room_ids").and_then(filter::numbers)
    {
        row.set("room_id", rooms.first().copied().map_or(Cell::Null, Cell::Int));
    }
    times(call, row, errors);
    errors.must_exist(desk, row, "branch_id", Model::Branch);
    errors.must_exist(desk, row, "lesson_type_id", Model::LessonType);
    errors.must_exist(desk, row, "subject_id", Model::Subject);
    errors.must_all_exist(desk, row, "teacher_ids", Model::Teacher);
    errors.must_all_exist(desk, row, "customer_ids", Model::Customer);
    errors.must_all_exist(desk, row, "group_ids", Model::Group);
    check_room(desk, row, errors);
    if !matches!(row.int("status"), Some(1..=3)) {
        errors.at(row, "status", Fault::Unknown);
    }
    if old.is_none_or(|old| old.ints("group_ids") != row.ints("group_ids")) {
        attendance::join_members(desk, row);
    }
    attendance::attend(desk, call, old, row);
}

/// A room of another branch is no room.
pub(in crate::sandbox::alfa) fn check_room(desk: &Desk<'_>, row: &Row, errors: &mut Errors) {
    errors.must_exist(desk, row, "room_id", Model::Room);
    let room = row.key("room_id").and_then(|room| desk.store.get(Model::Room, room));
    if room.is_some_and(|room| room.int("branch_id") != row.int("branch_id")) {
        errors.at(row, "room_id", Fault::Unknown);
    }
}

/// `lesson_date` with `time_from` and either `time_to` or `duration`; what is not sent stays.
fn times(call: &Call, row: &mut Row, errors: &mut Errors) {
    let mut date = row.date("date");
    match call.body.get("lesson_date").and_then(Value::as_str) {
        Some("") => errors.add(&LESSON_DATE, Fault::Blank),
        Some(text) => match dates::parse_ru(text) {
            Some(day) => date = Some(day),
            None => errors.add(&LESSON_DATE, Fault::Format),
        },
        None if date.is_none() => errors.add(&LESSON_DATE, Fault::Blank),
        None => {}
    }
    let mut clock = |column: &'static Column| -> Option<Time> {
        let text = call.body.get(column.name)?.as_str().unwrap_or_default();
        // A row's own `time_from` sent back is taken for its time.
        let time = dates::parse_time(text).or_else(|| dates::parse_stamp(text).map(DateTime::time));
        if time.is_none() {
            errors.add(column, Fault::Format);
        }
        time
    };
    let (from, to) = (clock(&TIME_FROM), clock(&TIME_TO));
    let (old_from, old_to) = (row.stamp("time_from"), row.stamp("time_to"));
    let Some(from) = from.or(old_from.map(DateTime::time)) else {
        errors.add(&TIME_FROM, Fault::Blank);
        return;
    };
    let Some(date) = date else { return };
    let start = date.to_datetime(from);
    let minutes = match call.body.get("duration") {
        None => None,
        Some(value) => match int(value).filter(|minutes| (1..=1440).contains(minutes)) {
            Some(minutes) => Some(minutes),
            None => {
                errors.add(&DURATION, Fault::Format);
                None
            }
        },
    };
    let length = match (old_from, old_to) {
        (Some(from), Some(to)) => to.duration_since(from),
        _ => SignedDuration::from_mins(60),
    };
    let end = match (to, minutes) {
        (Some(to), _) => date.to_datetime(to),
        (None, Some(minutes)) => start.checked_add(minutes.minutes()).unwrap_or(start),
        (None, None) => start.checked_add(length).unwrap_or(start),
    };
    if end <= start {
        errors.add(&TIME_TO, Fault::Period);
    }
    row.set("date", date.into());
    row.set("time_from", start.into());
    row.set("time_to", end.into());
}

/// `calendar/customer`, `calendar/group`, `calendar/teacher`: lessons of all statuses between two days as a bare list.
pub(in crate::sandbox::alfa) fn calendar(
    desk: &Desk<'_>,
    call: &Call,
    id: u64,
    date1: &str,
    date2: &str,
) -> Value {
    let day = |text: &str| dates::parse_iso(text).or_else(|| dates::parse_ru(text));
    let (Some(from), Some(to)) = (day(date1), day(date2)) else {
        return json!([]);
    };
    let column = match call.action.as_str() {
        "customer" => "customer_ids",
        "group" => "group_ids",
        _ => "teacher_ids",
    };
    desk.store
        .table(Model::Lesson)
        .iter()
        .rev()
        .filter(|row| {
            row.ints(column).contains(&id)
                && row.date("date").is_some_and(|day| day >= from && day <= to)
                && desk.linked(row, call.branch)
        })
        .map(|row| {
            let (from, to) = (row.stamp("time_from"), row.stamp("time_to"));
            let minutes =
                from.zip(to).map(|(from, to)| ((to.duration_since(from).as_secs() + 30) / 60).to_string());
            json!({
                "id": row.id,
                "type": row.int("lesson_type_id"),
                "status": row.int("status"),
                "start": from.map(dates::stamp),
                "subject_id": row.int("subject_id"),
                "duration": minutes,
            })
        })
        .collect()
}
