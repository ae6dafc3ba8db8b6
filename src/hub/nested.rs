//! A sequence of sequences: the lists below each project, where the CRM has no list of all.

use std::sync::Arc;

use super::mark::{LaneMark, Mark};
use super::pages::{Pages, Spring};
use crate::crm::{Error, Lane, LaneKind};
use crate::model::project::{Having, Project, ProjectFilter, Sort};
use crate::model::{Entity, Record, RecordId};

/// A sequence of a list, of either kind.
#[derive(Debug)]
pub(super) enum Walk<E> {
    /// The pages of one list.
    Pages(Pages<E>),
    /// One list per project.
    PerProject(Box<PerProject<E>>),
}

/// The lists below the projects, one after the other.
#[derive(Debug)]
pub(super) struct PerProject<E> {
    lane: Lane,
    projects: Pages<Project>,
    inner: Option<Pages<E>>,
    /// How many more projects may be opened for this page of the list.
    patience: usize,
}

/// Which projects have payments, newest first: the one question that saves asking every project.
pub(super) fn paying_projects() -> ProjectFilter {
    ProjectFilter { having: Some(Having::Payments), sort: Sort::IdDown, ..ProjectFilter::default() }
}

impl<E: Entity> Walk<E> {
    /// Goes on where `left` says.
    pub(super) fn new(lane: Lane, left: Option<LaneMark>) -> Self {
        let left = left.unwrap_or_default();
        match lane.kind {
            LaneKind::Pages => Self::Pages(Pages::new(lane, left.mark)),
            LaneKind::PerProject => {
                let projects = Pages::new(Lane::pages("projects"), left.outer.unwrap_or_default());
                let inner = left.parent.map(|parent| Pages::new(below(&lane, parent), left.mark));
                Self::PerProject(Box::new(PerProject { lane, projects, inner, patience: usize::MAX }))
            }
        }
    }

    /// The lane it reads.
    pub(super) fn lane(&self) -> &Lane {
        match self {
            Self::Pages(pages) => &pages.lane,
            Self::PerProject(nested) => &nested.lane,
        }
    }

    /// Leaves pages that are used up, so that [`Walk::is_done`] knows as much as can be known without a call.
    pub(super) fn leave(&mut self) {
        match self {
            Self::Pages(pages) => pages.leave(),
            Self::PerProject(nested) => {
                nested.inner.iter_mut().for_each(Pages::leave);
                nested.projects.leave();
            }
        }
    }

    /// Whether it is at its end.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Pages(pages) => pages.mark.done,
            Self::PerProject(nested) => {
                nested.projects.mark.done && nested.inner.as_ref().is_none_or(|inner| inner.mark.done)
            }
        }
    }

    /// Limits how many lists may be opened for one page: each costs a call. Behind the last the sequence pauses, which is
    /// not its end.
    pub(super) fn limit(&mut self, lists: usize) {
        if let Self::PerProject(nested) = self {
            nested.patience = lists;
        }
    }

    /// How many records the CRM says it holds.
    pub(super) fn total(&self) -> Option<u64> {
        match self {
            Self::Pages(pages) => pages.mark.total.filter(|_| pages.was_asked()),
            Self::PerProject(_) => None,
        }
    }

    /// Whether a record is among the last ones read from it.
    pub(super) fn remembers(&self, id: &RecordId) -> bool {
        match self {
            Self::Pages(pages) => pages.mark.last.contains(id),
            Self::PerProject(_) => false,
        }
    }

    /// Where it was left.
    pub(super) fn mark(&self) -> LaneMark {
        match self {
            Self::Pages(pages) => {
                LaneMark { lane: pages.lane.name.clone(), mark: pages.mark.kept(), ..LaneMark::default() }
            }
            Self::PerProject(nested) => LaneMark {
                lane: nested.lane.name.clone(),
                mark: nested.inner.as_ref().map_or_else(Mark::default, |inner| inner.mark.clone()),
                parent: nested.inner.as_ref().and_then(|inner| inner.lane.parent),
                outer: Some(nested.projects.mark.clone()),
            },
        }
    }

    /// The next record, which stays the next until it is passed.
    pub(super) async fn peek(
        &mut self,
        spring: &Spring<'_, E>,
        projects: Option<&Spring<'_, Project>>,
    ) -> Result<Option<Arc<Record<E>>>, Error> {
        match self {
            Self::Pages(pages) => pages.peek(spring).await,
            Self::PerProject(nested) => match projects {
                Some(projects) => nested.peek(spring, projects).await,
                None => Ok(None),
            },
        }
    }

    /// Goes past the record that was peeked.
    pub(super) fn pass(&mut self, record: &Record<E>) {
        match self {
            Self::Pages(pages) => pages.pass(record),
            Self::PerProject(nested) => {
                if let Some(inner) = &mut nested.inner {
                    inner.pass(record);
                }
            }
        }
    }
}

impl<E: Entity> PerProject<E> {
    async fn peek(
        &mut self,
        spring: &Spring<'_, E>,
        projects: &Spring<'_, Project>,
    ) -> Result<Option<Arc<Record<E>>>, Error> {
        loop {
            if let Some(inner) = &mut self.inner
                && let Some(record) = inner.peek(spring).await?
            {
                return Ok(Some(record));
            }
            if self.patience == 0 {
                return Ok(None);
            }
            let Some(project) = self.projects.peek(projects).await? else { return Ok(None) };
            self.inner = Some(Pages::new(below(&self.lane, project.id.number()), Mark::default()));
            self.projects.pass(&project);
            self.patience -= 1;
        }
    }
}

fn below(lane: &Lane, parent: u64) -> Lane {
    Lane {
        parent: Some(parent),
        kind: LaneKind::Pages,
        name: format!("{} p{parent}", lane.name),
        ..lane.clone()
    }
}
