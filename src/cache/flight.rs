//! One fill under way, and those who wait for it. It belongs to nobody: whoever began it may leave.

use tokio::sync::watch;

use super::{Landed, Purpose};
use crate::model::interest::Interest;

type Outcome<F> = Option<Result<Landed, F>>;

/// A fill under way, as those see it who may join.
#[derive(Debug)]
pub(super) struct Flight<F> {
    generation: u64,
    interest: Interest,
    purpose: Purpose,
    outcome: watch::Receiver<Outcome<F>>,
}

/// The side of the task that fills.
pub(super) struct Pilot<F>(watch::Sender<Outcome<F>>);

/// The side of one who waits.
pub(super) struct Landing<F>(watch::Receiver<Outcome<F>>);

impl<F: Clone> Flight<F> {
    pub(super) fn new(generation: u64, interest: Interest, purpose: Purpose) -> (Self, Pilot<F>) {
        let (sender, outcome) = watch::channel(None);
        (Self { generation, interest, purpose, outcome }, Pilot(sender))
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }

    pub(super) fn interest(&self) -> &Interest {
        &self.interest
    }

    pub(super) fn landing(&self) -> Landing<F> {
        Landing(self.outcome.clone())
    }
}

impl<F> Pilot<F> {
    pub(super) fn land(self, outcome: Result<Landed, F>) {
        // Nobody may be waiting; the entry is stored all the same.
        let _ = self.0.send(Some(outcome));
    }
}

impl<F: Clone> Landing<F> {
    /// What has landed already.
    pub(super) fn of(outcome: Result<Landed, F>) -> Self {
        Self(watch::channel(Some(outcome)).1)
    }

    /// The outcome; `None` when the task ended without one.
    pub(super) async fn wait(mut self) -> Option<Result<Landed, F>> {
        let outcome = self.0.wait_for(Option::is_some).await.ok()?;
        outcome.clone()
    }
}
