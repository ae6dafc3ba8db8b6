//! `GET /operations/{id}`: what became of a write whose outcome was not known when it was answered; and how the writes
//! that an earlier process left open are followed up.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod;

use super::Shared;
use super::auth::Caller;
use super::describe::{self, Reading};
use super::freshness;
use super::problem::{Problem, not_found, not_read};
use super::read::unwritable;
use super::resource::{self, Call, Offer, Resource};
use super::routes::Routes;
use crate::idempotency::{Answer, Operation, OperationId, Stage, StoreError};
use crate::model::context::{Class, Payer};
use crate::model::{Fields, Query};

const PATH: &str = "/operations/{id}";
/// When to ask again what became of a write.
const SOON: HeaderValue = HeaderValue::from_static("1");
/// How many writes of an earlier process are followed up at once.
const TOGETHER: usize = 64;

/// What became of a write.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
struct Shown {
    /// The operation's id.
    id: String,
    /// What became of it.
    #[schema(value_type = Status)]
    status: &'static str,
    /// The record as it was after the write; only with `SUCCEEDED`, and not for one that was removed.
    #[schema(required, value_type = Option<Object>)]
    record: Option<Value>,
    /// Why it had no effect; only with `FAILED`. The same request may be sent again.
    #[schema(required, value_type = Option<super::problem::Document<'static>>)]
    problem: Option<Value>,
    /// What was found; only with `NEEDS_REVIEW`. Somebody has to look into the CRM.
    #[schema(required, value_type = Option<Object>)]
    evidence: Option<Value>,
}

/// What became of a write.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the status is known by its word")]
#[schema(as = OperationStatus, rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    /// The gateway is finding out; ask again.
    Pending,
    /// It was carried out.
    Succeeded,
    /// It surely had no effect.
    Failed,
    /// It cannot be found out without a person who looks into the CRM.
    NeedsReview,
}

impl Shown {
    fn of(operation: Operation) -> Self {
        let (mut record, mut problem, mut evidence) = (None, None, None);
        let status = operation.stage.name();
        match operation.stage {
            Stage::Pending => {}
            Stage::Succeeded { answer, .. } => record = serde_json::from_str(&answer.body).ok(),
            Stage::Failed { problem: why } => problem = Some(why),
            Stage::NeedsReview { evidence: found } => evidence = Some(found),
        }
        Self { id: operation.id.to_string(), status, record, problem, evidence }
    }
}

/// Adds the path.
pub(super) fn mount(routes: &mut Routes) {
    routes.tag("operations", "What became of writes whose outcome was not known when they were answered.");
    describe::plain_schemas::<Shown>(routes);
    let example = OperationId::new(1_772_000_000_000, 7).to_string();
    let reading = Reading {
        names: ("get_operation", "operations", "Read what became of a write"),
        about: "Where a write was answered with 202, nobody knew yet what became of it. The gateway looks for it in the CRM \
                before anything is repeated, and says here what it found. Only who asked for a write sees it, for 72 hours; \
                no scope is needed."
            .to_owned(),
        parameters: vec![describe::in_path(
            "id",
            "The id, as `Location` of the answer to the write gives it.",
            utoipa::openapi::ObjectBuilder::new()
                .schema_type(utoipa::openapi::schema::Type::String)
                .build(),
            &example,
        )],
        answer: (
            "What is known.",
            "Operation",
            json!({"id": example, "status": "PENDING", "record": null, "problem": null, "evidence": null}),
        ),
        once: true,
    };
    let handler = get(resource::plain(|call| async move { read(&call).await }.boxed()));
    routes.add_own(PATH.to_owned(), HttpMethod::Get, handler, reading.operation());
}

async fn read(call: &Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    Query::parse(call.head.uri.query().unwrap_or_default()).finish().map_err(Problem::bad_query)?;
    let id = call.path.as_ref().ok().and_then(|path| path.iter().next()).map(|(_, id)| id.to_owned());
    let id: OperationId = id.and_then(|id| id.parse().ok()).ok_or_else(not_found)?;
    let found = find(&call.front, &caller, id).await.map_err(|_| not_read("the operation"))?;
    let shown = Shown::of(found.ok_or_else(not_found)?);
    let pending = shown.status == Stage::Pending.name();
    let mut response = freshness::reply_once(&shown).map_err(unwritable)?;
    if pending {
        response.headers_mut().insert(RETRY_AFTER, SOON);
    }
    Ok(response)
}

/// An operation of the caller. Who might see or do something else when it asked is told what became of the write and of which
/// record, and nothing of what is in it.
pub(super) async fn find(
    front: &Shared,
    caller: &Caller,
    id: OperationId,
) -> Result<Option<Operation>, StoreError> {
    let journal = Arc::clone(&front.api.journal);
    let consumer = Arc::clone(&caller.0.consumer.identity);
    let found = tokio::task::spawn_blocking(move || journal.operation(&consumer, id));
    let found = found.await.unwrap_or(Ok(None))?;
    Ok(found.map(|operation| {
        if operation.request.rights == *caller.0.rights { operation } else { without_contents(operation) }
    }))
}

fn without_contents(mut operation: Operation) -> Operation {
    match &mut operation.stage {
        Stage::Succeeded { answer, .. } => {
            if let Ok(mut record) = serde_json::from_str::<Map<String, Value>>(&answer.body) {
                record.retain(|name, _| ["id", "source", "source_id"].contains(&name.as_str()));
                answer.body = Value::Object(record).to_string();
            }
            // It is the tag of what is not shown.
            answer.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("etag"));
        }
        Stage::NeedsReview { evidence } => *evidence = Value::Null,
        Stage::Pending | Stage::Failed { .. } => {}
    }
    operation
}

/// What is answered to a write that was carried out.
pub(super) fn answer_of(operation: &Operation) -> Option<&Answer> {
    match &operation.stage {
        Stage::Succeeded { answer, .. } => Some(answer),
        _ => None,
    }
}

/// An answer that was written down.
pub(super) fn respond(answer: &Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Nobody knows yet what became of a write: where to ask.
pub(super) fn undecided(base_path: &str, id: OperationId) -> Response {
    let (record, problem, evidence) = (None, None, None);
    let shown = Shown { id: id.to_string(), status: Stage::Pending.name(), record, problem, evidence };
    accepted(base_path, id, &shown)
}

/// What is known of a write that was answered with 202 before.
pub(super) fn known(base_path: &str, operation: Operation) -> Response {
    let id = operation.id;
    accepted(base_path, id, &Shown::of(operation))
}

fn accepted(base_path: &str, id: OperationId, shown: &Shown) -> Response {
    let Ok(body) = serde_json::to_vec(shown) else { return StatusCode::ACCEPTED.into_response() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if shown.status == Stage::Pending.name() {
        headers.insert(RETRY_AFTER, SOON);
    }
    if let Ok(location) = HeaderValue::try_from(location(base_path, id)) {
        headers.insert(LOCATION, location);
    }
    response
}

/// Where to ask what became of a write.
pub(super) fn location(base_path: &str, id: OperationId) -> String {
    format!("{base_path}/operations/{id}")
}

/// Follows one kind of write up.
pub(super) type Resume = Arc<dyn Fn(Shared, Operation) -> BoxFuture<'static, ()> + Send + Sync>;
/// The kinds of writes there are, by method and path.
pub(super) type Resumes = HashMap<(Method, String), Resume>;

/// What an earlier process left open.
pub struct Recovery {
    pub(super) front: Shared,
    pub(super) resumes: Arc<Resumes>,
}

impl std::fmt::Debug for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recovery").finish_non_exhaustive()
    }
}

impl Recovery {
    /// Finds out what became of these writes, a few at a time, the oldest first. Each is on the bill of whoever asked for it.
    pub async fn run(self, open: Vec<Operation>) {
        if !open.is_empty() {
            tracing::info!(open = open.len(), "writes of an earlier process are followed up");
        }
        let follow = |operation: Operation| {
            let method = Method::from_bytes(operation.request.method.as_bytes()).unwrap_or_default();
            let known = self.resumes.get(&(method, operation.request.route.clone())).cloned();
            let front = Arc::clone(&self.front);
            async move {
                match known {
                    Some(resume) => resume(front, operation).await,
                    None => {
                        tracing::error!(operation = %operation.id, "an open write is of no kind that is known")
                    }
                }
            }
        };
        stream::iter(open).for_each_concurrent(TOGETHER, follow).await;
    }
}

/// How writes of a resource are followed up.
pub(super) fn resume<R: Resource>(offer: Offer) -> Resume {
    Arc::new(move |front, operation| {
        async move {
            let values = values(&operation.request.route, &operation.request.path);
            let mut path: Vec<&str> = values.iter().map(String::as_str).collect();
            if offer.has_id() {
                path.pop();
            }
            let mut filter = resource::Filter::<R>::default();
            R::narrow(&mut filter, &path);
            let given = operation.request.body.as_object().cloned().unwrap_or_default();
            let mut fields =
                if offer == Offer::Create { Fields::of_new(given) } else { Fields::of_change(given) };
            let draft =
                if offer == Offer::Delete { resource::Draft::<R>::default() } else { R::draft(&mut fields) };
            let member = front.api.consumers.named(&operation.consumer);
            let payer = Payer {
                consumer: operation.consumer.as_str().into(),
                class: member.as_ref().map_or(Class::Batch, |member| member.consumer.class),
                weight: member.as_ref().map_or(1, |member| member.consumer.weight),
                allowance: member.as_ref().and_then(|member| member.allowance.clone()),
            };
            let clerk = super::clerk::Reply::<R>::new(
                &front.base_path,
                member,
                offer,
                &operation.request.path,
                &operation.request.id,
            );
            let claimed = front.api.journal.reopen(operation.clone());
            let hub = &front.api.hub;
            hub.resume::<R::Record>(payer, claimed, operation, (filter, draft), Arc::new(clerk)).await;
        }
        .boxed()
    })
}

/// The values of the parameters of a path.
fn values(route: &str, path: &str) -> Vec<String> {
    let parts = route.split('/').zip(path.split('/'));
    parts.filter(|(name, _)| name.starts_with('{')).map(|(_, value)| value.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_a_path_are_found_again() {
        assert_eq!(values("/students/{id}/subscriptions", "/students/alfa-7/subscriptions"), ["alfa-7"]);
        assert_eq!(
            values("/groups/{id}/members/{member_id}", "/groups/alfa-1/members/alfa-2"),
            ["alfa-1", "alfa-2"]
        );
        assert!(values("/payments", "/payments").is_empty());
    }
}
