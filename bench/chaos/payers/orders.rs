//! What is to be paid: so many payments whose amounts tell them apart in the CRM, and how each payer goes about it.

use std::time::Duration;

use crm_gateway::sandbox::alfa;
use jiff::civil::Date;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

/// The first amount, in hundredths. What the invented school had before is told apart by its ids.
const FIRST: i64 = 1_000_000;
/// So much more is asked by whoever uses a key for another request. It must never be found in the CRM.
pub(crate) const OTHER: i64 = 900_000_000;

/// How a payer behaves besides repeating what was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    Plain,
    /// Sends the first request twice at the same time.
    Twin,
    /// Hangs up on the first request after so long and sends it again.
    Impatient(Duration),
    /// Uses the key for another amount once the payment is made.
    Careless,
}

/// A payment to make.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) key: String,
    pub(crate) student: u64,
    pub(crate) account: u64,
    /// The day as the CRM prints it.
    pub(crate) day: String,
    /// In hundredths. No other order has it, but for the second one of a pair that means the same in earnest.
    pub(crate) cents: i64,
    pub(crate) note: Option<String>,
    pub(crate) habit: Habit,
    /// What is sent.
    pub(crate) body: Value,
}

/// How many of a thousand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    pub(crate) twins: u32,
    pub(crate) impatient: u32,
    pub(crate) careless: u32,
    /// Payments that are made once more under a key of their own: the same student, amount and day, and both are meant.
    pub(crate) meant_twice: u32,
}

impl Default for Shares {
    fn default() -> Self {
        Self { twins: 30, impatient: 50, careless: 30, meant_twice: 20 }
    }
}

/// Orders of one seed, for students that belong to one branch.
pub(crate) fn orders(crm: &alfa::Crm, seed: u64, count: usize, shares: Shares) -> Vec<Order> {
    let alone =
        |row: &Value| row["branch_ids"].as_array().is_some_and(|ids| ids.len() == 1) && row["is_study"] == 1;
    let students: Vec<u64> =
        crm.rows("customer").iter().filter(|row| alone(row)).filter_map(|row| row["id"].as_u64()).collect();
    let (today, mut dice) = (crm.clock().today(), StdRng::seed_from_u64(seed));
    let mut orders: Vec<Order> = Vec::with_capacity(count);
    while orders.len() < count {
        let number = orders.len();
        let thousand = dice.random_range(0..1000);
        let habit = if thousand < shares.twins {
            Habit::Twin
        } else if thousand < shares.twins + shares.impatient {
            Habit::Impatient(Duration::from_millis(dice.random_range(1..400)))
        } else if thousand < shares.twins + shares.impatient + shares.careless {
            Habit::Careless
        } else {
            Habit::Plain
        };
        let student = students[dice.random_range(0..students.len())];
        let note = dice.random_bool(0.5).then(|| format!("Оплата {number}"));
        let cents = FIRST + i64::try_from(number).expect("nobody pays so often");
        let twice = dice.random_range(0..1000) < shares.meant_twice;
        let order = order(format!("{seed}-{number}"), student, cents, today, note, habit);
        if twice && number + 1 < count {
            let again = Order { key: format!("{seed}-{number}-again"), habit: Habit::Plain, ..order.clone() };
            orders.push(again);
        }
        orders.push(order);
    }
    orders
}

fn order(key: String, student: u64, cents: i64, day: Date, note: Option<String>, habit: Habit) -> Order {
    const ACCOUNT: u64 = 1;
    let mut body = json!({
        "student_id": format!("alfa-{student}"),
        "amount": {"amount": money(cents), "currency": "RUB"},
        "date": day.to_string(),
        "account_id": format!("alfa-{ACCOUNT}"),
    });
    if let Some(note) = &note {
        body["note"] = note.as_str().into();
    }
    let day = day.strftime("%d.%m.%Y").to_string();
    Order { key, student, account: ACCOUNT, day, cents, note, habit, body }
}

impl Order {
    /// The same key for something else.
    pub(crate) fn other_body(&self) -> Value {
        let mut body = self.body.clone();
        body["amount"]["amount"] = money(self.cents + OTHER).into();
        body
    }

    /// The record's amount as the gateway shows it.
    pub(crate) fn amount(&self) -> String {
        money(self.cents)
    }
}

pub(crate) fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// An amount as the CRM shows it, in hundredths.
pub(crate) fn cents(row: &Value) -> Option<i64> {
    let (whole, part) = row["income"].as_str()?.split_once('.')?;
    Some(whole.parse::<i64>().ok()? * 100 + part.parse::<i64>().ok()?)
}
