//! Tariffs (section 9.13 of the reference): a short list that ignores its filter by id, so it is walked.

use super::filter::Body;
use super::model::{Branching, Calls, Ids, Model, Scene};
use crate::crm::wire::Row;
use crate::model::tariff::{Tariff, TariffFilter, TariffKind};

/// Tariffs.
pub(super) struct Tariffs;

impl Model for Tariffs {
    type Record = Tariff;
    const CALLS: Calls = Calls::reads("tariff/index");

    /// One list holds all; who is limited to some branches sees those of it that are sold there.
    fn branching(_: &TariffFilter) -> Branching {
        Branching::Never
    }

    /// No filter by name is documented.
    fn ask(filter: &TariffFilter, body: &mut Body) {
        body.inexact_if(filter.q.is_some());
    }

    fn ask_for(_: Ids<'_>, _: &mut Body) -> bool {
        false
    }

    fn read(row: &Row<'_>, _: &Scene) -> Tariff {
        Tariff {
            name: row.text("name"),
            kind: match row.number("type") {
                Some(1) => TariffKind::PerLesson,
                Some(2) => TariffKind::Monthly,
                Some(3) => TariffKind::Weekly,
                _ => {
                    row.note("type");
                    TariffKind::Unknown
                }
            },
            price: row.money("price"),
            // Servers of different ages spell it differently.
            lessons: row.whole("lesson_count").or_else(|| row.whole("lessons_count")),
            duration_minutes: row.whole("duration"),
            branch_ids: row.ids("branch_ids"),
            subject_ids: row.ids("subject_ids"),
            lesson_type_ids: row.ids("lesson_type_ids"),
        }
    }
}
