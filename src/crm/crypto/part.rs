//! What hangs on a project: one list below each, asked for by the project's id.

use super::client::{Client, query};
use super::error::CRM;
use crate::crm::{Lane, Position, Question};
use crate::model::RecordId;

/// A kind of list below a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    operation: &'static str,
    paged: bool,
}

impl Part {
    pub(super) const STEPS: Self = Self { operation: "projects/steps", paged: false };
    pub(super) const ACTIONS: Self = Self { operation: "projects/actions", paged: true };
    pub(super) const CHECKLISTS: Self = Self { operation: "projects/checklists", paged: false };
    pub(super) const GOODS: Self = Self { operation: "projects/goods", paged: false };

    /// The sequence below a project; none when that is no project of this CRM.
    pub(super) fn lanes(self, project: Option<&RecordId>) -> Vec<Lane> {
        let project = project.filter(|id| id.source() == CRM && id.parent().is_none()).map(RecordId::number);
        let lane = |id| Lane { parent: Some(id), ..Lane::pages(format!("crypto p{id}")) };
        project.map(lane).into_iter().collect()
    }

    /// Whether its lists come page by page; the others come whole.
    pub(super) fn is_paged(operation: &str) -> bool {
        ![Self::STEPS, Self::CHECKLISTS, Self::GOODS].iter().any(|part| part.operation == operation)
    }
}

impl Client {
    /// The call that reads the list below a lane's project, narrowed by `more`.
    pub(super) fn part(
        &self,
        part: Part,
        lane: &Lane,
        at: Position,
        more: &[(&str, String)],
        exact: bool,
    ) -> Question {
        let mut pairs = vec![("id", lane.parent.unwrap_or_default().to_string())];
        if part.paged {
            let (count, offset) = self.window(at, 0);
            pairs.extend([("count", count.to_string()), ("offset", offset.to_string())]);
        }
        pairs.extend(more.iter().cloned());
        self.get(part.operation, &query(&pairs), at, exact)
    }
}

/// The project in the question; a row may leave it out.
pub(super) fn asked_project(question: &Question) -> Option<u64> {
    let (_, query) = question.call.target.split_once('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "id")?.1.parse().ok()
}

/// Whether ids that were asked for may be of this CRM: none asked for is no condition.
pub(super) fn ours(ids: &[RecordId]) -> bool {
    ids.is_empty() || ids.iter().any(|id| id.source() == CRM && id.parent().is_none())
}
