//! The pacer as a tower service. It is always ready, because readiness cannot see the request and so cannot rank it;
//! waiting happens in the call's future.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::breaker::Effect;
use super::room::Lane;
use super::{Ended, Pacer};
use crate::model::allowance::Held;
use crate::model::context::{Payer, Reason};
use crate::telemetry::trace;
use crate::upstream::{Answer, Attempt, Call, Error, Meter};

/// Puts [`Quota`] in front of a service.
#[derive(Debug, Clone)]
pub struct QuotaLayer(Arc<Turns>);

#[derive(Debug)]
struct Turns {
    pacer: Pacer,
    meter: Meter,
}

impl QuotaLayer {
    /// Turns of `pacer`, counted by `meter`.
    pub fn new(pacer: Pacer, meter: Meter) -> Self {
        let watched = pacer.clone();
        meter.metrics.watch(meter.crm.name(), move || watched.gauges());
        Self(Arc::new(Turns { pacer, meter }))
    }
}

impl Turns {
    fn refused(&self, lane: Lane, error: &Error) {
        let reason = match error {
            Error::Overloaded { refusal, .. } => refusal.name(),
            Error::Exhausted(_) => "daily_budget",
            Error::Unavailable { .. } => "breaker",
            Error::NoSignIn => "sign_in",
            _ => return,
        };
        self.meter.metrics.queue_refused(self.meter.crm.name(), lane.name(), reason);
    }
}

/// Lets each attempt wait for its turn. Many may wait, so an attempt holds no service of its own before its turn.
#[derive(Debug)]
pub struct Quota<S> {
    turns: Arc<Turns>,
    inner: Arc<S>,
}

impl<S> Clone for Quota<S> {
    fn clone(&self) -> Self {
        Self { turns: Arc::clone(&self.turns), inner: Arc::clone(&self.inner) }
    }
}

impl<S> Quota<S> {
    /// The same turns for another service, made of the one inside.
    pub fn around<T>(&self, inner: impl FnOnce(&S) -> T) -> Quota<T> {
        Quota { turns: Arc::clone(&self.turns), inner: Arc::new(inner(&self.inner)) }
    }
}

impl<S> Layer<S> for QuotaLayer {
    type Service = Quota<S>;

    fn layer(&self, inner: S) -> Quota<S> {
        Quota { turns: Arc::clone(&self.0), inner: Arc::new(inner) }
    }
}

impl<S> Service<Attempt> for Quota<S>
where
    S: Service<Attempt, Response = Answer, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = Answer;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answer, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        let Self { turns, inner } = self.clone();
        Box::pin(async move {
            // Many may wait for their turn: what is needed afterwards is made afterwards.
            let (call, ctx) = (&attempt.call, &attempt.ctx);
            let effect = if call.safe { Effect::Reads } else { Effect::Writes };
            let lane = Lane::of(ctx.payer.class, ctx.reason);
            let waits = trace::turn(turns.meter.crm.name(), lane.name(), call.operation);
            let turn = turns.pacer.turn(ctx, call.operation, call.size(), effect).instrument(waits).await;
            let reason = attempt.ctx.reason;
            let crm = turns.meter.crm.name();
            let turn = turn.inspect_err(|error| turns.refused(lane, error))?;
            turns.meter.metrics.queue_wait(crm, lane.name(), turn.queued);
            attempt.ctx.interest.sent();
            let mut flight = Flight {
                turns: &turns,
                payer: turn.payer,
                allowed: turn.allowed,
                probe: turn.probe,
                reason,
                operation: attempt.call.operation,
                sent_at: turn.at,
                ended: Ended::Unknown,
                left: true,
            };
            let call = Arc::clone(&attempt.call);
            let outcome = S::clone(&inner).call(attempt).await;
            flight.ended = ended(&call, &outcome);
            flight.left = outcome.as_ref().err().is_none_or(Error::may_have_been_sent);
            drop(flight);
            let mut answer = outcome?;
            answer.queued = turn.queued;
            Ok(answer)
        })
    }
}

/// What the limits learn from an outcome.
fn ended(call: &Call, outcome: &Result<Answer, Error>) -> Ended {
    match outcome {
        Ok(answer) => match (answer.status, answer.retry_after) {
            (429, pause) => Ended::Limited(pause),
            (503, Some(pause)) => Ended::Paused(pause),
            (503, None) => Ended::Failed,
            (500.., _) => Ended::FailedAt(fingerprint(call)),
            (200..300, _) if !answer.may_be_json() => Ended::Failed,
            _ => Ended::Answered,
        },
        Err(Error::TooLarge(_)) => Ended::Answered,
        Err(Error::Timeout(_) | Error::Transport { .. }) => Ended::Failed,
        // It was not sent.
        Err(_) => Ended::Unknown,
    }
}

/// The same for the same call made again.
fn fingerprint(call: &Call) -> u64 {
    let mut hasher = DefaultHasher::new();
    (call.operation, &call.target, &call.body).hash(&mut hasher);
    hasher.finish()
}

/// A call under way. However it ends, also by being dropped, it is billed if it left and the limits learn of it.
struct Flight<'a> {
    turns: &'a Turns,
    payer: Payer,
    /// Taken of the payer's allowance.
    allowed: Option<Held>,
    probe: bool,
    reason: Reason,
    operation: &'static str,
    sent_at: Instant,
    ended: Ended,
    left: bool,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let Meter { crm, metrics, .. } = &self.turns.meter;
        if self.left {
            metrics.quota_spent(crm.name(), self.payer.label(), self.reason.name());
            if let Some(allowed) = self.allowed.take() {
                allowed.spend();
            }
        }
        let pulse = self.turns.pacer.ended(self.sent_at, self.probe, self.ended);
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use std::time::Duration;

    fn call(target: &str) -> Call {
        Call {
            operation: "pay/index",
            method: Method::POST,
            target: target.to_owned(),
            body: None,
            safe: true,
        }
    }

    fn answer(status: u16, retry_after: Option<u64>, body: &'static str) -> Result<Answer, Error> {
        let retry_after = retry_after.map(Duration::from_secs);
        let (body, zero) = (body.into(), Duration::ZERO);
        Ok(Answer { status, retry_after, body, queued: zero, took: zero, signed: 0, closed_for: None })
    }

    #[test]
    fn what_the_limits_learn_from_an_answer() {
        let of = |outcome| ended(&call("/1"), &outcome);
        let second = Duration::from_secs(1);
        for (outcome, learned) in [
            (answer(200, None, "{}"), Ended::Answered),
            (answer(200, None, "\u{feff} [1]"), Ended::Answered),
            (answer(204, None, ""), Ended::Answered),
            (answer(200, None, "<html>We are working on it</html>"), Ended::Failed),
            (answer(200, None, "\n Notice: undefined index"), Ended::Failed),
            (answer(404, None, "<html>"), Ended::Answered),
            (answer(429, Some(1), ""), Ended::Limited(Some(second))),
            (answer(503, Some(1), ""), Ended::Paused(second)),
            (answer(503, None, ""), Ended::Failed),
            (answer(500, None, ""), Ended::FailedAt(fingerprint(&call("/1")))),
            (Err(Error::Timeout(second)), Ended::Failed),
            (Err(Error::Abandoned), Ended::Unknown),
        ] {
            assert_eq!(of(outcome.clone()), learned, "{outcome:?}");
        }
        assert_ne!(of(answer(500, None, "")), ended(&call("/2"), &answer(500, None, "")));
    }
}
