//! What stands before anybody comes: branches, rooms, subjects, packages, teachers, groups and their weekly slots.

use jiff::civil::{Date, Time};

use super::dice::Dice;
use super::names::{person, phone};
use super::{Branch, Group, Options, Room, Slot, Subject, Tariff, Teacher, Terms, World, id, shift};

const SUBJECTS: [(u64, &str); 4] =
    [(2, "Английский язык"), (5, "Робототехника"), (6, "Математика"), (8, "Рисование")];
const AGES: [&str; 5] = ["5-6 лет", "7-9 лет", "10-12 лет", "13-15 лет", "взрослые"];
const FIRST_TEACHER: u64 = 4;
const FIRST_GROUP: u64 = 12;
const FIRST_SLOT: u64 = 301;
/// Teachers' phones are far from those of the clients.
const TEACHER_PHONES: usize = 9_000_000;

/// The package of group lessons and the one of individual lessons.
pub(super) const GROUP_TARIFF: u64 = 40;
pub(super) const SINGLE_TARIFF: u64 = 42;

pub(super) fn build(options: &Options, terms: &Terms) -> World {
    let mut dice = Dice::new(options.seed, 1);
    let groups = (options.students * 60 / 500).max(8);
    let mut world = World {
        branches: vec![
            branch(1, "Центр", &[2, 5, 6, 8]),
            branch(2, "Север", &[2, 5, 6]),
            branch(3, "Юг", &[2, 8]),
        ],
        rooms: Vec::new(),
        subjects: SUBJECTS.map(|(id, name)| Subject { id, name }).into_iter().collect(),
        tariffs: vec![
            tariff(GROUP_TARIFF, "8 занятий", 1, 76_000, 8, &[1, 2, 3]),
            tariff(41, "Месяц", 2, 120_000, 0, &[1]),
            tariff(SINGLE_TARIFF, "4 индивидуальных", 1, 120_000, 4, &[1, 2, 3]),
            tariff(43, "Разовое", 1, 15_000, 1, &[1, 2]),
        ],
        teachers: Vec::new(),
        groups: Vec::new(),
        slots: Vec::new(),
        people: Vec::new(),
        memberships: Vec::new(),
        subscriptions: Vec::new(),
        discounts: Vec::new(),
        lessons: Vec::new(),
        payments: Vec::new(),
        tasks: Vec::new(),
        comments: Vec::new(),
    };
    rooms(&mut world, groups);
    teachers(&mut world, &mut dice, groups, options);
    for index in 0..groups {
        // Every fourth group belongs to the term that is over.
        let old = index % 4 == 3;
        group(&mut world, &mut dice, index, old, terms);
    }
    world
}

fn branch(id: u64, name: &'static str, subjects: &[u64]) -> Branch {
    Branch { id, name, subjects: subjects.to_vec() }
}

fn tariff(id: u64, name: &'static str, kind: i64, price: i64, lessons: i64, branches: &[u64]) -> Tariff {
    Tariff { id, name, kind, price, lessons, minutes: 60, branches: branches.to_vec() }
}

fn rooms(world: &mut World, groups: usize) {
    let per_branch = (groups / 45).max(3);
    for index in 0..per_branch * world.branches.len() {
        let branch = &world.branches[index / per_branch];
        world.rooms.push(Room {
            id: id(1, index),
            branch: branch.id,
            name: format!("К-{}", index + 1),
            note: if index % 2 == 0 { "Класс на 14 мест" } else { "" },
            enabled: index % per_branch != per_branch - 1 || per_branch < 3,
        });
    }
}

fn teachers(world: &mut World, dice: &mut Dice, groups: usize, options: &Options) {
    for index in 0..(groups / 5).max(8) {
        let named = person(dice);
        let home = id(1, index % 3);
        let mut branches = vec![home];
        if index % 4 == 0 {
            branches.push(home % 3 + 1);
            branches.sort_unstable();
        }
        let subjects = &world.branches[index % 3].subjects;
        let subject = subjects[index / 3 % subjects.len()];
        let born = Date::new(
            1970 + i16::try_from(dice.below(30)).unwrap_or(0),
            i8::try_from(dice.between(1, 12)).unwrap_or(1),
            i8::try_from(dice.between(1, 28)).unwrap_or(1),
        );
        world.teachers.push(Teacher {
            id: id(FIRST_TEACHER, index),
            branches,
            name: named.full,
            female: named.female,
            born: born.ok().filter(|_| index % 5 != 3),
            phone: phone(TEACHER_PHONES + index, false),
            subject,
            left: (index == 7).then(|| shift(options.now.date(), -40)),
        });
    }
}

fn group(world: &mut World, dice: &mut Dice, index: usize, old: bool, terms: &Terms) {
    let branch = &world.branches[index % 3];
    // Whoever has left teaches no more.
    let staff: Vec<&Teacher> = world
        .teachers
        .iter()
        .filter(|teacher| teacher.branches.contains(&branch.id) && teacher.left.is_none())
        .collect();
    let teacher = *dice.pick(&staff);
    let subject = teacher.subject;
    let taught = SUBJECTS.iter().find(|(id, _)| *id == subject).map_or("", |(_, name)| *name);
    let rooms: Vec<u64> = world
        .rooms
        .iter()
        .filter(|room| room.branch == branch.id && room.enabled)
        .map(|room| room.id)
        .collect();
    let (begins, ends) = if old { (terms.last_begins, terms.last_ends) } else { (terms.begins, terms.ends) };
    let group_id = id(FIRST_GROUP, index);
    let mut name = format!("{taught} {}", dice.pick(&AGES));
    if index >= 15 {
        name.push_str(&format!(" №{}", index + 1));
    }
    world.groups.push(Group {
        id: group_id,
        branch: branch.id,
        teacher: teacher.id,
        name,
        subject,
        level: id(1, dice.below(2)),
        limit: 16,
        note: if index == 5 { "Внимание: \"тихий час\" <до 16:00> 🤫" } else { "" },
        begins,
        ends,
        created: shift(begins, -20).to_datetime(Time::constant(12, 0, 0, 0)),
    });
    world.slots.push(Slot {
        id: id(FIRST_SLOT, world.slots.len()),
        branch: branch.id,
        group: Some(group_id),
        person: None,
        subject,
        teacher: teacher.id,
        room: Some(*dice.pick(&rooms)),
        day: i8::try_from(dice.between(1, 7)).unwrap_or(1),
        hour: i8::try_from(dice.between(10, 19)).unwrap_or(17),
        minutes: 60,
        tight: dice.percent(25),
        begins,
        ends,
    });
}

/// A weekly slot of one person.
pub(super) fn single_slot(
    world: &mut World,
    dice: &mut Dice,
    person: u64,
    branch: u64,
    begins: Date,
    ends: Date,
) {
    let staff: Vec<(u64, u64)> = world
        .teachers
        .iter()
        .filter(|teacher| teacher.branches.contains(&branch) && teacher.left.is_none())
        .map(|teacher| (teacher.id, teacher.subject))
        .collect();
    let (teacher, subject) = *dice.pick(&staff);
    world.slots.push(Slot {
        id: id(FIRST_SLOT, world.slots.len()),
        branch,
        group: None,
        person: Some(person),
        subject,
        teacher,
        room: None,
        day: i8::try_from(dice.between(1, 6)).unwrap_or(1),
        hour: i8::try_from(dice.between(10, 19)).unwrap_or(12),
        minutes: 60,
        tight: dice.percent(30),
        begins,
        ends,
    });
}
