//! Projects (sections 5.1 to 5.3 and 6.1 of the reference).

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::civil::date;
use serde_json::{Value, json};

use super::client::{Client, Conditions, Read, query};
use super::error::CRM;
use super::mapping::{Fields, Laid, Mapping};
use crate::crm::wire::{Row, number};
use crate::crm::{Asked, Branches, Error, Extent, Find, Kind, Lane, Position, Question, Source, Via};
use crate::model::project::{Condition, Project, ProjectFilter, Sort};
use crate::model::{Money, Record, RecordId, Source as CrmName};

pub(super) const FIELDS: Fields = &[
    ("id", &["id"]),
    ("created", &["created", "created_at", "date_create"]),
    ("name", &["name", "title"]),
    ("sales_funnel_id", &["sales_funnel_id", "funnel_id"]),
    ("step_id", &["step_id", "project_step_id"]),
    ("user_id", &["user_id"]),
    ("group_id", &["group_id"]),
    ("price", &["price"]),
    ("currency_id", &["currency_id"]),
    ("participants_user_id", &["participants_user_id", "participants_users"]),
    ("participants_group_id", &["participants_group_id", "participants_groups"]),
    ("deleted", &["deleted"]),
    // A dynamic field in the vendor's sample (section 5.2).
    ("client", &["data.client_id", "client_id"]),
];

/// Projects of one tenant.
pub(super) struct Projects {
    client: Arc<Client>,
    mapping: Mapping,
}

impl Projects {
    pub(super) fn new(client: Arc<Client>) -> Self {
        let rules = client.config.fields.get("project");
        let mapping = Mapping::new(FIELDS, rules, Some(client.config.semantics.dynamic_at));
        Self { client, mapping }
    }

    /// The filter's body without paging; none when no project of this CRM can fit.
    fn body(&self, filter: &ProjectFilter) -> Option<Value> {
        let mut built_in = Conditions::default();
        let mut possible = true;
        // What `having` means beside `or` is not known; asked for alone, it is sure, and the rest is checked here.
        let only_having = filter.condition == Condition::Or && filter.having.is_some();
        if !only_having {
            if !filter.created.is_open() {
                // A range needs both ends; an open one means something else.
                let from = filter.created.from.unwrap_or(date(1970, 1, 1));
                let to = filter.created.to.unwrap_or(date(2099, 12, 31));
                built_in.set("created", format!("{from};{to}"));
            }
            let lists = [
                ("sales_funnel_id", &filter.funnel_ids),
                ("step_id", &filter.step_ids),
                ("user_id", &filter.user_ids),
                ("group_id", &filter.group_ids),
                ("currency_id", &filter.currency_ids),
                ("participants_user_id", &filter.participant_user_ids),
                ("participants_group_id", &filter.participant_group_ids),
                ("actions_type_id", &filter.action_type_ids),
                ("good_id", &filter.good_ids),
            ];
            for (key, ids) in lists {
                possible &= built_in.ids(key, ids);
            }
            if let Some(price) = filter.price {
                built_in.set(
                    "price",
                    Value::Number(serde_json::Number::from_string_unchecked(price.normalize().to_string())),
                );
            }
        }
        let mut data = Conditions::default();
        for (name, values) in filter.fields.iter().filter(|_| !only_having) {
            data.set(name, dynamic(values));
        }
        if let (Some(student), Some(field)) = (&filter.student, &self.client.config.semantics.student_field) {
            possible &= student.source() == CrmName::AlfaCrm && student.parent().is_none();
            data.set(field, vec![student.number()]);
        }
        let mut body = json!({});
        if let Some(having) = filter.having {
            body["having"] = json!(having);
        }
        if !built_in.0.is_empty() {
            body["buildin_data"] = built_in.0.into();
        }
        if !data.0.is_empty() {
            body["data"] = data.0.into();
        }
        if !only_having && body.as_object().is_some_and(|body| !body.is_empty()) {
            body["condition"] = json!(filter.condition);
        }
        (possible || filter.condition == Condition::Or).then_some(body)
    }
}

/// A condition on a dynamic field: ids as numbers, anything else as text.
fn dynamic(values: &[String]) -> Value {
    // `007` and `+7…` are texts.
    let number = |value: &String| value.parse().ok().filter(|number: &u64| number.to_string() == *value);
    let numbers: Option<Vec<u64>> = values.iter().map(number).collect();
    match (numbers, values) {
        (Some(numbers), _) => numbers.into(),
        (None, [one]) => one.as_str().into(),
        (None, many) => many.into(),
    }
}

fn order(sort: Sort) -> (&'static str, &'static str) {
    match sort {
        Sort::Id => ("id", "0"),
        Sort::IdDown => ("id", "1"),
        Sort::Created => ("created", "0"),
        Sort::CreatedDown => ("created", "1"),
        Sort::Name => ("name", "0"),
        Sort::NameDown => ("name", "1"),
        Sort::Price => ("price", "0"),
        Sort::PriceDown => ("price", "1"),
    }
}

impl Source<Project> for Projects {
    fn crm(&self) -> CrmName {
        CRM
    }

    fn lanes(&self, filter: &ProjectFilter, _: &Branches) -> Result<Vec<Lane>, Error> {
        if filter.student.is_some() && self.client.config.semantics.student_field.is_none() {
            let detail = "which student a project is for is not known: `cryptocrm.semantics.student_field` does not \
                          name the dynamic field that holds the student's id";
            return Err(Error::new(CRM, Kind::Unsupported, detail));
        }
        Ok(self.body(filter).map(|_| Lane::pages("crypto")).into_iter().collect())
    }

    fn question(&self, filter: &ProjectFilter, _: &Lane, at: Position) -> Question {
        let overlap = self.client.overlap(at);
        let (count, offset) = self.client.window(at, overlap);
        let (order_by, reverse) = order(filter.sort);
        let deleted = if filter.deleted { "1" } else { "0" };
        let mut body = self.body(filter).unwrap_or_default();
        if body.as_object().is_none_or(|body| body.is_empty()) {
            let query = query(&[
                ("count", count.to_string()),
                ("offset", offset.to_string()),
                ("order_by", order_by.to_owned()),
                ("reverse", reverse.to_owned()),
                ("deleted", deleted.to_owned()),
            ]);
            return Question { overlap, ..self.client.get("projects", &query, at, true) };
        }
        for (key, value) in [
            ("count", json!(count)),
            ("offset", json!(offset)),
            ("order_by", json!(order_by)),
            ("reverse", json!(reverse)),
            ("deleted", json!(deleted)),
        ] {
            body[key] = value;
        }
        Question { overlap, ..self.client.post("projects/filter", &body, at) }
    }

    fn by_id(&self, id: &RecordId, _: &ProjectFilter, _: &Branches) -> Find {
        if id.source() != CRM || id.parent().is_some() {
            return Find::Ask(Vec::new());
        }
        let query = query(&[("id", id.number().to_string())]);
        Find::Ask(vec![self.client.get("projects/info", &query, Position(0), true)])
    }

    fn extent(&self, question: &Question, records: u64) -> Extent {
        self.client.extent(question, records)
    }

    fn sketch(&self, _: &Question, number: u64) -> Option<Record<Project>> {
        let translate = |row: &Row<'_>, laid: &Laid| project(&self.client, row, laid);
        self.client.sketch(number, &self.mapping, translate)
    }

    fn answer<'a>(
        &'a self,
        via: Via<'a>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Asked<Project>, Error>> {
        let translate = |row: &Row<'_>, laid: &Laid| project(&self.client, row, laid);
        if question.call.operation == "projects/info" {
            async move { self.client.object(via, question, &self.mapping, translate).await }.boxed()
        } else {
            async move { self.client.page(via, question, &self.mapping, translate).await }.boxed()
        }
    }
}

fn project(client: &Client, row: &Row<'_>, laid: &Laid) -> Option<Read<Project>> {
    let id = row.id("id")?;
    let (funnel_id, step_id) = (row.id("sales_funnel_id"), row.id("step_id"));
    let (user_id, group_id) = (row.id("user_id"), row.id("group_id"));
    let link = client.config.semantics.student_field.as_ref();
    let student = link.and_then(|field| number(laid.dynamic.get(field)?).ok().flatten());
    let data = Project {
        name: row.text("name"),
        funnel: client.named("funnels", &funnel_id),
        funnel_id,
        step: client.named("steps", &step_id),
        step_id,
        responsible_user: client.named("users", &user_id),
        responsible_user_id: user_id,
        responsible_group: client.named("groups", &group_id),
        responsible_group_id: group_id,
        price: row.decimal("price").map(|amount| Money::new(amount, client.currency(row))),
        participant_user_ids: row.ids("participants_user_id"),
        participant_group_ids: row.ids("participants_group_id"),
        deleted: row.flag("deleted").unwrap_or(false),
        client_id: row.id("client"),
        student_id: student.map(|number| RecordId::new(CrmName::AlfaCrm, number)),
    };
    Some(Read { id, data })
}
