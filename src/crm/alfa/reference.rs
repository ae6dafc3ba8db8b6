//! Reference books (sections 9.1 to 9.3 of the reference).

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Map;

use super::client::{Client, List};
use crate::crm::wire::Row;
use crate::crm::{Asked, Branches, Error, Lane, Position, Question, Source};
use crate::model::reference::{Book, ReferenceEntry, ReferenceFilter};
use crate::model::{Ctx, RecordId, Source as CrmName};

/// Reference books of one account.
pub(super) struct Reference(pub(super) Arc<Client>);

fn list(book: Book) -> List<'static> {
    match book {
        Book::Branches => List { model: "branch", operation: "branch/index", branch: None, query: "" },
    }
}

impl Source<ReferenceEntry> for Reference {
    fn crm(&self) -> CrmName {
        CrmName::AlfaCrm
    }

    fn has_branches(&self) -> bool {
        true
    }

    fn lanes(&self, _: &ReferenceFilter, _: &Branches) -> Result<Vec<Lane>, Error> {
        Ok(vec![Lane::pages("alfa")])
    }

    fn question(&self, filter: &ReferenceFilter, _: &Lane, at: Position) -> Question {
        self.0.index(list(filter.book.unwrap_or(Book::Branches)), Map::new(), at, true)
    }

    fn by_id(&self, _: &RecordId, _: &Branches) -> Vec<Question> {
        Vec::new()
    }

    fn ask<'a>(
        &'a self,
        ctx: &'a Ctx,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Asked<ReferenceEntry>, Error>> {
        self.0.page(ctx, question, entry).boxed()
    }
}

fn entry(row: &Row<'_>) -> ReferenceEntry {
    let branches = [row.ids("branch_ids"), row.id("branch_id").into_iter().collect()].concat();
    ReferenceEntry {
        name: row.text("name"),
        active: row.flag("is_active").or_else(|| row.flag("is_enabled")),
        weight: row.whole("weight"),
        // A branch belongs to itself: who may not see it does not see its entry.
        branch_ids: if branches.is_empty() { row.id("id").into_iter().collect() } else { branches },
    }
}
