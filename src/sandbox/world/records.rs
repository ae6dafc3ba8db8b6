//! What the school consists of, as plain data. Ids are unique within each kind.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime};

/// A place of the school. Ids count from 1; each has one location of the same id.
#[derive(Debug)]
pub struct Branch {
    pub id: u64,
    pub name: &'static str,
    pub subjects: Vec<u64>,
}

/// A room.
#[derive(Debug)]
pub struct Room {
    pub id: u64,
    pub branch: u64,
    pub name: String,
    pub note: &'static str,
    pub enabled: bool,
}

/// What is taught.
#[derive(Debug)]
pub struct Subject {
    pub id: u64,
    pub name: &'static str,
}

/// A package of lessons, or a month.
#[derive(Debug)]
pub struct Tariff {
    pub id: u64,
    pub name: &'static str,
    /// 1 per lesson, 2 monthly.
    pub kind: i64,
    /// In hundredths.
    pub price: i64,
    pub lessons: i64,
    pub minutes: i64,
    pub branches: Vec<u64>,
}

/// Who teaches.
#[derive(Debug)]
pub struct Teacher {
    pub id: u64,
    pub branches: Vec<u64>,
    pub name: String,
    pub female: bool,
    pub born: Option<Date>,
    pub phone: String,
    pub subject: u64,
    /// Day of leaving.
    pub left: Option<Date>,
}

/// What a person is to the school.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Student,
    FormerStudent,
    Lead,
    RejectedLead,
}

/// A client or lead.
#[derive(Debug)]
pub struct Person {
    pub id: u64,
    pub standing: Standing,
    pub branches: Vec<u64>,
    pub teachers: Vec<u64>,
    pub name: String,
    pub female: bool,
    pub parent: String,
    pub born: Option<Date>,
    pub phones: Vec<String>,
    pub emails: Vec<String>,
    pub address: Option<String>,
    pub color: Option<&'static str>,
    pub note: Cow<'static, str>,
    pub source: Option<u64>,
    pub assigned: Option<u64>,
    /// Funnel stage 1 to 5, of leads.
    pub stage: Option<u64>,
    pub class: Option<i64>,
    /// Number and day of the contract.
    pub contract: Option<(String, Date)>,
    pub created: DateTime,
    pub updated: DateTime,
    /// Day of archiving.
    pub archived: Option<Date>,
    pub bonus: i64,
    /// Paid minus charged outside separate subscriptions, in hundredths.
    pub balance: i64,
}

/// A group with its weekly slot.
#[derive(Debug)]
pub struct Group {
    pub id: u64,
    pub branch: u64,
    pub teacher: u64,
    pub name: String,
    pub subject: u64,
    pub level: u64,
    pub limit: i64,
    pub note: &'static str,
    pub begins: Date,
    pub ends: Date,
    pub created: DateTime,
}

/// A weekly slot of a group or of one person.
#[derive(Debug)]
pub struct Slot {
    pub id: u64,
    pub branch: u64,
    pub group: Option<u64>,
    pub person: Option<u64>,
    pub subject: u64,
    pub teacher: u64,
    pub room: Option<u64>,
    /// 1 is Monday.
    pub day: i8,
    pub hour: i8,
    pub minutes: i64,
    /// Ends at :59 and the next begins at :01, as the CRM separates back-to-back lessons.
    pub tight: bool,
    pub begins: Date,
    pub ends: Date,
}

/// Who is in which group.
#[derive(Debug)]
pub struct Membership {
    pub id: u64,
    pub person: u64,
    pub group: u64,
    pub begins: Date,
    pub ends: Date,
}

/// A person's subscription.
#[derive(Debug)]
pub struct Subscription {
    pub id: u64,
    pub person: u64,
    pub tariff: u64,
    pub subject: u64,
    pub begins: Date,
    pub ends: Date,
    pub separate: bool,
    /// Paid minus charged, when separate.
    pub balance: i64,
}

/// What became of a lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Planned = 1,
    Cancelled = 2,
    Conducted = 3,
}

/// A lesson.
#[derive(Debug)]
pub struct Lesson {
    pub id: u64,
    pub slot: Option<u64>,
    pub branch: u64,
    pub room: Option<u64>,
    pub subject: u64,
    pub teacher: u64,
    pub group: Option<u64>,
    /// 1 individual, 2 group, 3 trial.
    pub kind: i64,
    pub status: Status,
    pub from: DateTime,
    pub to: DateTime,
    pub people: Vec<u64>,
    pub attendance: Vec<Attendance>,
    pub topic: &'static str,
    pub homework: &'static str,
    pub note: &'static str,
    pub created: DateTime,
    pub updated: DateTime,
}

/// One person at one lesson.
#[derive(Debug)]
pub struct Attendance {
    pub id: u64,
    pub person: u64,
    pub subscription: Option<u64>,
    pub attended: bool,
    /// 1 no excuse, 2 illness.
    pub reason: Option<u64>,
    /// The charge in hundredths.
    pub charge: i64,
    pub grade: Option<&'static str>,
    pub bonus: i64,
}

/// A payment, or an expense with a negative amount.
#[derive(Debug)]
pub struct Payment {
    pub id: u64,
    pub branch: u64,
    pub person: Option<u64>,
    pub teacher: Option<u64>,
    pub subscription: Option<u64>,
    pub day: Date,
    pub created: DateTime,
    /// In hundredths.
    pub amount: i64,
    pub payer: String,
    pub note: &'static str,
    pub cash: bool,
    pub confirmed: bool,
}

/// Percent off for a person.
#[derive(Debug)]
pub struct Discount {
    pub id: u64,
    pub person: u64,
    pub branch: u64,
    pub percent: i64,
    pub note: &'static str,
    pub subject: u64,
    pub begins: Date,
    pub ends: Date,
}

/// Something to do.
#[derive(Debug)]
pub struct Task {
    pub id: u64,
    pub branch: u64,
    pub person: u64,
    pub title: &'static str,
    pub text: &'static str,
    pub created: DateTime,
    pub due: Option<Date>,
    pub done: Option<DateTime>,
}

/// What is commented on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    Person(u64),
    Group(u64),
    Task(u64),
}

/// A comment on a person, a group or a task.
#[derive(Debug)]
pub struct Comment {
    pub id: u64,
    pub about: Topic,
    pub user: u64,
    pub at: DateTime,
    pub text: &'static str,
}
