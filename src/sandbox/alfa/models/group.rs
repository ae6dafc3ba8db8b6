//! Groups and who is in them. Memberships decide who takes part in the planned lessons of a group.

use serde_json::{Map, Value, json};

use super::customer;
use crate::sandbox::alfa::accounts;
use crate::sandbox::alfa::call::Call;
use crate::sandbox::alfa::dates::SENTINEL;
use crate::sandbox::alfa::desk::Desk;
use crate::sandbox::alfa::errors::{Errors, Fault};
use crate::sandbox::alfa::filter;
use crate::sandbox::alfa::list::Test;
use crate::sandbox::alfa::models::{attendance, lesson};
use crate::sandbox::alfa::row::Row;
use crate::sandbox::alfa::schema::{DateFormat, How, Kind, Link, Model, Order, Spec, Writes, column, filter};

pub(crate) static GROUP: Spec = Spec {
    model: Model::Group,
    name: "group",
    entity: "Group",
    columns: &[
        column("branch_ids", Kind::Ints).label("Филиалы", "Branches"),
        column("teacher_ids", Kind::Ints).label("Педагоги", "Teachers"),
        // Computed from `teacher_ids` whenever the row is shown.
        column("teachers", Kind::Json).fixed(),
        column("name", Kind::Text).label("Название", "Name").max(50),
        column("level_id", Kind::Int).label("Уровень", "Level"),
        column("status_id", Kind::Int).label("Статус", "Status").start(1),
        column("company_id", Kind::Int).label("Компания", "Company"),
        column("streaming_id", Kind::Int),
        column("limit", Kind::Int).label("Лимит", "Limit").start(0),
        column("note", Kind::Text).label("Примечание", "Note").max(255),
        column("b_date", Kind::DateIso).label("Начало периода", "Start date"),
        column("e_date", Kind::DateIso).label("Конец периода", "End date"),
        column("created_at", Kind::Stamp).fixed(),
        column("updated_at", Kind::Stamp).fixed(),
        column("custom_chat", Kind::TextOrNull).label("Чат", "Chat"),
    ],
    filters: &[
        filter("name", "name", How::Contains),
        filter("note", "note", How::Contains),
        filter("level_id", "level_id", How::Is),
        filter("status_id", "status_id", How::Is),
        filter("branch_id", "branch_ids", How::Holds),
        filter("teacher_id", "teacher_ids", How::Holds),
        filter("b_date_from", "b_date", How::Since(DateFormat::Iso)),
        filter("b_date_to", "b_date", How::Until(DateFormat::Iso)),
        filter("e_date_from", "e_date", How::Since(DateFormat::Iso)),
        filter("e_date_to", "e_date", How::Until(DateFormat::Iso)),
        filter("created_at_from", "created_at", How::Since(DateFormat::Ru)),
        filter("created_at_to", "created_at", How::Until(DateFormat::Ru)),
        filter("updated_at_from", "updated_at", How::Since(DateFormat::Ru)),
        filter("updated_at_to", "updated_at", How::Until(DateFormat::Ru)),
    ],
    order: Order::Name,
    link: Link::Many,
    required: &["name", "branch_ids"],
    writes: Writes::CreateUpdateDelete,
};

pub(crate) static CGI: Spec = Spec {
    model: Model::Cgi,
    name: "cgi",
    entity: "CustomerGroupInvolve",
    columns: &[
        column("customer_id", Kind::Int).label("Клиент", "Customer"),
        column("group_id", Kind::Int).label("Группа", "Group").fixed(),
        column("b_date", Kind::DateRu).label("Начало действия", "Start date"),
        column("e_date", Kind::DateRu).label("Окончание действия", "End date"),
    ],
    filters: &[],
    order: Order::Id,
    link: Link::Group,
    required: &["customer_id"],
    writes: Writes::CreateUpdateDelete,
};

/// Groups: active ones unless asked, and by the name of a member.
pub(in crate::sandbox::alfa) fn tests<'a>(desk: &'a Desk<'_>, call: &'a Call) -> Vec<Test<'a>> {
    let today = desk.now.date();
    let mut tests: Vec<Test<'a>> = Vec::new();
    tests.extend(filter::removed(&GROUP, call.body_int("removed"), today));
    if let Some(name) = call.body.get("customer_name").and_then(filter::text) {
        let name = name.to_lowercase();
        tests.push(Box::new(move |row| {
            desk.store.table(Model::Cgi).iter().any(|link| {
                link.key("group_id") == Some(row.id)
                    && link
                        .key("customer_id")
                        .is_some_and(|id| desk.store.name(Model::Customer, id).to_lowercase().contains(&name))
            })
        }));
    }
    tests
}

/// Memberships: of the group or client in the query, current ones only. Past ones are there but not listed.
pub(in crate::sandbox::alfa) fn membership_tests<'a>(desk: &'a Desk<'_>, call: &'a Call) -> Vec<Test<'a>> {
    let today = desk.now.date();
    let (group, customer) = (call.query_id("group_id"), call.query_id("customer_id"));
    let mut tests: Vec<Test<'a>> = vec![Box::new(move |row| {
        group.is_none_or(|id| row.key("group_id") == Some(id))
            && customer.is_none_or(|id| row.key("customer_id") == Some(id))
            && row.date("e_date").is_none_or(|end| end >= today)
    })];
    for column in ["b_date", "e_date"] {
        if let Some(day) = call.body.get(column).and_then(|value| filter::day(value, DateFormat::Ru)) {
            tests.push(Box::new(move |row| row.date(column) == Some(day)));
        }
    }
    tests
}

/// The teachers by name beside their ids.
pub(in crate::sandbox::alfa) fn present(desk: &Desk<'_>, row: &Row, item: &mut Map<String, Value>) {
    let teachers: Vec<Value> = row
        .ints("teacher_ids")
        .iter()
        .map(|id| json!({"id": id, "name": desk.store.name(Model::Teacher, *id)}))
        .collect();
    item.insert("teachers".to_owned(), json!(teachers));
    customer::teacher_names(desk, row, item);
}

pub(in crate::sandbox::alfa) fn check(desk: &Desk<'_>, call: &Call, row: &mut Row, errors: &mut Errors) {
    if row.cell("b_date").is_empty() {
        row.set("b_date", desk.now.date().into());
    }
    if row.cell("e_date").is_empty() {
        row.set("e_date", SENTINEL.into());
    }
    errors.period(row);
    customer::archive(desk, call, row);
    errors.must_all_exist(desk, row, "branch_ids", Model::Branch);
    errors.must_all_exist(desk, row, "teacher_ids", Model::Teacher);
    errors.must_exist(desk, row, "level_id", Model::Level);
}

/// A membership belongs to the group in the query. The second of one client in one group is refused even when the
/// first is over and shows nowhere.
pub(in crate::sandbox::alfa) fn check_membership(
    desk: &Desk<'_>,
    call: &Call,
    row: &mut Row,
    errors: &mut Errors,
) {
    row.set("group_id", call.query_id("group_id").into());
    errors.must_exist(desk, row, "group_id", Model::Group);
    errors.must_exist(desk, row, "customer_id", Model::Customer);
    errors.period(row);
    let twin = desk.store.table(Model::Cgi).iter().any(|other| {
        other.id != row.id
            && other.int("group_id") == row.int("group_id")
            && other.int("customer_id") == row.int("customer_id")
    });
    if twin {
        errors.at(row, "customer_id", Fault::Duplicate);
    }
}

/// Brings the planned lessons of the group in line with a changed membership.
pub(in crate::sandbox::alfa) fn enrol(desk: &mut Desk<'_>, old: Option<&Row>, new: Option<&Row>) {
    for row in old.into_iter().chain(new) {
        let (Some(group), Some(customer)) = (row.key("group_id"), row.key("customer_id")) else {
            continue;
        };
        attendance::align(desk, group, customer);
        accounts::refresh(desk.store, desk.now, Some(&[customer].into()));
    }
}

/// A deleted group takes its memberships, timetable and planned lessons along.
pub(in crate::sandbox::alfa) fn dissolve(desk: &mut Desk<'_>, group: u64) {
    let of = |desk: &Desk<'_>, model: Model, test: &dyn Fn(&Row) -> bool| -> Vec<u64> {
        desk.store.table(model).by_id().filter(|row| test(row)).map(|row| row.id).collect()
    };
    for id in of(desk, Model::Cgi, &|row| row.key("group_id") == Some(group)) {
        if let Some(row) = desk.store.table_mut(Model::Cgi).remove(id) {
            enrol(desk, Some(&row), None);
        }
    }
    let planned = |row: &Row| row.int("status") == Some(lesson::PLANNED) && row.ints("group_ids") == [group];
    for id in of(desk, Model::Lesson, &planned) {
        desk.store.table_mut(Model::Lesson).remove(id);
    }
    let slot = |row: &Row| row.text("related_class") == "Group" && row.key("related_id") == Some(group);
    for id in of(desk, Model::RegularLesson, &slot) {
        desk.store.table_mut(Model::RegularLesson).remove(id);
    }
}
