//! Who comes: students and their groups and subscriptions, leads, and those who left.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime, Time};

use super::dice::Dice;
use super::names::{person, phone};
use super::school::{GROUP_TARIFF, SINGLE_TARIFF, single_slot};
use super::{
    Discount, FIRST_PERSON, FIRST_SUBSCRIPTION, Membership, Options, Person, Standing, Subscription, Terms,
    World, id, shift,
};

const COLORS: [&str; 7] = ["#ea394c", "#ffcd70", "#ffff00", "#00aa00", "#9acfea", "#1a7bb9", "#3C578C"];
const FIRST_MEMBERSHIP: u64 = 10;
const FIRST_DISCOUNT: u64 = 21;

/// Where somebody's time at the school began.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    standing: Standing,
    created: DateTime,
}

pub(super) fn enrol(world: &mut World, options: &Options, terms: &Terms) {
    let mut dice = Dice::new(options.seed, 2);
    let mut arrivals = arrivals(&mut dice, options, terms);
    // Cards are numbered in the order they were made.
    arrivals.sort_by_key(|arrival| arrival.created);
    // Who came first still learns here: everybody looks at the first card first. The oldest student left in exchange, who
    // came long enough ago to have left.
    if let Some(student) = arrivals.iter().position(|arrival| arrival.standing == Standing::Student) {
        let first = arrivals[0].standing;
        arrivals[0].standing = Standing::Student;
        arrivals[student].standing = first;
    }
    for (index, arrival) in arrivals.into_iter().enumerate() {
        let person = card(&mut dice, index, arrival, options);
        world.people.push(person);
    }
    let mut seats = Seats::new(world);
    for index in 0..world.people.len() {
        place(world, &mut dice, &mut seats, index, options, terms);
        // Where somebody learns is settled when he is placed.
        if let (0, Some(discount)) = (index, world.discounts.first_mut()) {
            discount.branch = world.people[0].branches[0];
        }
    }
}

fn arrivals(dice: &mut Dice, options: &Options, terms: &Terms) -> Vec<Arrival> {
    let today = options.now.date();
    let counts = [
        (Standing::Student, options.students),
        (Standing::FormerStudent, options.students / 5),
        (Standing::Lead, options.students * 15 / 100),
        (Standing::RejectedLead, options.students / 10),
    ];
    let mut arrivals = Vec::new();
    for (standing, count) in counts {
        for _ in 0..count {
            let days_ago = match standing {
                Standing::Student => match dice.below(10) {
                    0..=2 => dice.between(360, 700),
                    3..=8 => dice.between(170, 200),
                    _ => dice.between(14, 120),
                },
                Standing::FormerStudent => dice.between(360, 720),
                Standing::Lead => dice.between(1, 90),
                Standing::RejectedLead => dice.between(60, 500),
            };
            let mut day = shift(today, -days_ago);
            // A student of the whole term was there when it began.
            if standing == Standing::Student && (150..300).contains(&days_ago) {
                day = day.min(shift(terms.begins, -1));
            }
            let time = Time::new(
                i8::try_from(dice.between(9, 20)).unwrap_or(9),
                i8::try_from(dice.between(0, 59)).unwrap_or(0),
                i8::try_from(dice.between(0, 59)).unwrap_or(0),
                0,
            );
            arrivals.push(Arrival { standing, created: day.to_datetime(time.unwrap_or_default()) });
        }
    }
    arrivals
}

fn card(dice: &mut Dice, index: usize, arrival: Arrival, options: &Options) -> Person {
    let today = options.now.date();
    let Arrival { standing, created } = arrival;
    let named = person(dice);
    let is_lead = matches!(standing, Standing::Lead | Standing::RejectedLead);
    let id = id(FIRST_PERSON, index);
    let age = dice.between(5, 17);
    let born = shift(today, -age * 365 - dice.between(0, 364));
    let archived = match standing {
        Standing::FormerStudent => Some(shift(today, -dice.between(3, 300))),
        Standing::RejectedLead => Some(shift(created.date(), dice.between(2, 50)).min(today)),
        _ => None,
    };
    let mut phones = vec![phone(index, dice.percent(20))];
    if dice.percent(25) {
        phones.push(phone(index + 5_000_000, false));
    }
    let updated = match archived {
        Some(day) => day.to_datetime(Time::constant(12, 0, 0, 0)),
        None => shift(created.date(), dice.between(0, 10))
            .min(shift(today, -1))
            .max(created.date())
            .to_datetime(created.time()),
    };
    Person {
        id,
        standing,
        branches: vec![1 + id % 3],
        teachers: Vec::new(),
        name: odd_name(index).map_or(named.full, str::to_owned),
        female: named.female,
        parent: named.parent,
        born: (!dice.percent(12)).then_some(born),
        phones: if dice.percent(2) { Vec::new() } else { phones },
        emails: if dice.percent(60) { vec![format!("parent{id}@mail.example")] } else { Vec::new() },
        address: dice.percent(30).then(|| format!("ул. Выдуманная, {}", 1 + index % 90)),
        color: dice.percent(15).then(|| *dice.pick(&COLORS)),
        note: odd_note(index),
        source: dice.percent(80).then(|| if dice.percent(50) { 5 } else { 2 }),
        assigned: dice.percent(40).then_some(3),
        stage: match standing {
            Standing::Lead => Some(u64::try_from(dice.between(1, 3)).unwrap_or(1)),
            Standing::RejectedLead => Some(5),
            _ => dice.percent(50).then_some(4),
        },
        class: (!is_lead && dice.percent(50)).then_some((age - 6).max(1)),
        contract: (!is_lead && dice.percent(70)).then(|| (format!("A-{id}"), created.date())),
        created,
        updated,
        archived,
        bonus: 0,
        balance: 0,
    }
}

/// Names that break careless software.
fn odd_name(index: usize) -> Option<&'static str> {
    Some(match index {
        11 => "Кавычкин \"Кот\" Лев",
        23 => "Смайликова Ева 🦊",
        37 => "Скобкин <b>Пётр</b>",
        41 => "O'Построфова Анна",
        53 => "Двойная-Чёрточкина Мария-Виктория",
        _ => return None,
    })
}

fn odd_note(index: usize) -> Cow<'static, str> {
    Cow::Borrowed(match index % 40 {
        7 => "Аллергия на орехи; звонить после 18:00",
        13 => "Сказали: \"перезвоним\" — <i>ждём</i> 📞",
        19 => "Первая строка\nВторая строка",
        29 => "100% посещаемость & скидка?",
        _ => "",
    })
}

/// Which groups have room.
#[derive(Debug)]
struct Seats {
    /// Index of the group and its free seats: this term's and last term's.
    now: Vec<(usize, i64)>,
    last: Vec<(usize, i64)>,
}

impl Seats {
    fn new(world: &World) -> Self {
        let of = |old: bool| {
            world
                .groups
                .iter()
                .enumerate()
                .filter(|(index, _)| (index % 4 == 3) == old)
                .map(|(index, group)| (index, group.limit))
                .collect()
        };
        Self { now: of(false), last: of(true) }
    }

    /// Takes a seat in some group that has one.
    fn take(list: &mut [(usize, i64)], dice: &mut Dice) -> Option<usize> {
        let start = dice.below(list.len());
        let place =
            (0..list.len()).map(|step| (start + step) % list.len()).find(|place| list[*place].1 > 0)?;
        list[place].1 -= 1;
        Some(list[place].0)
    }
}

fn place(
    world: &mut World,
    dice: &mut Dice,
    seats: &mut Seats,
    index: usize,
    options: &Options,
    terms: &Terms,
) {
    let today = options.now.date();
    let person = &world.people[index];
    let (id, created, archived) = (person.id, person.created.date(), person.archived);
    let standing = person.standing;
    if index == 0 {
        // The first student had a discount once, whatever the dice say: it lowers no charge any more.
        discount(world, 10, index, shift(today, -900), shift(today, -600));
    }
    match standing {
        Standing::Student => {
            let begins = terms.begins.max(shift(created, 1));
            if created <= terms.last_begins
                && dice.percent(60)
                && let Some(group) = Seats::take(&mut seats.last, dice)
            {
                join(world, dice, id, group, terms.last_begins, terms.last_ends);
            }
            if dice.percent(6) {
                let branch = world.people[index].branches[0];
                single_slot(world, dice, id, branch, begins, terms.ends);
                let subject = world.slots.last().map_or(2, |slot| slot.subject);
                subscribe(world, dice, id, SINGLE_TARIFF, subject, begins, terms.ends);
                if let Some(slot) = world.slots.last() {
                    let teacher = slot.teacher;
                    world.people[index].teachers.push(teacher);
                }
                return;
            }
            let mut home = None;
            for extra in [false, true] {
                if extra && !dice.percent(15) {
                    break;
                }
                let Some(group) = Seats::take(&mut seats.now, dice).filter(|group| home != Some(*group))
                else {
                    continue;
                };
                // A few have left their second group again.
                let ends = if extra && dice.percent(30) && begins < shift(today, -30) {
                    shift(today, -dice.between(7, 25))
                } else {
                    terms.ends
                };
                join(world, dice, id, group, begins, ends);
                visit(world, index, group, home.is_none());
                home = home.or(Some(group));
            }
            if dice.percent(8) && home.is_some() {
                let percent = *dice.pick(&[5, 10, 20]);
                discount(world, percent, index, begins, terms.ends);
            }
        }
        Standing::FormerStudent => {
            let left = archived.unwrap_or(today);
            let (list, begins) = if left > shift(terms.begins, 14) && dice.percent(60) {
                (&mut seats.now, terms.begins)
            } else {
                (&mut seats.last, terms.last_begins)
            };
            let begins = begins.max(shift(created, 1));
            if left <= shift(begins, 7) {
                return;
            }
            if let Some(group) = Seats::take(list, dice) {
                let ends = left.min(world.groups[group].ends);
                join(world, dice, id, group, begins, ends);
                visit(world, index, group, true);
            }
        }
        Standing::Lead | Standing::RejectedLead => {}
    }
}

/// Puts a person on the books of his group's branch and teacher.
fn visit(world: &mut World, index: usize, group: usize, first: bool) {
    let (branch, teacher) = (world.groups[group].branch, world.groups[group].teacher);
    let person = &mut world.people[index];
    if first {
        person.branches = vec![branch];
    } else if !person.branches.contains(&branch) {
        person.branches.push(branch);
        person.branches.sort_unstable();
    }
    if !person.teachers.contains(&teacher) {
        person.teachers.push(teacher);
    }
}

fn join(world: &mut World, dice: &mut Dice, person: u64, group: usize, begins: Date, ends: Date) {
    let (group_id, subject) = (world.groups[group].id, world.groups[group].subject);
    world.memberships.push(Membership {
        id: id(FIRST_MEMBERSHIP, world.memberships.len()),
        person,
        group: group_id,
        begins,
        ends,
    });
    subscribe(world, dice, person, GROUP_TARIFF, subject, begins, ends);
}

fn subscribe(
    world: &mut World,
    dice: &mut Dice,
    person: u64,
    tariff: u64,
    subject: u64,
    begins: Date,
    ends: Date,
) {
    world.subscriptions.push(Subscription {
        id: id(FIRST_SUBSCRIPTION, world.subscriptions.len()),
        person,
        tariff,
        subject,
        begins,
        ends,
        separate: dice.percent(20),
        balance: 0,
    });
}

fn discount(world: &mut World, percent: i64, index: usize, begins: Date, ends: Date) {
    let person = &world.people[index];
    let subject = world.subscriptions.last().map_or(2, |subscription| subscription.subject);
    world.discounts.push(Discount {
        id: id(FIRST_DISCOUNT, world.discounts.len()),
        person: person.id,
        branch: person.branches[0],
        percent,
        note: "Второй ребёнок",
        subject,
        begins,
        ends,
    });
}
