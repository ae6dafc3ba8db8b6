//! Payments of projects (sections 5.9 and 6.6 of the reference). They hang on their project: there is no list of all.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::client::{Client, Read, query};
use super::error::CRM;
use super::mapping::{Fields, Mapping};
use super::part::asked_project;
use crate::crm::wire::Row;
use crate::crm::{
    Asked, Branches, Error, Extent, Find, Kind, Lane, LaneKind, Position, Question, Source, Via,
};
use crate::model::payment::{Direction, Payment, PaymentFilter};
use crate::model::record::newest_first;
use crate::model::{Money, Record, RecordId, Source as CrmName};

pub(super) const FIELDS: Fields = &[
    ("id", &["id"]),
    ("project_id", &["project_id"]),
    ("type", &["type", "payment_type"]),
    ("date", &["date", "created", "created_at", "datetime"]),
    ("amount", &["amount", "sum", "price", "value"]),
    ("currency_id", &["currency_id"]),
    ("user_id", &["user_id"]),
    ("comment", &["comment", "description", "text"]),
];

/// Payments of one tenant's projects.
pub(super) struct Payments {
    client: Arc<Client>,
    mapping: Mapping,
}

impl Payments {
    pub(super) fn new(client: Arc<Client>) -> Self {
        let mapping = Mapping::new(FIELDS, client.config.fields.get("payment"), None);
        Self { client, mapping }
    }

    fn list(&self, project: u64, at: Position) -> Question {
        let (count, offset) = self.client.window(at, 0);
        let query = query(&[
            ("id", project.to_string()),
            ("count", count.to_string()),
            ("offset", offset.to_string()),
        ]);
        self.client.get("projects/payments", &query, at, true)
    }
}

impl Source<Payment> for Payments {
    fn crm(&self) -> CrmName {
        CRM
    }

    fn lanes(&self, filter: &PaymentFilter, _: &Branches) -> Result<Vec<Lane>, Error> {
        // A project's payment has none of these, so none fits.
        let elsewhere = filter.source.is_some_and(|source| source != CRM)
            || filter.student_id.is_some()
            || filter.confirmed.is_some()
            || filter.account_id.is_some()
            || filter.item_id.is_some()
            || filter.payer.is_some();
        if elsewhere {
            return Ok(Vec::new());
        }
        let lane = match &filter.project_id {
            Some(id) if id.source() != CRM || id.parent().is_some() => return Ok(Vec::new()),
            Some(id) => Lane { parent: Some(id.number()), ..Lane::pages(format!("crypto p{}", id.number())) },
            None => Lane { kind: LaneKind::PerProject, ..Lane::pages("crypto") },
        };
        if filter.updated_since.is_some() {
            return Err(Error::new(
                CRM,
                Kind::Unsupported,
                "the Crypto CRM does not tell when a payment was changed",
            ));
        }
        Ok(vec![lane])
    }

    fn question(&self, _: &PaymentFilter, lane: &Lane, at: Position) -> Question {
        // `filter_date` has two readings and `filter_type` saves nothing: all payments of a project are one call.
        self.list(lane.parent.unwrap_or_default(), at)
    }

    fn by_id(&self, id: &RecordId, _: &PaymentFilter, _: &Branches) -> Find {
        let Some(project) = id.parent().filter(|_| id.source() == CRM) else { return Find::Ask(Vec::new()) };
        let narrow = query(&[("id", project.to_string()), ("filter_id", id.number().to_string())]);
        // The list is likely remembered already; a payment beyond its first page is asked for by itself.
        Find::Ask(vec![
            self.list(project, Position(0)),
            self.client.get("projects/payments", &narrow, Position(0), true),
        ])
    }

    fn finds<'a>(&'a self, question: &'a Question) -> Box<dyn Fn(&Record<Payment>) -> bool + 'a> {
        let project = asked_project(question);
        Box::new(move |record| project.is_none() || record.id.parent() == project)
    }

    fn extent(&self, question: &Question, records: u64) -> Extent {
        self.client.extent(question, records)
    }

    fn answer<'a>(
        &'a self,
        via: Via<'a>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Asked<Payment>, Error>> {
        async move {
            let project = asked_project(question);
            let translate = |row: &Row<'_>, _: &_| payment(&self.client, &self.mapping, row, project);
            let mut asked = self.client.page(via, question, &self.mapping, translate).await?;
            // The CRM's order is not documented; each page is put in ours. Always, not only where it surely is the only
            // one: a page must not change its order while a cursor stands in it.
            asked.chunk.records.sort_by(|a, b| newest_first(a.data.date, b.data.date));
            Ok(asked)
        }
        .boxed()
    }
}

fn payment(client: &Client, mapping: &Mapping, row: &Row<'_>, project: Option<u64>) -> Option<Read<Payment>> {
    let project = row.number("project_id").or(project)?;
    let id = RecordId::under(CRM, project, row.number("id")?);
    let amount = row.decimal("amount").map(|amount| Money::new(amount.abs(), client.currency(row)));
    let data = Payment {
        branch_id: None,
        student_id: None,
        project_id: Some(RecordId::new(CRM, project)),
        direction: direction(mapping, row),
        amount,
        date: row.day("date"),
        payer_name: None,
        note: row.text("comment"),
        confirmed: None,
        type_id: None,
        type_name: None,
        account_id: None,
        item_id: None,
        subscription_id: None,
        teacher_id: None,
        location_id: None,
    };
    Some(Read { id, data })
}

/// `"1"` is in, `"0"` is out, unless the configuration says otherwise; anything else is not guessed.
fn direction(mapping: &Mapping, row: &Row<'_>) -> Direction {
    let value = row.text("type").or_else(|| row.flag("type").map(|flag| u8::from(flag).to_string()));
    let Some(value) = value else { return Direction::Unknown };
    let known = |words: &[String], default: &str| {
        if words.is_empty() { value.trim() == default } else { words.iter().any(|word| word == value.trim()) }
    };
    let (income, expense) =
        mapping.rule("type").map_or((&[][..], &[][..]), |rule| (&rule.income, &rule.expense));
    if known(income, "1") {
        Direction::Income
    } else if known(expense, "0") {
        Direction::Expense
    } else {
        row.note("type");
        Direction::Unknown
    }
}
