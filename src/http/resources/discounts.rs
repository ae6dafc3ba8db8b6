//! Discounts of a student.

use crate::http::resource::{Resource, parent};
use crate::model::discount::{Discount, DiscountFilter};
use crate::model::expand::Kin;

pub(super) struct Discounts;

impl Resource for Discounts {
    type Record = Discount;
    const PATH: &'static str = "/students/{id}/discounts";
    const NAMES: (&'static str, &'static str) = ("student_discount", "student_discounts");
    const ABOUT: &'static str = "The discounts that a student has had and has.";
    const PARENT: Option<Kin> = Some(Kin::Student);
    const ID: &'static str = "discount_id";

    fn narrow(filter: &mut DiscountFilter, path: &[&str]) -> bool {
        filter.student_id = parent(path);
        filter.student_id.is_some()
    }
}
