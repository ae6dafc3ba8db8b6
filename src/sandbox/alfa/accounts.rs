//! Money and lesson dates on a client's card: what a payment or a lesson changes, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime};

use super::cell::Cell;
use super::models::{lesson, tariff};
use super::row::Row;
use super::schema::Model;
use super::store::Store;

/// Adds an amount to a client's account: to the named subscription's own balance if it has one, else to the common one.
pub(super) fn post(store: &mut Store, customer: u64, subscription: Option<u64>, amount: i64) {
    let separate = subscription.filter(|id| {
        store.get(Model::CustomerTariff, *id).is_some_and(|row| row.int("is_separate_balance") == Some(1))
    });
    let (model, id, column) = match separate {
        Some(id) => (Model::CustomerTariff, id, "balance"),
        None => (Model::Customer, customer, "balance_base"),
    };
    store.table_mut(model).change(id, |row| row.set(column, Cell::Money(row.money(column) + amount)));
    total(store, customer);
}

/// Adds bonus points.
pub(super) fn add_bonus(store: &mut Store, customer: u64, points: i64) {
    if points != 0 {
        store.table_mut(Model::Customer).change(customer, |row| {
            row.set("balance_bonus", Cell::Int(row.int("balance_bonus").unwrap_or(0) + points));
        });
    }
}

/// What is on a client's separate subscriptions.
pub(super) fn separate(store: &Store, customer: u64) -> i64 {
    store
        .table(Model::CustomerTariff)
        .by_id()
        .filter(|row| row.key("customer_id") == Some(customer) && row.int("is_separate_balance") == Some(1))
        .map(|row| row.money("balance"))
        .sum()
}

/// The balance on the card is the common one and those of the separate subscriptions together.
pub(super) fn total(store: &mut Store, customer: u64) {
    let separate = separate(store, customer);
    store.table_mut(Model::Customer).change(customer, |row| {
        let base = row.money("balance_base");
        row.set("balance_base", Cell::Money(base));
        row.set("balance", Cell::Money(base + separate));
        if row.cell("balance_bonus").is_empty() {
            row.set("balance_bonus", Cell::Int(0));
        }
    });
}

/// One client's lessons.
#[derive(Debug, Default)]
struct Lessons {
    last_attended: Option<Date>,
    /// Start and end of the planned ones to come, the nearest first.
    coming: Vec<(DateTime, DateTime)>,
}

/// Works out everything on the cards that follows from lessons and balances: for these clients, or for all.
pub(super) fn refresh(store: &mut Store, now: DateTime, only: Option<&BTreeSet<u64>>) {
    let wanted = |id: u64| only.is_none_or(|only| only.contains(&id));
    let mut lessons: BTreeMap<u64, Lessons> = BTreeMap::new();
    for row in store.table(Model::Lesson).iter().rev() {
        match row.int("status") {
            Some(lesson::CONDUCTED) => {
                for detail in row.details() {
                    if detail.attended && wanted(detail.customer) {
                        lessons.entry(detail.customer).or_default().last_attended = row.date("date");
                    }
                }
            }
            Some(lesson::PLANNED) => {
                let (Some(from), Some(to)) = (row.stamp("time_from"), row.stamp("time_to")) else {
                    continue;
                };
                if from >= now {
                    for customer in row.ints("customer_ids").iter().filter(|id| wanted(**id)) {
                        lessons.entry(*customer).or_default().coming.push((from, to));
                    }
                }
            }
            _ => {}
        }
    }
    let prices = prices(store, &wanted);
    let customers: Vec<u64> = match only {
        Some(only) => only.iter().copied().collect(),
        None => store.table(Model::Customer).by_id().map(|row| row.id).collect(),
    };
    let nothing = Lessons::default();
    for customer in customers {
        let known = lessons.get(&customer).unwrap_or(&nothing);
        let subscriptions = prices.get(&customer).map_or(&[][..], Vec::as_slice);
        let price = subscriptions.last().map_or(0, |(_, price)| *price);
        store.table_mut(Model::Customer).change(customer, |row| {
            show(row, known, price);
        });
        for (id, price) in subscriptions {
            store.table_mut(Model::CustomerTariff).change(*id, |row| {
                let count = Cell::Int(lessons_left(row.money("balance"), *price));
                row.set("paid_count", count.clone());
                row.set("paid_lesson_count", count);
            });
        }
    }
}

fn show(row: &mut Row, lessons: &Lessons, price: i64) {
    let left = lessons_left(row.money("balance"), price);
    row.set("paid_count", left.into());
    row.set("paid_lesson_count", left.into());
    row.set("last_attend_date", lessons.last_attended.into());
    row.set("next_lesson_date", lessons.coming.first().map(|(from, _)| *from).into());
    // The last of the coming lessons that is paid for.
    let paid = usize::try_from(left)
        .ok()
        .and_then(|left| left.min(lessons.coming.len()).checked_sub(1))
        .map(|last| lessons.coming[last]);
    row.set("paid_lesson_date", paid.map(|(from, _)| from).into());
    row.set("paid_till", paid.map(|(_, to)| to).into());
}

/// Each client's subscriptions with the price of a lesson, the current one last.
fn prices(store: &Store, wanted: &dyn Fn(u64) -> bool) -> BTreeMap<u64, Vec<(u64, i64)>> {
    let mut prices: BTreeMap<u64, Vec<(u64, i64)>> = BTreeMap::new();
    for row in store.table(Model::CustomerTariff).by_id() {
        let Some(customer) = row.key("customer_id").filter(|id| wanted(*id)) else {
            continue;
        };
        let price =
            row.key("tariff_id").and_then(|id| store.get(Model::Tariff, id)).map_or(0, tariff::lesson_price);
        prices.entry(customer).or_default().push((row.id, price));
    }
    prices
}

/// How many lessons a balance pays for; negative in debt, also for a part of a lesson.
fn lessons_left(balance: i64, price: i64) -> i64 {
    if price > 0 { balance.div_euclid(price) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debt_of_a_third_of_a_lesson_is_minus_one_lesson() {
        assert_eq!(lessons_left(-3100, 9500), -1);
        assert_eq!(lessons_left(28500, 9500), 3);
        assert_eq!(lessons_left(28400, 9500), 2);
        assert_eq!(lessons_left(100, 0), 0);
    }
}
