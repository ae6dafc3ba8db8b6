//! Students and leads.

use serde_json::{Value, json};

use crate::http::resource::{Offer, Resource};
use crate::model::student::Student;

pub(super) struct Students;

impl Resource for Students {
    type Record = Student;
    const PATH: &'static str = "/students";
    const NAMES: (&'static str, &'static str) = ("student", "students");
    const ABOUT: &'static str = "Students and leads: the people of AlfaCRM, told apart by `stage`. Balances follow from payments and lessons and \
         cannot be written.";
    const OFFERS: &'static [Offer] = &[Offer::List, Offer::Get, Offer::Create, Offer::Update];

    fn example(offer: Offer) -> Value {
        match offer {
            Offer::Create => json!({
                "name": "Новикова Вера",
                "stage": "LEAD",
                "branch_ids": ["alfa-1"],
                "birth_date": "2015-04-01",
                "contacts": {"phones": ["+7(900)000-00-77"], "emails": ["vera@mail.example"]},
                "payer": {"kind": "PERSON", "name": "Новикова Инна"},
                "custom_fields": {"custom_klass": "5"},
            }),
            _ => json!({"stage": "STUDENT", "note": "Пришла по совету подруги"}),
        }
    }
}
