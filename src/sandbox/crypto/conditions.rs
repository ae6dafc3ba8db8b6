//! The filter language of `POST /projects/filter`: what a body asks for and whether a project is that.
//!
//! Open points are decided as in section 5.2 of the reference: `deleted` is a scope outside `condition`, `having` too
//! unless switched, an empty array asks nothing, one date alone is that day, a dynamic field with several values
//! matches when any of them does.

use std::str::FromStr;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::params::{Params, sql_date, uint};
use super::profile::{Profile, day_of};
use super::refusal::{Refusal, bad};
use super::shape::{decimal_of, text_of, uint_of};
use super::store::Record;
use super::table::Table;

/// The extra selection of `having`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Having {
    Any(Table),
    No(Table),
    ChecklistsExpired,
}

impl Having {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "actions" => Self::Any(Table::Actions),
            "payments" => Self::Any(Table::Payments),
            "tasks" => Self::Any(Table::Tasks),
            "goods" => Self::Any(Table::Goods),
            "no_actions" => Self::No(Table::Actions),
            "no_payments" => Self::No(Table::Payments),
            "no_tasks" => Self::No(Table::Tasks),
            "no_goods" => Self::No(Table::Goods),
            "checklists_expired" => Self::ChecklistsExpired,
            _ => return None,
        })
    }

    fn holds(self, profile: &Profile, today: Date) -> bool {
        match self {
            Self::Any(table) => profile.count(table) > 0,
            Self::No(table) => profile.count(table) == 0,
            Self::ChecklistsExpired => profile.is_overdue(today),
        }
    }
}

/// One condition on a project.
#[derive(Debug)]
enum Condition {
    /// Created on one of these days, both ends included.
    Created(Date, Date),
    /// A field is one of these, or a list of ids has one of these.
    OneOf(&'static str, Vec<u64>),
    Price(Decimal),
    ActionType(Vec<u64>),
    Good(Vec<u64>),
    /// A dynamic field is one of these, compared as text.
    Dynamic(String, Vec<String>),
}

impl Condition {
    fn holds(&self, project: &Record, profile: &Profile) -> bool {
        match self {
            Self::Created(from, to) => {
                project.get("created").and_then(day_of).is_some_and(|day| (*from..=*to).contains(&day))
            }
            Self::OneOf(field, ids) => match project.get(*field) {
                Some(Value::Array(several)) => several.iter().filter_map(uint_of).any(|id| ids.contains(&id)),
                Some(one) => uint_of(one).is_some_and(|id| ids.contains(&id)),
                None => false,
            },
            Self::Price(price) => project.get("price").and_then(decimal_of) == Some(*price),
            Self::ActionType(types) => types.iter().any(|id| profile.action_types.contains(id)),
            Self::Good(goods) => goods.iter().any(|id| profile.goods.contains(id)),
            Self::Dynamic(field, wanted) => match project.get("data").and_then(|data| data.get(field)) {
                None | Some(Value::Null) => false,
                Some(Value::Array(several)) => several.iter().any(|one| wanted.contains(&text_of(one))),
                Some(one) => wanted.contains(&text_of(one)),
            },
        }
    }
}

/// Everything a filter body asks of a project, except the scope `deleted`.
#[derive(Debug)]
pub(super) struct Conditions {
    conditions: Vec<Condition>,
    any: bool,
    having: Option<Having>,
    having_in_or: bool,
}

impl Conditions {
    /// Asks nothing; every project is right.
    pub(super) fn none() -> Self {
        Self { conditions: Vec::new(), any: false, having: None, having_in_or: false }
    }

    /// Reads a filter body.
    pub(super) fn read(params: &Params, having_in_or: bool) -> Result<Self, Refusal> {
        let any = params.read("condition", "\"and\" or \"or\"", |text| match text {
            "and" => Some(false),
            "or" => Some(true),
            _ => None,
        })?;
        let having = params.read("having", "one of the nine documented values", Having::parse)?;
        let mut conditions = Vec::new();
        for (key, value) in section(&params.conditions, "buildin_data") {
            conditions.extend(settle(built_in(key, value), params.strict)?);
        }
        for (key, value) in section(&params.conditions, "data") {
            conditions.extend(settle(dynamic(key, value), params.strict)?);
        }
        Ok(Self { conditions, any: any.unwrap_or(false), having, having_in_or })
    }

    /// Whether a project is what was asked for.
    pub(super) fn hold(&self, project: &Record, profile: &Profile, today: Date) -> bool {
        let having = self.having.map(|having| having.holds(profile, today));
        if self.any && (!self.conditions.is_empty() || (self.having_in_or && having.is_some())) {
            let any = self.conditions.iter().any(|one| one.holds(project, profile));
            if self.having_in_or { any || having == Some(true) } else { any && having != Some(false) }
        } else {
            having != Some(false) && self.conditions.iter().all(|one| one.holds(project, profile))
        }
    }
}

fn section<'p>(
    conditions: &'p Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = (&'p String, &'p Value)> {
    conditions.get(name).and_then(Value::as_object).into_iter().flatten()
}

/// What a lenient CRM makes of a condition it cannot read: nothing.
fn settle(condition: Result<Option<Condition>, Refusal>, strict: bool) -> Result<Option<Condition>, Refusal> {
    match condition {
        Err(_) if !strict => Ok(None),
        other => other,
    }
}

/// Names of `buildin_data` that hold arrays of ids and are compared with a field of the project.
const FIELDS: [&str; 7] = [
    "sales_funnel_id",
    "step_id",
    "user_id",
    "group_id",
    "currency_id",
    "participants_user_id",
    "participants_group_id",
];

fn built_in(key: &str, value: &Value) -> Result<Option<Condition>, Refusal> {
    match key {
        "created" => {
            let range = value.as_str().and_then(days);
            let (from, to) = range.ok_or_else(|| bad(key, "YYYY-MM-DD;YYYY-MM-DD"))?;
            Ok(Some(Condition::Created(from, to)))
        }
        "price" => match value {
            Value::Number(_) => Ok(decimal_of(value).map(Condition::Price)),
            _ => Err(bad(key, "one number")),
        },
        "actions_type_id" => Ok(ids(key, value)?.map(Condition::ActionType)),
        "good_id" => Ok(ids(key, value)?.map(Condition::Good)),
        _ => match FIELDS.into_iter().find(|field| *field == key) {
            Some(field) => Ok(ids(key, value)?.map(|ids| Condition::OneOf(field, ids))),
            None => Err(Refusal::BadRequest(format!("unknown key {key} in buildin_data"))),
        },
    }
}

/// Ids in a JSON array; `None` for an empty one, which asks nothing.
fn ids(key: &str, value: &Value) -> Result<Option<Vec<u64>>, Refusal> {
    let wrong = || bad(key, "an array of unsigned integers");
    let ids = value.as_array().ok_or_else(wrong)?;
    let ids: Option<Vec<u64>> = ids
        .iter()
        .map(|id| match id {
            Value::Number(number) => uint(&number.to_string()),
            _ => None,
        })
        .collect();
    let ids = ids.ok_or_else(wrong)?;
    Ok((!ids.is_empty()).then_some(ids))
}

/// `from;to`, a single day, or `day;`, which is read as that day.
fn days(text: &str) -> Option<(Date, Date)> {
    let (from, to) = text.split_once(';').unwrap_or((text, ""));
    let from = sql_date(from)?;
    if to.is_empty() {
        return Some((from, from));
    }
    Some((from, sql_date(to)?))
}

fn dynamic(key: &str, value: &Value) -> Result<Option<Condition>, Refusal> {
    let scalar = |value: &Value| match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Some(text_of(value)),
        _ => None,
    };
    let wanted = match value {
        Value::Array(several) => several.iter().map(scalar).collect(),
        one => scalar(one).map(|one| vec![one]),
    };
    let wanted: Vec<String> = wanted.ok_or_else(|| bad(key, "a text, a number or an array of them"))?;
    Ok((!wanted.is_empty()).then(|| Condition::Dynamic(key.to_owned(), wanted)))
}

/// A decimal without loss; scientific notation too.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)).ok()
}
