//! A failed call is made again if that is safe and may help. Every attempt is a new admission behind first attempts and
//! inside a budget, so retries spend the quota like everything else and never push aside what has not been tried.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::{Answer, Attempt, Error};
use crate::model::Ctx;
use crate::model::context::Reason;

/// Attempts in all.
const ATTEMPTS: u32 = 3;
/// The pause before the second attempt; it doubles.
const BACKOFF: Duration = Duration::from_millis(250);

/// Puts [`Retry`] in front of a service.
#[derive(Debug, Clone, Copy)]
pub struct RetryLayer;

/// Repeats failed calls.
#[derive(Debug, Clone)]
pub struct Retry<S>(S);

impl<S> Retry<S> {
    /// Around another service, made of the one inside.
    pub fn around<T>(&self, inner: impl FnOnce(&S) -> T) -> Retry<T> {
        Retry(inner(&self.0))
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry(inner)
    }
}

/// Whether another attempt may succeed and cannot do harm.
fn worth_repeating(attempt: &Attempt, outcome: &Result<Answer, Error>) -> bool {
    // Nobody waits for it, and the next who finds the answer stale begins another.
    if attempt.ctx.reason == Reason::Refresh {
        return false;
    }
    match outcome {
        // A call limited by the CRM had no effect, whatever it was.
        Ok(answer) if answer.status == 429 => true,
        Ok(answer) => attempt.call.safe && matches!(answer.status, 408 | 500 | 502 | 503 | 504),
        Err(Error::Transport { sent, .. }) => attempt.call.safe || !sent,
        Err(Error::Timeout(_)) => attempt.call.safe,
        Err(
            Error::Overloaded { .. }
            | Error::Exhausted(_)
            | Error::Unavailable { .. }
            | Error::Abandoned
            | Error::NoSignIn
            | Error::NotSignedIn
            | Error::TooLarge(_),
        ) => false,
    }
}

impl<S> Service<Attempt> for Retry<S>
where
    S: Service<Attempt, Response = Answer, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Answer;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answer, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        let mut inner = self.0.clone();
        Box::pin(async move {
            // Many may wait for their first attempt and few for another: what only those need is not kept for all.
            let another = {
                let outcome = inner.call(attempt.clone()).await;
                if !worth_repeating(&attempt, &outcome) {
                    return outcome;
                }
                Box::pin(again(inner, attempt, outcome))
            };
            another.await
        })
    }
}

/// Makes a call again whose first attempt ended like this.
async fn again<S>(
    mut inner: S,
    mut attempt: Attempt,
    mut outcome: Result<Answer, Error>,
) -> Result<Answer, Error>
where
    S: Service<Attempt, Response = Answer, Error = Error>,
{
    for number in 1..ATTEMPTS {
        let pause = BACKOFF * 2_u32.pow(number - 1);
        let deadline = attempt.ctx.interest.deadline().unwrap_or(attempt.ctx.deadline);
        if Instant::now() + pause >= deadline {
            break;
        }
        // Until it leaves again, whoever waits for it may leave.
        attempt.ctx.interest.not_sent();
        tokio::time::sleep(pause).await;
        if attempt.ctx.reason != Reason::Auth {
            attempt.ctx = Arc::new(Ctx { reason: Reason::Retry, ..Ctx::clone(&attempt.ctx) });
        }
        match inner.call(attempt.clone()).await {
            // That it may not be tried again says less than what went wrong.
            Err(Error::Overloaded { .. } | Error::Exhausted(_) | Error::Unavailable { .. }) => break,
            next => outcome = next,
        }
        if !worth_repeating(&attempt, &outcome) {
            break;
        }
    }
    outcome
}
