//! The steps a project went through (sections 5.4 and 6.2 of the reference).

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::client::{Client, Read};
use super::error::CRM;
use super::mapping::{Fields, Laid, Mapping};
use super::part::{Part, asked_project, ours};
use crate::crm::wire::Row;
use crate::crm::{Asked, Branches, Error, Extent, Find, Lane, Position, Question, Source, Via};
use crate::model::project_step::{ProjectStep, ProjectStepFilter};
use crate::model::{Record, RecordId, Source as CrmName};

pub(super) const FIELDS: Fields = &[
    ("id", &["id"]),
    ("project_id", &["project_id"]),
    ("sales_funnel_id", &["sales_funnel_id", "funnel_id"]),
    ("step_id", &["step_id", "project_step_id"]),
    ("user_id", &["user_id"]),
    ("date", &["date", "created", "created_at", "datetime"]),
];

/// Steps of one tenant's projects.
pub(super) struct Steps {
    client: Arc<Client>,
    mapping: Mapping,
}

impl Steps {
    pub(super) fn new(client: Arc<Client>) -> Self {
        let mapping = Mapping::new(FIELDS, client.config.fields.get("step"), None);
        Self { client, mapping }
    }
}

impl Source<ProjectStep> for Steps {
    fn crm(&self) -> CrmName {
        CRM
    }

    fn lanes(&self, filter: &ProjectStepFilter, _: &Branches) -> Result<Vec<Lane>, Error> {
        let possible = ours(&filter.step_ids);
        Ok(Part::STEPS.lanes(filter.project.as_ref().filter(|_| possible)))
    }

    fn question(&self, filter: &ProjectStepFilter, lane: &Lane, at: Position) -> Question {
        // All steps come in one answer anyway; whole, it answers every filter from memory.
        let exact = filter.date.is_none() && filter.step_ids.is_empty();
        self.client.part(Part::STEPS, lane, at, &[], exact)
    }

    fn by_id(&self, _: &RecordId, _: &ProjectStepFilter, _: &Branches) -> Find {
        Find::Walk
    }

    fn finds<'a>(&'a self, question: &'a Question) -> Box<dyn Fn(&Record<ProjectStep>) -> bool + 'a> {
        let project = asked_project(question);
        Box::new(move |record| project.is_none() || record.id.parent() == project)
    }

    fn extent(&self, question: &Question, records: u64) -> Extent {
        self.client.extent(question, records)
    }

    fn answer<'a>(
        &'a self,
        via: Via<'a>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Asked<ProjectStep>, Error>> {
        async move {
            let project = asked_project(question);
            let translate = |row: &Row<'_>, _: &Laid| step(&self.client, row, project);
            self.client.page(via, question, &self.mapping, translate).await
        }
        .boxed()
    }
}

fn step(client: &Client, row: &Row<'_>, project: Option<u64>) -> Option<Read<ProjectStep>> {
    let project = row.number("project_id").or(project)?;
    let (funnel_id, step_id, user_id) = (row.id("sales_funnel_id"), row.id("step_id"), row.id("user_id"));
    let data = ProjectStep {
        project_id: RecordId::new(CRM, project),
        step: client.named("steps", &step_id),
        step_id,
        funnel: client.named("funnels", &funnel_id),
        funnel_id,
        user: client.named("users", &user_id),
        user_id,
        at: row.moment("date"),
    };
    Some(Read { id: RecordId::under(CRM, project, row.number("id")?), data })
}
