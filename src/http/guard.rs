//! What keeps one request from harming the others: it ends in time, it is not too large, and its panic is its own.

use std::any::Any;
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_LENGTH;
use tokio::time::{Instant, timeout_at};

use super::body;
use super::codes::Code;
use super::problem::{Problem, internal};

/// Path and query together, in bytes.
const LONGEST_URI: usize = 32 * 1024;
/// How much longer than its deadline a request may run: who works on it may say more precisely why it was too late.
const GRACE: Duration = Duration::from_millis(500);

/// When the answer can no longer matter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(pub(super) Instant);

/// Gives the request its deadline and ends it shortly after.
pub(super) async fn deadline(State(limit): State<Duration>, mut request: Request, next: Next) -> Response {
    let deadline = Instant::now() + limit;
    request.extensions_mut().insert(Deadline(deadline));
    match timeout_at(deadline + GRACE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::Overloaded, "The request took longer than the gateway lets it run.")
            .retry_after(Duration::from_secs(5))
            .because("the request outlived its deadline")
            .into_response(),
    }
}

/// Refuses what is too large before anybody reads it, and bounds what will be read, in size and in time.
pub(super) async fn size(
    State((max_body, patience)): State<(usize, Duration)>,
    request: Request,
    next: Next,
) -> Response {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > LONGEST_URI {
        return Problem::new(
            Code::UriTooLong,
            format!("Path and query have {target} bytes; {LONGEST_URI} are taken."),
        )
        .into_response();
    }
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|announced: u64| announced > max_body as u64) {
        return Problem::new(Code::PayloadTooLarge, format!("The body is larger than {max_body} bytes."))
            .into_response();
    }
    next.run(request.map(|body| body::bounded(body, max_body, patience))).await
}

/// What is answered in place of a panic.
pub(super) fn on_panic(panic: Box<dyn Any + Send>) -> Response {
    let words = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no words".to_owned());
    internal(format!("panic: {words}")).into_response()
}
