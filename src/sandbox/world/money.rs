//! A year of payments. Who runs out of lessons pays for the next package, a few days early as a rule; some are late,
//! and that is where debts come from. A balance is exactly what was paid minus what was charged.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Time};

use super::dice::Dice;
use super::{FIRST_SUBSCRIPTION, Options, Payment, Standing, Status, World, id, shift, slot};

const FIRST_PAYMENT: u64 = 901;

/// Where a charge goes: a person's common balance, or a separate subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Account {
    person: u64,
    separate: Option<u64>,
}

/// A charge of an account.
#[derive(Debug, Clone, Copy)]
struct Charge {
    day: Date,
    amount: i64,
    branch: u64,
}

pub(super) fn settle(world: &mut World, options: &Options) {
    let mut dice = Dice::new(options.seed, 4);
    let mut payments = Vec::new();
    for (account, mut charges) in charges(world) {
        charges.sort_by_key(|charge| charge.day);
        let balance = pay(world, &mut dice, account, &charges, &mut payments, options);
        match account.separate {
            Some(id) => world.subscriptions[slot(id, FIRST_SUBSCRIPTION)].balance = balance,
            None => world.people[slot(account.person, super::FIRST_PERSON)].balance = balance,
        }
    }
    expenses(world, &mut dice, &mut payments, options);
    payments.sort_by_key(|payment| (payment.day, payment.created, payment.person));
    for (index, payment) in payments.iter_mut().enumerate() {
        payment.id = id(FIRST_PAYMENT, index);
    }
    world.payments = payments;
}

fn charges(world: &World) -> BTreeMap<Account, Vec<Charge>> {
    let mut all: BTreeMap<Account, Vec<Charge>> = BTreeMap::new();
    for lesson in world.lessons.iter().filter(|lesson| lesson.status == Status::Conducted) {
        for row in lesson.attendance.iter().filter(|row| row.charge != 0) {
            let separate =
                row.subscription.filter(|id| world.subscriptions[slot(*id, FIRST_SUBSCRIPTION)].separate);
            let account = Account { person: row.person, separate };
            all.entry(account).or_default().push(Charge {
                day: lesson.from.date(),
                amount: row.charge,
                branch: lesson.branch,
            });
        }
    }
    all
}

/// Walks the charges of one account and pays whenever it runs dry. Returns what is left.
fn pay(
    world: &World,
    dice: &mut Dice,
    account: Account,
    charges: &[Charge],
    payments: &mut Vec<Payment>,
    options: &Options,
) -> i64 {
    let today = options.now.date();
    let person = world.person(account.person);
    let subscription = world
        .subscriptions
        .iter()
        .skip(account.separate.map_or(0, |id| slot(id, FIRST_SUBSCRIPTION)))
        .find(|row| row.person == account.person);
    let package = subscription
        .and_then(|row| world.tariffs.iter().find(|tariff| tariff.id == row.tariff))
        .map_or(76_000, |tariff| tariff.price);
    let late = dice.percent(12);
    let mut balance = 0;
    for charge in charges {
        let debtor = late && charge.day > shift(today, -28);
        if balance < charge.amount && !debtor {
            let day = shift(charge.day, -dice.between(0, 6)).max(person.created.date()).min(today);
            balance += package;
            payments.push(Payment {
                id: 0,
                branch: charge.branch,
                person: Some(person.id),
                teacher: None,
                subscription: account.separate,
                day,
                created: moment(dice, day, options.now),
                amount: package,
                payer: person.parent.clone(),
                note: if dice.percent(30) { "Абонемент" } else { "" },
                cash: dice.percent(40),
                confirmed: day < shift(today, -7) || !dice.percent(20),
            });
        }
        balance -= charge.amount;
    }
    // Half of those who leave with money on the card get it back.
    if let Some(left) = person.archived
        && person.standing == Standing::FormerStudent
        && balance > 0
        && dice.percent(50)
    {
        payments.push(Payment {
            id: 0,
            branch: person.branches[0],
            person: Some(person.id),
            teacher: None,
            subscription: account.separate,
            day: left,
            created: moment(dice, left, options.now),
            amount: -balance,
            payer: person.parent.clone(),
            note: "Возврат остатка",
            cash: true,
            confirmed: true,
        });
        balance = 0;
    }
    balance
}

/// Some time in business hours of that day, never in the future.
fn moment(dice: &mut Dice, day: Date, now: DateTime) -> DateTime {
    let time = Time::new(
        i8::try_from(dice.between(9, 20)).unwrap_or(9),
        i8::try_from(dice.between(0, 59)).unwrap_or(0),
        0,
        0,
    );
    day.to_datetime(time.unwrap_or_default()).min(now)
}

/// Rent of each branch and the salary of a few teachers, month by month.
fn expenses(world: &World, dice: &mut Dice, payments: &mut Vec<Payment>, options: &Options) {
    let today = options.now.date();
    for month in 0..12 {
        let day = shift(today, -month * 30 - 1);
        for branch in &world.branches {
            payments.push(expense(dice, branch.id, None, day, -500_000, "Аренда", options));
        }
        for teacher in world.teachers.iter().take(6) {
            let amount = -dice.between(20, 60) * 10_000;
            payments.push(expense(
                dice,
                teacher.branches[0],
                Some(teacher.id),
                day,
                amount,
                "Зарплата",
                options,
            ));
        }
    }
}

fn expense(
    dice: &mut Dice,
    branch: u64,
    teacher: Option<u64>,
    day: Date,
    amount: i64,
    note: &'static str,
    options: &Options,
) -> Payment {
    Payment {
        id: 0,
        branch,
        person: None,
        teacher,
        subscription: None,
        day,
        created: moment(dice, day, options.now),
        amount,
        payer: String::new(),
        note,
        cash: false,
        confirmed: true,
    }
}
