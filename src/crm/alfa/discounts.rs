//! Discounts of a student (section 9.15 of the reference).

use super::filter::Body;
use super::model::{Branching, Calls, Ids, Model, Scene};
use crate::crm::wire::Row;
use crate::model::discount::{Discount, DiscountFilter};

/// Discounts.
pub(super) struct Discounts;

impl Model for Discounts {
    type Record = Discount;
    const CALLS: Calls = Calls::reads("discount/index");

    /// A student has few, of all branches in one list; each row tells its branch.
    fn branching(_: &DiscountFilter) -> Branching {
        Branching::Never
    }

    fn ask(filter: &DiscountFilter, body: &mut Body) {
        body.parent("customer_id", filter.student_id.as_ref());
    }

    /// The only documented filter is the student.
    fn ask_for(_: Ids<'_>, _: &mut Body) -> bool {
        false
    }

    fn read(row: &Row<'_>, scene: &Scene) -> Discount {
        Discount {
            student_id: row.id("customer_id").or_else(|| scene.parent()),
            branch_id: row.id("branch_id"),
            kind: row.whole("discount_type"),
            amount: row.decimal("amount").map(|amount| amount.normalize().to_string()),
            subject_ids: row.ids("subject_ids"),
            lesson_type_ids: row.ids("lesson_type_ids"),
            from: row.day("begin"),
            to: row.day("end"),
            note: row.text("note"),
        }
    }
}
