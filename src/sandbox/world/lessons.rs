//! Lessons of both terms up to three weeks ahead, who was there and what it cost.

use std::collections::{BTreeMap, HashMap};

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};

use super::dice::Dice;
use super::{Attendance, Lesson, Options, Slot, Standing, Status, World, id, later, shift};

const FIRST_LESSON: u64 = 5001;
const FIRST_ATTENDANCE: u64 = 70_001;
/// How far ahead lessons exist; beyond that there is only the timetable.
const WEEKS_AHEAD: i64 = 3;
const TOPICS: [&str; 5] = ["Present Simple", "Дроби", "Датчик цвета", "Натюрморт", "Повторение"];
const HOMEWORK: [&str; 4] = ["Упр. 4", "Стр. 12-13", "", ""];

/// A subscription as a lesson looks for it.
#[derive(Debug, Clone, Copy)]
struct Payer {
    subscription: u64,
    subject: u64,
    begins: Date,
    ends: Date,
    price: i64,
}

#[derive(Debug)]
struct Books {
    /// Members of each group.
    members: BTreeMap<u64, Vec<(u64, Date, Date)>>,
    payers: HashMap<u64, Vec<Payer>>,
    discounts: HashMap<u64, (i64, Date, Date)>,
}

pub(super) fn teach(world: &mut World, options: &Options) {
    let mut dice = Dice::new(options.seed, 3);
    let books = Books::of(world);
    let mut lessons = Vec::new();
    let mut attendances = 0;
    let Some(first) = world.slots.iter().map(|slot| slot.begins).min() else {
        return;
    };
    let last = shift(options.now.date(), WEEKS_AHEAD * 7);
    let mut monday = first;
    while monday <= last {
        for slot in &world.slots {
            let day = shift(monday, i64::from(slot.day) - 1);
            if day < slot.begins || day > slot.ends || day > last {
                continue;
            }
            lessons.push(held(&mut dice, slot, day, &books, &mut attendances, options));
        }
        monday = shift(monday, 7);
    }
    trials(world, &mut dice, &mut lessons, &mut attendances, options);
    lessons.sort_by_key(|lesson| (lesson.created, lesson.from));
    for (index, lesson) in lessons.iter_mut().enumerate() {
        lesson.id = id(FIRST_LESSON, index);
    }
    for attendance in lessons
        .iter()
        .filter(|lesson| lesson.status == Status::Conducted)
        .flat_map(|lesson| &lesson.attendance)
        .filter(|attendance| attendance.bonus > 0)
    {
        let place = super::slot(attendance.person, super::FIRST_PERSON);
        world.people[place].bonus += attendance.bonus;
    }
    world.lessons = lessons;
}

impl Books {
    fn of(world: &World) -> Self {
        let mut members: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        for link in &world.memberships {
            members.entry(link.group).or_default().push((link.person, link.begins, link.ends));
        }
        let mut payers: HashMap<u64, Vec<Payer>> = HashMap::new();
        for row in &world.subscriptions {
            let price = world
                .tariffs
                .iter()
                .find(|tariff| tariff.id == row.tariff)
                .map_or(0, |tariff| tariff.price / tariff.lessons.max(1));
            payers.entry(row.person).or_default().push(Payer {
                subscription: row.id,
                subject: row.subject,
                begins: row.begins,
                ends: row.ends,
                price,
            });
        }
        let discounts =
            world.discounts.iter().map(|row| (row.person, (row.percent, row.begins, row.ends))).collect();
        Self { members, payers, discounts }
    }

    /// Who is charged how much for a lesson of this subject on this day.
    fn charge(&self, person: u64, subject: u64, day: Date) -> (Option<u64>, i64) {
        let Some(payer) = self
            .payers
            .get(&person)
            .into_iter()
            .flatten()
            .find(|payer| payer.subject == subject && payer.begins <= day && payer.ends >= day)
        else {
            return (None, 0);
        };
        let percent = self
            .discounts
            .get(&person)
            .filter(|(_, begins, ends)| *begins <= day && *ends >= day)
            .map_or(0, |(percent, _, _)| *percent);
        (Some(payer.subscription), payer.price * (100 - percent) / 100)
    }
}

fn held(
    dice: &mut Dice,
    slot: &Slot,
    day: Date,
    books: &Books,
    attendances: &mut usize,
    options: &Options,
) -> Lesson {
    let (from, to) = times(slot, day);
    let people: Vec<u64> = match (slot.group, slot.person) {
        (Some(group), _) => books
            .members
            .get(&group)
            .into_iter()
            .flatten()
            .filter(|(_, begins, ends)| *begins <= day && *ends >= day)
            .map(|(person, _, _)| *person)
            .collect(),
        (None, person) => person.into_iter().collect(),
    };
    let past = to <= options.now;
    let status = match (past, dice.below(100)) {
        (_, 0..=3) => Status::Cancelled,
        // Somebody forgot to mark it.
        (true, 4) => Status::Planned,
        (true, _) => Status::Conducted,
        (false, _) => Status::Planned,
    };
    let far = day > shift(options.now.date(), 14);
    let expanded = status != Status::Cancelled && !(far && dice.percent(30));
    let attendance = people
        .iter()
        .filter(|_| expanded)
        .map(|person| {
            let (subscription, price) = books.charge(*person, slot.subject, day);
            *attendances += 1;
            let number = id(FIRST_ATTENDANCE, *attendances);
            attend(dice, number, *person, subscription, price, status)
        })
        .collect();
    let created = shift(day, -WEEKS_AHEAD * 7).to_datetime(Time::constant(3, 0, 10, 0));
    let conducted = status == Status::Conducted;
    Lesson {
        id: 0,
        slot: Some(slot.id),
        branch: slot.branch,
        room: slot.room,
        subject: slot.subject,
        teacher: slot.teacher,
        group: slot.group,
        kind: if slot.group.is_some() { 2 } else { 1 },
        status,
        from,
        to,
        people,
        attendance,
        topic: if conducted { TOPICS[dice.below(TOPICS.len())] } else { "" },
        homework: if conducted { HOMEWORK[dice.below(HOMEWORK.len())] } else { "" },
        note: if status == Status::Cancelled { "Педагог заболел" } else { "" },
        created,
        updated: if conducted { later(to, 5).min(options.now) } else { created },
    }
}

fn times(slot: &Slot, day: Date) -> (DateTime, DateTime) {
    let start = day.to_datetime(Time::new(slot.hour, 0, 0, 0).unwrap_or_default());
    let end = later(start, slot.minutes);
    if slot.tight {
        let second = |at: DateTime, by: i64| at.checked_add(by.seconds()).unwrap_or(at);
        (second(start, 1), second(end, -1))
    } else {
        (start, end)
    }
}

fn attend(
    dice: &mut Dice,
    number: u64,
    person: u64,
    subscription: Option<u64>,
    price: i64,
    status: Status,
) -> Attendance {
    let conducted = status == Status::Conducted;
    let chance = dice.below(100);
    let (attended, reason, charge) = match (conducted, chance) {
        (false, _) => (false, None, price),
        (true, 0..=6) => (false, Some(2), 0),
        (true, 7..=11) => (false, Some(1), price),
        (true, _) => (true, None, price),
    };
    Attendance {
        id: number,
        person,
        subscription,
        attended,
        reason,
        charge,
        grade: match chance {
            14..=24 if attended => Some("5"),
            25..=30 if attended => Some("4"),
            _ => None,
        },
        bonus: if attended && chance > 95 { 5 } else { 0 },
    }
}

/// Every third lead comes to a trial, which is free.
fn trials(
    world: &World,
    dice: &mut Dice,
    lessons: &mut Vec<Lesson>,
    attendances: &mut usize,
    options: &Options,
) {
    let leads = world.people.iter().filter(|person| person.standing == Standing::Lead);
    for lead in leads {
        if !dice.percent(33) {
            continue;
        }
        let branch = lead.branches[0];
        let staff: Vec<(u64, u64)> = world
            .teachers
            .iter()
            .filter(|teacher| teacher.branches.contains(&branch) && teacher.left.is_none())
            .map(|teacher| (teacher.id, teacher.subject))
            .collect();
        let (teacher, subject) = *dice.pick(&staff);
        let day = shift(lead.created.date(), dice.between(2, 14));
        let from = day.to_datetime(
            Time::new(i8::try_from(dice.between(10, 18)).unwrap_or(12), 30, 0, 0).unwrap_or_default(),
        );
        let to = later(from, 45);
        let status = if to <= options.now { Status::Conducted } else { Status::Planned };
        *attendances += 1;
        let number = id(FIRST_ATTENDANCE, *attendances);
        lessons.push(Lesson {
            id: 0,
            slot: None,
            branch,
            room: None,
            subject,
            teacher,
            group: None,
            kind: 3,
            status,
            from,
            to,
            people: vec![lead.id],
            attendance: vec![attend(dice, number, lead.id, None, 0, status)],
            topic: "",
            homework: "",
            note: "Пробное",
            created: lead.created,
            updated: if status == Status::Conducted { to } else { lead.created },
        });
    }
}
