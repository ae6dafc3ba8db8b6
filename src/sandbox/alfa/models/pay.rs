//! Payments, tills and articles. An income raises the client's balance, or that of the separate subscription it names,
//! and the till; an expense lowers both.

use crate::sandbox::alfa::accounts;
use crate::sandbox::alfa::call::Call;
use crate::sandbox::alfa::cell::Cell;
use crate::sandbox::alfa::desk::Desk;
use crate::sandbox::alfa::errors::{Errors, Fault};
use crate::sandbox::alfa::list::{Test, optional};
use crate::sandbox::alfa::row::Row;
use crate::sandbox::alfa::schema::{
    Column, DateFormat, How, Kind, Link, Model, Order, Spec, Writes, column, filter,
};

/// The pay type of an expense.
const EXPENSE: i64 = 2;

const NAME: Column = column("name", Kind::Text).label("Название", "Name").max(50);
const WEIGHT: Column = column("weight", Kind::Int).start(0);

/// `date_from` and `date_to` are not here: whether they work at all is a switch.
pub(crate) static PAY: Spec = Spec {
    model: Model::Pay,
    name: "pay",
    entity: "Pay",
    columns: &[
        column("branch_id", Kind::Int).label("Филиал", "Branch"),
        column("location_id", Kind::Int),
        column("customer_id", Kind::Int).label("Клиент", "Customer"),
        column("pay_type_id", Kind::Int).label("Тип операции", "Type"),
        column("pay_type_name", Kind::Text).fixed(),
        column("pay_account_id", Kind::Int).label("Касса", "Account"),
        column("pay_item_id", Kind::Int).label("Статья", "Item"),
        column("teacher_id", Kind::Int).label("Педагог", "Teacher"),
        column("commodity_id", Kind::Int),
        column("ctt_id", Kind::Int).label("Абонемент", "Tariff"),
        column("group_id", Kind::Int),
        column("document_date", Kind::DateRu).label("Дата", "Date"),
        column("income", Kind::Money).label("Сумма", "Sum"),
        column("payer_name", Kind::Text).label("Плательщик", "Payer").max(50),
        column("note", Kind::Text).label("Примечание", "Note"),
        column("is_confirmed", Kind::Flag).label("Подтверждён", "Confirmed").start(1),
        column("created_at", Kind::Stamp).fixed(),
        column("updated_at", Kind::Stamp).fixed(),
        column("custom_md_order", Kind::TextOrNull),
        column("custom_order_description", Kind::TextOrNull),
    ],
    filters: &[
        filter("location_id", "location_id", How::Is),
        filter("customer_id", "customer_id", How::Is),
        filter("employee_id", "teacher_id", How::Is),
        filter("pay_type_id", "pay_type_id", How::Is),
        filter("pay_item_id", "pay_item_id", How::Is),
        filter("pay_account_id", "pay_account_id", How::Is),
        filter("commodity_id", "commodity_id", How::Is),
        filter("payer_name", "payer_name", How::Contains),
        filter("note", "note", How::Contains),
        filter("sum_from", "income", How::Least),
        filter("sum_to", "income", How::Most),
        filter("is_confirmed", "is_confirmed", How::Is),
        filter("group_ids", "group_id", How::Is),
        filter("created_at_from", "created_at", How::Since(DateFormat::Ru)),
        filter("created_at_to", "created_at", How::Until(DateFormat::Ru)),
        filter("updated_at_from", "updated_at", How::Since(DateFormat::Ru)),
        filter("updated_at_to", "updated_at", How::Until(DateFormat::Ru)),
    ],
    order: Order::Newest("document_date"),
    link: Link::One,
    required: &[
        "branch_id",
        "customer_id",
        "pay_type_id",
        "pay_account_id",
        "document_date",
        "income",
        "payer_name",
    ],
    writes: Writes::CreateUpdate,
};

pub(crate) static PAY_ACCOUNT: Spec = Spec {
    model: Model::PayAccount,
    name: "pay-account",
    entity: "PayAccount",
    columns: &[
        column("branch_id", Kind::Int),
        NAME,
        column("user_ids", Kind::Ints),
        column("is_enabled", Kind::Flag).start(1),
        WEIGHT,
        // What is in the till: the interface shows it, the API does not.
        column("balance", Kind::Money).hidden(),
    ],
    filters: &[],
    order: Order::Weight("weight"),
    link: Link::One,
    required: &[],
    writes: Writes::None,
};

pub(crate) static PAY_ITEM: Spec = Spec {
    model: Model::PayItem,
    name: "pay-item",
    entity: "PayItem",
    columns: &[
        column("branch_ids", Kind::Ints),
        column("category_id", Kind::Int),
        column("pay_type_ids", Kind::Ints),
        NAME,
        WEIGHT,
    ],
    filters: &[],
    order: Order::Weight("weight"),
    link: Link::Many,
    required: &[],
    writes: Writes::None,
};

pub(crate) static PAY_ITEM_CATEGORY: Spec = Spec {
    model: Model::PayItemCategory,
    name: "pay-item-category",
    entity: "PayItemCategory",
    columns: &[NAME, WEIGHT],
    filters: &[],
    order: Order::Weight("weight"),
    link: Link::Everywhere,
    required: &[],
    writes: Writes::None,
};

pub(crate) static PAY_TYPE: Spec = Spec {
    model: Model::PayType,
    name: "pay-type",
    entity: "PayType",
    columns: &[NAME],
    filters: &[],
    order: Order::Id,
    link: Link::Everywhere,
    required: &[],
    writes: Writes::None,
};

/// The filters that look beyond the row, and the one by date that only works by a switch.
pub(in crate::sandbox::alfa) fn tests<'a>(desk: &'a Desk<'_>, call: &'a Call) -> Vec<Test<'a>> {
    let mut tests = Vec::new();
    if desk.switches.pay_date_filter {
        let since = How::Since(DateFormat::Dots);
        let until = How::Until(DateFormat::Dots);
        tests.extend(optional(Model::Pay, call, "date_from", "document_date", since));
        tests.extend(optional(Model::Pay, call, "date_to", "document_date", until));
    }
    if let Some(category) = call.body_int("pay_item_category_id") {
        let items: Vec<u64> = desk
            .store
            .table(Model::PayItem)
            .iter()
            .filter(|item| item.int("category_id") == Some(category))
            .map(|item| item.id)
            .collect();
        tests.push(Box::new(move |row| row.key("pay_item_id").is_some_and(|item| items.contains(&item))));
    }
    tests
}

/// Fills in what follows from the rest and checks what the payment points at.
pub(in crate::sandbox::alfa) fn check(desk: &Desk<'_>, row: &mut Row, errors: &mut Errors) {
    if row.cell("location_id").is_empty() {
        let branch = row.key("branch_id");
        let location =
            desk.store.table(Model::Location).iter().find(|location| location.key("branch_id") == branch);
        row.set("location_id", location.map(|location| location.id).into());
    }
    for (column, model) in [
        ("branch_id", Model::Branch),
        ("customer_id", Model::Customer),
        ("pay_account_id", Model::PayAccount),
        ("pay_item_id", Model::PayItem),
        ("pay_type_id", Model::PayType),
        ("ctt_id", Model::CustomerTariff),
    ] {
        errors.must_exist(desk, row, column, model);
    }
    if let Some(kind) = row.key("pay_type_id") {
        row.set("pay_type_name", desk.store.name(Model::PayType, kind).to_owned().into());
    }
    // An expense is kept negative however it was sent.
    if row.int("pay_type_id") == Some(EXPENSE) {
        row.set("income", Cell::Money(-row.money("income").abs()));
        errors.forgive("customer_id", Fault::Blank);
        errors.forgive("payer_name", Fault::Blank);
    }
}

/// Takes the old payment back and books the new one.
pub(in crate::sandbox::alfa) fn book(desk: &mut Desk<'_>, old: Option<&Row>, new: &Row) {
    for (row, sign) in old.into_iter().map(|old| (old, -1)).chain([(new, 1)]) {
        let amount = sign * row.money("income");
        if let Some(customer) = row.key("customer_id") {
            accounts::post(desk.store, customer, row.key("ctt_id"), amount);
        }
        if let Some(account) = row.key("pay_account_id") {
            desk.store.table_mut(Model::PayAccount).change(account, |till| {
                till.set("balance", Cell::Money(till.money("balance") + amount));
            });
        }
    }
    let touched = old.into_iter().chain([new]).filter_map(|row| row.key("customer_id")).collect();
    accounts::refresh(desk.store, desk.now, Some(&touched));
}
