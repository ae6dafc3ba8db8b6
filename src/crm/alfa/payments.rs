//! Payments: the journal `pay` (section 9.11 of the reference). It lists newest documents first and ignores its own
//! date filter, so a range of days is a stretch of the journal that the hub finds by bisection.

use rust_decimal::Decimal;
use serde_json::Value;

use super::filter::Body;
use super::form::{Form, amount};
use super::model::{Branching, Calls, Model, Part, Scene};
use crate::crm::Place;
use crate::crm::wire::Row;
use crate::model::payment::{Direction, Payment, PaymentDraft, PaymentFilter};
use crate::model::{Money, Record, Source as CrmName};

/// Payments.
pub(super) struct Payments;

impl Model for Payments {
    type Record = Payment;
    const CALLS: Calls =
        Calls { create: Some("pay/create"), update: Some("pay/update"), ..Calls::reads("pay/index") };
    const TEXT: Option<(&'static str, usize)> = Some(("note", 10_000));
    const CUSTOM: bool = true;

    /// The journal was only ever seen with a branch in its path (section 3.1).
    fn branching(_: &PaymentFilter) -> Branching {
        Branching::Each
    }

    fn parts(filter: &PaymentFilter) -> Vec<Part> {
        let days = (!filter.days.is_open()).then_some((filter.days.from, filter.days.to));
        vec![Part { days, ..Part::default() }]
    }

    fn ask(filter: &PaymentFilter, body: &mut Body) {
        let elsewhere = filter.source.is_some_and(|source| source != CrmName::AlfaCrm);
        body.impossible_if(elsewhere || filter.project_id.is_some());
        body.id("customer_id", filter.student_id.as_ref());
        body.id("pay_account_id", filter.account_id.as_ref());
        body.id("pay_item_id", filter.item_id.as_ref());
        body.wish("payer_name", filter.payer.as_deref());
        body.wish("is_confirmed", filter.confirmed.map(u8::from));
        body.updated_since(filter.updated_since);
        body.inexact_if(!filter.days.is_open() || filter.direction.is_some() || !filter.amount.is_open());
    }

    fn read(row: &Row<'_>, _: &Scene) -> Payment {
        payment(row)
    }

    /// The ten fields of the vendor's letter. The CRM books what comes in and what goes out by the type, so a type that
    /// is named wins over a direction.
    fn write(
        draft: &PaymentDraft,
        before: Option<&Record<Payment>>,
        place: &Place<'_, PaymentFilter>,
        form: &mut Form,
    ) {
        form.id("customer_id", "student_id", &draft.student);
        form.sum("income", "amount", &draft.amount);
        form.day("document_date", "date", &draft.date);
        form.id("pay_account_id", "account_id", &draft.account);
        form.id("pay_item_id", "item_id", &draft.item);
        form.change("payer_name", "payer_name", &draft.payer_name, NOBODY.into(), |name| {
            name.0.as_str().into()
        });
        form.long("note", "note", &draft.note);
        form.flag("is_confirmed", "confirmed", &draft.confirmed);
        form.id("ctt_id", "subscription_id", &draft.subscription);
        form.change("pay_type_id", "direction", &draft.direction, Value::Null, |word| match word.0 {
            Direction::Expense => EXPENSE.into(),
            Direction::Income | Direction::Unknown => INCOME.into(),
        });
        form.id("pay_type_id", "type_id", &draft.kind);
        if let Some(before) = before
            && form.sends("pay_type_id")
            && let Some(money) = &before.data.amount
        {
            // The sign of what is booked belongs to the old type.
            form.otherwise("income", "amount", amount(money.amount));
        }
        if let Some(kind) = before.and_then(|before| before.data.type_id.as_ref())
            && form.sends("income")
        {
            // And the sign of a new amount to the type that stays.
            form.otherwise("pay_type_id", "type_id", kind.number());
        }
        if before.is_none() {
            if let Some(branch) = place.branch {
                form.set("branch_id", "branch_id", branch);
            }
            form.otherwise("pay_type_id", "type_id", INCOME);
            form.otherwise("is_confirmed", "confirmed", 1);
            // Required by the CRM (section 9.11): who usually pays for the student, else the student.
            let student = place.student.map(|student| &student.data);
            let payer =
                student.and_then(|student| student.payer.as_ref()?.name.as_ref().or(student.name.as_ref()));
            let payer: String = payer.map_or(NOBODY, String::as_str).chars().take(50).collect();
            form.otherwise("payer_name", "payer_name", payer);
        }
    }
}

/// The CRM demands a payer (section 9.11); this stands for none.
const NOBODY: &str = "—";
/// The CRM's types of payments: the vendor's letter names the first, the second was seen (sections 9.11 and 9.12).
const INCOME: u64 = 1;
const EXPENSE: u64 = 2;

fn payment(row: &Row<'_>) -> Payment {
    let income = row.decimal("income");
    let type_name = row.text("pay_type_name");
    let direction = direction(income, row.number("pay_type_id"), type_name.as_deref());
    if direction == Direction::Unknown && row.value("pay_type_id").is_some() {
        row.note("pay_type_id");
    }
    Payment {
        branch_id: row.id("branch_id"),
        student_id: row.id("customer_id"),
        project_id: None,
        direction,
        amount: row.money("income").map(|money| Money { amount: money.amount.abs(), ..money }),
        date: row.day("document_date"),
        payer_name: row.text("payer_name").filter(|name| name != NOBODY),
        note: row.text("note"),
        confirmed: row.flag("is_confirmed"),
        type_id: row.id("pay_type_id"),
        type_name,
        account_id: row.id("pay_account_id"),
        item_id: row.id("pay_item_id"),
        subscription_id: row.id("ctt_id"),
        teacher_id: row.id("teacher_id"),
        location_id: row.id("location_id"),
    }
}

/// The journal mixes both directions; the sign tells, else the type's name, else type 1, which is documented as income.
fn direction(income: Option<Decimal>, type_id: Option<u64>, type_name: Option<&str>) -> Direction {
    let name = type_name.unwrap_or_default().to_lowercase();
    if income.is_some_and(|amount| amount.is_sign_negative() && !amount.is_zero())
        || name.starts_with("расход")
        || name.starts_with("expense")
    {
        Direction::Expense
    } else if type_id == Some(1) || name.starts_with("доход") || name.starts_with("income") {
        Direction::Income
    } else {
        Direction::Unknown
    }
}
