//! Who may see some students only: what is known to be theirs, and the one place where a record is judged by it.
//!
//! It stands behind the shared memory. What is remembered is everybody's; which of it somebody may see is decided record
//! by record on the way out, on every way there is.

use std::sync::{Arc, OnceLock, Weak};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};

use super::journal::Journal;
use super::nested::Walk;
use super::{Failure, Scope, Shelf};
use crate::crm;
use crate::model::member::{Member, MemberFilter};
use crate::model::project::{Project, ProjectFilter};
use crate::model::sight::Need;
use crate::model::student::{Student, StudentFilter};
use crate::model::{Entity, Own, Record, RecordId, Seen, Sight};

/// The shelves that tell what is a student's. They are set once all are there; none holds another, so that they can end.
#[derive(Default)]
pub(super) struct Kinship {
    students: OnceLock<Weak<Shelf<Student>>>,
    members: OnceLock<Weak<Shelf<Member>>>,
    projects: OnceLock<Weak<Shelf<Project>>>,
}

/// What is theirs, as far as it could be found out.
pub(super) struct Theirs {
    pub(super) own: Own,
    /// Why it may be more.
    pub(super) failed: Option<crm::Error>,
}

impl Kinship {
    pub(super) fn set(
        &self,
        students: &Arc<Shelf<Student>>,
        members: &Arc<Shelf<Member>>,
        projects: &Arc<Shelf<Project>>,
    ) {
        // A second call would bring the same.
        let _ = self.students.set(Arc::downgrade(students));
        let _ = self.members.set(Arc::downgrade(members));
        let _ = self.projects.set(Arc::downgrade(projects));
    }

    /// What is theirs of what is needed to judge the records of a question; nothing is asked that is not needed. `None`
    /// for who may see everybody's.
    pub(super) fn theirs<'a>(
        &'a self,
        trip: &'a Journal<'a>,
        scope: &'a Scope,
        needs: &'a [Need],
    ) -> BoxFuture<'a, Result<Option<Theirs>, Failure>> {
        async move {
            let Some(students) = &scope.sight.students else { return Ok(None) };
            let mut theirs =
                Theirs { own: Own { students: students.clone(), ..Own::default() }, failed: None };
            for need in needs {
                let found = match need {
                    Need::Groups => {
                        try_join_all(students.iter().map(|id| self.groups(trip, scope, id))).await
                    }
                    Need::Projects => try_join_all(students.iter().map(|id| self.projects(trip, id))).await,
                };
                match found {
                    Ok(found) => {
                        let place = match need {
                            Need::Groups => &mut theirs.own.groups,
                            Need::Projects => &mut theirs.own.projects,
                        };
                        place.extend(found.into_iter().flatten());
                        place.sort();
                        place.dedup();
                    }
                    Err(Failure::Crm(error)) => theirs.failed = Some(error),
                    Err(failure) => return Err(failure),
                }
            }
            Ok(Some(theirs))
        }
        .boxed()
    }

    /// The groups a student is in, of the branches that the student is in.
    async fn groups(
        &self,
        trip: &Journal<'_>,
        scope: &Scope,
        id: &RecordId,
    ) -> Result<Vec<RecordId>, Failure> {
        let shelves =
            self.students.get().and_then(Weak::upgrade).zip(self.members.get().and_then(Weak::upgrade));
        let Some((students, members)) = shelves else { return Ok(Vec::new()) };
        let sight = Sight { branches: scope.sight.branches.clone(), students: None };
        let mut all = Scope::of(&Arc::new(sight));
        let student = match students.find(trip, &all, &StudentFilter::default(), id).await {
            Ok(student) => student,
            Err(Failure::NotFound | Failure::NotSupported) => return Ok(Vec::new()),
            Err(failure) => return Err(failure),
        };
        all.within = student.data.branch_ids.iter().map(RecordId::number).collect();
        let filter = MemberFilter { student_id: Some(id.clone()), ..MemberFilter::default() };
        let memberships = members.every(trip, &all, &filter).await?;
        let theirs = memberships.iter().filter(|member| member.data.student_id.as_ref() == Some(id));
        Ok(theirs.filter_map(|member| member.data.group_id.clone()).collect())
    }

    /// The projects a student is linked to; none where nothing says which are.
    async fn projects(&self, trip: &Journal<'_>, id: &RecordId) -> Result<Vec<RecordId>, Failure> {
        let Some(projects) = self.projects.get().and_then(Weak::upgrade) else { return Ok(Vec::new()) };
        let filter = ProjectFilter { student: Some(id.clone()), ..ProjectFilter::default() };
        let found = match projects.every(trip, &Scope::all(), &filter).await {
            Ok(found) => found,
            Err(Failure::NotSupported) => return Ok(Vec::new()),
            Err(Failure::Crm(error)) if error.kind == crm::Kind::Unsupported => return Ok(Vec::new()),
            Err(failure) => return Err(failure),
        };
        let theirs = found.iter().filter(|project| project.data.student_id.as_ref() == Some(id));
        Ok(theirs.map(|project| project.id.clone()).collect())
    }
}

/// The part of a record that is theirs; all of it for who may see everybody's. Every record that leaves the hub for a
/// consumer has come through here.
pub(super) fn seen<E: Entity>(
    record: &Arc<Record<E>>,
    filter: &E::Filter,
    theirs: Option<&Theirs>,
) -> Option<Arc<Record<E>>> {
    let Some(theirs) = theirs else { return Some(Arc::clone(record)) };
    match (E::ROWS.see)(record, filter, &theirs.own) {
        Seen::Whole => Some(Arc::clone(record)),
        Seen::Part(data) => Some(Arc::new(record.reduced(data))),
        Seen::Nothing => None,
    }
}

impl<E: Entity> Shelf<E> {
    /// Every record of a list, whoever asks: for finding out what hangs on what, not for showing.
    async fn every(
        &self,
        trip: &Journal<'_>,
        scope: &Scope,
        filter: &E::Filter,
    ) -> Result<Vec<Arc<Record<E>>>, Failure> {
        let visible = self.visible(scope)?;
        let mut records = Vec::new();
        for source in self.sources.iter().filter(|source| source.has(filter)) {
            let spring = self.spring(trip, source, filter);
            let branches =
                self.branches(trip, source, filter, &super::shelf::within(scope, &visible)).await?;
            for lane in source.lanes(filter, &branches)? {
                let mut walk: Walk<E> = Walk::new(lane, None);
                while let Some(record) = walk.peek(&spring, None).await? {
                    walk.pass(&record);
                    records.push(record);
                }
            }
        }
        Ok(records)
    }
}
