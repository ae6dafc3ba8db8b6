//! One line and two metrics for each request. Neither holds a path with ids, a query value or a body.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::auth::Caller;
use super::codes::Code;
use super::problem::Problem;
use super::request_id::RequestId;
use crate::telemetry::{Failure, Metrics, trace};

/// How the cache took part in an answer; handlers leave it on the answer for the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct CacheResult(pub(super) &'static str);

/// What the layer needs.
#[derive(Debug, Clone)]
pub(super) struct Observer {
    pub(super) metrics: Arc<Metrics>,
    pub(super) base_path: Arc<str>,
}

pub(super) async fn layer(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = name_of(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let id = request.extensions().get::<RequestId>().cloned();
    let mut unfinished = Unfinished {
        observer: &observer,
        method,
        route: template(route.as_ref(), &observer.base_path),
        start,
        answered: false,
    };
    let span = trace::request(method, unfinished.route, request.headers());
    let response = next.run(request).instrument(span.clone()).await;
    unfinished.answered = true;

    let took = start.elapsed();
    let status = response.status().as_u16();
    let route = unfinished.route;
    observer.metrics.http(route, method, status, took);
    let extensions = response.extensions();
    let consumer = extensions.get::<Caller>().map_or("-", |caller| &*caller.0.consumer.name);
    let cache = extensions.get::<CacheResult>().map_or("-", |result| result.0);
    let request_id = id.as_ref().map_or("", RequestId::as_str);
    trace::answered(&span, method, status, cache, consumer);
    let took_ms = millis(took);
    match extensions.get::<Problem>() {
        Some(problem) => {
            let code = problem.code().entry().name;
            let cause = problem.cause().unwrap_or("-");
            if status >= 500 {
                observer.metrics.recent().note(Failure {
                    at: jiff::Timestamp::now(),
                    method,
                    route: route.to_owned(),
                    status,
                    code,
                    source: problem.source(),
                    cause: problem.cause().map(str::to_owned),
                    consumer: consumer.to_owned(),
                    request_id: request_id.to_owned(),
                });
            }
            // A mistake of ours, a failure of a CRM, and what the caller is told as a matter of course.
            match problem.code() {
                Code::Internal => tracing::error!(
                    method, route, status, took_ms, consumer, cache, request_id, code, cause, "failed"
                ),
                Code::UpstreamError | Code::UpstreamInvalid | Code::UpstreamTimeout => tracing::warn!(
                    method, route, status, took_ms, consumer, cache, request_id, code, cause, "failed"
                ),
                _ => tracing::info!(
                    method, route, status, took_ms, consumer, cache, request_id, code, "refused"
                ),
            }
        }
        None => answered(method, route, status, took, (consumer, cache, request_id)),
    }
    response
}

/// The line of a request that was answered.
pub(super) fn answered(
    method: &str,
    route: &str,
    status: u16,
    took: Duration,
    (consumer, cache, request_id): (&str, &str, &str),
) {
    let took_ms = millis(took);
    tracing::info!(method, route, status, took_ms, consumer, cache, request_id, "answered");
}

/// A caller who hangs up takes the request with it; this notices.
struct Unfinished<'a> {
    observer: &'a Observer,
    method: &'static str,
    route: &'a str,
    start: Instant,
    answered: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.answered {
            // 499: nginx's word for a caller who left.
            let took = self.start.elapsed();
            self.observer.metrics.http(self.route, self.method, 499, took);
            tracing::info!(
                method = self.method,
                route = self.route,
                status = 499,
                took_ms = millis(took),
                "the caller left"
            );
        }
    }
}

/// A route as it is named in logs and metrics.
pub(super) fn template<'a>(route: Option<&'a MatchedPath>, base_path: &str) -> &'a str {
    route.map_or("-", |route| route.as_str().strip_prefix(base_path).unwrap_or("-"))
}

/// Milliseconds with three places.
fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// Methods as labels: a caller can invent any number of them.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
