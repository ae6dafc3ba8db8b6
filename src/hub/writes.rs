//! Writing: where a record is written, what is read before, and what must not be believed afterwards.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout_at;

use super::deeds::{Act, Deed, Outcome, Target};
use super::journal::Journal;
use super::trip::Trip;
use super::{Answer, Failure, Hub, Scope, Shelf, suppose};
use crate::crm::{self, Place, Source};
use crate::model::context::Freshness;
use crate::model::record::Touch;
use crate::model::student::{Student, StudentFilter};
use crate::model::subscription::{Subscription, SubscriptionFilter};
use crate::model::{Ctx, Draft, Entity, Record, RecordId, Sight, Source as CrmName};

/// The CRM that records without an id yet are made in, where there is a choice.
const HOME: CrmName = CrmName::AlfaCrm;

impl Hub {
    /// Finds what is wrong with a new record as far as can be told without asking a CRM.
    pub fn check<E: Entity>(
        &self,
        scope: &Scope,
        filter: &E::Filter,
        draft: &E::Draft,
    ) -> Result<(), Failure> {
        may_be_made::<E>(scope, filter, draft)?;
        let shelf = self.shelf::<E>();
        shelf.branch_of_draft(scope, draft)?;
        shelf.home()?.create(draft, &Place::at(filter))?;
        Ok(())
    }

    /// Makes a record. What the consumer may not see it cannot write to. Without a deed it is only gone through.
    pub async fn create<E: Entity>(
        &self,
        ctx: &Ctx,
        scope: &Scope,
        filter: &E::Filter,
        draft: &E::Draft,
        deed: Option<Deed<E>>,
    ) -> Result<Outcome, Failure> {
        self.check::<E>(scope, filter, draft)?;
        let shelf = self.shelf::<E>();
        let source = shelf.home()?;
        self.sees(ctx, scope, draft, draft.student()).await?;
        let student = match draft.student() {
            Some(student) => Some(self.student(ctx, scope, student).await?),
            None => None,
        };
        let mut branch = shelf.branch_of_draft(scope, draft)?.or_else(|| shelf.branch_within(scope));
        if branch.is_none()
            && let Some(student) = &student
        {
            branch = shelf.only_branch_of(scope, student)?;
        }
        if branch.is_none() && (draft.branch_field().is_some() || source.needs_branches(filter)) {
            branch = shelf.only_branch(ctx, scope, source, draft.branch_field()).await?;
        }
        let mark = deed.as_ref().map(|deed| deed.claimed.operation().to_string());
        let place = Place { branch, student: student.as_deref(), mark: mark.as_deref(), ..Place::at(filter) };
        let write = source.create(draft, &place)?;
        let act = Act {
            source: Arc::clone(source),
            write,
            target: Target::New,
            turn: None,
            scope: scope.clone(),
            path: filter.clone(),
            trail: E::trail(filter, draft),
            branch,
        };
        shelf.perform_or_rehearse(ctx, act, deed).await
    }

    /// Changes a record. `check` sees it as it is now and may refuse.
    pub async fn update<E: Entity>(
        &self,
        ctx: &Ctx,
        scope: &Scope,
        (filter, id): (&E::Filter, &RecordId),
        draft: &E::Draft,
        check: impl FnOnce(&Record<E>) -> Result<(), Failure>,
        deed: Option<Deed<E>>,
    ) -> Result<Outcome, Failure> {
        let shelf = self.shelf::<E>();
        shelf.branch_of_draft(scope, draft)?;
        let turn = shelf.turn(ctx, id).await?;
        let (source, before) = shelf.current(ctx, scope, filter, id).await?;
        if !is_supposed(ctx, id) {
            check(&before.value)?;
        }
        if *draft == E::Draft::default() {
            return Ok(match deed {
                Some(deed) => Outcome::Done(deed.clerk.done(Some(&before.value)), before.provenance),
                None => Outcome::Supposed,
            });
        }
        let student = before.value.data.touched().into_iter().find_map(|touch| match touch {
            Touch::Record("students", id) => Some(id),
            _ => None,
        });
        self.sees(ctx, scope, draft, student.as_ref()).await?;
        let branch = shelf.branch_of(scope, &before.value);
        let hidden = shelf.hidden_branches(scope, &before.value);
        let write = source.update(&before.value, draft, &Place { branch, hidden, ..Place::at(filter) })?;
        let act = Act {
            source: Arc::clone(source),
            write,
            target: Target::Changed(before.value),
            turn: Some(turn),
            scope: scope.clone(),
            path: filter.clone(),
            trail: filter.clone(),
            branch,
        };
        shelf.perform_or_rehearse(ctx, act, deed).await
    }

    /// Removes a record. `check` sees it as it is now and may refuse.
    pub async fn delete<E: Entity>(
        &self,
        ctx: &Ctx,
        scope: &Scope,
        (filter, id): (&E::Filter, &RecordId),
        check: impl FnOnce(&Record<E>) -> Result<(), Failure>,
        deed: Option<Deed<E>>,
    ) -> Result<Outcome, Failure> {
        let shelf = self.shelf::<E>();
        let turn = shelf.turn(ctx, id).await?;
        let (source, before) = shelf.current(ctx, scope, filter, id).await?;
        if !is_supposed(ctx, id) {
            check(&before.value)?;
        }
        let branch = shelf.branch_of(scope, &before.value);
        let write = source.delete(&before.value, &Place { branch, ..Place::at(filter) })?;
        let act = Act {
            source: Arc::clone(source),
            write,
            target: Target::Removed(before.value),
            turn: Some(turn),
            scope: scope.clone(),
            path: filter.clone(),
            trail: filter.clone(),
            branch,
        };
        shelf.perform_or_rehearse(ctx, act, deed).await
    }

    /// Refuses a write that refers to what the consumer may not see. Who sees all branches leaves it to the CRM whether
    /// there is such a record.
    async fn sees<D: Draft>(
        &self,
        ctx: &Ctx,
        scope: &Scope,
        draft: &D,
        student: Option<&RecordId>,
    ) -> Result<(), Failure> {
        if *scope.sight == Sight::all() && self.around.branches.is_empty() {
            return Ok(());
        }
        let ctx = Ctx { freshness: Freshness::default(), ..ctx.clone() };
        let scope = Scope::of(&scope.sight);
        let mut refers = draft.refers();
        refers.dedup();
        let asked = refers.iter().map(|(kin, _, id)| self.branches_of(&ctx, &scope, *kin, id));
        for (found, (_, pointer, id)) in join_all(asked).await.into_iter().zip(&refers) {
            match found {
                Ok(_) => {}
                Err(Failure::NotFound) => {
                    let detail = format!("names `{id}`; there is no such record, or this key may not see it");
                    return Err(Failure::Invalid(pointer, detail));
                }
                Err(failure) => return Err(failure),
            }
        }
        let Some(id) = draft.subscription() else { return Ok(()) };
        let filter = SubscriptionFilter { student_id: student.cloned(), ..SubscriptionFilter::default() };
        match self.shelf::<Subscription>().get(&ctx, &scope, &filter, id).await {
            Ok(_) => Ok(()),
            Err(Failure::NotFound) => Err(Failure::Invalid(
                "/subscription_id",
                format!("names `{id}`; the student has no such subscription, or this key may not see it"),
            )),
            Err(failure) => Err(failure),
        }
    }

    /// The student a new record is about, who must be one that the consumer may see.
    async fn student(
        &self,
        ctx: &Ctx,
        scope: &Scope,
        student: &RecordId,
    ) -> Result<Arc<Record<Student>>, Failure> {
        let asked = Ctx { freshness: Freshness::default(), ..ctx.clone() };
        let filter = StudentFilter::default();
        match self.shelf::<Student>().get(&asked, scope, &filter, student).await {
            Ok(found) => Ok(found.value),
            Err(Failure::NotFound) => Err(Failure::Invalid(
                "/student_id",
                format!("is `{student}`; there is no such student, or this key may not see it"),
            )),
            Err(failure) => Err(failure),
        }
    }
}

/// Who sees some students only makes records for those alone: below one of them, or naming it.
fn may_be_made<E: Entity>(scope: &Scope, filter: &E::Filter, draft: &E::Draft) -> Result<(), Failure> {
    let Some(students) = &scope.sight.students else { return Ok(()) };
    let student = (E::ROWS.on)(filter).or(draft.student());
    if E::ROWS.made_for_one && student.is_some_and(|student| students.contains(student)) {
        return Ok(());
    }
    Err(Failure::NotTheirs("This key makes records for the students it sees, and no others."))
}

/// Whether what a record holds is only supposed, so that there is nothing to compare it with.
fn is_supposed(ctx: &Ctx, id: &RecordId) -> bool {
    ctx.rehearsal.as_ref().is_some_and(|rehearsal| rehearsal.is_supposed(id))
}

impl<E: Entity> Shelf<E> {
    pub(super) fn home(&self) -> Result<&Arc<dyn Source<E>>, Failure> {
        let source = self.sources.iter().find(|source| source.crm() == HOME).or(self.sources.first());
        source.ok_or(Failure::NotSupported)
    }

    /// The first of the branches that a draft names; all of them must be visible.
    fn branch_of_draft(&self, scope: &Scope, draft: &E::Draft) -> Result<Option<u64>, Failure> {
        let named = draft.branches();
        let wanted = Scope { wanted: named.to_vec(), ..scope.clone() };
        self.visible(&wanted)?;
        Ok(named.first().map(RecordId::number))
    }

    /// The branch of the student a new record is about, if only one of its own may be seen.
    fn only_branch_of(&self, scope: &Scope, student: &Record<Student>) -> Result<Option<u64>, Failure> {
        let visible = self.visible(scope)?;
        let sees = |branch: &u64| visible.as_ref().is_none_or(|visible| visible.contains(branch));
        let branches: Vec<u64> = student.data.branch_ids.iter().map(RecordId::number).filter(sees).collect();
        match branches[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => {
                let detail = "is missing, and the student belongs to several branches; say which";
                Err(Failure::Invalid("/branch_id", detail.to_owned()))
            }
        }
    }

    /// The branch to act in on a record: one of its own that is visible, else one of what it hangs on.
    fn branch_of(&self, scope: &Scope, record: &Record<E>) -> Option<u64> {
        let visible = self.visible(scope).ok().flatten();
        let sees = |branch: &u64| visible.as_ref().is_none_or(|visible| visible.contains(branch));
        let own = record.data.branches().unwrap_or_default().iter().map(RecordId::number);
        own.chain(scope.within.iter().copied()).find(sees)
    }

    /// The first branch of what the path hangs on that is visible.
    fn branch_within(&self, scope: &Scope) -> Option<u64> {
        let visible = self.visible(scope).ok().flatten();
        let sees = |branch: &u64| visible.as_ref().is_none_or(|visible| visible.contains(branch));
        scope.within.iter().copied().find(sees)
    }

    /// The branch that is meant when `field` names none, because there is no other.
    async fn only_branch(
        &self,
        ctx: &Ctx,
        scope: &Scope,
        source: &Arc<dyn Source<E>>,
        field: Option<&'static str>,
    ) -> Result<Option<u64>, Failure> {
        let trip = Journal::new(ctx, 1);
        let branches = match self.visible(scope)? {
            Some(visible) => visible,
            None => self.all_branches(&trip, source.crm()).await?,
        };
        match (&branches[..], field) {
            ([one], _) => Ok(Some(*one)),
            (_, Some(field)) => {
                let detail = "is missing, and there are several branches; say which";
                Err(Failure::Invalid(field, detail.to_owned()))
            }
            // What has no branch of its own may be made in any.
            (several, None) => Ok(several.first().copied()),
        }
    }

    /// The branches of a record that the consumer does not see.
    fn hidden_branches(&self, scope: &Scope, record: &Record<E>) -> Vec<u64> {
        let visible = self.visible(scope).ok().flatten();
        let own = record.data.branches().unwrap_or_default().iter().map(RecordId::number);
        own.filter(|branch| visible.as_ref().is_some_and(|visible| !visible.contains(branch))).collect()
    }

    /// The turn to change a record: from when it is read until the change is made nobody else does.
    async fn turn(&self, ctx: &Ctx, id: &RecordId) -> Result<OwnedMutexGuard<()>, Failure> {
        // Who changes nothing keeps nobody waiting.
        let turn = match ctx.rehearsal {
            Some(_) => Arc::default(),
            None => self.desk.turn(E::RESOURCE, id),
        };
        timeout_at(ctx.deadline, turn.lock_owned()).await.map_err(|_| {
            let detail = "somebody else is changing the record; nothing was written";
            crm::Error { sent: false, ..crm::Error::new(id.source(), crm::Kind::Overloaded, detail) }.into()
        })
    }

    /// The record as it is in the CRM now: what is merged with it or compared to it must not be old.
    async fn current(
        &self,
        ctx: &Ctx,
        scope: &Scope,
        filter: &E::Filter,
        id: &RecordId,
    ) -> Result<(&Arc<dyn Source<E>>, Answer<Arc<Record<E>>>), Failure> {
        let source = self.sources.iter().find(|source| source.crm() == id.source());
        let source = source.ok_or(Failure::NotFound)?;
        let freshness = Freshness { max_age: Some(Duration::ZERO), only_if_cached: false };
        let now = Ctx { freshness, ..ctx.clone() };
        let before = self.get(&now, scope, filter, id).await?;
        // A part that is written back would end the rest.
        if before.value.is_reduced() {
            return Err(Failure::NotTheirs("This key sees a part of this record, and cannot change it."));
        }
        Ok((source, before))
    }

    /// Performs an act; without a deed it is only gone through.
    async fn perform_or_rehearse(
        self: &Arc<Self>,
        ctx: &Ctx,
        act: Act<E>,
        deed: Option<Deed<E>>,
    ) -> Result<Outcome, Failure> {
        match deed {
            Some(deed) => self.perform(ctx, act, deed).await,
            None => self.rehearse_write(ctx, &act).await,
        }
    }

    /// What [`Shelf::perform`] would do. CRMs show the record they wrote, but for one that they keep below another, which is
    /// read again.
    async fn rehearse_write(&self, ctx: &Ctx, act: &Act<E>) -> Result<Outcome, Failure> {
        let Some(rehearsal) = &ctx.rehearsal else { return Err(Failure::NotKept) };
        let trip = Trip::new(ctx, 1);
        suppose::call(rehearsal, &trip, act.source.crm(), (&*act.write.call).into())
            .map_err(crm::Error::of_write)?;
        let generation = self.desk.cache.latest() + rehearsal.tick();
        for resource in E::TOUCHES.iter().copied().chain([E::RESOURCE, "history"]) {
            rehearsal.written(resource, generation);
        }
        if let Some(id) = &act.write.id {
            self.get(ctx, &Scope::all(), &act.path, id).await?;
        }
        Ok(Outcome::Supposed)
    }
}
