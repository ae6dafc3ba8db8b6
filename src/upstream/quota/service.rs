//! The pacer as a tower service. It is always ready, because readiness cannot see the request and so cannot rank it;
//! waiting happens in the call's future.

use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower::{Layer, Service};

use super::Pacer;
use super::breaker::State;
use super::pacer::Ended;
use super::room::Lane;
use crate::model::context::{Payer, Reason};
use crate::upstream::{Answer, Attempt, Call, Error, Meter};

/// Puts [`Quota`] in front of a service.
#[derive(Debug, Clone)]
pub struct QuotaLayer {
    pacer: Pacer,
    meter: Meter,
    waiting: Arc<[AtomicUsize; 4]>,
}

impl QuotaLayer {
    /// Turns of `pacer`, counted by `meter`.
    pub fn new(pacer: Pacer, meter: Meter) -> Self {
        Self { pacer, meter, waiting: Arc::default() }
    }
}

/// Lets each attempt wait for its turn.
#[derive(Debug, Clone)]
pub struct Quota<S> {
    turns: QuotaLayer,
    inner: S,
}

impl<S> Layer<S> for QuotaLayer {
    type Service = Quota<S>;

    fn layer(&self, inner: S) -> Quota<S> {
        Quota { turns: self.clone(), inner }
    }
}

impl<S> Service<Attempt> for Quota<S>
where
    S: Service<Attempt, Response = Answer, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Answer;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answer, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        let (turns, mut inner) = (self.turns.clone(), self.inner.clone());
        Box::pin(async move {
            let ctx = &attempt.ctx;
            let crm = turns.meter.crm.name();
            let lane = Lane::of(ctx.payer.class, ctx.reason);
            let seated = Seated::new(&turns, lane);
            let turn = turns.pacer.turn(ctx, attempt.call.operation, size(&attempt.call)).await;
            drop(seated);
            let turn = turn?;
            turns.meter.metrics.queue_wait(crm, lane.name(), turn.queued);
            ctx.interest.sent();
            let mut flight = Flight {
                turns: &turns,
                payer: turn.payer,
                probe: turn.probe,
                reason: ctx.reason,
                operation: attempt.call.operation,
                sent_at: turn.at,
                ended: Ended::Unknown,
                left: true,
            };
            let outcome = inner.call(attempt).await;
            flight.ended = ended(&outcome);
            flight.left = !matches!(outcome, Err(Error::Transport { sent: false, .. }));
            drop(flight);
            let mut answer = outcome?;
            answer.queued = turn.queued;
            Ok(answer)
        })
    }
}

/// Bytes that a call holds while it waits, roughly.
fn size(call: &Call) -> usize {
    const CIRCUMSTANCES: usize = 512;
    CIRCUMSTANCES + call.target.len() + call.body.as_ref().map_or(0, bytes::Bytes::len)
}

/// What the limits learn from an outcome.
fn ended(outcome: &Result<Answer, Error>) -> Ended {
    match outcome {
        Ok(answer) if answer.status == 429 => Ended::Limited(answer.retry_after()),
        Ok(answer) if answer.status == 503 && answer.retry_after().is_some() => {
            Ended::Paused(answer.retry_after().unwrap_or_default())
        }
        Ok(answer) if answer.status >= 500 => Ended::Failed,
        Ok(_) | Err(Error::TooLarge(_)) => Ended::Answered,
        Err(Error::Timeout(_) | Error::Transport { .. }) => Ended::Failed,
        Err(Error::Overloaded { .. } | Error::Unavailable { .. } | Error::Abandoned) => Ended::Unknown,
    }
}

/// The state as metrics show it.
fn breaker_number(state: State) -> i64 {
    match state {
        State::Closed => 0,
        State::HalfOpen => 1,
        State::Open => 2,
    }
}

/// A call under way. However it ends, also by being dropped, it is billed if it left and the limits learn of it.
struct Flight<'a> {
    turns: &'a QuotaLayer,
    payer: Payer,
    probe: bool,
    reason: Reason,
    operation: &'static str,
    sent_at: Instant,
    ended: Ended,
    left: bool,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let Meter { crm, metrics } = &self.turns.meter;
        if self.left {
            metrics.quota_spent(crm.name(), &self.payer.consumer, self.reason.name());
        }
        let pulse = self.turns.pacer.ended(self.sent_at, self.probe, self.ended);
        metrics.quota_rate(crm.name(), pulse.learned_rate, pulse.foreign_rate);
        metrics.breaker(crm.name(), breaker_number(pulse.breaker));
        if let Ended::Limited(_) = self.ended {
            let (rate, foreign) = (pulse.learned_rate, pulse.foreign_rate);
            let crm = crm.name();
            tracing::warn!(
                crm,
                operation = self.operation,
                rate,
                foreign,
                "the CRM limits us: all calls pause"
            );
        }
        if pulse.breaker_changed {
            tracing::warn!(crm = crm.name(), state = ?pulse.breaker, "the breaker changed");
        }
    }
}

/// Counts one who waits, for as long as it lives.
struct Seated<'a> {
    turns: &'a QuotaLayer,
    lane: Lane,
}

impl<'a> Seated<'a> {
    fn new(turns: &'a QuotaLayer, lane: Lane) -> Self {
        let seated = Self { turns, lane };
        seated.show(seated.count().fetch_add(1, Ordering::Relaxed) + 1);
        seated
    }

    fn count(&self) -> &AtomicUsize {
        &self.turns.waiting[self.lane as usize]
    }

    fn show(&self, waiting: usize) {
        self.turns.meter.metrics.queue_depth(self.turns.meter.crm.name(), self.lane.name(), waiting);
    }
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        self.show(self.count().fetch_sub(1, Ordering::Relaxed) - 1);
    }
}
