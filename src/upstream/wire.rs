//! From an attempt to the bytes of HTTP and back: credentials are put on at the last moment, the CRM's time is measured
//! and limited. Waiting for a turn is over when this begins, so it is never held against the CRM.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};
use tracing::Instrument as _;

use super::{Answer, Attempt, Call, Error, Meter};
use crate::telemetry::{metrics, trace};

/// The last step: a request goes out, the whole answer comes back. `transport::Http` is one; tests may put another.
pub type Transport = BoxCloneSyncService<Request<Bytes>, Response<Bytes>, Error>;

/// Gives the headers that prove who we are, at the moment a call leaves.
pub trait Credentials: Send + Sync {
    /// The headers for `call`; `None` while there is nothing to prove it with.
    fn sign(&self, call: &Call) -> Option<Signature>;
}

/// What proves who we are.
#[derive(Debug)]
pub struct Signature {
    /// Headers, marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Tells it from earlier and later ones.
    pub number: u64,
}

/// Makes attempts over a transport. Clones share everything: many calls that wait hold one each.
#[derive(Clone)]
pub struct Wire(Arc<Parts>);

struct Parts {
    transport: Transport,
    credentials: Arc<dyn Credentials>,
    meter: Meter,
    timeout: Duration,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("timeout", &self.0.timeout).finish_non_exhaustive()
    }
}

impl Wire {
    /// Over `transport`, each attempt limited to `timeout`.
    pub fn new(
        transport: Transport,
        credentials: Arc<dyn Credentials>,
        meter: Meter,
        timeout: Duration,
    ) -> Self {
        Self(Arc::new(Parts { transport, credentials, meter, timeout }))
    }

    /// The same, with other credentials.
    #[must_use]
    pub fn signed_by(&self, credentials: Arc<dyn Credentials>) -> Self {
        let Parts { transport, meter, timeout, .. } = &*self.0;
        Self::new(transport.clone(), credentials, meter.clone(), *timeout)
    }

    fn request(&self, attempt: &Attempt) -> Result<(Request<Bytes>, u64), Error> {
        let call = &attempt.call;
        let mut request = Request::builder().method(call.method.clone()).uri(call.target.as_str());
        request = request.header(header::ACCEPT, "application/json");
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let signature = self.0.credentials.sign(call).ok_or(Error::NotSignedIn)?;
        for (name, value) in signature.headers {
            request = request.header(name, value);
        }
        let request = request.body(call.body.clone().unwrap_or_default());
        let request = request.map_err(|cause| Error::Transport { sent: false, cause: Arc::new(cause) })?;
        Ok((request, signature.number))
    }
}

impl Service<Attempt> for Wire {
    type Response = Answer;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answer, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        let wire = self.clone();
        Box::pin(async move {
            let (mut request, signed) = wire.request(&attempt)?;
            let Parts { transport, meter, timeout, .. } = &*wire.0;
            let Call { operation, ref method, .. } = *attempt.call;
            let server = &meter.server;
            let span =
                trace::call(method.as_str(), operation, meter.crm.name(), (&server.address, server.port));
            trace::pass_on(&span, request.headers_mut());
            let sent_at = Instant::now();
            let sending = transport.clone().oneshot(request).instrument(span.clone());
            let answered = tokio::time::timeout(*timeout, sending).await;
            let outcome = answered.unwrap_or(Err(Error::Timeout(*timeout)));
            let took = sent_at.elapsed();
            let status = match &outcome {
                Ok(response) => response.status().as_str().to_owned(),
                Err(Error::Timeout(_)) => "timeout".to_owned(),
                Err(_) => "error".to_owned(),
            };
            trace::called(&span, &status);
            drop(span);
            let called =
                metrics::Called { upstream: meter.crm.name(), operation, method: method.as_str(), server };
            meter.metrics.upstream(&called, &status, took);
            let response = outcome?;
            let (parts, body) = response.into_parts();
            Ok(Answer {
                status: parts.status.as_u16(),
                retry_after: retry_after(&parts.headers),
                body,
                queued: Duration::ZERO,
                took,
                signed,
                closed_for: None,
            })
        })
    }
}

/// The pause a `Retry-After` header asks for, in seconds or as an HTTP date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(300);
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(until.duration_since(jiff::Timestamp::now())).unwrap_or_default()
        }
    };
    Some(pause.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_read_in_seconds_or_as_a_date_and_never_longer_than_five_minutes() {
        let with = |value: &str| {
            retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_str(value).unwrap())]))
        };
        assert_eq!(with("7"), Some(Duration::from_secs(7)));
        assert_eq!(with("86400"), Some(Duration::from_secs(300)));
        assert_eq!(with("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(with("soon"), None);
    }
}
