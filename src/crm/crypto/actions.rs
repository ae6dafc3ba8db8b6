//! Events of projects (sections 5.5, 5.6 and 6.3 of the reference).

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::client::{Client, Read, query};
use super::error::CRM;
use super::mapping::{Fields, Laid, Mapping};
use super::part::{Part, asked_project, ours};
use crate::config::FilterDate;
use crate::crm::wire::Row;
use crate::crm::{Asked, Branches, Error, Extent, Find, Lane, Position, Question, Source, Via};
use crate::model::project_action::{ProjectAction, ProjectActionFilter};
use crate::model::{Record, RecordId, Source as CrmName};

pub(super) const FIELDS: Fields = &[
    ("id", &["id"]),
    ("project_id", &["project_id"]),
    ("actions_type_id", &["actions_type_id", "action_type_id", "type_id", "type"]),
    ("user_id", &["user_id"]),
    ("date", &["date", "created", "created_at", "datetime"]),
    ("comment", &["comment", "description", "text"]),
];

const INFO: &str = "projects/actions/info";
/// The longest list of ids in one parameter.
const MOST_IDS: usize = 100;

/// Events of one tenant's projects.
pub(super) struct Actions {
    client: Arc<Client>,
    mapping: Mapping,
}

impl Actions {
    pub(super) fn new(client: Arc<Client>) -> Self {
        let mapping = Mapping::new(FIELDS, client.config.fields.get("action"), None);
        Self { client, mapping }
    }

    /// The one condition that the CRM is asked for: how it joins several is not documented. The others are checked here.
    fn condition(&self, filter: &ProjectActionFilter) -> Option<(&'static str, String)> {
        if let [id] = &filter.ids[..] {
            return Some(("filter_id", id.number().to_string()));
        }
        // Both known meanings give the rows of that day, and maybe later ones, which are left out here.
        if let Some(date) = filter.date
            && self.client.config.semantics.filter_date != FilterDate::Unknown
        {
            return Some(("filter_date", date.to_string()));
        }
        let types: Vec<String> = filter
            .type_ids
            .iter()
            .filter(|id| id.source() == CRM && id.parent().is_none())
            .map(|id| id.number().to_string())
            .collect();
        (1..=MOST_IDS).contains(&types.len()).then(|| ("filter_actions", types.join("_")))
    }
}

/// Whether an event of this id may be below the filter's project.
fn is_below(filter: &ProjectActionFilter, id: &RecordId) -> bool {
    let project = filter.project.as_ref();
    id.source() == CRM
        && project.is_some_and(|project| {
            project.source() == CRM && project.parent().is_none() && id.parent() == Some(project.number())
        })
}

impl Source<ProjectAction> for Actions {
    fn crm(&self) -> CrmName {
        CRM
    }

    fn lanes(&self, filter: &ProjectActionFilter, _: &Branches) -> Result<Vec<Lane>, Error> {
        let possible = ours(&filter.type_ids)
            && (filter.ids.is_empty() || filter.ids.iter().any(|id| is_below(filter, id)));
        Ok(Part::ACTIONS.lanes(filter.project.as_ref().filter(|_| possible)))
    }

    fn question(&self, filter: &ProjectActionFilter, lane: &Lane, at: Position) -> Question {
        let condition = self.condition(filter);
        let wanted = [filter.date.is_some(), !filter.type_ids.is_empty(), !filter.ids.is_empty()];
        let wanted = wanted.into_iter().filter(|wanted| *wanted).count();
        self.client.part(Part::ACTIONS, lane, at, condition.as_slice(), wanted == 0)
    }

    fn by_id(&self, id: &RecordId, filter: &ProjectActionFilter, _: &Branches) -> Find {
        if !is_below(filter, id) {
            return Find::Ask(Vec::new());
        }
        let number = id.number().to_string();
        let project = id.parent().unwrap_or_default();
        let lane = Lane { parent: Some(project), ..Lane::pages("crypto") };
        let narrow = [("filter_id", number.clone())];
        Find::Ask(vec![
            self.client.get(INFO, &query(&[("id", number)]), Position(0), true),
            // An event that does not tell its project is only known to be below it by being in its list.
            self.client.part(Part::ACTIONS, &lane, Position(0), &narrow, true),
        ])
    }

    fn finds<'a>(&'a self, question: &'a Question) -> Box<dyn Fn(&Record<ProjectAction>) -> bool + 'a> {
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
    ) -> BoxFuture<'a, Result<Asked<ProjectAction>, Error>> {
        async move {
            if question.call.operation == INFO {
                let translate = |row: &Row<'_>, _: &Laid| action(&self.client, row, None);
                return self.client.object(via, question, &self.mapping, translate).await;
            }
            let project = asked_project(question);
            let translate = |row: &Row<'_>, _: &Laid| action(&self.client, row, project);
            self.client.page(via, question, &self.mapping, translate).await
        }
        .boxed()
    }
}

fn action(client: &Client, row: &Row<'_>, project: Option<u64>) -> Option<Read<ProjectAction>> {
    let project = row.number("project_id").or(project)?;
    let (type_id, user_id) = (row.id("actions_type_id"), row.id("user_id"));
    let data = ProjectAction {
        project_id: RecordId::new(CRM, project),
        kind: client.named("action-types", &type_id),
        type_id,
        user: client.named("users", &user_id),
        user_id,
        at: row.moment("date"),
        text: row.text("comment"),
    };
    Some(Read { id: RecordId::under(CRM, project, row.number("id")?), data })
}
