//! The school agrees with itself.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn options(students: usize) -> Options {
    Options { students, ..Options::default() }
}

#[test]
fn the_same_seed_and_time_give_the_same_school() {
    let text = |options: &Options| format!("{:?}", World::generate(options));
    let base = options(60);
    assert_eq!(text(&base), text(&base));
    let other = Options { seed: 2, ..base };
    assert_ne!(text(&base), text(&other));
    let later = Options { now: DateTime::constant(2027, 7, 1, 9, 0, 0, 0), ..base };
    assert_ne!(text(&base), text(&later));
}

#[test]
fn ids_are_dense_and_counts_grow_with_the_school() {
    let world = World::generate(&options(500));
    let students = world.people.iter().filter(|row| row.standing == Standing::Student).count();
    assert_eq!(students, 500);
    assert_eq!(world.groups.len(), 60);
    assert!(world.lessons.len() > 1_500, "{}", world.lessons.len());
    assert!(world.payments.len() > 1_500, "{}", world.payments.len());
    for (index, row) in world.people.iter().enumerate() {
        assert_eq!(row.id, id(FIRST_PERSON, index));
    }
    for pair in world.lessons.windows(2) {
        assert_eq!(pair[0].id + 1, pair[1].id);
    }
    let two = world.people.iter().filter(|row| row.branches.len() > 1).count();
    assert!(two > 10, "some students go to two branches: {two}");
}

#[test]
fn a_balance_is_paid_minus_charged() {
    let world = World::generate(&options(300));
    let separate: BTreeSet<u64> =
        world.subscriptions.iter().filter(|row| row.separate).map(|row| row.id).collect();
    let own = |subscription: Option<u64>| subscription.filter(|id| separate.contains(id));
    let mut sums: BTreeMap<(u64, Option<u64>), i64> = BTreeMap::new();
    for row in &world.payments {
        if let Some(person) = row.person {
            *sums.entry((person, own(row.subscription))).or_default() += row.amount;
        }
    }
    for lesson in world.lessons.iter().filter(|row| row.status == Status::Conducted) {
        for row in &lesson.attendance {
            *sums.entry((row.person, own(row.subscription))).or_default() -= row.charge;
        }
    }
    for person in &world.people {
        assert_eq!(person.balance, sums.get(&(person.id, None)).copied().unwrap_or(0));
    }
    for row in world.subscriptions.iter().filter(|row| row.separate) {
        let sum = sums.get(&(row.person, Some(row.id))).copied().unwrap_or(0);
        assert_eq!(row.balance, sum);
    }
    assert!(world.people.iter().any(|row| row.balance < 0), "somebody is in debt");
    assert!(world.people.iter().any(|row| row.balance > 0));
}

#[test]
fn whoever_is_in_a_group_lesson_was_a_member_that_day() {
    let world = World::generate(&options(200));
    for lesson in &world.lessons {
        let Some(group) = lesson.group else { continue };
        let day = lesson.from.date();
        let members: BTreeSet<u64> = world
            .memberships
            .iter()
            .filter(|row| row.group == group && row.begins <= day && row.ends >= day)
            .map(|row| row.person)
            .collect();
        assert_eq!(lesson.people.iter().copied().collect::<BTreeSet<_>>(), members);
    }
}

#[test]
fn nothing_happens_before_its_time() {
    let options = options(300);
    let world = World::generate(&options);
    for row in &world.people {
        assert!(row.created <= options.now && row.updated <= options.now && row.updated >= row.created);
        assert!(row.archived.is_none_or(|day| day <= options.now.date() && day >= row.created.date()));
    }
    for row in &world.lessons {
        assert!(row.status != Status::Conducted || row.to <= options.now);
        assert!(row.from < row.to && row.updated <= options.now.max(row.created));
    }
    for row in &world.payments {
        assert!(row.created <= options.now && row.day <= options.now.date());
    }
    let created: BTreeMap<u64, Date> = world.people.iter().map(|row| (row.id, row.created.date())).collect();
    for row in &world.memberships {
        assert!(row.begins <= row.ends && row.begins > created[&row.person]);
    }
    let statuses: BTreeSet<i64> = world.lessons.iter().map(|row| row.status as i64).collect();
    assert_eq!(statuses.len(), 3);
}

#[test]
fn there_is_something_odd_for_everybody() {
    let world = World::generate(&options(500));
    let any = |test: &dyn Fn(&Person) -> bool| assert!(world.people.iter().any(test));
    any(&|row| row.born.is_none());
    any(&|row| row.name.contains('"'));
    any(&|row| row.name.contains('<'));
    any(&|row| row.name.contains('🦊'));
    any(&|row| row.note.contains('\n'));
    any(&|row| row.phones.iter().any(|phone| phone.starts_with("+7900")));
    any(&|row| row.phones.iter().any(|phone| phone.starts_with("+7(900)")));
    any(&|row| row.color.is_some());
    any(&|row| row.contract.is_none());
    assert!(world.lessons.iter().any(|row| row.from.second() == 1 && row.to.second() == 59));
    assert!(world.people.iter().all(|row| row.name.chars().count() <= 50));
}

#[test]
fn a_tiny_school_works_at_any_date() {
    for now in [
        DateTime::constant(2024, 2, 29, 23, 59, 59, 0),
        DateTime::constant(2025, 7, 15, 0, 0, 0, 0),
        DateTime::constant(2026, 1, 1, 12, 0, 0, 0),
    ] {
        for students in [0, 1, 7] {
            let world = World::generate(&Options { seed: 3, students, now });
            assert!(world.people.len() >= students);
        }
    }
}
