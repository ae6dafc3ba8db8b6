//! The weekly timetable. Whose slot it is comes from the query alone. Lessons of the coming weeks are made from it;
//! further ahead there is only the slot.

use std::collections::BTreeSet;

use jiff::ToSpan;
use serde_json::{Map, Value, json};

use super::attendance;
use super::lesson::{LESSON, PLANNED};
use crate::sandbox::alfa::accounts;
use crate::sandbox::alfa::call::Call;
use crate::sandbox::alfa::cell::Cell;
use crate::sandbox::alfa::dates;
use crate::sandbox::alfa::desk::Desk;
use crate::sandbox::alfa::errors::{Errors, Fault};
use crate::sandbox::alfa::list::Test;
use crate::sandbox::alfa::row::Row;
use crate::sandbox::alfa::schema::{How, Kind, Link, Model, Order, Spec, Writes, column, filter};
use crate::sandbox::alfa::switches::RegularDay;

/// `group_id` and `customer_id` in the body do nothing.
pub(crate) static REGULAR_LESSON: Spec = Spec {
    model: Model::RegularLesson,
    name: "regular-lesson",
    entity: "RegularLesson",
    columns: &[
        column("branch_id", Kind::Int).label("Филиал", "Branch"),
        column("lesson_type_id", Kind::Int).label("Тип урока", "Lesson type"),
        column("related_class", Kind::Text).fixed(),
        column("related_id", Kind::Int).fixed(),
        column("subject_id", Kind::Int).label("Предмет", "Subject"),
        column("streaming", Kind::Bool),
        column("teacher_ids", Kind::Ints).label("Педагоги", "Teachers"),
        column("room_id", Kind::Int).label("Аудитория", "Room"),
        column("day", Kind::Int).label("День недели", "Day of week").fixed(),
        column("days", Kind::Ints).label("День недели", "Day of week"),
        column("time_from_v", Kind::Clock).label("Время начала", "Start time"),
        column("time_to_v", Kind::Clock).label("Время окончания", "End time"),
        column("b_date_v", Kind::DateRu).label("Начало периода", "Start date"),
        column("e_date_v", Kind::DateRu).label("Конец периода", "End date"),
        column("b_date", Kind::DateIso).label("Начало периода", "Start date").fixed(),
        column("e_date", Kind::DateIso).label("Конец периода", "End date").fixed(),
        column("is_public", Kind::Flag).start(0),
        column("customer_limit", Kind::Int),
    ],
    filters: &[filter("teacher_id", "teacher_ids", How::Holds)],
    order: Order::Id,
    link: Link::One,
    required: &[
        "branch_id",
        "lesson_type_id",
        "subject_id",
        "days",
        "time_from_v",
        "time_to_v",
        "b_date_v",
        "e_date_v",
    ],
    writes: Writes::CreateUpdate,
};

pub(in crate::sandbox::alfa) fn tests(call: &Call) -> Vec<Test<'_>> {
    let mut tests: Vec<Test<'_>> = Vec::new();
    if let Some(class) = call.query("related_class") {
        tests.push(Box::new(move |row| row.text("related_class") == class));
    }
    if let Some(id) = call.query_id("related_id") {
        tests.push(Box::new(move |row| row.key("related_id") == Some(id)));
    }
    tests
}

/// Sunday as the switch numbers it.
pub(in crate::sandbox::alfa) fn present(desk: &Desk<'_>, item: &mut Map<String, Value>) {
    if desk.switches.regular_day == RegularDay::SundayZero {
        let turn = |value: &Value| {
            if value.as_i64() == Some(7) { json!(0) } else { value.clone() }
        };
        if let Some(day) = item.get_mut("day") {
            *day = turn(day);
        }
        if let Some(Value::Array(days)) = item.get_mut("days") {
            *days = days.iter().map(turn).collect();
        }
    }
}

pub(in crate::sandbox::alfa) fn check(desk: &Desk<'_>, call: &Call, row: &mut Row, errors: &mut Errors) {
    // Plain `b_date` and `e_date` are what everybody tries first; the CRM answers with the label of the real field.
    for column in ["b_date", "e_date"] {
        if call.body.contains_key(column) {
            errors.at(row, column, Fault::Format);
        }
    }
    let class = call.query("related_class").unwrap_or_default().to_owned();
    row.set("related_class", class.clone().into());
    row.set("related_id", call.query_id("related_id").into());
    match class.as_str() {
        "Group" => errors.must_exist(desk, row, "related_id", Model::Group),
        "Customer" => errors.must_exist(desk, row, "related_id", Model::Customer),
        _ => errors.at(row, "related_class", Fault::Unknown),
    }
    // Inside, Sunday is always 7.
    let days: Vec<u64> = row.ints("days").iter().map(|day| if *day == 0 { 7 } else { *day }).collect();
    if days.iter().any(|day| *day > 7) {
        errors.at(row, "days", Fault::Unknown);
    }
    row.set("day", days.first().copied().into());
    row.set("days", days.into());
    for (shown, plain) in [("b_date_v", "b_date"), ("e_date_v", "e_date")] {
        row.set(plain, row.cell(shown).clone());
    }
    errors.period(row);
    if let (Cell::Text(from), Cell::Text(to)) = (row.cell("time_from_v"), row.cell("time_to_v"))
        && !from.is_empty()
        && !to.is_empty()
        && to <= from
    {
        errors.at(row, "time_to_v", Fault::Period);
    }
    errors.must_exist(desk, row, "branch_id", Model::Branch);
    errors.must_exist(desk, row, "subject_id", Model::Subject);
    errors.must_exist(desk, row, "lesson_type_id", Model::LessonType);
    errors.must_all_exist(desk, row, "teacher_ids", Model::Teacher);
    super::lesson::check_room(desk, row, errors);
}

/// How many days ahead lessons exist.
const DAYS_AHEAD: i64 = 21;

/// Makes the planned lessons of the coming weeks from a saved slot, in place of those made from it before.
pub(in crate::sandbox::alfa) fn plan(desk: &mut Desk<'_>, slot: &Row) {
    let today = desk.now.date();
    let mut touched = BTreeSet::new();
    let outdated: Vec<u64> = desk
        .store
        .table(Model::Lesson)
        .iter()
        .take_while(|row| row.date("date") >= Some(today))
        .filter(|row| row.key("regular_id") == Some(slot.id) && row.int("status") == Some(PLANNED))
        .map(|row| row.id)
        .collect();
    for id in outdated {
        if let Some(row) = desk.store.table_mut(Model::Lesson).remove(id) {
            touched.extend(row.ints("customer_ids"));
        }
    }
    let clock = |column: &str| dates::parse_time(slot.text(column)).unwrap_or_default();
    let (from, to) = (clock("time_from_v"), clock("time_to_v"));
    for ahead in 0..=DAYS_AHEAD {
        let Ok(day) = today.checked_add(ahead.days()) else {
            break;
        };
        let weekday = u64::try_from(day.weekday().to_monday_one_offset()).unwrap_or(0);
        let runs = slot.date("b_date") <= Some(day) && slot.date("e_date").is_none_or(|end| day <= end);
        if !runs || !slot.ints("days").contains(&weekday) || day.to_datetime(from) < desk.now {
            continue;
        }
        let mut row = Row::blank(&LESSON)
            .with("regular_id", slot.id)
            .with("date", day)
            .with("time_from", day.to_datetime(from))
            .with("time_to", day.to_datetime(to))
            .with("created_at", desk.now)
            .with("updated_at", desk.now);
        for column in ["branch_id", "lesson_type_id", "subject_id", "room_id", "teacher_ids"] {
            row.set(column, slot.cell(column).clone());
        }
        let owner = if slot.text("related_class") == "Group" { "group_ids" } else { "customer_ids" };
        row.set(owner, slot.key("related_id").into_iter().collect::<Vec<u64>>().into());
        attendance::join_members(desk, &mut row);
        attendance::attend(desk, &Call::default(), None, &mut row);
        touched.extend(row.ints("customer_ids"));
        desk.store.table_mut(Model::Lesson).insert(row);
    }
    accounts::refresh(desk.store, desk.now, Some(&touched));
}
