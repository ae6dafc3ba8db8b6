//! A payment of either CRM: a line of AlfaCRM's journal or a payment of a Crypto CRM project.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::{Change, Draft, Fields, Short, Sum, Word};
use super::expand::{Expand, Kin, to};
use super::filter::{Between, between, changed_since, chooses_among, contains, fits, narrows};
use super::record::{Touch, newest_first};
use super::reference::Book;
use super::sight::Need;
use super::{Entity, Filter, Money, Order, Query, Record, RecordId, Rows, Source};

/// Money that came in or went out.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Payment {
    /// The branch whose journal it is in.
    #[schema(required)]
    pub branch_id: Option<RecordId>,
    /// The student or lead it is for.
    #[schema(required)]
    pub student_id: Option<RecordId>,
    /// The project it is for.
    #[schema(required)]
    pub project_id: Option<RecordId>,
    /// In or out.
    pub direction: Direction,
    /// How much, never negative; `direction` tells the sign.
    #[schema(required)]
    pub amount: Option<Money>,
    /// The day of the document.
    #[schema(required)]
    pub date: Option<Date>,
    /// Who paid.
    #[schema(required)]
    pub payer_name: Option<String>,
    /// Free text.
    #[schema(required)]
    pub note: Option<String>,
    /// Whether it was checked; `null` where the CRM does not tell.
    #[schema(required)]
    pub confirmed: Option<bool>,
    /// A record of `/reference/pay-types`.
    #[schema(required)]
    pub type_id: Option<RecordId>,
    /// The type in the CRM's words.
    #[schema(required)]
    pub type_name: Option<String>,
    /// The till, a record of `/reference/pay-accounts`.
    #[schema(required)]
    pub account_id: Option<RecordId>,
    /// The article, a record of `/reference/pay-items`.
    #[schema(required)]
    pub item_id: Option<RecordId>,
    /// The subscription it pays for.
    #[schema(required)]
    pub subscription_id: Option<RecordId>,
    /// The teacher it is a salary of.
    #[schema(required)]
    pub teacher_id: Option<RecordId>,
    /// A record of `/reference/locations`.
    #[schema(required)]
    pub location_id: Option<RecordId>,
}

/// In or out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    /// Money came in.
    Income,
    /// Money went out.
    Expense,
    /// The CRM does not say; leave it out of totals.
    Unknown,
}

/// What lists of payments may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PaymentFilter {
    pub source: Option<Source>,
    pub student_id: Option<RecordId>,
    pub project_id: Option<RecordId>,
    pub days: Between<Date>,
    pub direction: Option<Direction>,
    pub confirmed: Option<bool>,
    pub account_id: Option<RecordId>,
    pub item_id: Option<RecordId>,
    pub payer: Option<String>,
    pub amount: Between<Decimal>,
    pub updated_since: Option<Timestamp>,
    /// Only these, where a list below a record offers it.
    pub ids: Vec<RecordId>,
}

impl Filter<Payment> for PaymentFilter {
    fn read(q: &mut Query) -> Self {
        Self {
            source: q.choice("source", "Payments of one CRM only."),
            student_id: q.one("student_id", "Payments for this student or lead."),
            project_id: q.one("project_id", "Payments for this project."),
            days: between(
                q,
                ("from", "Dated this day or later."),
                ("to", "Dated this day or earlier."),
                None,
            ),
            direction: q.choice("direction", "Only money in, or only money out."),
            confirmed: q.one("confirmed", "Only checked payments, or only unchecked ones."),
            account_id: q.one("account_id", "Payments into this till."),
            item_id: q.one("item_id", "Payments of this article."),
            payer: q.one("payer", "A part of the payer's name."),
            amount: between(
                q,
                ("amount_from", "Of at least this amount."),
                ("amount_to", "Of at most this amount."),
                None,
            ),
            updated_since: q.one("updated_since", "Changed at this time or later."),
            ids: Vec::new(),
        }
    }

    fn owner(&self) -> Option<(Kin, RecordId)> {
        self.student_id
            .clone()
            .map(|id| (Kin::Student, id))
            .or_else(|| self.project_id.clone().map(|id| (Kin::Project, id)))
    }

    fn narrows(&self, wider: &Self) -> bool {
        // How a CRM looks for a payer is its own affair.
        self.payer == wider.payer
            && self.updated_since == wider.updated_since
            && narrows(&self.source, &wider.source)
            && narrows(&self.student_id, &wider.student_id)
            && narrows(&self.project_id, &wider.project_id)
            && self.days.narrows(&wider.days)
            && narrows(&self.direction, &wider.direction)
            && narrows(&self.confirmed, &wider.confirmed)
            && narrows(&self.account_id, &wider.account_id)
            && narrows(&self.item_id, &wider.item_id)
            && self.amount.narrows(&wider.amount)
            && chooses_among(&self.ids, &wider.ids)
    }

    fn matches(&self, record: &Record<Payment>) -> bool {
        let payment = &record.data;
        self.source.is_none_or(|source| source == record.source)
            && fits(&self.student_id, payment.student_id.as_ref())
            && fits(&self.project_id, payment.project_id.as_ref())
            && self.days.admits(payment.date)
            && fits(&self.direction, Some(&payment.direction))
            && fits(&self.confirmed, payment.confirmed.as_ref())
            && fits(&self.account_id, payment.account_id.as_ref())
            && fits(&self.item_id, payment.item_id.as_ref())
            && self
                .payer
                .as_deref()
                .is_none_or(|part| payment.payer_name.as_deref().is_some_and(|name| contains(name, part)))
            && self.amount.admits(payment.amount.as_ref().map(|money| money.amount))
            && changed_since(self.updated_since, record.updated_at)
            && (self.ids.is_empty() || self.ids.contains(&record.id))
    }
}

impl PaymentFilter {
    /// What the payments below a project may be narrowed by.
    pub fn below_a_project(q: &mut Query) -> Self {
        let date: Option<Date> = q.one("date", "Dated this day.");
        Self {
            days: Between { from: date, to: date },
            direction: q.choice("direction", "Only money in, or only money out."),
            ids: q.many("id", "Only these payments."),
            ..Self::default()
        }
    }
}

/// What can be written of a payment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PaymentDraft {
    pub branch: Change<RecordId>,
    pub student: Change<RecordId>,
    pub amount: Change<Sum>,
    pub date: Change<Date>,
    pub account: Change<RecordId>,
    pub direction: Change<Word<Direction>>,
    pub kind: Change<RecordId>,
    pub item: Change<RecordId>,
    pub payer_name: Change<Short<50>>,
    pub note: Change<String>,
    pub confirmed: Change<bool>,
    pub subscription: Change<RecordId>,
}

impl Draft for PaymentDraft {
    fn read(fields: &mut Fields) -> Self {
        let draft = Self {
            student: fields.required_fixed("student_id", "The student or lead it is for."),
            amount: fields.required("amount", "How much; never negative."),
            date: fields.required("date", "The day of the payment."),
            account: fields
                .required("account_id", "The till it goes to, a record of `/reference/pay-accounts`."),
            branch: fields.branch("Its branch; the student's, if it has one, by default."),
            direction: fields.always("direction", "In (the default) or out."),
            kind: fields.always("type_id", "A record of `/reference/pay-types`; wins over `direction`."),
            item: fields.one("item_id", "The article, a record of `/reference/pay-items`."),
            payer_name: fields
                .one("payer_name", "Who paid; whoever usually pays for the student by default."),
            note: fields.one("note", "Free text."),
            confirmed: fields.always("confirmed", "Whether it was checked; `true` by default."),
            subscription: fields.one("subscription_id", "The subscription it pays."),
        };
        if draft.amount.value().is_some_and(|sum| sum.amount.is_zero()) {
            fields.refuse("amount", "is zero, which is no payment");
        }
        let unknown = draft.direction.value() == Some(&Word(Direction::Unknown));
        fields.never("direction", "UNKNOWN", unknown, "use `INCOME` or `EXPENSE`");
        fields.read_only("type_name", "`type_id` says it");
        draft
    }

    fn branches(&self) -> &[RecordId] {
        self.branch.value().map(std::slice::from_ref).unwrap_or_default()
    }

    fn student(&self) -> Option<&RecordId> {
        self.student.value()
    }

    fn refers(&self) -> Vec<(Kin, &'static str, &RecordId)> {
        let student = self.student.value().map(|student| (Kin::Student, "/student_id", student));
        let account = self.account.value();
        let account = account.map(|account| (Kin::Entry(Book::PayAccounts), "/account_id", account));
        student.into_iter().chain(account).collect()
    }

    fn subscription(&self) -> Option<&RecordId> {
        self.subscription.value()
    }
}

impl Entity for Payment {
    const RESOURCE: &'static str = "payments";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("notes", &["note", "custom_fields", "raw"]),
        ("contacts", &["custom_fields", "raw"]),
        ("balances", &["raw"]),
    ];
    const ROWS: Rows<Self> = Rows {
        needs: |filter| if filter.student_id.is_some() { &[] } else { &[Need::Projects] },
        on: |filter| filter.student_id.as_ref(),
        narrow: |filter, own| {
            if let Some(project) = &filter.project_id {
                let theirs = own.has(Kin::Project, project);
                return if theirs { vec![filter.clone()] } else { Vec::new() };
            }
            let of_student = |id: &RecordId| Self::Filter { student_id: Some(id.clone()), ..filter.clone() };
            let of_project = |id: &RecordId| Self::Filter { project_id: Some(id.clone()), ..filter.clone() };
            own.students.iter().map(of_student).chain(own.projects.iter().map(of_project)).collect()
        },
        see: |record, _, own| match &record.data.project_id {
            Some(project) => own.all_if(Kin::Project, Some(project)),
            None => own.all_if(Kin::Student, record.data.student_id.as_ref()),
        },
        made_for_one: true,
        ..Rows::CLOSED
    };
    type Filter = PaymentFilter;
    type Draft = PaymentDraft;
    const TOUCHES: &'static [&'static str] = &["students", "subscriptions"];
    const EXPANDS: &'static [Expand] = &[
        to("branch", "branch_id", Kin::Entry(Book::Branches)),
        to("student", "student_id", Kin::Student),
        to("account", "account_id", Kin::Entry(Book::PayAccounts)),
        to("item", "item_id", Kin::Entry(Book::PayItems)),
        to("teacher", "teacher_id", Kin::Teacher),
        to("location", "location_id", Kin::Entry(Book::Locations)),
    ];

    fn owners(&self) -> Option<Vec<(Kin, RecordId)>> {
        let student = self.student_id.clone().map(|id| (Kin::Student, id));
        let project = self.project_id.clone().map(|id| (Kin::Project, id));
        Some(student.into_iter().chain(project).collect())
    }

    fn touched(&self) -> Vec<Touch> {
        let student = self.student_id.iter();
        let touched = |id: &RecordId| {
            [Touch::Record("students", id.clone()), Touch::Below("subscriptions", Kin::Student, id.clone())]
        };
        student.flat_map(touched).collect()
    }

    fn trail(path: &PaymentFilter, draft: &PaymentDraft) -> PaymentFilter {
        let student_id = draft.student.value().cloned();
        PaymentFilter { source: Some(Source::AlfaCrm), student_id, ..path.clone() }
    }

    fn order() -> Order<Self> {
        Order::Merged(|a, b| newest_first(a.data.date, b.data.date))
    }

    fn branches(&self) -> Option<&[RecordId]> {
        // Payments of projects are no branch's business.
        self.project_id.is_none().then_some(self.branch_id.as_slice())
    }

    fn day(&self) -> Option<Date> {
        self.date
    }

    fn example() -> Value {
        json!({
            "id": "alfa-901", "source": "alfacrm", "source_id": "901", "branch_id": "alfa-1", "student_id": "alfa-101", "project_id": null,
            "direction": "INCOME", "amount": {"amount": "1000.00", "currency": "RUB"}, "date": "2026-02-02", "payer_name": "Образцова Анна",
            "note": "Абонемент", "confirmed": true, "type_id": "alfa-1", "type_name": "Доход", "account_id": "alfa-1", "item_id": "alfa-3",
            "subscription_id": "alfa-559", "teacher_id": null, "location_id": "alfa-1", "custom_fields": {},
            "created_at": "2026-02-02T12:00:00+03:00", "updated_at": "2026-02-02T12:00:00+03:00"
        })
    }
}
