//! What a list answers.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Record, RecordId, Source};

/// One page of a list.
#[derive(Debug)]
pub struct Page<E> {
    /// The records, in the list's order.
    pub items: Vec<Arc<Record<E>>>,
    /// Where the next page starts; `None` is the only sign of the end.
    pub next_cursor: Option<String>,
    /// How many records match in all, where the CRMs tell and it can be believed.
    pub total: Option<u64>,
    /// Who could not be asked.
    pub incomplete: Vec<Incomplete>,
}

/// A CRM, or one branch of it, whose records are missing from the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Incomplete {
    /// The CRM.
    pub source: Source,
    /// The branch, when only one is missing.
    #[schema(required)]
    pub branch_id: Option<RecordId>,
    /// A stable code, one of those of errors: `upstream_unavailable`, `overloaded`, `not_supported` …
    pub reason: String,
    /// One sentence for people.
    pub detail: String,
}
