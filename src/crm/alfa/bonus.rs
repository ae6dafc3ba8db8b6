//! Bonus points of a student (section 9.16 of the reference): one balance, read with `bonus/balance-bonus` and moved with
//! two other calls, whose answers nobody recorded.

use super::filter::Body;
use super::form::Form;
use super::model::{Branching, Calls, Ids, Model, Scene};
use crate::crm::Place;
use crate::crm::wire::Row;
use crate::model::Record;
use crate::model::bonus::{Bonus, BonusDraft, BonusFilter, BonusKind};
use crate::model::draft::Word;

/// Bonus points.
pub(super) struct BonusPoints;

impl Model for BonusPoints {
    type Record = Bonus;
    const CALLS: Calls = Calls { create: Some("bonus/bonus-add"), ..Calls::reads("bonus/balance-bonus") };
    const WHOLE: bool = true;

    /// The account belongs to the student, whatever the branch.
    fn branching(_: &BonusFilter) -> Branching {
        Branching::Any
    }

    fn ask(filter: &BonusFilter, body: &mut Body) {
        body.parent("customer_id", filter.student_id.as_ref());
    }

    /// The student that is asked about is the record that is asked for.
    fn ask_for(_: Ids<'_>, _: &mut Body) -> bool {
        true
    }

    /// An answer without a balance is about nothing.
    fn number(row: &Row<'_>, scene: &Scene) -> Option<u64> {
        row.value("balance_bonus").and(scene.parent)
    }

    fn read(row: &Row<'_>, scene: &Scene) -> Bonus {
        Bonus { student_id: scene.parent(), balance: row.whole("balance_bonus") }
    }

    fn write(draft: &BonusDraft, _: Option<&Record<Bonus>>, place: &Place<'_, BonusFilter>, form: &mut Form) {
        if draft.kind.value() == Some(&Word(BonusKind::Spend)) {
            form.operation = "bonus/bonus-spend";
        }
        form.parent("customer_id", place.filter.student_id.as_ref());
        form.is_parents_own();
        form.change("amount", "points", &draft.points, 0.into(), |points| points.0.into());
        form.long("note", "note", &draft.note);
        // Nobody recorded under which name the CRM complains.
        form.also("balance_bonus", "points");
    }
}
