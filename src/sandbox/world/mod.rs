//! The invented school both simulators could tell about: branches, people, a term of lessons and a year of money.
//!
//! Everything follows from the seed and from `now`: the same two give the same school to the last kopeck. The parts
//! agree with each other. A balance is what was paid minus what was charged, whoever is in a lesson was in its group
//! that day, and nothing is conducted in the future.

pub(super) mod dice;
mod lessons;
mod money;
mod names;
mod office;
mod people;
mod records;
mod school;
#[cfg(test)]
mod tests;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

pub use self::records::{
    Attendance, Branch, Comment, Discount, Group, Lesson, Membership, Payment, Person, Room, Slot, Standing,
    Status, Subject, Subscription, Tariff, Task, Teacher, Topic,
};

/// What kind of world to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Another number, another school.
    pub seed: u64,
    /// Active students; everything else grows with them.
    pub students: usize,
    /// The school's local time when it begins.
    pub now: DateTime,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, students: 500, now: DateTime::constant(2026, 2, 20, 10, 0, 0, 0) }
    }
}

/// The school.
#[derive(Debug)]
pub struct World {
    pub branches: Vec<Branch>,
    pub rooms: Vec<Room>,
    pub subjects: Vec<Subject>,
    pub tariffs: Vec<Tariff>,
    pub teachers: Vec<Teacher>,
    pub groups: Vec<Group>,
    pub slots: Vec<Slot>,
    pub people: Vec<Person>,
    pub memberships: Vec<Membership>,
    pub subscriptions: Vec<Subscription>,
    pub discounts: Vec<Discount>,
    pub lessons: Vec<Lesson>,
    pub payments: Vec<Payment>,
    pub tasks: Vec<Task>,
    pub comments: Vec<Comment>,
}

impl World {
    /// Makes the world.
    pub fn generate(options: &Options) -> Self {
        let terms = Terms::around(options.now);
        let mut world = school::build(options, &terms);
        people::enrol(&mut world, options, &terms);
        lessons::teach(&mut world, options);
        money::settle(&mut world, options);
        office::keep(&mut world, options);
        world
    }

    /// The person of this id.
    pub fn person(&self, id: u64) -> &Person {
        &self.people[slot(id, FIRST_PERSON)]
    }
}

/// Ids begin where they would in a school that has worked for a while.
const FIRST_PERSON: u64 = 101;
const FIRST_SUBSCRIPTION: u64 = 559;

/// Where the row of an id stands.
fn slot(id: u64, first: u64) -> usize {
    usize::try_from(id - first).expect("ids are small")
}

/// The `index`th id from `first` on.
fn id(first: u64, index: usize) -> u64 {
    first + u64::try_from(index).expect("ids are small")
}

/// The running term and the one before, which together make about a year.
#[derive(Debug)]
struct Terms {
    begins: Date,
    ends: Date,
    last_begins: Date,
    last_ends: Date,
}

impl Terms {
    fn around(now: DateTime) -> Self {
        let today = now.date();
        let monday =
            today.checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days()).unwrap_or(today);
        let week = |weeks: i64| shift(monday, weeks * 7);
        Self {
            begins: week(-24),
            ends: shift(week(16), -1),
            last_begins: week(-50),
            last_ends: shift(week(-28), -1),
        }
    }
}

/// The day so many days later.
fn shift(day: Date, days: i64) -> Date {
    day.checked_add(days.days()).unwrap_or(day)
}

/// The moment so many minutes later.
fn later(at: DateTime, minutes: i64) -> DateTime {
    at.checked_add(minutes.minutes()).unwrap_or(at)
}
