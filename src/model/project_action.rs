//! Something that happened in a Crypto CRM project: a call, a meeting, a letter.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::expand::Kin;
use super::filter::fits;
use super::project::Named;
use super::{Entity, Filter, Moment, Order, Query, Record, RecordId, Rows};

/// An event of a project.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProjectAction {
    /// The project.
    pub project_id: RecordId,
    /// What kind of event; a record of `/reference/action-types`.
    #[schema(required)]
    pub type_id: Option<RecordId>,
    /// The kind with its configured name.
    #[schema(required)]
    #[serde(rename = "type")]
    pub kind: Option<Named>,
    /// Who entered it.
    #[schema(required)]
    pub user_id: Option<RecordId>,
    /// Who entered it, with the configured name.
    #[schema(required)]
    pub user: Option<Named>,
    /// When it was.
    #[schema(required)]
    pub at: Option<Moment>,
    /// Free text.
    #[schema(required)]
    pub text: Option<String>,
}

/// What a project's events may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectActionFilter {
    /// The project, from the path.
    pub project: Option<RecordId>,
    pub date: Option<Date>,
    pub type_ids: Vec<RecordId>,
    pub ids: Vec<RecordId>,
}

impl Filter<ProjectAction> for ProjectActionFilter {
    fn read(q: &mut Query) -> Self {
        Self {
            project: None,
            date: q.one("date", "Of this day, in the CRM's zone."),
            type_ids: q.many("type_id", "Of one of these kinds."),
            ids: q.many("id", "Only these events."),
        }
    }

    fn matches(&self, record: &Record<ProjectAction>) -> bool {
        let action = &record.data;
        let of_kind =
            self.type_ids.is_empty() || action.type_id.as_ref().is_some_and(|id| self.type_ids.contains(id));
        fits(&self.project, Some(&action.project_id))
            && fits(&self.date, action.at.map(|at| at.local().date()).as_ref())
            && of_kind
            && (self.ids.is_empty() || self.ids.contains(&record.id))
    }
}

impl Entity for ProjectAction {
    const RESOURCE: &'static str = "actions";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("contacts", &["text", "custom_fields", "raw"]),
        ("notes", &["text", "custom_fields", "raw"]),
        ("balances", &["raw"]),
    ];
    const ROWS: Rows<Self> =
        Rows::of_project(|record, _, own| own.all_if(Kin::Project, Some(&record.data.project_id)));
    type Filter = ProjectActionFilter;
    type Draft = ReadOnly;

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn example() -> Value {
        json!({
            "id": "crypto-101-10100", "source": "cryptocrm", "source_id": "10100", "project_id": "crypto-101", "type_id": "crypto-2",
            "type": {"id": "crypto-2", "name": "Встреча"}, "user_id": "crypto-4", "user": {"id": "crypto-4", "name": "#4"},
            "at": "2026-01-21T15:00:00+03:00", "text": "Обсудили программу", "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}
