//! The pacer as a tower service. It is always ready, because readiness cannot see the request and so cannot rank it;
//! waiting happens in the call's future.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::Pacer;
use crate::model::Class;
use crate::upstream::{Answer, Attempt, Error, Meter};

/// The pause after a 429, if it does not ask for a longer one.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Puts [`Quota`] in front of a service.
#[derive(Debug, Clone)]
pub struct QuotaLayer {
    pacer: Pacer,
    meter: Meter,
    waiting: Arc<[AtomicUsize; 3]>,
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
            let seated = Seated::new(&turns, ctx.class);
            let queued = turns.pacer.turn(ctx.reason, ctx.deadline, ctx.max_wait).await;
            drop(seated);
            let queued = queued?;
            turns.meter.metrics.queue_wait(crm, ctx.class.name(), queued);
            turns.meter.metrics.quota_spent(crm, &ctx.consumer, ctx.reason.name());
            ctx.interest.sent();
            let mut answer = inner.call(attempt).await?;
            answer.queued = queued;
            if answer.status == 429 {
                turns
                    .pacer
                    .hold(Instant::now() + answer.retry_after().unwrap_or_default().max(SHORTEST_PAUSE));
            }
            Ok(answer)
        })
    }
}

/// Counts one who waits, for as long as it lives.
struct Seated<'a> {
    turns: &'a QuotaLayer,
    class: Class,
}

impl<'a> Seated<'a> {
    fn new(turns: &'a QuotaLayer, class: Class) -> Self {
        let seated = Self { turns, class };
        seated.show(seated.count().fetch_add(1, Ordering::Relaxed) + 1);
        seated
    }

    fn count(&self) -> &AtomicUsize {
        &self.turns.waiting[self.class as usize]
    }

    fn show(&self, waiting: usize) {
        self.turns.meter.metrics.queue_depth(self.turns.meter.crm.name(), self.class.name(), waiting);
    }
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        self.show(self.count().fetch_sub(1, Ordering::Relaxed) - 1);
    }
}
