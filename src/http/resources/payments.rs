//! Payments.

use serde_json::{Value, json};

use crate::http::resource::{Offer, Resource};
use crate::model::payment::Payment;

pub(in crate::http) struct Payments;

impl Resource for Payments {
    type Record = Payment;
    const PATH: &'static str = "/payments";
    const NAMES: (&'static str, &'static str) = ("payment", "payments");
    const ABOUT: &'static str = "Payments of both CRMs: AlfaCRM's journal, newest day first, and among it the payments of Crypto CRM projects, \
         project by project, newest project first: that CRM has no list of all, so only those of one project are in \
         order of days.";
    const OFFERS: &'static [Offer] = &[Offer::List, Offer::Get, Offer::Create, Offer::Update];
    const KEYED: bool = true;

    fn example(offer: Offer) -> Value {
        match offer {
            Offer::Create => json!({
                "student_id": "alfa-101",
                "amount": {"amount": "1250.00", "currency": "RUB"},
                "date": "2026-02-25",
                "account_id": "alfa-1",
                "branch_id": "alfa-1",
                "note": "Абонемент",
            }),
            _ => json!({"note": "исправлено"}),
        }
    }
}
