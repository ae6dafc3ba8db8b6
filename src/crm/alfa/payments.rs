//! Payments: the journal `pay` (section 9.11 of the reference). It lists newest documents first and ignores its own
//! date filter, so a range of days is a stretch of the journal that the hub finds by bisection.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::client::{Client, List};
use super::filter::{Body, ours};
use crate::crm::wire::Row;
use crate::crm::{Asked, Branches, Error, Lane, Position, Question, Source};
use crate::model::payment::{Direction, Payment, PaymentFilter};
use crate::model::{Ctx, Money, RecordId, Source as CrmName};

/// Payments of one account.
pub(super) struct Payments(pub(super) Arc<Client>);

impl Payments {
    fn list(&self, branch: Option<u64>) -> List<'static> {
        List { model: "pay", operation: "pay/index", branch, query: "" }
    }

    fn filter(&self, filter: &PaymentFilter) -> Option<Map<String, Value>> {
        let elsewhere =
            filter.source.is_some_and(|source| source != CrmName::AlfaCrm) || filter.project_id.is_some();
        if elsewhere {
            return None;
        }
        let mut body = Body::default();
        body.id("customer_id", filter.student_id.as_ref());
        body.id("pay_account_id", filter.account_id.as_ref());
        body.id("pay_item_id", filter.item_id.as_ref());
        body.wish("payer_name", filter.payer.as_deref());
        body.wish("is_confirmed", filter.confirmed.map(u8::from));
        body.updated_since(filter.updated_since, &self.0.dialect().zone);
        body.finish()
    }
}

impl Source<Payment> for Payments {
    fn crm(&self) -> CrmName {
        CrmName::AlfaCrm
    }

    fn has_branches(&self) -> bool {
        true
    }

    fn lanes(&self, filter: &PaymentFilter, branches: &Branches) -> Result<Vec<Lane>, Error> {
        if self.filter(filter).is_none() {
            return Ok(Vec::new());
        }
        let (Branches::All(branches) | Branches::Only(branches)) = branches;
        let days = (!filter.days.is_open()).then_some((filter.days.from, filter.days.to));
        Ok(branches.iter().map(|branch| Lane { days, ..Lane::in_branch("alfa", *branch) }).collect())
    }

    /// The journal was only ever seen with a branch in its path (section 3.1).
    fn needs_branches(&self, filter: &PaymentFilter) -> bool {
        self.filter(filter).is_some()
    }

    fn question(&self, filter: &PaymentFilter, lane: &Lane, at: Position) -> Question {
        let body = self.filter(filter).unwrap_or_default();
        let exact = filter.days.is_open()
            && filter.direction.is_none()
            && filter.amount.is_open()
            && filter.updated_since.is_none();
        self.0.index(self.list(lane.branch), body, at, exact)
    }

    fn by_id(&self, id: &RecordId, branches: &Branches) -> Vec<Question> {
        if !ours(id) {
            return Vec::new();
        }
        let (Branches::All(branches) | Branches::Only(branches)) = branches;
        let questions = branches.iter().filter_map(|branch| {
            let Value::Object(body) = json!({"id": id.number()}) else {
                return None;
            };
            Some(self.0.index(self.list(Some(*branch)), body, Position(0), true))
        });
        questions.collect()
    }

    fn ask<'a>(
        &'a self,
        ctx: &'a Ctx,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Asked<Payment>, Error>> {
        self.0.page(ctx, question, payment).boxed()
    }
}

pub(super) fn payment(row: &Row<'_>) -> Payment {
    let income = row.decimal("income");
    let type_name = row.text("pay_type_name");
    Payment {
        branch_id: row.id("branch_id"),
        student_id: row.id("customer_id"),
        project_id: None,
        direction: direction(income, row.number("pay_type_id"), type_name.as_deref()),
        amount: row.money("income").map(|money| Money { amount: money.amount.abs(), ..money }),
        date: row.day("document_date"),
        payer_name: row.text("payer_name"),
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
