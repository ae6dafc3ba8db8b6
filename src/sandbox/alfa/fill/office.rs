//! Tasks, comments, messages, and a history to match.

use jiff::civil::DateTime;
use serde_json::{Value, json};

use super::blank;
use crate::sandbox::alfa::cell::Cell;
use crate::sandbox::alfa::dates;
use crate::sandbox::alfa::schema::Model;
use crate::sandbox::alfa::store::Store;
use crate::sandbox::world::{Person, Standing, Topic, World};

/// How many of the latest payments the history remembers.
const LOGGED_PAYMENTS: usize = 300;

pub(super) fn office(store: &mut Store, world: &World, now: DateTime) {
    let tasks = world.tasks.iter().map(|row| {
        blank(Model::Task, row.id)
            .with("branch_ids", vec![row.branch])
            .with("user_id", 1)
            .with("assigned_ids", vec![3_u64])
            .with("customer_ids", vec![row.person])
            .with("title", row.title)
            .with("text", row.text)
            .with("created_at", row.created)
            .with("is_done", row.done.is_some())
            .with("due_date", row.due)
            .with("done_date", row.done)
            .with("is_notify", 1)
    });
    store.table_mut(Model::Task).load(tasks.collect());
    let comments = world.comments.iter().map(|row| {
        let (class, related) = match row.about {
            Topic::Person(id) => ("Customer", id),
            Topic::Group(id) => ("Group", id),
            Topic::Task(id) => ("Task", id),
        };
        blank(Model::Communication, row.id)
            .with("class", class)
            .with("related_id", related)
            .with("user_id", row.user)
            .with("added", row.at)
            .with("comment", row.text)
    });
    store.table_mut(Model::Communication).load(comments.collect());
    let sent = |model: Model, id: u64, back: u64| {
        let minutes = i64::try_from(back * 97).unwrap_or(0);
        let at = now.checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap_or(now);
        blank(model, id).with("user_id", 1).with("added", at).with("date", at)
    };
    let texted: Vec<&Person> = world
        .people
        .iter()
        .filter(|row| row.standing == Standing::Student && !row.phones.is_empty())
        .take(30)
        .collect();
    let count = u64::try_from(texted.len()).unwrap_or(0);
    let numbered = || texted.iter().zip(1_u64..).map(|(person, place)| (*person, place, count - place));
    let digits = |phone: &str| phone.chars().filter(char::is_ascii_digit).collect::<String>();
    let sms = numbered().map(|(person, place, back)| {
        sent(Model::SmsMessage, 76 + place, back)
            .with("phone", digits(&person.phones[0]))
            .with("name", "SCHOOL")
            .with("message", "Занятие завтра в 17:00")
            .with("is_fail", place % 10 == 0)
            .with("is_sent", place % 10 != 0)
    });
    store.table_mut(Model::SmsMessage).load(sms.collect());
    let mail = numbered().filter(|(person, ..)| !person.emails.is_empty());
    let mail = mail.map(|(person, place, back)| {
        sent(Model::MailMessage, 20 + place, back)
            .with("email", person.emails[0].clone())
            .with("subject", "Расписание")
            .with("message", "Расписание на месяц")
    });
    store.table_mut(Model::MailMessage).load(mail.collect());
    let calls = numbered().map(|(person, place, back)| {
        sent(Model::PhoneCall, 50 + place, back)
            .with("phone", digits(&person.phones[0]))
            .with("customer_id", person.id)
            .with("direction", place % 2)
            .with("duration", 30 + place * 7)
    });
    store.table_mut(Model::PhoneCall).load(calls.collect());
}

/// A history of recent payments and of leads that came, moved on and were rejected.
pub(super) fn history(store: &mut Store, world: &World, now: DateTime) {
    let mut events: Vec<(DateTime, &'static str, u64, i64, Value, Value)> = Vec::new();
    let none = || json!([]);
    for row in world.payments.iter().rev().take(LOGGED_PAYMENTS) {
        let new = json!({
            "customer_id": row.person.map(|id| id.to_string()),
            "income": (row.amount / 100).to_string(),
            "document_date": dates::iso(row.day),
        });
        events.push((row.created, "Pay", row.id, 1, none(), new));
    }
    let leads =
        world.people.iter().filter(|row| matches!(row.standing, Standing::Lead | Standing::RejectedLead));
    for row in leads {
        let new = json!({"name": row.name, "is_study": 0, "legal_type": 1, "branch_ids": row.branches});
        events.push((row.created, "Customer", row.id, 1, none(), new));
        if let Some(stage) = row.stage.filter(|stage| *stage > 1) {
            let at = row.updated.max(row.created).min(now);
            let (old, new) = (json!({"lead_status_id": 1}), json!({"lead_status_id": stage}));
            events.push((at, "Customer", row.id, 2, old, new));
        }
    }
    for row in world.memberships.iter().filter(|row| row.ends < now.date()).take(20) {
        let at = row.ends.to_datetime(jiff::civil::Time::constant(8, 0, 0, 0));
        let old = json!({"customer_id": row.person, "group_id": row.group});
        events.push((at, "CustomerGroupInvolve", 5_000_000 + row.id, 3, old, none()));
    }
    events.sort_by_key(|(at, _, id, ..)| (*at, *id));
    let rows = events.into_iter().zip(90_001_u64..).map(|((at, entity, entity_id, event, old, new), id)| {
        blank(Model::Log, id)
                .with("entity", entity)
                .with("entity_id", entity_id)
                .with("user_id", if id % 3 == 0 { 3 } else { 1 })
                .with("event", event)
                .with("fields_old", Cell::Json(Box::new(old)))
                .with("fields_new", Cell::Json(Box::new(new)))
                // Now and then an empty map is empty text.
                .with("fields_rel", Cell::Json(Box::new(if id % 5 == 0 { json!("") } else { none() })))
                .with("date_time", at)
    });
    store.table_mut(Model::Log).load(rows.collect());
}
