//! One entry of the way a Crypto CRM project took through its funnel.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::expand::Kin;
use super::filter::fits;
use super::project::Named;
use super::{Entity, Filter, Moment, Order, Query, Record, RecordId, Rows};

/// A step that a project reached.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProjectStep {
    /// The project.
    pub project_id: RecordId,
    /// The step it reached.
    #[schema(required)]
    pub step_id: Option<RecordId>,
    /// The step with its configured name.
    #[schema(required)]
    pub step: Option<Named>,
    /// The funnel it was in.
    #[schema(required)]
    pub funnel_id: Option<RecordId>,
    /// The funnel with its configured name.
    #[schema(required)]
    pub funnel: Option<Named>,
    /// Who moved it.
    #[schema(required)]
    pub user_id: Option<RecordId>,
    /// Who moved it, with the configured name.
    #[schema(required)]
    pub user: Option<Named>,
    /// When.
    #[schema(required)]
    pub at: Option<Moment>,
}

/// What a project's steps may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectStepFilter {
    /// The project, from the path.
    pub project: Option<RecordId>,
    pub date: Option<Date>,
    pub step_ids: Vec<RecordId>,
}

impl Filter<ProjectStep> for ProjectStepFilter {
    fn read(q: &mut Query) -> Self {
        Self {
            project: None,
            date: q.one("date", "Reached on this day, in the CRM's zone."),
            step_ids: q.many("step_id", "One of these steps."),
        }
    }

    fn matches(&self, record: &Record<ProjectStep>) -> bool {
        let step = &record.data;
        let among =
            self.step_ids.is_empty() || step.step_id.as_ref().is_some_and(|id| self.step_ids.contains(id));
        fits(&self.project, Some(&step.project_id))
            && fits(&self.date, step.at.map(|at| at.local().date()).as_ref())
            && among
    }
}

impl Entity for ProjectStep {
    const RESOURCE: &'static str = "steps";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("contacts", &["custom_fields", "raw"]),
        ("notes", &["custom_fields", "raw"]),
        ("balances", &["raw"]),
    ];
    const ROWS: Rows<Self> =
        Rows::of_project(|record, _, own| own.all_if(Kin::Project, Some(&record.data.project_id)));
    type Filter = ProjectStepFilter;
    type Draft = ReadOnly;

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn example() -> Value {
        json!({
            "id": "crypto-101-1003", "source": "cryptocrm", "source_id": "1003", "project_id": "crypto-101", "step_id": "crypto-3",
            "step": {"id": "crypto-3", "name": "Договор"}, "funnel_id": "crypto-1", "funnel": {"id": "crypto-1", "name": "Лагеря"},
            "user_id": "crypto-4", "user": {"id": "crypto-4", "name": "#4"}, "at": "2026-01-21T16:40:00+03:00", "custom_fields": {},
            "created_at": null, "updated_at": null
        })
    }
}
