//! Clients and leads: one table, told apart by `is_study`. A list holds active clients unless it is asked otherwise.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::sandbox::alfa::call::Call;
use crate::sandbox::alfa::cell::{Cell, flag};
use crate::sandbox::alfa::dates::SENTINEL;
use crate::sandbox::alfa::desk::Desk;
use crate::sandbox::alfa::errors::{Errors, Fault};
use crate::sandbox::alfa::filter;
use crate::sandbox::alfa::list::Test;
use crate::sandbox::alfa::row::Row;
use crate::sandbox::alfa::schema::{DateFormat, How, Kind, Link, Model, Order, Spec, Writes, column, filter};
use crate::sandbox::alfa::switches::TeacherIds;

/// The funnel stage and study status of a fresh card, as recorded.
const FRESH_LEAD_STATUS: i64 = 2;
const FRESH_STUDY_STATUS: i64 = 1;

pub(crate) static CUSTOMER: Spec = Spec {
    model: Model::Customer,
    name: "customer",
    entity: "Customer",
    columns: &[
        column("branch_ids", Kind::Ints).label("Филиал", "Branch"),
        column("teacher_ids", Kind::Ints).label("Педагоги", "Teachers"),
        column("name", Kind::Text).label("ФИО", "Name").max(50),
        column("barcode", Kind::Text).label("Штрихкод", "Barcode"),
        column("color", Kind::TextOrNull).label("Цвет", "Color"),
        column("is_study", Kind::Flag).label("Состояние клиента", "Customer state"),
        column("study_status_id", Kind::Int).label("Статус обучения", "Study status"),
        column("pipeline_id", Kind::Int).label("Воронка", "Pipeline"),
        column("lead_status_id", Kind::Int).label("Этап воронки", "Lead status"),
        column("lead_reject_id", Kind::Int).label("Причина отказа", "Lead reject reason"),
        column("customer_reject_id", Kind::Int).label("Причина ухода", "Customer reject reason"),
        column("lead_source_id", Kind::Int).label("Источник", "Lead source"),
        column("assigned_id", Kind::Int).label("Ответственный", "Assigned"),
        column("legal_type", Kind::Int).label("Тип заказчика", "Legal type"),
        column("legal_name", Kind::Text).label("Заказчик", "Legal name"),
        column("company_id", Kind::Int).label("Компания", "Company"),
        column("dob", Kind::DateRu).label("Дата рождения", "Date of birth"),
        column("balance", Kind::Money).label("Остаток", "Balance"),
        column("balance_base", Kind::Money).fixed(),
        column("balance_bonus", Kind::Int).label("Бонусы", "Bonus balance").fixed(),
        column("last_attend_date", Kind::DateIso).fixed(),
        column("b_date", Kind::Stamp).fixed(),
        column("e_date", Kind::DateIso).fixed(),
        column("note", Kind::Text).label("Примечание", "Note"),
        column("paid_count", Kind::Int).fixed(),
        column("paid_lesson_count", Kind::Int).fixed(),
        column("paid_lesson_date", Kind::Stamp).fixed(),
        column("next_lesson_date", Kind::Stamp).fixed(),
        column("paid_till", Kind::Stamp).fixed(),
        column("phone", Kind::Texts).label("Телефон", "Phone"),
        column("email", Kind::Texts).label("E-mail", "E-mail"),
        column("web", Kind::Texts).label("Сайт", "Web"),
        column("addr", Kind::Texts).label("Адрес", "Address"),
        column("created_at", Kind::Stamp).fixed(),
        column("updated_at", Kind::Stamp).fixed(),
        column("custom_klass", Kind::TextOrNull).label("Класс", "Class"),
        column("custom_dogovor", Kind::TextOrNull).label("Договор", "Contract"),
        column("custom_datadogovora", Kind::DateRu).label("Дата договора", "Contract date"),
        column("gender", Kind::Int).label("Пол", "Gender").start(0).hidden(),
        column("comment", Kind::Text).label("Комментарий", "Comment").hidden(),
    ],
    // `lead_reject_id`, `archived` and `is_archive` are not here: they do nothing.
    filters: &[
        filter("name", "name", How::Contains),
        filter("study_status_id", "study_status_id", How::Is),
        filter("lead_source_id", "lead_source_id", How::Is),
        filter("lead_status_id", "lead_status_id", How::Is),
        filter("customer_reject_id", "customer_reject_id", How::Is),
        filter("assigned_id", "assigned_id", How::Is),
        filter("employee_id", "teacher_ids", How::Holds),
        filter("company_id", "company_id", How::Is),
        filter("color", "color", How::Same),
        filter("gender", "gender", How::Is),
        filter("lesson_count_from", "paid_count", How::Least),
        filter("lesson_count_to", "paid_count", How::Most),
        filter("balance_contract_from", "balance", How::Least),
        filter("balance_contract_to", "balance", How::Most),
        filter("balance_bonus_from", "balance_bonus", How::Least),
        filter("balance_bonus_to", "balance_bonus", How::Most),
        filter("legal_type", "legal_type", How::Is),
        filter("legal_name", "legal_name", How::Contains),
        filter("note", "note", How::Contains),
        filter("comment", "comment", How::Contains),
        filter("date_from", "b_date", How::Since(DateFormat::Ru)),
        filter("date_to", "b_date", How::Until(DateFormat::Ru)),
        filter("dob_from", "dob", How::Since(DateFormat::Ru)),
        filter("dob_to", "dob", How::Until(DateFormat::Ru)),
        filter("next_lesson_date_from", "next_lesson_date", How::Since(DateFormat::Iso)),
        filter("next_lesson_date_to", "next_lesson_date", How::Until(DateFormat::Iso)),
        filter("last_attend_date_from", "last_attend_date", How::Since(DateFormat::Iso)),
        filter("last_attend_date_to", "last_attend_date", How::Until(DateFormat::Iso)),
        filter("created_at_from", "created_at", How::Since(DateFormat::Ru)),
        filter("created_at_to", "created_at", How::Until(DateFormat::Ru)),
        filter("updated_at_from", "updated_at", How::Since(DateFormat::Ru)),
        filter("updated_at_to", "updated_at", How::Until(DateFormat::Ru)),
    ],
    order: Order::Name,
    link: Link::Many,
    required: &["name", "legal_type", "is_study", "branch_ids"],
    writes: Writes::CreateUpdate,
};

/// Whether a list asks for leads alone, which come newest first.
pub(in crate::sandbox::alfa) fn leads_only(call: &Call) -> bool {
    call.body_int("is_study") == Some(0)
}

/// The default filters and those that look beyond a column.
pub(in crate::sandbox::alfa) fn tests<'a>(desk: &'a Desk<'_>, call: &'a Call) -> Vec<Test<'a>> {
    let today = desk.now.date();
    let mut tests: Vec<Test<'a>> = Vec::new();
    let study = match call.body.get("is_study") {
        Some(value) => flag(value).map_or(call.body_int("is_study").unwrap_or(1), i64::from),
        None => 1,
    };
    if study != 2 {
        let at = CUSTOMER.at("is_study");
        tests.push(Box::new(move |row| row.cells[at].number() == Some(study)));
    }
    tests.extend(filter::removed(&CUSTOMER, call.body_int("removed"), today));
    if let Some(contact) = call.body.get("phone").and_then(filter::text)
        && !contact.is_empty()
    {
        tests.push(has_contact(&contact));
    }
    let day = |key: &str| call.body.get(key).and_then(|value| filter::day(value, DateFormat::Ru));
    if day("removed_from").or(day("removed_to")).is_some() {
        let (from, to) = (day("removed_from"), day("removed_to"));
        tests.push(Box::new(move |row| {
            row.date("e_date").is_some_and(|end| end <= today && within(end, from, to))
        }));
    }
    if day("tariff_till_from").or(day("tariff_till_to")).is_some() {
        let (from, to) = (day("tariff_till_from"), day("tariff_till_to"));
        let table = desk.store.table(Model::CustomerTariff);
        let ids: BTreeSet<u64> = table
            .iter()
            .filter(|row| row.date("e_date").is_some_and(|end| within(end, from, to)))
            .filter_map(|row| row.key("customer_id"))
            .collect();
        tests.push(Box::new(move |row| ids.contains(&row.id)));
    }
    let (least, most) = (call.body_int("age_from"), call.body_int("age_to"));
    if least.or(most).is_some() {
        tests.push(Box::new(move |row| {
            row.date("dob").map(|birth| age(birth, today)).is_some_and(|age| {
                least.is_none_or(|least| age >= least) && most.is_none_or(|most| age <= most)
            })
        }));
    }
    if let Some(level) = call.body_int("level_id") {
        let ids: BTreeSet<u64> = desk
            .store
            .table(Model::Cgi)
            .iter()
            .filter(|row| row.date("e_date").is_none_or(|end| end >= today))
            .filter(|row| {
                row.key("group_id")
                    .and_then(|id| desk.store.get(Model::Group, id))
                    .and_then(|group| group.int("level_id"))
                    == Some(level)
            })
            .filter_map(|row| row.key("customer_id"))
            .collect();
        tests.push(Box::new(move |row| ids.contains(&row.id)));
    }
    tests
}

/// `phone` searches every contact: phones by their digits, everything by its text.
fn has_contact<'a>(wanted: &str) -> Test<'a> {
    let text = wanted.to_lowercase();
    let number = digits(wanted);
    let is_number = number.len() >= 3 && wanted.chars().all(|c| c.is_ascii_digit() || "+-() ".contains(c));
    let columns = ["phone", "email", "web", "addr"].map(|name| CUSTOMER.at(name));
    let phone = columns[0];
    Box::new(move |row| {
        let holds = |at: usize, test: &dyn Fn(&str) -> bool| match &row.cells[at] {
            Cell::Texts(list) => list.iter().any(|item| test(item)),
            _ => false,
        };
        (is_number && holds(phone, &|item| digits(item).contains(&number)))
            || columns.iter().any(|at| holds(*at, &|item| item.to_lowercase().contains(&text)))
    })
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn within(day: Date, from: Option<Date>, to: Option<Date>) -> bool {
    from.is_none_or(|from| day >= from) && to.is_none_or(|to| day <= to)
}

/// Full years.
fn age(birth: Date, today: Date) -> i64 {
    let passed = (today.month(), today.day()) >= (birth.month(), birth.day());
    i64::from(today.year()) - i64::from(birth.year()) - i64::from(!passed)
}

/// Names instead of ids on old servers, and groups when asked for.
pub(in crate::sandbox::alfa) fn present(
    desk: &Desk<'_>,
    call: &Call,
    row: &Row,
    item: &mut Map<String, Value>,
) {
    teacher_names(desk, row, item);
    // An empty custom date is null, unlike a date of birth.
    if row.cell("custom_datadogovora").is_empty() {
        item.insert("custom_datadogovora".to_owned(), Value::Null);
    }
    if call.body.get("withGroups").and_then(flag) == Some(true) {
        let today = desk.now.date();
        let groups: Vec<u64> = desk
            .store
            .table(Model::Cgi)
            .iter()
            .filter(|link| {
                link.key("customer_id") == Some(row.id)
                    && link.date("b_date").is_none_or(|start| start <= today)
                    && link.date("e_date").is_none_or(|end| end >= today)
            })
            .filter_map(|link| link.key("group_id"))
            .collect();
        let named: Vec<Value> =
            groups.iter().map(|id| json!({"id": id, "name": desk.store.name(Model::Group, *id)})).collect();
        item.insert("group_ids".to_owned(), json!(groups));
        item.insert("groups".to_owned(), json!(named));
    }
}

/// Puts names where the switch wants them.
pub(in crate::sandbox::alfa) fn teacher_names(desk: &Desk<'_>, row: &Row, item: &mut Map<String, Value>) {
    if desk.switches.teacher_ids == TeacherIds::Names {
        let names: Vec<&str> =
            row.ints("teacher_ids").iter().map(|id| desk.store.name(Model::Teacher, *id)).collect();
        item.insert("teacher_ids".to_owned(), json!(names));
    }
}

/// Completes a card and checks what it points at.
pub(in crate::sandbox::alfa) fn check(desk: &Desk<'_>, call: &Call, row: &mut Row, errors: &mut Errors) {
    if row.id == 0 {
        row.set("b_date", desk.now.into());
        row.set("e_date", SENTINEL.into());
        if row.cell("study_status_id").is_empty() {
            row.set("study_status_id", FRESH_STUDY_STATUS.into());
        }
        if row.cell("lead_status_id").is_empty() {
            row.set("lead_status_id", FRESH_LEAD_STATUS.into());
        }
    }
    archive(desk, call, row);
    if let Cell::Texts(phones) = row.cell("phone") {
        let phones: Vec<String> = phones.iter().map(|phone| format_phone(phone)).collect();
        row.set("phone", phones.into());
    }
    if !matches!(row.int("legal_type"), None | Some(1 | 2)) {
        errors.at(row, "legal_type", Fault::Unknown);
    }
    errors.must_all_exist(desk, row, "branch_ids", Model::Branch);
    errors.must_all_exist(desk, row, "teacher_ids", Model::Teacher);
    for (column, model) in [
        ("study_status_id", Model::StudyStatus),
        ("lead_status_id", Model::LeadStatus),
        ("lead_source_id", Model::LeadSource),
        ("lead_reject_id", Model::LeadReject),
        ("customer_reject_id", Model::CustomerReject),
        ("pipeline_id", Model::Pipeline),
        ("assigned_id", Model::User),
        ("company_id", Model::Company),
    ] {
        errors.must_exist(desk, row, column, model);
    }
}

/// `removed: 1` archives on that day, `removed: 0` brings back.
pub(in crate::sandbox::alfa) fn archive(desk: &Desk<'_>, call: &Call, row: &mut Row) {
    let today = desk.now.date();
    let archived = row.date("e_date").is_some_and(|end| end <= today);
    match call.body.get("removed").and_then(flag) {
        Some(true) if !archived => row.set("e_date", today.into()),
        Some(false) if archived => row.set("e_date", SENTINEL.into()),
        _ => {}
    }
}

/// `79000000041` becomes `+7(900)000-00-41`; what is no Russian number stays as it is.
pub(in crate::sandbox::alfa) fn format_phone(phone: &str) -> String {
    let number = digits(phone);
    match (number.len(), number.as_bytes().first()) {
        (11, Some(b'7' | b'8')) => {
            format!("+7({}){}-{}-{}", &number[1..4], &number[4..7], &number[7..9], &number[9..11])
        }
        _ => phone.to_owned(),
    }
}
