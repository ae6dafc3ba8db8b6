//! What the school sent or said: text messages, letters and telephone calls.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::expand::{Expand, Kin, to};
use super::filter::{Between, between, contains, fits};
use super::reference::Book;
use super::student::{is_phone, phone_digits};
use super::{Entity, Filter, Moment, Order, Query, Record, RecordId, Rows};

/// A text message, a letter or a call. The CRM does not document them: what is not here is in `raw`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Message {
    /// Who sent it or called, a record of `/reference/users`.
    #[schema(required)]
    pub user_id: Option<RecordId>,
    /// Whom it concerns, where the CRM tells.
    #[schema(required)]
    pub student_id: Option<RecordId>,
    /// The telephone number or e-mail address at the other end.
    #[schema(required)]
    pub address: Option<String>,
    /// The subject of a letter.
    #[schema(required)]
    pub subject: Option<String>,
    /// What was written.
    #[schema(required)]
    pub text: Option<String>,
    /// Whether it was sent; `null` for calls.
    #[schema(required)]
    pub sent: Option<bool>,
    /// Whether it failed.
    #[schema(required)]
    pub failed: Option<bool>,
    /// Whether it is put away.
    #[schema(required)]
    pub archived: Option<bool>,
    /// When it was sent or said.
    #[schema(required)]
    pub at: Option<Moment>,
}

/// The kinds there are, as path segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Text messages.
    Sms,
    /// Letters by e-mail.
    Mail,
    /// Telephone calls.
    Calls,
}

impl MessageKind {
    /// All of them with their path segments.
    pub const ALL: &'static [(Self, &'static str)] =
        &[(Self::Sms, "sms"), (Self::Mail, "mail"), (Self::Calls, "calls")];

    /// The kind of a path segment.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// What lists of messages may be narrowed by. The kind comes from the path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MessageFilter {
    pub kind: Option<MessageKind>,
    pub user_id: Option<RecordId>,
    pub contact: Option<String>,
    pub sent: Option<bool>,
    pub failed: Option<bool>,
    pub archived: Option<bool>,
    pub days: Between<Date>,
}

impl Filter<Message> for MessageFilter {
    fn read(q: &mut Query) -> Self {
        let user_id = q.one("user_id", "Sent or called by this user.");
        let contact = q.one("contact", "A part of the telephone number or e-mail address.");
        q.masked_by("contacts");
        Self {
            kind: None,
            user_id,
            contact,
            sent: q.one("sent", "Only what was sent, or only what was not; calls are neither."),
            failed: q.one("failed", "Only what failed, or only what did not."),
            archived: q.one("archived", "Only what is put away, or only what is not."),
            days: between(
                q,
                ("from", "Sent or said this day or later."),
                ("to", "Sent or said this day or earlier."),
                None,
            ),
        }
    }

    fn matches(&self, record: &Record<Message>) -> bool {
        let message = &record.data;
        let holds = |wanted: &str| {
            let address = message.address.as_deref().unwrap_or_default();
            if is_phone(wanted) {
                phone_digits(address).contains(&phone_digits(wanted))
            } else {
                contains(address, wanted)
            }
        };
        fits(&self.user_id, message.user_id.as_ref())
            && self.contact.as_deref().is_none_or(holds)
            && fits(&self.sent, message.sent.as_ref())
            && fits(&self.failed, message.failed.as_ref())
            && fits(&self.archived, message.archived.as_ref())
            && self.days.admits(message.at.map(|at| at.local().date()))
    }
}

impl Entity for Message {
    const RESOURCE: &'static str = "messages";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("contacts", &["address", "subject", "text", "custom_fields", "raw"]),
        ("balances", &["subject", "text", "raw"]),
        ("notes", &["subject", "text", "custom_fields", "raw"]),
    ];
    // The CRM cannot be asked for those of a student, and to look all through for one reader would cost too much.
    const ROWS: Rows<Self> = Rows::CLOSED;
    type Filter = MessageFilter;
    type Draft = ReadOnly;
    const EXPANDS: &'static [Expand] =
        &[to("user", "user_id", Kin::Entry(Book::Users)), to("student", "student_id", Kin::Student)];

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn example() -> Value {
        json!({
            "id": "alfa-77", "source": "alfacrm", "source_id": "77", "user_id": "alfa-1", "student_id": null,
            "address": "79000000001", "subject": null, "text": "Занятие завтра в 17:00", "sent": true, "failed": false,
            "archived": false, "at": "2026-02-17T12:00:05+03:00", "custom_fields": {},
            "created_at": "2026-02-17T12:00:00+03:00", "updated_at": null
        })
    }
}
