//! `Idempotency-Key`: a write that carries one is carried out once, however often it is sent
//! (draft-ietf-httpapi-idempotency-key-header). Every write gets the right to be carried out here, with a key or without.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::Shared;
use super::auth::Caller;
use super::body::whole;
use super::codes::Code;
use super::operations;
use super::problem::{Problem, internal};
use crate::idempotency::{Claim, Claimed, Fingerprint, Key, OperationId};
use crate::model::interest::Interest;

/// The header that carries the key.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// When to ask again for a request that is still running.
const SOON: Duration = Duration::from_secs(1);

/// Gives writes the right to be carried out, and answers repeated ones with what is known of the first.
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
    let Some(caller) = request.extensions().get::<Caller>().cloned() else { return next.run(request).await };
    if checks || keys_its_parts(&front, &request) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let body = match whole(body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    // Where the gateway is mounted may change between a request and its repetition.
    let target = target.strip_prefix(&*front.base_path).unwrap_or(target);
    let fingerprint = fingerprint(&head.method, target, &body);
    let key = key(&head.headers).map(str::to_owned);
    if let Some(text) = &key {
        let key = Key { consumer: Arc::clone(&caller.0.consumer.identity), text: text.as_str().into() };
        if front.api.journal.is_used_otherwise(&key, None) {
            return mismatch().into_response();
        }
    }
    let mut request = Request::from_parts(head, Body::from(body));
    once(&front, &caller, key, fingerprint, async move |claimed| {
        request.extensions_mut().insert(claimed);
        next.run(request).await
    })
    .await
}

/// Whether a request is made of several writes, each of which has a key of its own made from the request's.
fn keys_its_parts(front: &Shared, request: &Request) -> bool {
    let path = request.uri().path();
    path.strip_prefix(&*front.base_path) == Some(super::batch::PATH)
}

/// The key of a request, if it has one that can be read.
pub(super) fn key(headers: &HeaderMap) -> Option<&str> {
    headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok())
}

/// Carries a write out unless it was before under the same key.
pub(super) async fn once<F>(
    front: &Shared,
    caller: &Caller,
    key: Option<String>,
    fingerprint: Fingerprint,
    work: impl FnOnce(Arc<Claimed>) -> F,
) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    let consumer = Arc::clone(&caller.0.consumer.identity);
    let journal = &front.api.journal;
    let Some(text) = key else {
        // Nobody else can have it, so there is nothing to hold. The write has a task of its own, once it is one.
        return work(journal.without_key(consumer, fingerprint)).await;
    };
    let claim = journal.claim(Key { consumer, text: text.into() }, fingerprint, Instant::now());
    match claim {
        Claim::Done(id) | Claim::Undecided(id) => again(front, caller, id).await,
        Claim::Running => {
            let detail = "The first request with this `Idempotency-Key` has not been answered yet.";
            Problem::new(Code::InProgress, detail).retry_after(SOON).into_response()
        }
        Claim::Other => mismatch().into_response(),
        Claim::New(claimed) => {
            // On a task of its own: a caller who hangs up and comes again must find the answer. If the write was not sent
            // yet, it ends as one without effect and frees the key.
            let work = work(Arc::clone(&claimed));
            let running = async move { claimed.held_during(work).await };
            let running = tokio::spawn(running.in_current_span());
            running.await.unwrap_or_else(|_| internal("a write ended without an answer").into_response())
        }
    }
}

/// The key was used for something else.
pub(super) fn mismatch() -> Problem {
    let detail = "This `Idempotency-Key` was used for another request, which may have been carried out. Look before this \
                  one is sent under a new key.";
    Problem::new(Code::IdempotencyMismatch, detail)
}

/// A digest of everything that a request says. How its JSON is set, and in which order, says nothing.
pub(super) fn fingerprint(method: &Method, target: &str, body: &[u8]) -> Fingerprint {
    let canonical = serde_json::from_slice::<Value>(body).ok().and_then(|mut said| {
        said.sort_all_objects();
        serde_json::to_vec(&said).ok()
    });
    let body = canonical.as_deref().unwrap_or(body);
    let mut digest = Sha256::new();
    for part in [method.as_str().as_bytes(), target.as_bytes(), body] {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// The first request's answer.
async fn again(front: &Shared, caller: &Caller, id: OperationId) -> Response {
    let found = operations::find(front, caller, id).await;
    match found {
        Ok(Some(operation)) => match operations::answer_of(&operation) {
            Some(answer) => replayed(operations::respond(answer)),
            None => replayed(operations::known(&front.base_path, operation)),
        },
        // It is known that there was one: nobody may be told that there was not.
        Ok(None) | Err(_) => replayed(operations::undecided(&front.base_path, id)),
    }
}

fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
