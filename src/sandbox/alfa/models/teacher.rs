//! Teachers, what they earn per lesson and when they work.

use super::customer;
use crate::sandbox::alfa::call::Call;
use crate::sandbox::alfa::cell::Cell;
use crate::sandbox::alfa::dates::SENTINEL;
use crate::sandbox::alfa::desk::Desk;
use crate::sandbox::alfa::errors::Errors;
use crate::sandbox::alfa::filter;
use crate::sandbox::alfa::list::Test;
use crate::sandbox::alfa::row::Row;
use crate::sandbox::alfa::schema::{How, Kind, Link, Model, Order, Spec, Writes, column, filter};

pub(crate) static TEACHER: Spec = Spec {
    model: Model::Teacher,
    name: "teacher",
    entity: "Teacher",
    columns: &[
        column("branch_ids", Kind::Ints).label("Филиалы", "Branches"),
        column("name", Kind::Text).label("ФИО", "Name").max(50),
        column("dob", Kind::DateRu).label("Дата рождения", "Date of birth"),
        column("gender", Kind::Int).label("Пол", "Gender").start(0),
        column("streaming_id", Kind::Int),
        column("note", Kind::Text).label("Примечание", "Note"),
        column("e_date", Kind::DateIso).fixed(),
        column("avatarUrl", Kind::TextOrNull).fixed(),
        column("phone", Kind::Texts).label("Телефон", "Phone"),
        column("email", Kind::Texts).label("E-mail", "E-mail"),
        column("web", Kind::Texts).label("Сайт", "Web"),
        column("addr", Kind::Texts).label("Адрес", "Address"),
        column("teacher-to-skill", Kind::Json).fixed(),
    ],
    filters: &[filter("name", "name", How::Contains)],
    order: Order::Name,
    link: Link::Many,
    required: &["name", "branch_ids"],
    writes: Writes::CreateUpdate,
};

/// Listed by `teacher/teacher-rate`.
pub(crate) static TEACHER_RATE: Spec = Spec {
    model: Model::TeacherRate,
    name: "teacher-rate",
    entity: "TeacherRate",
    columns: &[
        column("teacher_id", Kind::Int),
        column("lesson_type_ids", Kind::Ints),
        column("subject_ids", Kind::Ints),
        column("rate", Kind::Money),
        column("b_date", Kind::DateRu),
        column("e_date", Kind::DateRu),
    ],
    filters: &[filter("teacher_id", "teacher_id", How::Is)],
    order: Order::Id,
    link: Link::Everywhere,
    required: &[],
    writes: Writes::None,
};

/// Listed by `teacher/working-hour`. `weekday` 1 is Sunday here, unlike in the timetable.
pub(crate) static WORKING_HOUR: Spec = Spec {
    model: Model::WorkingHour,
    name: "working-hour",
    entity: "WorkingHour",
    columns: &[
        column("teacher_id", Kind::Int),
        column("weekday", Kind::Int),
        column("time_from", Kind::Clock),
        column("time_to", Kind::Clock),
    ],
    filters: &[filter("teacher_id", "teacher_id", How::Is)],
    order: Order::Id,
    link: Link::Everywhere,
    required: &[],
    writes: Writes::None,
};

/// Working teachers unless asked, and by phone digits.
pub(in crate::sandbox::alfa) fn tests<'a>(desk: &'a Desk<'_>, call: &'a Call) -> Vec<Test<'a>> {
    let mut tests: Vec<Test<'a>> = Vec::new();
    tests.extend(filter::removed(&TEACHER, call.body_int("removed"), desk.now.date()));
    if let Some(wanted) = call.body.get("phone").and_then(filter::text) {
        let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
        let wanted = digits(&wanted);
        tests.push(Box::new(move |row| {
            matches!(row.cell("phone"), Cell::Texts(list) if list.iter().any(|item| digits(item).contains(&wanted)))
        }));
    }
    tests
}

pub(in crate::sandbox::alfa) fn check(desk: &Desk<'_>, call: &Call, row: &mut Row, errors: &mut Errors) {
    if row.cell("e_date").is_empty() {
        row.set("e_date", SENTINEL.into());
    }
    if row.cell("teacher-to-skill").is_empty() {
        row.set("teacher-to-skill", Cell::Json(Box::new(serde_json::json!([]))));
    }
    customer::archive(desk, call, row);
    if let Cell::Texts(phones) = row.cell("phone") {
        let phones: Vec<String> = phones.iter().map(|phone| customer::format_phone(phone)).collect();
        row.set("phone", phones.into());
    }
    errors.must_all_exist(desk, row, "branch_ids", Model::Branch);
}
