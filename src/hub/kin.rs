//! Records that others refer to: which there are, what they are called, and which branches they are in. A path below a
//! record hangs on it, and `expand` shows its name.

use std::collections::HashMap;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use super::journal::Journal;
use super::{Answer, Failure, Hub, Provenance, Scope, Shelf};
use crate::model::expand::Kin;
use crate::model::group::Group;
use crate::model::lesson::Lesson;
use crate::model::project::Project;
use crate::model::reference::{ReferenceEntry, ReferenceFilter};
use crate::model::student::Student;
use crate::model::tariff::Tariff;
use crate::model::task::Task;
use crate::model::teacher::Teacher;
use crate::model::{Ctx, Entity, RecordId};

/// The names of records, by their ids.
pub type Names = HashMap<RecordId, String>;

/// Records of some kind that is known only when asked.
trait Anyone: Sync {
    /// The branches of a record that may be seen.
    fn branches<'a>(
        &'a self,
        ctx: &'a Ctx,
        scope: &'a Scope,
        id: &'a RecordId,
    ) -> BoxFuture<'a, Result<Answer<Vec<u64>>, Failure>>;

    /// The names of those that may be seen and have one; none of the others.
    fn names<'a>(
        &'a self,
        ctx: &'a Ctx,
        scope: &'a Scope,
        ids: &'a [RecordId],
    ) -> BoxFuture<'a, (Names, Provenance)>;
}

/// A kind, with the filter that stands for its path where it has one.
struct Kind<'a, E: Entity>(&'a Shelf<E>, E::Filter);

impl<E: Entity> Anyone for Kind<'_, E> {
    fn branches<'a>(
        &'a self,
        ctx: &'a Ctx,
        scope: &'a Scope,
        id: &'a RecordId,
    ) -> BoxFuture<'a, Result<Answer<Vec<u64>>, Failure>> {
        async move {
            let Answer { value, provenance, witness } = self.0.get(ctx, scope, &self.1, id).await?;
            let branches = value.data.branches().unwrap_or_default().iter().map(RecordId::number).collect();
            Ok(Answer { value: branches, provenance, witness })
        }
        .boxed()
    }

    fn names<'a>(
        &'a self,
        ctx: &'a Ctx,
        scope: &'a Scope,
        ids: &'a [RecordId],
    ) -> BoxFuture<'a, (Names, Provenance)> {
        async move {
            let trip = Journal::new(ctx, 1);
            let found = join_all(ids.iter().map(|id| self.0.find(&trip, scope, &self.1, id))).await;
            let names = ids.iter().zip(found).filter_map(|(id, found)| {
                // A record that cannot be read has no name; the answer is about another.
                let record = found.ok()?;
                Some((id.clone(), record.data.title()?.to_owned()))
            });
            (names.collect(), trip.provenance())
        }
        .boxed()
    }
}

impl Hub {
    /// The branches of a record that the consumer may see; empty when it is no branch's business.
    pub async fn branches_of(
        &self,
        ctx: &Ctx,
        scope: &Scope,
        kin: Kin,
        id: &RecordId,
    ) -> Result<Answer<Vec<u64>>, Failure> {
        self.kind(kin).branches(ctx, scope, id).await
    }

    /// The names of records that the consumer may see, with one call per kind where the CRM takes lists of ids.
    pub async fn names(&self, ctx: &Ctx, scope: &Scope, kin: Kin, ids: &[RecordId]) -> Answer<Names> {
        let (value, provenance) = self.kind(kin).names(ctx, scope, ids).await;
        Answer { value, provenance, witness: None }
    }

    fn kind(&self, kin: Kin) -> Box<dyn Anyone + Send + '_> {
        match kin {
            Kin::Student => self.plain::<Student>(),
            Kin::Group => self.plain::<Group>(),
            Kin::Teacher => self.plain::<Teacher>(),
            Kin::Project => self.plain::<Project>(),
            Kin::Task => self.plain::<Task>(),
            Kin::Lesson => self.plain::<Lesson>(),
            Kin::Entry(book) => {
                let filter = ReferenceFilter { book: Some(book) };
                Box::new(Kind(self.shelf::<ReferenceEntry>(), filter))
            }
            Kin::Tariff => self.plain::<Tariff>(),
        }
    }

    fn plain<E: Entity>(&self) -> Box<dyn Anyone + Send + '_> {
        Box::new(Kind(self.shelf::<E>(), E::Filter::default()))
    }
}
