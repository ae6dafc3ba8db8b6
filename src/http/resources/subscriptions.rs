//! Subscriptions of a student.

use serde_json::{Value, json};

use crate::http::resource::{Offer, Resource, parent};
use crate::model::expand::Kin;
use crate::model::subscription::{Subscription, SubscriptionFilter};

pub(super) struct Subscriptions;

impl Resource for Subscriptions {
    type Record = Subscription;
    const PATH: &'static str = "/students/{id}/subscriptions";
    const NAMES: (&'static str, &'static str) = ("student_subscription", "student_subscriptions");
    const ABOUT: &'static str = "What a student bought by a tariff, and what is left of it.";
    const OFFERS: &'static [Offer] = &[Offer::List, Offer::Get, Offer::Create, Offer::Update, Offer::Delete];
    const PARENT: Option<Kin> = Some(Kin::Student);
    const ID: &'static str = "subscription_id";

    fn narrow(filter: &mut SubscriptionFilter, path: &[&str]) -> bool {
        filter.student_id = parent(path);
        filter.student_id.is_some()
    }

    fn example(offer: Offer) -> Value {
        match offer {
            Offer::Create => json!({
                "tariff_id": "alfa-40",
                "subject_ids": ["alfa-2"],
                "lesson_type_ids": ["alfa-2"],
                "separate_balance": true,
                "from": "2026-03-01",
                "to": "2026-05-31",
                "note": "второй предмет",
            }),
            _ => json!({"to": "2026-06-30"}),
        }
    }
}
