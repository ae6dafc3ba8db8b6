//! What happens in an invented project, in compact form: enough for the filter, and all that the records are made of.
//! Days count backwards from the day the data leads up to, so that planning ten thousand projects needs no calendar.

use super::super::profile::sorted;
use super::dice::{Dice, Question};
use super::dictionary::{ACTION_TYPES, CLIENTS, CURRENCIES, FUNNELS, GOODS, GROUPS, STEPS, USERS};

/// The data reaches back this many days.
const HISTORY: i64 = 1_095;
/// Nothing happens in a project after this many days.
const LIFE: i64 = 150;

/// A moment in office hours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Days before today, at least 1: today's events are for the living CRM.
    pub(super) days_ago: i64,
    /// Second of that day.
    pub(super) second: i64,
}

/// Where a project stands among all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) seed: u64,
    pub(super) id: u64,
    /// 0 for the oldest.
    pub(super) index: i64,
    pub(super) of: i64,
    pub(super) students: i64,
}

/// A project without its rows.
#[derive(Debug)]
pub(super) struct Project {
    place: Place,
    pub(super) created: Moment,
    pub(super) funnel: u64,
    /// The stages it went through; the last one is where it is.
    pub(super) stages: Vec<u64>,
    pub(super) user: u64,
    pub(super) group: u64,
    pub(super) currency: u64,
    pub(super) users: Vec<u64>,
    pub(super) groups: Vec<u64>,
    pub(super) deleted: bool,
    /// A company, or none when families pay.
    pub(super) client: Option<u64>,
    /// A customer of the other CRM.
    pub(super) customer: Option<i64>,
    pub(super) has_contract: bool,
    pub(super) source: i64,
    /// Chooses among the ways to name it.
    pub(super) title: i64,
}

/// A line of goods; money in hundredths.
#[derive(Debug)]
pub(super) struct Good {
    pub(super) good: usize,
    /// In tenths.
    pub(super) count: i64,
    pub(super) price: i64,
    /// Percent.
    pub(super) discount: i64,
    pub(super) sum: i64,
}

/// An event.
#[derive(Debug)]
pub(super) struct Action {
    pub(super) kind: u64,
    pub(super) user: u64,
    pub(super) at: Moment,
    pub(super) comment: i64,
}

/// An item of a checklist.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) name: i64,
    pub(super) done: bool,
    /// Days ago, negative for the future.
    pub(super) deadline: Option<i64>,
    pub(super) user: Option<u64>,
}

/// A payment; money in hundredths.
#[derive(Debug)]
pub(super) struct Payment {
    pub(super) incoming: bool,
    pub(super) at: Moment,
    pub(super) amount: i64,
    pub(super) comment: i64,
}

impl Project {
    /// Invents a project.
    pub(super) fn plan(place: Place) -> Self {
        let mut dice = place.dice(Question::Project);
        // The newest is from yesterday, the oldest from three years ago.
        let age = 1 + (place.of - 1 - place.index) * HISTORY / place.of.max(1);
        let (funnel, _) = *dice.pick(&FUNNELS);
        let path: Vec<u64> =
            STEPS.iter().filter(|(_, of, _)| *of == funnel).map(|(step, _, _)| *step).collect();
        let old = age > LIFE && dice.chance(75);
        let reached = if old {
            path.len()
        } else {
            // A stage takes three days at least.
            1 + small(dice.below(5).min(age / 3))
        };
        let company = funnel != 1 || dice.chance(30);
        let linked = place.students > 0 && dice.chance(33);
        // Every world has a project of its first customer, so that examples can show one.
        let of_first = place.students > 0 && place.index == 2;
        let customer = 101 + dice.below(place.students);
        let client = dice.pick(&CLIENTS).0;
        let some = |dice: &mut Dice, of: &[(u64, &str)], most: i64| {
            let count = dice.below(most + 1);
            sorted((0..count).map(|_| dice.pick(of).0).collect())
        };
        Self {
            place,
            // Before office hours, so that everything else of that day comes later.
            created: Moment { days_ago: age, second: 8 * 3_600 + dice.below(3_600) },
            funnel,
            stages: path.into_iter().take(reached).collect(),
            user: dice.pick(&USERS).0,
            group: dice.pick(&GROUPS).0,
            currency: if dice.chance(95) { 1 } else { dice.pick(&CURRENCIES).0 },
            users: some(&mut dice, &USERS, 4),
            groups: some(&mut dice, &GROUPS, 2),
            deleted: dice.chance(4),
            client: company.then_some(client),
            customer: if of_first { Some(101) } else { linked.then_some(customer) },
            has_contract: reached > 2,
            source: 1 + dice.below(6),
            title: dice.below(1_000),
        }
    }

    /// When it reached its stages, and who moved it.
    pub(super) fn stage_log(&self) -> Vec<(u64, Moment, u64)> {
        let mut dice = self.place.dice(Question::Steps);
        let span = self.span().min(self.count_of(&self.stages) * 20);
        let mut log = Vec::with_capacity(self.stages.len());
        for (number, step) in (0..).zip(&self.stages) {
            let at = if number == 0 {
                self.created
            } else {
                let days = span * number / self.count_of(&self.stages);
                office_hours(&mut dice, self.created.days_ago - days)
            };
            let user = if dice.chance(80) { self.user } else { dice.pick(&USERS).0 };
            log.push((*step, at, user));
        }
        log
    }

    /// Its events, oldest first: 0 to 40.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut dice = self.place.dice(Question::Actions);
        let count = dice.below(41);
        let span = self.span();
        let mut actions: Vec<Action> = (0..count)
            .map(|number| Action {
                kind: dice.pick(&ACTION_TYPES).0,
                user: if dice.chance(70) { self.user } else { dice.pick(&USERS).0 },
                at: office_hours(&mut dice, self.created.days_ago - span * number / count),
                comment: dice.below(100),
            })
            .collect();
        actions.sort_by_key(|action| (-action.at.days_ago, action.at.second));
        actions
    }

    /// Its checklists, 0 to 3, with up to 5 items each. A few items are overdue.
    pub(super) fn checklists(&self) -> Vec<Vec<Item>> {
        let mut dice = self.place.dice(Question::Checklists);
        let count = dice.below(4);
        let lists = (0..count).map(|_| {
            let items = dice.below(6);
            let items = (0..items).map(|_| {
                let deadline = self.created.days_ago - 3 - dice.below(60);
                let deadline = dice.chance(85).then_some(deadline);
                let past = deadline.is_none_or(|days_ago| days_ago > 0);
                Item {
                    name: dice.below(100),
                    done: dice.chance(if past { 96 } else { 20 }) && self.created.days_ago > 1,
                    deadline,
                    user: dice.chance(80).then(|| dice.pick(&USERS).0),
                }
            });
            items.collect()
        });
        lists.collect()
    }

    /// Its goods: 0 to 12 lines.
    pub(super) fn goods(&self) -> Vec<Good> {
        let mut dice = self.place.dice(Question::Goods);
        let sold: Vec<usize> = (0..GOODS.len()).filter(|at| GOODS[*at].1 == self.funnel).collect();
        let count = dice.below(13);
        let lines = (0..count).map(|_| {
            let good = *dice.pick(&sold);
            // Metres and hours come in halves.
            let halves = GOODS[good].0 >= 34;
            let count = if halves { 5 * (1 + dice.below(60)) } else { 10 * (1 + dice.below(12)) };
            let price = if self.currency == 1 { GOODS[good].3 } else { GOODS[good].3 / 90 };
            let discount = if dice.chance(80) { 0 } else { *dice.pick(&[5, 10, 15]) };
            Good { good, count, price, discount, sum: price * count * (100 - discount) / 1_000 }
        });
        lines.collect()
    }

    /// What it costs, in hundredths: its goods, or a round sum.
    pub(super) fn price(&self, goods: &[Good]) -> i64 {
        let goods: i64 = goods.iter().map(|line| line.sum).sum();
        if goods > 0 { goods } else { (self.place.dice(Question::Goods).below(90) + 1) * 500_000 }
    }

    /// Its payments, 0 to 8; what came in is never more than the price.
    pub(super) fn payments(&self) -> Vec<Payment> {
        let mut dice = self.place.dice(Question::Payments);
        let count = dice.below(9);
        if count == 0 {
            return Vec::new();
        }
        let price = self.price(&self.goods());
        let span = self.span();
        let payments = (0..count).map(|number| {
            let incoming = dice.chance(88);
            let share = price / count;
            Payment {
                incoming,
                at: office_hours(&mut dice, self.created.days_ago - span * number / count),
                amount: if incoming { share.max(1) } else { (share / 20).max(1) },
                comment: dice.below(100),
            }
        });
        payments.collect()
    }

    /// How many tasks it has, 0 to 2.
    pub(super) fn tasks(&self) -> i64 {
        self.place.dice(Question::Tasks).below(3)
    }

    /// Days in which things happen.
    fn span(&self) -> i64 {
        (self.created.days_ago - 1).min(LIFE)
    }

    fn count_of<T>(&self, several: &[T]) -> i64 {
        i64::try_from(several.len()).unwrap_or(1).max(1)
    }
}

impl Place {
    fn dice(&self, question: Question) -> Dice {
        Dice::new(self.seed, self.id, question)
    }
}

fn office_hours(dice: &mut Dice, days_ago: i64) -> Moment {
    Moment { days_ago: days_ago.max(1), second: 9 * 3_600 + dice.below(10 * 3_600) }
}

fn small(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
