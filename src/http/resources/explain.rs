//! `POST /quota/explain`: what another request would cost. It is gone through on the same paths and by the same handlers
//! as if it came, with a rehearsal at hand, so that nothing is asked, begun, kept or counted on the way.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::post;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;
use utoipa::ToSchema;

use super::quota::millis;
use crate::http::Shared;
use crate::http::auth::Caller;
use crate::http::describe::{self, Reading};
use crate::http::freshness;
use crate::http::guard::Deadline;
use crate::http::problem::{Document, Problem, internal};
use crate::http::read::unwritable;
use crate::http::resource::{Answered, Offer};
use crate::http::routes::{Routes, Stage};
use crate::http::write::read_body;
use crate::model::context::Payer;
use crate::model::query::BadParam;
use crate::model::rehearsal::{Cost, Rehearsal, Remembered};
use crate::model::{Query, Source};

/// Headers of one request: as many as the server itself takes.
const MOST_HEADERS: usize = 100;
const PATH: &str = "/quota/explain";

/// The request that is asked about.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: what is wrong with a body is told field by field")]
#[schema(as = QuotaQuestion)]
struct Question {
    /// Its method; `GET` by default.
    #[schema(required = false, example = "GET")]
    method: String,
    /// Its path with its query, as it would be sent.
    #[schema(example = "/students?limit=50")]
    path: String,
    /// Its headers. Who asks is who asks this; a body is JSON if nothing else is said.
    #[schema(required = false, value_type = std::collections::HashMap<String, String>)]
    headers: HeaderMap,
    /// Its body.
    #[schema(required = false, value_type = Object)]
    body: Value,
}

/// What a request would cost if it came now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaExplanation)]
struct Answer<'a> {
    /// Calls to CRMs that it would wait for. Signing in and repeats of calls that fail are not among them.
    calls: usize,
    /// The same for each CRM that it would call.
    by_source: Vec<Call>,
    /// How memory would take part: `hit` and `stale` need no call to answer, `miss` does, `none` is for writes and what is
    /// never kept.
    #[schema(value_type = Part)]
    cache: &'static str,
    /// Calls that it would cause in the background, because something in memory is stale.
    refreshes: usize,
    /// How long it would wait for turns, in milliseconds: the longest of the CRMs.
    predicted_wait_ms: u64,
    /// Whether these numbers depend on answers that nobody knows yet.
    estimated: bool,
    /// The error it would be answered with, if it would be.
    #[schema(required)]
    problem: Option<Refusal<'a>>,
}

/// How memory takes part in an answer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the part is known by its word")]
#[schema(as = QuotaMemory, rename_all = "snake_case")]
enum Part {
    /// All of it is fresh in memory.
    Hit,
    /// All of it is in memory, some of it stale.
    Stale,
    /// A CRM must be asked.
    Miss,
    /// Nothing of it is ever kept.
    None,
}

/// What a request would cost one CRM.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaCalls)]
struct Call {
    /// The CRM.
    source: Source,
    /// Calls.
    calls: usize,
    /// How long the last of them would wait for its turn, or the one that would be refused, in milliseconds.
    predicted_wait_ms: u64,
    /// Whether a call would be refused, because it would wait too long or the CRM takes none.
    would_be_refused: bool,
}

impl From<&Cost> for Call {
    fn from(cost: &Cost) -> Self {
        let Cost { source, calls, wait, refused } = *cost;
        Self { source, calls, predicted_wait_ms: millis(wait), would_be_refused: refused }
    }
}

/// An error as it would be answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaRefusal)]
struct Refusal<'a> {
    #[serde(flatten)]
    document: Document<'a>,
    /// Its `Retry-After` in seconds, where it would have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    retry_after: Option<u64>,
}

/// Adds the path.
pub(super) fn mount(routes: &mut Routes) {
    describe::plain_schemas::<Answer<'_>>(routes);
    describe::plain_schemas::<Question>(routes);
    let reading = Reading {
        names: ("explain_quota", "quota", "Ask what a request would cost"),
        about: "How many calls to the CRMs a request would cost if this key sent it now, how long it would wait for its \
                turns, and whether it would be refused. Nothing is spent to find out: no CRM is asked, nothing is \
                written, kept, refreshed or counted, but this question itself.\n\nWhat is in memory is known exactly. \
                Where the number depends on answers that are not, it is made from what memory holds of the same kind of \
                records, and `estimated` is `true`. What else can make a difference is what happens before the request is \
                really sent, calls that fail and are repeated, and an `Idempotency-Key` that was used before: it is not \
                looked up."
            .to_owned(),
        parameters: Vec::new(),
        answer: (
            "What it would cost.",
            "QuotaExplanation",
            json!({
                "calls": 2,
                "by_source": [
                    {"source": "alfacrm", "calls": 2, "predicted_wait_ms": 400, "would_be_refused": false},
                ],
                "cache": "miss",
                "refreshes": 0,
                "predicted_wait_ms": 400,
                "estimated": true,
                "problem": null,
            }),
        ),
        once: true,
    };
    let question = json!({
        "method": "GET",
        "path": "/students?limit=50",
        "headers": {"prefer": "wait=2", "cache-control": "no-cache"},
    });
    let operation = describe::with_body::<Question>(reading.operation(), question);
    routes.add_rehearsal(PATH.to_owned(), post(explain), operation);
}

async fn explain(State(front): State<Shared>, request: Request) -> Answered {
    let (head, body) = request.into_parts();
    let found = (head.extensions.get::<Stage>().cloned(), head.extensions.get::<Caller>().cloned());
    let (Some(Stage(stage)), Some(caller)) = found else {
        return Err(internal("the question about requests is mounted without their paths"));
    };
    Query::parse(head.uri.query().unwrap_or_default()).finish().map_err(Problem::bad_query)?;
    let asked = read_body(&head.headers, body, Offer::Search).await?;
    let mut asked = read(asked, &front.base_path)?;

    let consumer = &caller.0.consumer;
    let payer = Payer {
        consumer: Arc::clone(&consumer.name),
        class: freshness::class(asked.headers(), consumer.class),
        weight: consumer.weight,
    };
    let rehearsal = Arc::new(front.api.hub.rehearsal(&payer));
    let extensions = asked.extensions_mut();
    extensions.insert(caller.clone());
    extensions.insert(Arc::clone(&rehearsal));
    if let Some(deadline) = head.extensions.get::<Deadline>() {
        extensions.insert(*deadline);
    }
    let path = asked.uri().path().to_owned();
    let response = stage.oneshot(asked).await.unwrap_or_else(|never| match never {});
    let problem = response.extensions().get::<Problem>();
    freshness::reply_once(&answer(&rehearsal, problem, &front.base_path, &path)).map_err(unwritable)
}

fn answer<'a>(
    rehearsal: &Rehearsal,
    problem: Option<&'a Problem>,
    base_path: &str,
    path: &'a str,
) -> Answer<'a> {
    let costs = rehearsal.costs();
    let cache = match costs.remembered {
        Remembered::Hit => "hit",
        Remembered::Stale => "stale",
        Remembered::Miss => "miss",
        Remembered::None => "none",
    };
    Answer {
        calls: costs.ways.iter().map(|cost| cost.calls).sum(),
        by_source: costs.ways.iter().map(Call::from).collect(),
        cache,
        refreshes: costs.refreshes,
        predicted_wait_ms: millis(costs.ways.iter().map(|cost| cost.wait).max().unwrap_or(Duration::ZERO)),
        estimated: costs.estimated,
        problem: problem.map(|problem| Refusal {
            document: problem.document(base_path, path, ""),
            retry_after: problem.asks_again_after(),
        }),
    }
}

/// The request that is asked about; all that is wrong with the question is told.
fn read(mut asked: Map<String, Value>, base_path: &str) -> Result<Request, Problem> {
    let mut bad = Vec::new();
    let mut refuse = |pointer: String, detail: &str| {
        bad.push(BadParam { name: pointer, detail: detail.to_owned() });
    };
    let method = match asked.remove("method") {
        None => Some(Method::GET),
        Some(value) => value.as_str().and_then(|name| {
            let methods = [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE];
            methods.into_iter().find(|method| method.as_str() == name)
        }),
    };
    if method.is_none() {
        refuse("/method".to_owned(), "is none of `GET`, `HEAD`, `POST`, `PATCH`, `DELETE`");
    }
    let target = asked.remove("path").and_then(|value| target(value.as_str()?, base_path));
    match &target {
        None => refuse(
            "/path".to_owned(),
            "must be the path of a request with its query, such as `/students?limit=50`",
        ),
        Some(target) if target.path().strip_prefix(base_path) == Some(PATH) => {
            refuse("/path".to_owned(), "is the path of this very question");
        }
        Some(_) => {}
    }
    let mut headers = HeaderMap::new();
    match asked.remove("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(given)) if given.len() > MOST_HEADERS => {
            refuse("/headers".to_owned(), "are more than a request may have");
        }
        Some(Value::Object(given)) => {
            for (name, value) in given {
                let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
                match (HeaderName::try_from(name.as_str()), value) {
                    (Ok(name), Some(value)) => {
                        headers.insert(name, value);
                    }
                    _ => refuse(pointer("/headers/", &name), "is no header with a text as its value"),
                }
            }
        }
        Some(_) => refuse("/headers".to_owned(), "must be an object of texts"),
    }
    let body = match asked.remove("body") {
        None | Some(Value::Null) => Body::empty(),
        Some(body) => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Body::from(body.to_string())
        }
    };
    for name in asked.keys() {
        refuse(pointer("/", name), "is not known; known are `method`, `path`, `headers` and `body`");
    }
    let (Some(method), Some(target), true) = (method, target, bad.is_empty()) else {
        return Err(Problem::bad_body(bad));
    };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = http::Uri::from(target);
    *request.headers_mut() = headers;
    Ok(request)
}

/// A path as it would be sent; what all paths begin with may be left out.
fn target(text: &str, base_path: &str) -> Option<PathAndQuery> {
    if !text.starts_with('/') {
        return None;
    }
    let below =
        text.strip_prefix(base_path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let target: PathAndQuery =
        if below { text.parse() } else { format!("{base_path}{text}").parse() }.ok()?;
    Some(target)
}

fn pointer(start: &str, name: &str) -> String {
    format!("{start}{}", name.replace('~', "~0").replace('/', "~1"))
}
