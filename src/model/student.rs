//! A student or a lead: one record, told apart by `stage`.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::expand::{Expand, Kin, to};
use super::filter::{
    Archived, Between, between, changed_since, chooses_among, contains, fits, longest_word, narrows,
};
use super::reference::Book;
use super::sight::among;
use super::student_draft::StudentDraft;
use super::{Entity, Filter, Moment, Money, Order, Query, Record, RecordId, Rows};

/// A person who studies at the school, or may.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Student {
    /// The person's name.
    pub name: Option<String>,
    /// Student or lead.
    pub stage: Stage,
    /// Whether the record is in the archive.
    pub archived: bool,
    /// The day it was archived.
    #[schema(required)]
    pub archived_on: Option<Date>,
    /// Day of birth.
    #[schema(required)]
    pub birth_date: Option<Date>,
    /// Gender, where the CRM tells.
    pub gender: Gender,
    /// How to reach the person.
    pub contacts: Contacts,
    /// Who pays.
    #[schema(required)]
    pub payer: Option<Payer>,
    /// Colour mark.
    #[schema(required)]
    pub color: Option<Color>,
    /// Total balance; negative is a debt. Written only by payments and lessons.
    #[schema(required)]
    pub balance: Option<Money>,
    /// Balance without subscriptions that keep their own.
    #[schema(required)]
    pub base_balance: Option<Money>,
    /// Bonus points.
    #[schema(required)]
    pub bonus_balance: Option<i64>,
    /// Lessons left; negative in debt.
    #[schema(required)]
    pub lessons_left: Option<i64>,
    /// Paid lessons left; negative in debt.
    #[schema(required)]
    pub paid_lessons_left: Option<i64>,
    /// Until when lessons are paid for.
    #[schema(required)]
    pub paid_until: Option<Moment>,
    /// The next planned lesson.
    #[schema(required)]
    pub next_lesson_at: Option<Moment>,
    /// The day of the last lesson attended.
    #[schema(required)]
    pub last_attended_on: Option<Date>,
    /// Study status, a record of `/reference/study-statuses`.
    #[schema(required)]
    pub status_id: Option<RecordId>,
    /// Funnel stage, a record of `/reference/lead-statuses`.
    #[schema(required)]
    pub lead_status_id: Option<RecordId>,
    /// Why a lead was lost, a record of `/reference/lead-rejects`.
    #[schema(required)]
    pub lead_reject_id: Option<RecordId>,
    /// Where a lead came from, a record of `/reference/lead-sources`.
    #[schema(required)]
    pub lead_source_id: Option<RecordId>,
    /// Why a student left, a record of `/reference/customer-rejects`.
    #[schema(required)]
    pub customer_reject_id: Option<RecordId>,
    /// The responsible user, a record of `/reference/users`.
    #[schema(required)]
    pub assigned_user_id: Option<RecordId>,
    /// The branches the record is linked to.
    pub branch_ids: Vec<RecordId>,
    /// The teachers, where the CRM gives ids.
    pub teacher_ids: Vec<RecordId>,
    /// The teachers' names, where the CRM gives names instead of ids.
    pub teacher_names: Vec<String>,
    /// Card number.
    #[schema(required)]
    pub barcode: Option<String>,
    /// Free text.
    #[schema(required)]
    pub note: Option<String>,
}

/// Student or lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// Studies.
    Student,
    /// May study one day.
    Lead,
    /// The CRM said something else; see `raw`.
    Unknown,
}

/// Which stages a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StageFilter {
    /// Students only.
    #[default]
    Student,
    /// Leads only.
    Lead,
    /// Both.
    All,
}

/// A person's gender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Gender {
    /// Male.
    Male,
    /// Female.
    Female,
    /// Not said.
    Unknown,
}

/// How to reach a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Contacts {
    /// Telephone numbers.
    pub phones: Vec<Phone>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// Web pages and accounts.
    pub websites: Vec<String>,
    /// Postal addresses.
    pub addresses: Vec<String>,
}

/// One telephone number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Phone {
    /// As the CRM writes it.
    #[schema(example = "+7(900)000-00-01")]
    pub display: String,
    /// In international form, where it can be told.
    #[schema(required, example = "+79000000001")]
    pub e164: Option<String>,
}

/// Who pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Payer {
    /// A person or an organisation.
    pub kind: PayerKind,
    /// The payer's name.
    #[schema(required)]
    pub name: Option<String>,
}

/// A person or an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PayerKind {
    /// A person.
    Person,
    /// A company.
    Organization,
    /// The CRM said something else; see `raw`.
    Unknown,
}

/// Colour mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Color {
    /// `#ea394c`
    Red,
    /// `#ffcd70`
    Orange,
    /// `#ffff00`
    Yellow,
    /// `#00aa00`
    Green,
    /// `#9acfea`
    LightBlue,
    /// `#1a7bb9`
    Blue,
    /// `#3C578C`
    Violet,
    /// A colour of the CRM that has no name here; see `raw`.
    Unknown,
}

/// What lists of students may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StudentFilter {
    pub stage: StageFilter,
    pub archived: Archived,
    pub q: Option<String>,
    pub contact: Option<String>,
    pub ids: Vec<RecordId>,
    pub status_id: Option<RecordId>,
    pub lead_status_id: Option<RecordId>,
    pub lead_source_id: Option<RecordId>,
    pub assigned_user_id: Option<RecordId>,
    pub color: Option<Color>,
    pub birth_date: Between<Date>,
    pub balance: Between<Decimal>,
    pub next_lesson: Between<Date>,
    pub last_attended: Between<Date>,
    pub created: Between<Date>,
    pub updated_since: Option<Timestamp>,
}

/// The digits of a telephone number as far as they identify it. Of a Russian number these are the last ten, so that
/// `8…`, `+7…` and brackets are one; of any other number, all.
pub fn phone_digits(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let russian = digits.len() == 11 && digits.starts_with(['7', '8']);
    if russian { digits[1..].to_owned() } else { digits }
}

/// Whether a text looks like a telephone number rather than an address of another kind.
pub fn is_phone(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).count() >= 5
        && text.chars().all(|c| c.is_ascii_digit() || "+()- .".contains(c))
}

impl Contacts {
    /// Whether any contact holds `wanted`, in any spelling of a telephone number.
    pub fn hold(&self, wanted: &str) -> bool {
        if is_phone(wanted) {
            let digits = phone_digits(wanted);
            return self.phones.iter().any(|phone| phone_digits(&phone.display).contains(&digits));
        }
        let wanted = wanted.to_lowercase();
        let texts = self.emails.iter().chain(&self.websites).chain(&self.addresses);
        texts
            .chain(self.phones.iter().map(|phone| &phone.display))
            .any(|text| text.to_lowercase().contains(&wanted))
    }
}

impl Filter<Student> for StudentFilter {
    fn read(q: &mut Query) -> Self {
        let stage = q.choice("stage", "Students (the default), leads, or both.").unwrap_or_default();
        let archived =
            q.choice("archived", "Active records (the default), archived ones, or both.").unwrap_or_default();
        let name = q.one("q", "A part of the name.");
        let contact =
            q.one("contact", "A telephone number in any spelling, an e-mail address or any other contact.");
        q.masked_by("contacts");
        Self {
            stage,
            archived,
            q: name,
            contact,
            ids: q.many("id", "Only these records."),
            status_id: q.one("status_id", "Study status."),
            lead_status_id: q.one("lead_status_id", "Funnel stage of a lead."),
            lead_source_id: q.one("lead_source_id", "Where a lead came from."),
            assigned_user_id: q.one("assigned_user_id", "The responsible user."),
            color: q.choice("color", "Colour mark."),
            birth_date: between(
                q,
                ("birth_date_from", "Born on this day or later."),
                ("birth_date_to", "Born on this day or earlier."),
                None,
            ),
            balance: between(
                q,
                ("balance_from", "Balance of at least this amount."),
                ("balance_to", "Balance of at most this amount."),
                Some("balances"),
            ),
            next_lesson: between(
                q,
                ("next_lesson_from", "Next lesson on this day or later."),
                ("next_lesson_to", "Next lesson on this day or earlier."),
                None,
            ),
            last_attended: between(
                q,
                ("last_attended_from", "Last attended on this day or later."),
                ("last_attended_to", "Last attended on this day or earlier."),
                None,
            ),
            created: between(
                q,
                ("created_from", "Created on this day or later."),
                ("created_to", "Created on this day or earlier."),
                None,
            ),
            updated_since: q.one("updated_since", "Changed at this time or later."),
        }
    }

    fn is_computed(&self) -> bool {
        let Self { balance, next_lesson, last_attended, updated_since, .. } = self;
        !balance.is_open() || !next_lesson.is_open() || !last_attended.is_open() || updated_since.is_some()
    }

    fn narrows(&self, wider: &Self) -> bool {
        // How a CRM looks for a text is its own affair.
        self.q == wider.q
            && self.contact == wider.contact
            && self.updated_since == wider.updated_since
            && (self.stage == wider.stage || wider.stage == StageFilter::All)
            && self.archived.narrows(wider.archived)
            && chooses_among(&self.ids, &wider.ids)
            && narrows(&self.status_id, &wider.status_id)
            && narrows(&self.lead_status_id, &wider.lead_status_id)
            && narrows(&self.lead_source_id, &wider.lead_source_id)
            && narrows(&self.assigned_user_id, &wider.assigned_user_id)
            && narrows(&self.color, &wider.color)
            && self.birth_date.narrows(&wider.birth_date)
            && self.balance.narrows(&wider.balance)
            && self.next_lesson.narrows(&wider.next_lesson)
            && self.last_attended.narrows(&wider.last_attended)
            && self.created.narrows(&wider.created)
    }

    fn matches(&self, record: &Record<Student>) -> bool {
        let student = &record.data;
        let name = student.name.as_deref().unwrap_or_default();
        (match self.stage {
            StageFilter::All => true,
            StageFilter::Student => student.stage != Stage::Lead,
            StageFilter::Lead => student.stage == Stage::Lead,
        }) && self.archived.admits(student.archived)
            && self.q.as_deref().is_none_or(|part| contains(name, part))
            && self.contact.as_deref().is_none_or(|contact| student.contacts.hold(contact))
            && (self.ids.is_empty() || self.ids.contains(&record.id))
            && fits(&self.status_id, student.status_id.as_ref())
            && fits(&self.lead_status_id, student.lead_status_id.as_ref())
            && fits(&self.lead_source_id, student.lead_source_id.as_ref())
            && fits(&self.assigned_user_id, student.assigned_user_id.as_ref())
            && fits(&self.color, student.color.as_ref())
            && self.birth_date.admits(student.birth_date)
            && self.balance.admits(student.balance.as_ref().map(|money| money.amount))
            && self.next_lesson.admits(student.next_lesson_at.map(|at| at.local().date()))
            && self.last_attended.admits(student.last_attended_on)
            && self.created.admits(record.created_at.map(|at| at.local().date()))
            && changed_since(self.updated_since, record.updated_at)
    }
}

impl Entity for Student {
    const RESOURCE: &'static str = "students";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("contacts", &["contacts", "custom_fields", "raw"]),
        (
            "balances",
            &[
                "balance",
                "base_balance",
                "bonus_balance",
                "lessons_left",
                "paid_lessons_left",
                "paid_until",
                "raw",
            ],
        ),
        ("notes", &["note", "custom_fields", "raw"]),
    ];
    const ROWS: Rows<Self> = Rows {
        narrow: |filter, own| {
            let ids = among(&filter.ids, &own.students);
            if ids.is_empty() { Vec::new() } else { vec![StudentFilter { ids, ..filter.clone() }] }
        },
        by_id: |id, own| own.has(Kin::Student, id),
        see: |record, _, own| own.all_if(Kin::Student, Some(&record.id)),
        ..Rows::CLOSED
    };
    type Filter = StudentFilter;
    type Draft = StudentDraft;
    const EXPANDS: &'static [Expand] = &[
        to("teachers", "teacher_ids", Kin::Teacher),
        to("branches", "branch_ids", Kin::Entry(Book::Branches)),
        to("status", "status_id", Kin::Entry(Book::StudyStatuses)),
        to("lead_status", "lead_status_id", Kin::Entry(Book::LeadStatuses)),
        to("lead_reject", "lead_reject_id", Kin::Entry(Book::LeadRejects)),
        to("lead_source", "lead_source_id", Kin::Entry(Book::LeadSources)),
        to("customer_reject", "customer_reject_id", Kin::Entry(Book::CustomerRejects)),
        to("assigned_user", "assigned_user_id", Kin::Entry(Book::Users)),
    ];

    fn trail(_: &StudentFilter, draft: &StudentDraft) -> StudentFilter {
        let q = draft.name.value().and_then(|name| longest_word(&name.0));
        StudentFilter { stage: StageFilter::All, archived: Archived::All, q, ..StudentFilter::default() }
    }

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn branches(&self) -> Option<&[RecordId]> {
        Some(&self.branch_ids)
    }

    fn title(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn example() -> Value {
        json!({
            "id": "alfa-101", "source": "alfacrm", "source_id": "101", "name": "Образцов Пётр", "stage": "STUDENT", "archived": false,
            "archived_on": null, "birth_date": "2014-05-14", "gender": "UNKNOWN",
            "contacts": {"phones": [{"display": "+7(900)000-00-01", "e164": "+79000000001"}], "emails": ["parent101@mail.example"], "websites": [], "addresses": []},
            "payer": {"kind": "PERSON", "name": "Образцова Анна"}, "color": null,
            "balance": {"amount": "1250.00", "currency": "RUB"}, "base_balance": {"amount": "1281.00", "currency": "RUB"},
            "bonus_balance": 40, "lessons_left": 3, "paid_lessons_left": 3, "paid_until": "2026-03-04T17:59:59+03:00",
            "next_lesson_at": "2026-02-25T17:00:00+03:00", "last_attended_on": "2026-02-18", "status_id": "alfa-4", "lead_status_id": "alfa-4",
            "lead_reject_id": null, "lead_source_id": "alfa-5", "customer_reject_id": null, "assigned_user_id": "alfa-3",
            "branch_ids": ["alfa-1"], "teacher_ids": ["alfa-4"], "teacher_names": [], "barcode": null, "note": null,
            "custom_fields": {"custom_klass": "5"}, "created_at": "2025-08-25T17:40:51+03:00", "updated_at": "2026-02-18T18:05:12+03:00"
        })
    }
}
