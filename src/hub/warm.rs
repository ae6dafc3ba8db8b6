//! What every list needs is asked for before anybody does: the reference books, the branches first.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::desk::Way;
use super::journal::Journal;
use super::{Hub, Scope};
use crate::crm::{Error, Lane, Position, Source};
use crate::model::Ctx;
use crate::model::context::{Class, Freshness, Payer, Reason};
use crate::model::interest::Interest;
use crate::model::reference::{Book, ReferenceEntry, ReferenceFilter};

/// How long one book may take.
const PATIENCE: Duration = Duration::from_secs(60);

impl Hub {
    /// Asks for the reference books that are not known from before, one call after the other, behind everybody who waits
    /// for anything. A CRM that does not answer is left to those who will ask it.
    pub async fn warm(&self) {
        for source in self.around.reference.iter().filter(|source| !source.answers_by_itself()) {
            for (book, _) in Book::ALL {
                if let Err(error) = self.warm_book(source, *book).await {
                    tracing::info!(crm = source.crm().name(), "reference books are not read ahead: {error}");
                    break;
                }
            }
        }
    }

    async fn warm_book(&self, source: &Arc<dyn Source<ReferenceEntry>>, book: Book) -> Result<(), Error> {
        let filter = ReferenceFilter { book: Some(book) };
        if !source.has(&filter) {
            return Ok(());
        }
        let ctx = circumstances();
        let shelf = self.shelf::<ReferenceEntry>();
        let visible = shelf.visible(&Scope::all()).unwrap_or_default();
        let branches = shelf.branches(&Journal::new(&ctx, 1), source, &filter, &visible).await?;
        for lane in source.lanes(&filter, &branches)? {
            self.warm_lane(&ctx, source, &filter, &lane).await?;
        }
        Ok(())
    }

    async fn warm_lane(
        &self,
        ctx: &Ctx,
        source: &Arc<dyn Source<ReferenceEntry>>,
        filter: &ReferenceFilter,
        lane: &Lane,
    ) -> Result<(), Error> {
        let policy = &self.around.reference_policy;
        let (mut at, mut rows) = (Position(0), 0);
        loop {
            let question = source.question(filter, lane, at);
            let page =
                self.desk.warm(ctx, (source, &question), Way::Page(lane, filter, None), policy).await?;
            let Some(page) = page.filter(|page| page.rows > page.overlap) else { return Ok(()) };
            rows += page.rows - page.overlap;
            match page.next {
                Some(next) if page.total.is_none_or(|total| rows < total) => at = next,
                _ => return Ok(()),
            }
        }
    }
}

/// Nobody's, and in no hurry.
fn circumstances() -> Ctx {
    Ctx {
        payer: Payer { consumer: "gateway".into(), class: Class::Batch, weight: 1, allowance: None },
        reason: Reason::Refresh,
        deadline: Instant::now() + PATIENCE,
        max_wait: None,
        // That something else is looked at on the way is no reason to renew it.
        freshness: Freshness { only_if_cached: true, ..Freshness::default() },
        interest: Interest::default(),
        rehearsal: None,
    }
}
