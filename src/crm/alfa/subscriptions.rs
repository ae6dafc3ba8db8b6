//! Subscriptions of a student: the model `customer-tariff` (section 9.14 of the reference). The student stands in the
//! query of every call; in the body it would be ignored.

use super::filter::Body;
use super::form::Form;
use super::model::{Branching, Calls, Model, Scene};
use crate::crm::Place;
use crate::crm::wire::Row;
use crate::model::Record;
use crate::model::subscription::{Subscription, SubscriptionDraft, SubscriptionFilter};

/// Subscriptions.
pub(super) struct Subscriptions;

impl Model for Subscriptions {
    type Record = Subscription;
    const CALLS: Calls = Calls {
        list: "customer-tariff/index",
        create: Some("customer-tariff/create"),
        update: Some("customer-tariff/update"),
        delete: Some("customer-tariff/delete"),
    };
    const TEXT: Option<(&'static str, usize)> = Some(("note", 10_000));

    /// The same rows come for each branch of the student.
    fn branching(_: &SubscriptionFilter) -> Branching {
        Branching::Any
    }

    fn ask(filter: &SubscriptionFilter, body: &mut Body) {
        body.parent("customer_id", filter.student_id.as_ref());
        body.id("tariff_id", filter.tariff_id.as_ref());
        body.wish("is_separate_balance", filter.separate_balance.map(u8::from));
    }

    fn read(row: &Row<'_>, scene: &Scene) -> Subscription {
        Subscription {
            student_id: row.id("customer_id").or_else(|| scene.parent()),
            tariff_id: row.id("tariff_id"),
            subject_ids: row.ids("subject_ids"),
            lesson_type_ids: row.ids("lesson_type_ids"),
            separate_balance: row.flag("is_separate_balance"),
            balance: row.money("balance"),
            lessons_left: row.whole("paid_count"),
            paid_lessons_left: row.whole("paid_lesson_count"),
            paid_until: row.moment("paid_till"),
            from: row.day("b_date"),
            to: row.day("e_date"),
            note: row.text("note"),
        }
    }

    fn write(
        draft: &SubscriptionDraft,
        _: Option<&Record<Subscription>>,
        place: &Place<'_, SubscriptionFilter>,
        form: &mut Form,
    ) {
        form.parent("customer_id", place.filter.student_id.as_ref());
        form.id("tariff_id", "tariff_id", &draft.tariff);
        form.ids("subject_ids", "subject_ids", &draft.subjects);
        form.ids("lesson_type_ids", "lesson_type_ids", &draft.lesson_types);
        form.flag("is_separate_balance", "separate_balance", &draft.separate_balance);
        form.day("b_date", "from", &draft.from);
        form.day("e_date", "to", &draft.to);
        form.long("note", "note", &draft.note);
    }
}
