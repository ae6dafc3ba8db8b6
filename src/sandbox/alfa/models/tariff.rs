//! Subscription templates, clients' subscriptions and discounts.

use crate::sandbox::alfa::accounts;
use crate::sandbox::alfa::call::Call;
use crate::sandbox::alfa::cell::{Cell, flag, hundredths, int, many};
use crate::sandbox::alfa::desk::Desk;
use crate::sandbox::alfa::errors::Errors;
use crate::sandbox::alfa::list::Test;
use crate::sandbox::alfa::row::Row;
use crate::sandbox::alfa::schema::{Column, How, Kind, Link, Model, Order, Spec, Writes, column, filter};

const BRANCH_IDS: Column = column("branch_ids", Kind::Ints).label("Филиалы", "Branches");
const SUBJECTS: Column = column("subject_ids", Kind::Ints).label("Предметы", "Subjects");
const LESSON_TYPES: Column = column("lesson_type_ids", Kind::Ints).label("Типы уроков", "Lesson types");
const NOTE: Column = column("note", Kind::Text).label("Примечание", "Note");

/// A filter by id does nothing here, as in the real thing.
pub(crate) static TARIFF: Spec = Spec {
    model: Model::Tariff,
    name: "tariff",
    entity: "Tariff",
    columns: &[
        column("type", Kind::Int).label("Тип", "Type").start(1),
        column("name", Kind::Text).label("Название", "Name").max(50),
        column("price", Kind::Money).label("Цена", "Price"),
        column("lesson_count", Kind::Int).label("Количество уроков", "Lessons").start(0),
        column("lessons_count", Kind::Int).fixed(),
        column("duration", Kind::Int).label("Длительность", "Duration").start(60),
        column("added", Kind::Stamp).fixed(),
        BRANCH_IDS,
    ],
    filters: &[],
    order: Order::Id,
    link: Link::Many,
    required: &["name", "price"],
    writes: Writes::CreateUpdate,
};

pub(crate) static CUSTOMER_TARIFF: Spec = Spec {
    model: Model::CustomerTariff,
    name: "customer-tariff",
    entity: "CustomerToTariff",
    columns: &[
        column("customer_id", Kind::Int).fixed(),
        column("tariff_id", Kind::Int).label("Абонемент", "Tariff"),
        SUBJECTS,
        LESSON_TYPES,
        column("is_separate_balance", Kind::Flag).label("Отдельный баланс", "Separate balance").start(0),
        column("balance", Kind::Money).fixed(),
        column("paid_count", Kind::Int).fixed(),
        column("paid_till", Kind::Stamp).fixed(),
        NOTE,
        column("b_date", Kind::DateRu).label("Начало действия", "Start date"),
        column("e_date", Kind::DateRu).label("Окончание действия", "End date"),
        column("paid_lesson_count", Kind::Int).fixed(),
        column("calculation_type", Kind::Int).start(1).hidden(),
    ],
    filters: &[
        filter("tariff_id", "tariff_id", How::Is),
        filter("is_separate_balance", "is_separate_balance", How::Is),
    ],
    order: Order::Id,
    link: Link::Customer,
    required: &["tariff_id", "b_date", "e_date"],
    writes: Writes::CreateUpdateDelete,
};

pub(crate) static DISCOUNT: Spec = Spec {
    model: Model::Discount,
    name: "discount",
    entity: "Discount",
    columns: &[
        column("branch_id", Kind::Int).label("Филиал", "Branch"),
        column("customer_id", Kind::Int).label("Клиент", "Customer"),
        column("discount_type", Kind::Int).start(1),
        column("amount", Kind::Int).label("Размер", "Amount"),
        NOTE,
        SUBJECTS,
        LESSON_TYPES,
        column("begin", Kind::DateRu).label("Начало", "Begin"),
        column("end", Kind::DateRu).label("Окончание", "End"),
    ],
    filters: &[filter("customer_id", "customer_id", How::Is)],
    order: Order::Id,
    link: Link::One,
    required: &["customer_id", "amount"],
    writes: Writes::CreateUpdate,
};

/// Both spellings of the lesson count say the same.
pub(in crate::sandbox::alfa) fn check_tariff(desk: &Desk<'_>, row: &mut Row) {
    row.set("lessons_count", row.cell("lesson_count").clone());
    if row.cell("added").is_empty() {
        row.set("added", desk.now.into());
    }
}

/// A subscription belongs to the client in the query and starts with nothing on it.
pub(in crate::sandbox::alfa) fn check(desk: &Desk<'_>, call: &Call, row: &mut Row, errors: &mut Errors) {
    if row.id == 0 {
        row.set("customer_id", call.query_id("customer_id").into());
        for column in ["balance", "paid_count", "paid_lesson_count"] {
            let empty = if column == "balance" { Cell::Money(0) } else { Cell::Int(0) };
            row.set(column, empty);
        }
    }
    errors.must_exist(desk, row, "customer_id", Model::Customer);
    errors.must_exist(desk, row, "tariff_id", Model::Tariff);
    errors.period(row);
}

/// Turning a subscription separate or common moves nothing; the client's total stays the sum of its parts.
pub(in crate::sandbox::alfa) fn settle(desk: &mut Desk<'_>, row: &Row) {
    if let Some(customer) = row.key("customer_id") {
        accounts::total(desk.store, customer);
        accounts::refresh(desk.store, desk.now, Some(&[customer].into()));
    }
}

/// The filters that look beyond the row: whose (from the query), balance as a number or a range, only dead ones, kind
/// of template. Without `customer_id` in the query the list is empty, whatever the body says.
pub(in crate::sandbox::alfa) fn tests<'a>(desk: &'a Desk<'_>, call: &'a Call) -> Vec<Test<'a>> {
    let customer = call.query_id("customer_id");
    let mut tests: Vec<Test<'a>> =
        vec![Box::new(move |row| customer.is_some() && row.key("customer_id") == customer)];
    if let Some(balance) = call.body.get("balance") {
        match many(balance)[..] {
            [low, high] => {
                let (low, high) = (hundredths(low), hundredths(high));
                tests.push(Box::new(move |row| {
                    low.is_none_or(|low| row.money("balance") >= low)
                        && high.is_none_or(|high| row.money("balance") <= high)
                }));
            }
            [single] => {
                if let Some(amount) = hundredths(single) {
                    tests.push(Box::new(move |row| row.money("balance") == amount));
                }
            }
            _ => {}
        }
    }
    if let Some(dead) = call.body.get("dead").and_then(flag) {
        let today = desk.now.date();
        tests.push(Box::new(move |row| row.date("e_date").is_some_and(|end| end < today) == dead));
    }
    if let Some(kind) = call.body.get("tariff_type").and_then(int) {
        tests.push(Box::new(move |row| {
            row.key("tariff_id")
                .and_then(|id| desk.store.get(Model::Tariff, id))
                .and_then(|tariff| tariff.int("type"))
                == Some(kind)
        }));
    }
    tests
}

/// What one lesson costs by this template, in hundredths; monthly and weekly ones have no price per lesson.
pub(in crate::sandbox::alfa) fn lesson_price(tariff: &Row) -> i64 {
    match tariff.int("lesson_count") {
        Some(count) if count > 0 => tariff.money("price") / count,
        _ => 0,
    }
}

/// The subscription that pays for a client's lesson: one that is valid that day and fits subject and lesson type.
pub(in crate::sandbox::alfa) fn subscription<'a>(
    desk: &'a Desk<'_>,
    customer: u64,
    lesson: &Row,
) -> Option<&'a Row> {
    let fits = |row: &Row, column: &str, wanted: Option<u64>| {
        row.ints(column).is_empty() || wanted.is_some_and(|id| row.ints(column).contains(&id))
    };
    let day = lesson.date("date");
    desk.store.table(Model::CustomerTariff).by_id().find(|row| {
        row.key("customer_id") == Some(customer)
            && row.date("b_date") <= day
            && row.date("e_date").is_none_or(|end| Some(end) >= day)
            && fits(row, "subject_ids", lesson.key("subject_id"))
            && fits(row, "lesson_type_ids", lesson.key("lesson_type_id"))
    })
}

/// The subscription charged for a lesson and the charge, discounts taken off.
pub(in crate::sandbox::alfa) fn charge(desk: &Desk<'_>, customer: u64, lesson: &Row) -> (Option<u64>, i64) {
    let Some(row) = subscription(desk, customer, lesson) else {
        return (None, single_price(desk, lesson));
    };
    let price = row.key("tariff_id").and_then(|id| desk.store.get(Model::Tariff, id)).map_or(0, lesson_price);
    let day = lesson.date("date");
    let percent = desk
        .store
        .table(Model::Discount)
        .by_id()
        .filter(|discount| {
            discount.key("customer_id") == Some(customer)
                && discount.date("begin") <= day
                && discount.date("end").is_none_or(|end| Some(end) >= day)
        })
        .filter_map(|discount| discount.int("amount"))
        .max()
        .unwrap_or(0)
        .clamp(0, 100);
    (Some(row.id), price * (100 - percent) / 100)
}

/// Without a subscription a lesson costs what it costs in the first package; a trial is free.
fn single_price(desk: &Desk<'_>, lesson: &Row) -> i64 {
    if lesson.int("lesson_type_id") == Some(super::lesson::TRIAL) {
        return 0;
    }
    desk.store.table(Model::Tariff).iter().map(lesson_price).find(|price| *price > 0).unwrap_or(0)
}
