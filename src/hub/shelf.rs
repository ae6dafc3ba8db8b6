//! Lists and single records of one kind.

use std::sync::Arc;

use super::{Answer, Failure, PageRequest, Scope};
use crate::model::{Ctx, Entity, Page, Record, RecordId};

/// All records of one kind, of all CRMs that have it.
#[derive(Debug)]
pub struct Shelf<E>(std::marker::PhantomData<E>);

#[cfg(test)]
impl<E> Shelf<E> {
    /// A shelf without records.
    pub(crate) fn empty() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<E: Entity> Shelf<E> {
    /// One page of a list.
    pub async fn list(
        &self,
        _ctx: &Ctx,
        _scope: &Scope,
        _filter: &E::Filter,
        _page: &PageRequest,
    ) -> Result<Answer<Page<E>>, Failure> {
        Err(Failure::NotFound)
    }

    /// One record.
    pub async fn get(
        &self,
        _ctx: &Ctx,
        _scope: &Scope,
        _id: &RecordId,
    ) -> Result<Answer<Arc<Record<E>>>, Failure> {
        Err(Failure::NotFound)
    }
}
