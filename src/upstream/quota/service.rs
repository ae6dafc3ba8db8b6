//! The pacer as a tower service. It is always ready, because readiness cannot see the request and so cannot rank it;
//! waiting happens in the call's future.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::Pacer;
use crate::upstream::{Answer, Attempt, Error};

/// The pause after a 429 that does not say how long.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// Puts [`Quota`] in front of a service.
#[derive(Debug, Clone)]
pub struct QuotaLayer(pub Pacer);

/// Lets each attempt wait for its turn.
#[derive(Debug, Clone)]
pub struct Quota<S> {
    pacer: Pacer,
    inner: S,
}

impl<S> Layer<S> for QuotaLayer {
    type Service = Quota<S>;

    fn layer(&self, inner: S) -> Quota<S> {
        Quota { pacer: self.0.clone(), inner }
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
        let (pacer, mut inner) = (self.pacer.clone(), self.inner.clone());
        Box::pin(async move {
            let ctx = &attempt.ctx;
            let queued = pacer.turn(ctx.reason, ctx.deadline, ctx.max_wait).await?;
            ctx.interest.sent();
            let mut answer = inner.call(attempt).await?;
            answer.queued = queued;
            if answer.status == 429 {
                pacer.hold(Instant::now() + answer.retry_after().unwrap_or(DEFAULT_PAUSE));
            }
            Ok(answer)
        })
    }
}
