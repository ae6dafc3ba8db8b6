//! The rows there are most of: cards, lessons and payments.

use super::blank;
use crate::sandbox::alfa::cell::Cell;
use crate::sandbox::alfa::dates::SENTINEL;
use crate::sandbox::alfa::detail::Detail;
use crate::sandbox::alfa::row::Row;
use crate::sandbox::alfa::schema::Model;
use crate::sandbox::world::{Lesson, Payment, Person, Standing};

pub(super) fn card(row: &Person) -> Row {
    let student = matches!(row.standing, Standing::Student | Standing::FormerStudent);
    let status: i64 = match row.standing {
        Standing::Student => 4,
        Standing::FormerStudent => 10,
        _ => 1,
    };
    let (contract, signed) = match &row.contract {
        Some((number, day)) => (number.clone(), Some(*day)),
        None => (String::new(), None),
    };
    let class = row.class.map_or(Cell::Null, |class| Cell::from(class.to_string()));
    // Archived leads nearly always have a reason.
    let rejected = row.standing == Standing::RejectedLead && !row.id.is_multiple_of(97);
    blank(Model::Customer, row.id)
        .with("branch_ids", row.branches.clone())
        .with("teacher_ids", row.teachers.clone())
        .with("name", row.name.clone())
        .with("color", row.color.map_or(Cell::Null, Cell::from))
        .with("is_study", student)
        .with("study_status_id", status)
        .with("pipeline_id", (!student).then_some(1))
        .with("lead_status_id", row.stage)
        .with("lead_reject_id", rejected.then_some(6 + row.id % 2))
        .with(
            "customer_reject_id",
            (row.standing == Standing::FormerStudent).then_some(if row.id.is_multiple_of(2) { 1 } else { 3 }),
        )
        .with("lead_source_id", row.source)
        .with("assigned_id", row.assigned)
        .with("legal_type", 1)
        .with("legal_name", row.parent.clone())
        .with("dob", row.born)
        .with("balance", Cell::Money(row.balance))
        .with("balance_base", Cell::Money(row.balance))
        .with("balance_bonus", row.bonus)
        .with("b_date", row.created)
        .with("e_date", row.archived.unwrap_or(SENTINEL))
        .with("note", Cell::Text(row.note.clone()))
        .with("phone", row.phones.clone())
        .with("email", row.emails.clone())
        .with("addr", row.address.iter().cloned().collect::<Vec<String>>())
        .with("created_at", row.created)
        .with("updated_at", row.updated)
        .with("custom_klass", class)
        .with("custom_dogovor", contract)
        .with("custom_datadogovora", signed)
        .with("gender", if row.female { 2 } else { 1 })
}

pub(super) fn lesson(row: Lesson) -> Row {
    let details = row
        .attendance
        .into_iter()
        .map(|row| Detail {
            id: row.id,
            customer: row.person,
            subscription: row.subscription,
            reason: row.reason,
            attended: row.attended,
            commission: row.charge,
            grade: row.grade.map(Into::into),
            bonus: row.bonus,
            note: "".into(),
        })
        .collect();
    blank(Model::Lesson, row.id)
        .with("branch_id", row.branch)
        .with("regular_id", row.slot)
        .with("date", row.from.date())
        .with("time_from", row.from)
        .with("time_to", row.to)
        .with("lesson_type_id", row.kind)
        .with("status", row.status as i64)
        .with("subject_id", row.subject)
        .with("room_id", row.room)
        .with("teacher_ids", vec![row.teacher])
        .with("customer_ids", row.people)
        .with("group_ids", row.group.into_iter().collect::<Vec<u64>>())
        .with("note", row.note)
        .with("topic", row.topic)
        .with("homework", row.homework)
        .with("created_at", row.created)
        .with("updated_at", row.updated)
        .with("details", Cell::Details(details))
}

/// The till of a payment: each branch has one for cash and one at the bank.
pub(super) fn account(row: &Payment) -> u64 {
    (row.branch - 1) * 2 + if row.cash { 1 } else { 2 }
}

pub(super) fn pay(row: Payment) -> Row {
    let expense = row.amount < 0;
    let till = account(&row);
    let item: u64 = match (expense, row.person, row.teacher) {
        (false, ..) => 3,
        (true, Some(_), _) => 10,
        (true, None, Some(_)) => 9,
        (true, None, None) => 8,
    };
    blank(Model::Pay, row.id)
        .with("branch_id", row.branch)
        .with("location_id", row.branch)
        .with("customer_id", row.person)
        .with("pay_type_id", if expense { 2 } else { 1 })
        .with("pay_type_name", if expense { "Расход" } else { "Доход" })
        .with("pay_account_id", till)
        .with("pay_item_id", item)
        .with("teacher_id", row.teacher)
        .with("ctt_id", row.subscription)
        .with("document_date", row.day)
        .with("income", Cell::Money(row.amount))
        .with("payer_name", row.payer)
        .with("note", row.note)
        .with("is_confirmed", row.confirmed)
        .with("created_at", row.created)
        .with("updated_at", row.created)
}
