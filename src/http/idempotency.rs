//! `Idempotency-Key`: a write that carries one is carried out once, however often it is sent
//! (draft-ietf-httpapi-idempotency-key-header).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Shared;
use super::auth::Caller;
use super::codes::Code;
use super::problem::{Problem, internal};
use crate::idempotency::{Claim, Claimed, Fingerprint, Key};
use crate::model::interest::Interest;

/// The header that carries the key.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// When to ask again for a request that is still running.
const SOON: Duration = Duration::from_secs(1);

/// An answer as it is given again.
#[derive(Debug)]
pub(super) struct Kept {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    problem: Option<Problem>,
}

/// Answers repeated writes with the first one's answer.
pub(super) async fn layer(State(front): State<Shared>, mut request: Request, next: Next) -> Response {
    let writes = matches!(*request.method(), Method::POST | Method::PATCH | Method::DELETE | Method::PUT);
    if !writes {
        return next.run(request).await;
    }
    // Ends with this future, which is dropped when the caller hangs up; the task below goes on.
    let interest = Interest::default();
    let _caller_waits = interest.join(None);
    request.extensions_mut().insert(interest);
    // What only checks a request has no effect to repeat.
    let checks = request.uri().query().is_some_and(|query| query.contains("validate_only=true"));
    let key = request.headers().get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok()).map(str::to_owned);
    let caller = request.extensions().get::<Caller>().cloned();
    let (Some(text), Some(caller)) = (key, caller) else { return next.run(request).await };
    if checks {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Problem::new(
            Code::PayloadTooLarge,
            "The body is larger than the gateway takes, or did not arrive whole.",
        )
        .into_response();
    };
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    let fingerprint = fingerprint(&head.method, target, &body);
    let key = Key { consumer: Arc::clone(&caller.0.consumer.identity), text: text.into() };
    match front.keys.claim(key, fingerprint, Instant::now()) {
        Claim::Done(kept) => again(&kept),
        Claim::Running => {
            let detail = "The first request with this `Idempotency-Key` has not been answered yet.";
            Problem::new(Code::InProgress, detail).retry_after(SOON).into_response()
        }
        Claim::Other => {
            let detail = "This `Idempotency-Key` was used for another request; use a new one.";
            Problem::new(Code::IdempotencyMismatch, detail).into_response()
        }
        Claim::New(claimed) => {
            // On a task of its own: a caller who hangs up and comes again must find the answer. If the write was not sent
            // yet, it ends as one without effect and frees the key.
            let request = Request::from_parts(head, Body::from(body));
            let running = tokio::spawn(async move {
                let answer = next.run(request).await;
                settle(claimed, answer).await
            });
            running.await.unwrap_or_else(|_| internal("a write ended without an answer").into_response())
        }
    }
}

fn fingerprint(method: &Method, target: &str, body: &[u8]) -> Fingerprint {
    let mut digest = Sha256::new();
    for part in [method.as_str().as_bytes(), target.as_bytes(), body] {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// Keeps what had an effect or may have had one; frees the key otherwise.
async fn settle(claimed: Claimed<Kept>, answer: Response) -> Response {
    let problem = answer.extensions().get::<Problem>().cloned();
    let harmless = problem.as_ref().is_some_and(|problem| !problem.maybe_applied());
    if harmless {
        claimed.free();
        return answer;
    }
    let (head, body) = answer.into_parts();
    // Our own answers are in memory already.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let mut headers = HeaderMap::new();
    for name in [CONTENT_TYPE, ETAG, LOCATION] {
        if let Some(value) = head.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let kept = Arc::new(Kept { status: head.status, headers, body: body.clone(), problem });
    claimed.keep(Arc::clone(&kept), body.len(), Instant::now());
    Response::from_parts(head, Body::from(body))
}

fn again(kept: &Kept) -> Response {
    let mut response = match &kept.problem {
        Some(problem) => problem.clone().into_response(),
        None => {
            let mut response = Response::new(Body::from(kept.body.clone()));
            *response.status_mut() = kept.status;
            response.headers_mut().extend(kept.headers.clone());
            response
        }
    };
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
