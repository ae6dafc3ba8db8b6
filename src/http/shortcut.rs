//! The way of a read that memory answers whole: everything that the stack does for it, in one function, without a task, a
//! timer, a lock that somebody holds while working, or a look at a record.
//!
//! It is taken only where the stack would certainly answer 200 or 304 from fresh memory. In any doubt (an unknown key, a
//! missing scope, a used-up limit, a request that says how fresh an answer must be, a part that is stale) nothing is
//! done here, and the stack decides. What it answers was put together by the stack before ([`Recall`]).

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::MatchedPath;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use futures_util::future::{Either, Ready, ready};
use http::header::{CACHE_CONTROL, HeaderValue, LINK};
use http::{Method, Request, StatusCode};
use tokio::time::Instant;
use tower::Service;

use super::Shared;
use super::access_log::{answered, template};
use super::auth::{self, Needed};
use super::freshness;
use super::headers;
use super::negotiate::reads_json;
use super::rendered::Rendered;
use super::request_id::RequestId;
use super::resource::Call;
use crate::hub::{CacheUse, Witness};
use crate::model::weight::allocated;
use crate::telemetry::Hits;

/// An answer to a question, and what has to be asked before it is given again.
#[derive(Debug)]
pub(super) struct Recall {
    rendered: Arc<Rendered>,
    link: Option<HeaderValue>,
    /// What it was made of.
    witness: Witness,
    /// What the consumer must be allowed.
    needed: Needed,
    route: Box<str>,
    hits: Hits,
}

impl Recall {
    /// Of the answer to `call`, which is about a resource. `None` where something is not known of the call.
    pub(super) fn new(
        call: &Call,
        resource: &'static str,
        (rendered, link): (Arc<Rendered>, Option<HeaderValue>),
        witness: Witness,
    ) -> Option<Self> {
        let needed = call.head.extensions.get::<Needed>()?.clone();
        let matched = call.head.extensions.get::<MatchedPath>();
        let route = template(matched, &call.front.base_path);
        let hits = call.front.api.metrics.hits(route, resource);
        Some(Self { rendered, link, witness, needed, route: route.into(), hits })
    }

    /// Bytes behind its pointers, without the answer.
    pub(super) fn weight(&self) -> usize {
        let link =
            self.link.as_ref().map_or(0, |link| allocated(link.len()) + allocated(3 * size_of::<usize>()));
        link + self.witness.weight() + allocated(self.route.len())
    }

    /// Whether it is another answer, or was made of other things.
    pub(super) fn differs(&self, other: &Self) -> bool {
        !Arc::ptr_eq(&self.rendered, &other.rendered) || self.witness != other.witness
    }
}

/// Answers what it can; everything else goes through the stack.
#[derive(Debug, Clone)]
pub(super) struct Shortcut {
    front: Shared,
    stack: Router,
}

impl Shortcut {
    pub(super) fn new(front: Shared, stack: Router) -> Self {
        Self { front, stack }
    }

    fn answer(&self, request: &Request<Body>) -> Option<Response> {
        let start = Instant::now();
        let (front, headers) = (&self.front, request.headers());
        let plain = *request.method() == Method::GET && request.body().is_end_stream();
        if !plain || headers.contains_key(CACHE_CONTROL) || !reads_json(headers) {
            return None;
        }
        let member = front.api.consumers.find(auth::credential(headers)?)?;
        let uri = request.uri();
        let entry = front.memo.entry(uri.path(), uri.query().unwrap_or_default(), &member.view)?;
        let recall = entry.recall()?;
        if recall.needed.missing(&member.consumer.scopes).is_some() {
            return None;
        }
        let provenance = front.api.hub.still(&recall.witness)?;
        // Last, because it is counted; a refusal is not, so the stack finds the same.
        let verdict = member.limit.check();
        if !verdict.allowed() {
            return None;
        }

        let form = recall.rendered.form(headers);
        let mut response = freshness::respond(&form, &provenance);
        let id = RequestId::of(headers);
        let took = start.elapsed();
        recall.hits.count(response.status() == StatusCode::NOT_MODIFIED, took);
        let who = (&*member.consumer.name, freshness::result(CacheUse::Hit), id.as_str());
        answered("GET", &recall.route, response.status().as_u16(), took, who);
        let told = response.headers_mut();
        if let Some(link) = &recall.link {
            told.insert(LINK, link.clone());
        }
        auth::tell(told, verdict);
        headers::secure(told);
        if let Some(origins) = &front.origins {
            origins.mark(headers, told);
        }
        id.put_on(told);
        Some(response)
    }
}

impl Service<Request<Body>> for Shortcut {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.stack, context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // A mistake here must not cost more than in the stack, which answers the request instead.
        let answer = catch_unwind(AssertUnwindSafe(|| self.answer(&request)));
        match answer.unwrap_or_default() {
            Some(response) => Either::Left(ready(Ok(response))),
            None => Either::Right(self.stack.call(request)),
        }
    }
}
