//! Payers who behave well, in front of a gateway that dies and a CRM that fails, and a judge who compares what they were
//! told with the CRM's rows. It knows the gateway by its contract alone: nothing of what it does inside is used here.

pub(crate) mod client;
pub(crate) mod gateway;
pub(crate) mod judge;
pub(crate) mod orders;
pub(crate) mod over_http;
pub(crate) mod weather;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use client::{Door, Story};
use orders::Order;

/// How far a run has come. Payers look at it before each step.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    next: Cell<usize>,
    /// No payment is begun any more.
    full: Cell<bool>,
    /// Whoever has not been told anything by now never will be.
    closes: Cell<Option<Instant>>,
}

impl Progress {
    /// No payment is begun from now on.
    pub(crate) fn begin_no_more(&self) {
        self.full.set(true);
    }

    /// Those that are under way have so long.
    pub(crate) fn close_in(&self, time: Duration) {
        self.closes.set(Some(Instant::now() + time));
    }

    /// How many were begun.
    pub(crate) fn begun(&self) -> usize {
        self.next.get()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closes.get().is_some_and(|at| at <= Instant::now())
    }

    fn take<'a>(&self, orders: &'a [Order]) -> Option<&'a Order> {
        let order = orders.get(self.next.get()).filter(|_| !self.full.get())?;
        self.next.set(self.next.get() + 1);
        Some(order)
    }
}

/// Makes all payments, so many at the same time. `begun` is called once, when the last one has been begun.
pub(crate) async fn pay_all(
    door: &impl Door,
    orders: &[Order],
    at_once: usize,
    progress: &Progress,
    begun: impl Fn(),
) -> Vec<Story> {
    let stories = RefCell::new(Vec::new());
    let said = Cell::new(false);
    let paying = (0..at_once).map(async |_| {
        loop {
            let Some(order) = progress.take(orders) else {
                if !said.replace(true) {
                    begun();
                }
                return;
            };
            let story = client::pay(door, order, progress).await;
            stories.borrow_mut().push(story);
        }
    });
    join_all(paying).await;
    stories.into_inner()
}
