//! Writes the invented school down as AlfaCRM keeps it: reference books, cards, lessons, money, and a history to match.

mod books;
mod cards;
mod office;
mod school;

use jiff::civil::DateTime;

use super::accounts;
use super::cell::Cell;
use super::row::Row;
use super::schema::Model;
use super::store::Store;
use crate::sandbox::world::World;

/// Fills an empty store.
pub(in crate::sandbox::alfa) fn fill(store: &mut Store, mut world: World, now: DateTime) {
    books::books(store);
    school::school(store, &world);
    office::history(store, &world, now);
    let people = world.people.iter().map(cards::card).collect();
    store.table_mut(Model::Customer).load(people);
    store.last_detail =
        world.lessons.iter().flat_map(|lesson| &lesson.attendance).map(|row| row.id).max().unwrap_or(70_000);
    let lessons = std::mem::take(&mut world.lessons).into_iter().map(cards::lesson).collect();
    store.table_mut(Model::Lesson).load(lessons);
    for payment in &world.payments {
        let till = cards::account(payment);
        store.table_mut(Model::PayAccount).change(till, |row| {
            row.set("balance", Cell::Money(row.money("balance") + payment.amount));
        });
    }
    let payments = std::mem::take(&mut world.payments).into_iter().map(cards::pay).collect();
    store.table_mut(Model::Pay).load(payments);
    office::office(store, &world, now);
    for row in world.subscriptions.iter().filter(|row| row.balance != 0) {
        store.table_mut(Model::Customer).change(row.person, |card| {
            card.set("balance", Cell::Money(card.money("balance") + row.balance));
        });
    }
    accounts::refresh(store, now, None);
}

fn blank(model: Model, id: u64) -> Row {
    Row { id, ..Row::blank(model.spec()) }
}
