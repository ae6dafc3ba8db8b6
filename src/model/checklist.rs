//! A checklist of a Crypto CRM project.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::expand::Kin;
use super::filter::fits;
use super::{Entity, Filter, Order, Query, Record, RecordId, Rows};

/// Things to be done in a project.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Checklist {
    /// The project.
    pub project_id: RecordId,
    /// Its name.
    #[schema(required)]
    pub name: Option<String>,
    /// What is to be done.
    pub items: Vec<ChecklistItem>,
}

/// One thing to be done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChecklistItem {
    /// What.
    #[schema(required)]
    pub name: Option<String>,
    /// Whether it is done; `null` where the CRM does not tell.
    #[schema(required)]
    pub done: Option<bool>,
    /// The last day to do it.
    #[schema(required)]
    pub due_on: Option<Date>,
    /// Not done, and its last day is over in the CRM's zone.
    pub overdue: bool,
    /// The day it was done.
    #[schema(required)]
    pub done_on: Option<Date>,
    /// Who is to do it.
    #[schema(required)]
    pub user_id: Option<RecordId>,
}

/// Whether a thing that may be done and is due is overdue `today`. Its last day itself is in time.
pub fn is_overdue(done: Option<bool>, due_on: Option<Date>, today: Date) -> bool {
    done != Some(true) && due_on.is_some_and(|due| due < today)
}

/// A project's checklists cannot be narrowed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChecklistFilter {
    /// The project, from the path.
    pub project: Option<RecordId>,
}

impl Filter<Checklist> for ChecklistFilter {
    fn read(_: &mut Query) -> Self {
        Self::default()
    }

    fn matches(&self, record: &Record<Checklist>) -> bool {
        fits(&self.project, Some(&record.data.project_id))
    }
}

impl Entity for Checklist {
    const RESOURCE: &'static str = "checklists";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("contacts", &["custom_fields", "raw"]),
        ("notes", &["custom_fields", "raw"]),
        ("balances", &["raw"]),
    ];
    const ROWS: Rows<Self> =
        Rows::of_project(|record, _, own| own.all_if(Kin::Project, Some(&record.data.project_id)));
    type Filter = ChecklistFilter;
    type Draft = ReadOnly;

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn title(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn example() -> Value {
        json!({
            "id": "crypto-101-3001", "source": "cryptocrm", "source_id": "3001", "project_id": "crypto-101", "name": "Передача",
            "items": [
                {"name": "Подписать акт", "done": true, "due_on": "2026-01-20", "overdue": false, "done_on": "2026-01-21", "user_id": "crypto-4"},
                {"name": "Отправить документы", "done": false, "due_on": "2026-01-28", "overdue": true, "done_on": null, "user_id": null}
            ],
            "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn what_is_not_done_is_overdue_from_the_day_after_its_last_day() {
        let today = date(2021, 5, 30);
        for (done, due_on, overdue) in [
            (Some(false), Some(date(2021, 5, 29)), true),
            (Some(false), Some(date(2021, 5, 30)), false),
            (Some(false), Some(date(2021, 5, 31)), false),
            (Some(false), None, false),
            (Some(true), Some(date(2021, 5, 20)), false),
            (None, Some(date(2021, 5, 20)), true),
            (None, None, false),
        ] {
            assert_eq!(is_overdue(done, due_on, today), overdue, "{done:?} {due_on:?}");
        }
    }
}
