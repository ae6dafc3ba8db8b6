//! Bonus points of a student.

use serde_json::{Value, json};

use crate::http::resource::{Offer, Resource, parent};
use crate::model::bonus::{Bonus, BonusFilter};
use crate::model::expand::Kin;

pub(super) struct BonusPoints;

impl Resource for BonusPoints {
    type Record = Bonus;
    const PATH: &'static str = "/students/{id}/bonus";
    const NAMES: (&'static str, &'static str) = ("student_bonus", "student_bonuses");
    const ABOUT: &'static str = "The bonus points of a student. A `POST` gives or spends some and answers with the balance afterwards.";
    const OFFERS: &'static [Offer] = &[Offer::Only, Offer::Create];
    const PARENT: Option<Kin> = Some(Kin::Student);

    fn narrow(filter: &mut BonusFilter, path: &[&str]) -> bool {
        filter.student_id = parent(path);
        filter.student_id.is_some()
    }

    fn example(_: Offer) -> Value {
        json!({"points": 15, "kind": "ADD", "note": "Олимпиада"})
    }
}
