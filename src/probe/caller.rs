//! Makes the calls of a probe: one a second at most, each once.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout};
use tower::ServiceExt as _;

use crate::upstream::wire::{Transport, retry_after};

/// Between two calls.
const PACE: Duration = Duration::from_secs(1);

/// One who asks a CRM.
pub(super) struct Caller {
    way: Transport,
    limit: Duration,
    next: Instant,
    /// What proves who we are, put on every call.
    pub(super) credentials: Vec<(HeaderName, HeaderValue)>,
    /// How many calls were made.
    pub(super) calls: usize,
    /// How far the CRM's clock is ahead of ours, in seconds, by the first answer that says what time it is.
    pub(super) ahead: Option<i64>,
}

/// What a CRM answered.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Null where the body is no JSON.
    pub(super) json: Value,
}

impl Seen {
    pub(super) fn is_good(&self) -> bool {
        self.status.is_success()
    }

    /// `404, JSON with code, message` or `403, no JSON`: the shape, no values.
    pub(super) fn shape(&self) -> String {
        let inside = match &self.json {
            Value::Object(map) => {
                format!("JSON with {}", map.keys().take(5).cloned().collect::<Vec<_>>().join(", "))
            }
            Value::Array(rows) if rows.is_empty() => "an empty list".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Null => "no JSON".to_owned(),
            _ => "a bare value".to_owned(),
        };
        format!("{}, {inside}", self.status.as_u16())
    }
}

impl Caller {
    pub(super) fn new(way: Transport, limit: Duration) -> Self {
        Self { way, limit, next: Instant::now(), credentials: Vec::new(), calls: 0, ahead: None }
    }

    /// Makes a call; `Err` says in words why there is no answer. Where the CRM asks for a pause, it gets one.
    pub(super) async fn call(
        &mut self,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Seen, String> {
        let credentials = self.credentials.clone();
        self.call_as(&credentials, method, target, body).await
    }

    /// The same as somebody else.
    pub(super) async fn call_as(
        &mut self,
        credentials: &[(HeaderName, HeaderValue)],
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Seen, String> {
        sleep_until(self.next).await;
        self.next = Instant::now() + PACE;
        self.calls += 1;
        let mut request =
            Request::builder().method(method).uri(target).header(header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in credentials {
            request = request.header(name, value);
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(body).map_err(|error| error.to_string())?;
        let answered = timeout(self.limit, self.way.clone().oneshot(request)).await;
        let answer =
            answered.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())?;
        let (parts, body) = answer.into_parts();
        if let Some(pause) = retry_after(&parts.headers) {
            self.next += pause;
        }
        if self.ahead.is_none() {
            self.ahead = parts.headers.get(header::DATE).and_then(ahead);
        }
        let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
        Ok(Seen {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_slice(text).unwrap_or_default(),
        })
    }
}

fn ahead(date: &HeaderValue) -> Option<i64> {
    let there = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date.to_str().ok()?).ok()?;
    Some(there.as_second() - jiff::Timestamp::now().as_second())
}

/// What the CRM's clock is like, for the report.
pub(super) fn clock(ahead: Option<i64>) -> String {
    match ahead {
        None => "it does not say what time it is".to_owned(),
        Some(seconds) if seconds.abs() <= 2 => "as ours".to_owned(),
        Some(seconds) if seconds > 0 => format!("{seconds} s ahead of ours"),
        Some(seconds) => format!("{} s behind ours", -seconds),
    }
}
