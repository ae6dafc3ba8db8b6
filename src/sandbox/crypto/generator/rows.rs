//! Turns plans into records in canonical form.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use serde_json::{Value, json};

use super::super::dataset::Options;
use super::super::profile::{Profile, sorted};
use super::super::store::Record;
use super::super::table::Table;
use super::dictionary::{ACCOUNTANT, GOODS};
use super::plan::{Item, Moment, Place, Project};
use super::wording::{self, CHECKLISTS, COMMENTS, EXPENSES, ITEMS, NOTES, PAYMENTS, TASKS, chosen};

/// Generated projects have ids from here on.
const FIRST_PROJECT: u64 = 101;
/// Ids of rows are the id of their project and two digits.
const ROWS_PER_PROJECT: u64 = 100;

/// Makes the records of invented projects.
#[derive(Debug)]
pub(crate) struct Generator {
    seed: u64,
    projects: u64,
    students: i64,
    today: Date,
}

impl Generator {
    /// A generator for these options.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            seed: options.seed,
            projects: u64::try_from(options.projects).unwrap_or(u64::MAX),
            students: i64::try_from(options.students).unwrap_or(i64::MAX),
            today: options.now.date(),
        }
    }

    /// The ids of all its projects.
    pub(crate) fn project_ids(&self) -> std::ops::Range<u64> {
        FIRST_PROJECT..FIRST_PROJECT.saturating_add(self.projects)
    }

    /// The project a row belongs to, as its id tells. `None` for ids that are no row's.
    pub(crate) fn project_of(table: Table, id: u64) -> Option<u64> {
        match table {
            Table::Projects => None,
            _ => Some(id / ROWS_PER_PROJECT),
        }
    }

    /// A project and what the filter needs to know about its rows.
    pub(crate) fn project(&self, id: u64) -> (Record, Profile) {
        let plan = self.plan(id);
        let goods = plan.goods();
        let actions = plan.actions();
        let checklists = plan.checklists();

        let mut profile = Profile::default();
        profile.set_count(Table::Steps, plan.stages.len());
        profile.set_count(Table::Actions, actions.len());
        profile.set_count(Table::Checklists, checklists.len());
        profile.set_count(Table::Goods, goods.len());
        profile.set_count(Table::Payments, plan.payments().len());
        profile.set_count(Table::Tasks, usize::try_from(plan.tasks()).unwrap_or(0));
        profile.action_types = sorted(actions.iter().map(|action| action.kind).collect());
        profile.goods = sorted(goods.iter().map(|line| GOODS[line.good].0).collect());
        let open = checklists.iter().flatten().filter(|item| !item.done);
        if let Some(days_ago) = open.filter_map(|item| item.deadline).max() {
            profile.open_item(self.day(days_ago));
        }

        let created = self.moment(plan.created);
        let number = format!("Д-{}/{id}", created.year());
        let contract = self.day((plan.created.days_ago - 2).max(0)).to_string();
        let record = object(json!({
            "id": id,
            "created": sql(created),
            "name": wording::project_name(&plan),
            "sales_funnel_id": plan.funnel,
            "step_id": plan.stages.last(),
            "user_id": plan.user,
            "group_id": plan.group,
            "price": money(plan.price(&goods)),
            "currency_id": plan.currency,
            "participants_user_id": plan.users,
            "participants_group_id": plan.groups,
            "deleted": flag(plan.deleted),
            "data": {
                "client_id": plan.client,
                "contract_number": if plan.has_contract { number } else { String::new() },
                "contract_date": plan.has_contract.then_some(contract),
                "alfa_customer_id": plan.customer,
                "source_id": plan.source,
                "is_vip": flag(plan.title % 10 == 0),
                "site_note": (plan.title % 4 == 0).then(|| chosen(&NOTES, plan.title)),
            },
        }));
        (record, profile)
    }

    /// The rows of one kind of one of its projects, by id.
    pub(crate) fn rows(&self, table: Table, project: u64) -> Vec<Record> {
        let plan = self.plan(project);
        match table {
            Table::Projects => Vec::new(),
            Table::Steps => numbered(project, plan.stage_log(), |id, (step, at, user)| {
                json!({
                    "id": id,
                    "project_id": project,
                    "sales_funnel_id": plan.funnel,
                    "step_id": step,
                    "user_id": user,
                    "date": sql(self.moment(at)),
                })
            }),
            Table::Actions => numbered(project, plan.actions(), |id, action| {
                json!({
                    "id": id,
                    "project_id": project,
                    "actions_type_id": action.kind,
                    "user_id": action.user,
                    "date": sql(self.moment(action.at)),
                    "comment": (action.comment % 5 > 0).then(|| chosen(&COMMENTS, action.comment)),
                })
            }),
            Table::Checklists => {
                let mut item_ids = project * ROWS_PER_PROJECT..;
                numbered(project, plan.checklists(), |id, items| {
                    let name = chosen(&CHECKLISTS, i64::try_from(id % ROWS_PER_PROJECT).unwrap_or(0));
                    let items: Vec<Value> =
                        items.iter().zip(&mut item_ids).map(|(item, id)| self.item(id, item)).collect();
                    json!({ "id": id, "project_id": project, "name": name, "items": items })
                })
            }
            Table::Goods => numbered(project, plan.goods(), |id, line| {
                let (good, _, name, _) = GOODS[line.good];
                json!({
                    "id": id,
                    "project_id": project,
                    "good_id": good,
                    "name": name,
                    "count": decimal(line.count, 1),
                    "price": money(line.price),
                    "discount": line.discount,
                    "currency_id": plan.currency,
                    "sum": money(line.sum),
                })
            }),
            Table::Payments => numbered(project, plan.payments(), |id, payment| {
                let words: &[&str] = if payment.incoming { &PAYMENTS } else { &EXPENSES };
                json!({
                    "id": id,
                    "project_id": project,
                    "type": flag(payment.incoming),
                    "date": self.moment(payment.at).date().to_string(),
                    "amount": money(payment.amount),
                    "currency_id": plan.currency,
                    "user_id": ACCOUNTANT,
                    "comment": (payment.comment % 6 > 0).then(|| chosen(words, payment.comment)),
                })
            }),
            Table::Tasks => numbered(
                project,
                (0..plan.tasks()).collect(),
                |id, number| json!({ "id": id, "project_id": project, "name": chosen(&TASKS, number), "done": "0" }),
            ),
        }
    }

    fn item(&self, id: u64, item: &Item) -> Value {
        // Done on the day before the deadline, but not tomorrow.
        let done = item.done.then(|| {
            let days_ago = item.deadline.map_or(1, |deadline| deadline.max(0) + 1);
            sql(self.moment(Moment { days_ago, second: 15 * 3_600 }))
        });
        json!({
            "id": id,
            "name": chosen(&ITEMS, item.name),
            "done": flag(item.done),
            "deadline": item.deadline.map(|days_ago| self.day(days_ago).to_string()),
            "done_date": done,
            "user_id": item.user,
        })
    }

    fn plan(&self, id: u64) -> Project {
        Project::plan(Place {
            seed: self.seed,
            id,
            index: i64::try_from(id.saturating_sub(FIRST_PROJECT)).unwrap_or(i64::MAX),
            of: i64::try_from(self.projects).unwrap_or(i64::MAX),
            students: self.students,
        })
    }

    fn day(&self, days_ago: i64) -> Date {
        self.today.saturating_sub(days_ago.days())
    }

    fn moment(&self, moment: Moment) -> DateTime {
        let midnight = self.day(moment.days_ago).at(0, 0, 0, 0);
        midnight.saturating_add(moment.second.seconds())
    }
}

fn numbered<T>(project: u64, plans: Vec<T>, mut record: impl FnMut(u64, T) -> Value) -> Vec<Record> {
    plans.into_iter().zip(project * ROWS_PER_PROJECT..).map(|(plan, id)| object(record(id, plan))).collect()
}

fn object(value: Value) -> Record {
    match value {
        Value::Object(record) => record,
        other => unreachable!("records are written as objects, not as {other}"),
    }
}

fn flag(set: bool) -> &'static str {
    if set { "1" } else { "0" }
}

/// An SQL date-time.
fn sql(at: DateTime) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn money(hundredths: i64) -> Value {
    decimal(hundredths, 2)
}

/// A JSON number without needless digits.
fn decimal(units: i64, scale: u32) -> Value {
    let text = rust_decimal::Decimal::new(units, scale).normalize().to_string();
    serde_json::from_str(&text).expect("a decimal prints as a JSON number")
}
