//! What each of the nine endpoints finds, in canonical form.

use std::cmp::Ordering;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::conditions::Conditions;
use super::crm::Crm;
use super::endpoint::Endpoint;
use super::params::Params;
use super::profile::day_of;
use super::refusal::Refusal;
use super::shape::{decimal_of, text_of, uint_of};
use super::store::{Record, Store};
use super::switches::{FilterDate, OverCap, Switches};
use super::table::Table;

/// Rows of an answer when the caller names no `count` (assumption A5).
const DEFAULT_COUNT: usize = 100;

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    /// Rows of a page, and how many there are on all pages.
    List(Table, Vec<Record>, usize),
    /// One record, or none with that id.
    Object(Table, Option<Record>),
}

/// Finds what a call asks for.
pub(super) fn look_up(
    crm: &Crm,
    switches: &Switches,
    endpoint: Endpoint,
    params: &Params,
) -> Result<Found, Refusal> {
    let today = crm.clock().today();
    let store = crm.store();
    match endpoint {
        Endpoint::List => projects(&store, switches, params, &Conditions::none(), today),
        Endpoint::Filter => {
            let conditions = Conditions::read(params, switches.having_in_or)?;
            projects(&store, switches, params, &conditions, today)
        }
        Endpoint::Info => Ok(Found::Object(Table::Projects, store.project(params.id()?).cloned())),
        Endpoint::ActionInfo => Ok(Found::Object(Table::Actions, store.get(Table::Actions, params.id()?))),
        Endpoint::Checklists => whole(&store, Table::Checklists, params, |_| true),
        Endpoint::Goods => whole(&store, Table::Goods, params, |_| true),
        Endpoint::Steps => {
            let date = dated(switches, params)?;
            let steps = params.ids("filter_steps")?;
            whole(&store, Table::Steps, params, |row| {
                date(row) && has_one_of(row, "step_id", steps.as_deref())
            })
        }
        Endpoint::Actions => {
            let date = dated(switches, params)?;
            let id = params.uint("filter_id")?;
            let types = params.ids("filter_actions")?;
            paged(&store, Table::Actions, switches, params, |row| {
                date(row) && has_id(row, id) && has_one_of(row, "actions_type_id", types.as_deref())
            })
        }
        Endpoint::Payments => {
            let date = dated(switches, params)?;
            let id = params.uint("filter_id")?;
            let incoming = params.flag("filter_type")?;
            paged(&store, Table::Payments, switches, params, |row| {
                date(row)
                    && has_id(row, id)
                    && incoming.is_none_or(|incoming| {
                        row.get("type").is_some_and(|kind| text_of(kind) == if incoming { "1" } else { "0" })
                    })
            })
        }
    }
}

fn projects(
    store: &Store,
    switches: &Switches,
    params: &Params,
    conditions: &Conditions,
    today: Date,
) -> Result<Found, Refusal> {
    let page = Page::read(switches, params)?;
    let order = params.read("order_by", "a field that projects can be sorted by", Order::parse)?;
    let reverse = params.flag("reverse")?.unwrap_or(false);
    let deleted = params.flag("deleted")?.unwrap_or(false);

    let mut right: Vec<(u64, &Record)> = store
        .projects()
        .filter(|(_, project, _)| is_deleted(project) == deleted)
        .filter(|(_, project, profile)| conditions.hold(project, profile, today))
        .map(|(id, project, _)| (id, project))
        .collect();
    match order.unwrap_or(Order::Id) {
        // The store's own order.
        Order::Id if reverse => right.reverse(),
        Order::Id => {}
        Order::Field(field, kind) => {
            let mut keyed: Vec<(Key, u64, &Record)> =
                right.into_iter().map(|(id, project)| (kind(project, field), id, project)).collect();
            keyed.sort_by(|(one, one_id, _), (other, other_id, _)| {
                let order = one.partial_cmp(other).unwrap_or(Ordering::Equal);
                let order = if reverse { order.reverse() } else { order };
                order.then(one_id.cmp(other_id))
            });
            right = keyed.into_iter().map(|(_, id, project)| (id, project)).collect();
        }
    }
    let total = right.len();
    let rows = page.of(right.into_iter()).map(|(_, project)| project.clone());
    Ok(Found::List(Table::Projects, rows.collect(), total))
}

fn is_deleted(project: &Record) -> bool {
    project.get("deleted").is_some_and(|flag| text_of(flag) == "1")
}

/// What projects can be sorted by. Ties are broken by id, ascending.
#[derive(Clone, Copy)]
enum Order {
    Id,
    Field(&'static str, fn(&Record, &str) -> Key),
}

/// A value to sort by; nothing comes first.
#[derive(PartialEq, PartialOrd)]
enum Key {
    Nothing,
    Number(Decimal),
    Text(String),
}

impl Order {
    fn parse(text: &str) -> Option<Self> {
        const NUMBERS: [&str; 6] =
            ["price", "sales_funnel_id", "step_id", "user_id", "group_id", "currency_id"];
        const TEXTS: [&str; 2] = ["created", "name"];
        if text == "id" {
            return Some(Self::Id);
        }
        let number = |project: &Record, field: &str| {
            let value = project.get(field).and_then(decimal_of);
            value.map_or(Key::Nothing, Key::Number)
        };
        let words = |project: &Record, field: &str| {
            let value = project.get(field).filter(|value| !value.is_null());
            value.map_or(Key::Nothing, |value| Key::Text(text_of(value)))
        };
        let known = |fields: &[&'static str]| fields.iter().copied().find(|field| *field == text);
        known(&NUMBERS)
            .map(|field| Self::Field(field, number))
            .or_else(|| known(&TEXTS).map(|field| Self::Field(field, words)))
    }
}

/// Which rows of a list are asked for.
struct Page {
    count: usize,
    offset: usize,
}

impl Page {
    fn read(switches: &Switches, params: &Params) -> Result<Self, Refusal> {
        let count = params.rows("count")?.unwrap_or(DEFAULT_COUNT);
        let offset = params.rows("offset")?.unwrap_or(0);
        if count > switches.count_cap && switches.over_cap == OverCap::Error {
            return Err(Refusal::BadRequest(format!("count above {}", switches.count_cap)));
        }
        Ok(Self {
            count: count.min(switches.count_cap),
            offset: if switches.ignore_offset { 0 } else { offset },
        })
    }

    fn of<T>(&self, rows: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        rows.skip(self.offset).take(self.count)
    }
}

/// All rows of a project that fit. An unknown project has none.
fn whole(
    store: &Store,
    table: Table,
    params: &Params,
    fits: impl Fn(&Record) -> bool,
) -> Result<Found, Refusal> {
    let rows = store.rows(table, params.id()?);
    let rows: Vec<Record> = rows.iter().filter(|row| fits(row)).cloned().collect();
    let total = rows.len();
    Ok(Found::List(table, rows, total))
}

/// A page of the rows of a project that fit.
fn paged(
    store: &Store,
    table: Table,
    switches: &Switches,
    params: &Params,
    fits: impl Fn(&Record) -> bool,
) -> Result<Found, Refusal> {
    let page = Page::read(switches, params)?;
    let rows = store.rows(table, params.id()?);
    let fitting: Vec<&Record> = rows.iter().filter(|row| fits(row)).collect();
    let total = fitting.len();
    Ok(Found::List(table, page.of(fitting.into_iter()).cloned().collect(), total))
}

/// The test that `filter_date` stands for (section 5.10).
fn dated(switches: &Switches, params: &Params) -> Result<impl Fn(&Record) -> bool, Refusal> {
    let wanted = params.date("filter_date")?;
    let meaning = switches.filter_date;
    Ok(move |row: &Record| {
        let Some(wanted) = wanted else { return true };
        row.get("date").and_then(day_of).is_some_and(|day| match meaning {
            FilterDate::On => day == wanted,
            FilterDate::Since => day >= wanted,
        })
    })
}

fn has_id(row: &Record, wanted: Option<u64>) -> bool {
    wanted.is_none_or(|wanted| row.get("id").and_then(uint_of) == Some(wanted))
}

fn has_one_of(row: &Record, field: &str, wanted: Option<&[u64]>) -> bool {
    wanted.is_none_or(|wanted| row.get(field).and_then(uint_of).is_some_and(|id| wanted.contains(&id)))
}
