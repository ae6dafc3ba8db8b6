//! Text messages, letters and calls: the models `sms-message`, `mail-message` and `phone-call` (section 9.20 of the
//! reference). Their rows are hardly documented and tell no branch.

use super::filter::{Body, iso};
use super::model::{Branching, Calls, Model, Scene};
use crate::crm::wire::Row;
use crate::model::message::{Message, MessageFilter, MessageKind};
use crate::model::student::{is_phone, phone_digits};

/// Messages.
pub(super) struct Messages;

impl Model for Messages {
    type Record = Message;
    const CALLS: Calls = Calls::reads("sms-message/index");
    const TELLS_BRANCHES: bool = false;
    const OF_MANY_KINDS: bool = true;

    fn list(filter: &MessageFilter) -> &'static str {
        match filter.kind {
            Some(MessageKind::Sms) | None => Self::CALLS.list,
            Some(MessageKind::Mail) => "mail-message/index",
            Some(MessageKind::Calls) => "phone-call/index",
        }
    }

    /// They were only ever seen with a branch in the path. Their rows tell none, so any will do.
    fn branching(_: &MessageFilter) -> Branching {
        Branching::Any
    }

    fn ask(filter: &MessageFilter, body: &mut Body) {
        let calls = filter.kind == Some(MessageKind::Calls);
        body.impossible_if(filter.kind.is_none() || (calls && filter.sent.is_some()));
        body.id("user_id", filter.user_id.as_ref());
        let contact = filter
            .contact
            .as_deref()
            .map(|text| if is_phone(text) { phone_digits(text) } else { text.to_owned() });
        let key = if filter.kind == Some(MessageKind::Mail) { "email" } else { "phone" };
        body.wish(key, contact);
        body.wish("is_sent", filter.sent.map(u8::from));
        body.wish("is_fail", filter.failed.map(u8::from));
        body.wish("is_archive", filter.archived.map(u8::from));
        body.days("date", &filter.days, iso);
    }

    fn read(row: &Row<'_>, _: &Scene) -> Message {
        Message {
            user_id: row.id("user_id"),
            student_id: row.id("customer_id"),
            address: row.text("phone").or_else(|| row.text("email")),
            subject: row.text("subject"),
            text: row.text("message"),
            sent: row.flag("is_sent"),
            failed: row.flag("is_fail"),
            archived: row.flag("is_archive"),
            at: row.moment("date").or_else(|| row.moment("added")),
        }
    }
}
