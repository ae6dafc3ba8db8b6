//! `POST /quota/explain`: what another request would cost. It is gone through on the same paths and by the same handlers
//! as if it came, with a rehearsal at hand, so that nothing is asked, begun, kept or counted on the way.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::post;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use super::quota::millis;
use crate::http::Shared;
use crate::http::auth::Caller;
use crate::http::describe::{self, Reading};
use crate::http::freshness;
use crate::http::guard::Deadline;
use crate::http::problem::{Document, Invalid, Problem, internal};
use crate::http::read::unwritable;
use crate::http::resource::{Answered, Offer};
use crate::http::routes::{Routes, Stage};
use crate::http::write::read_body;
use crate::model::query::BadParam;
use crate::model::rehearsal::{Cost, Costs, Remembered, Supposed, Unknown};
use crate::model::{Query, Source};

/// Headers of one request: as many as the server itself takes.
const MOST_HEADERS: usize = 100;
const PATH: &str = "/quota/explain";
/// What may be asked about; only `CONNECT` is for others than us.
const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
];

/// Headers as HTTP lets them be; null is as good as none.
fn headers() -> Object {
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"));
    let value = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[\t\u0020-\u007E]*$"));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .property_names(Some(name.build()))
        .additional_properties(Some(value))
        .max_properties(Some(MOST_HEADERS))
        .description(Some(
            "Its headers. Who asks is who asks this; a body is JSON if nothing else is said. A name in two spellings is a \
             header sent twice.",
        ))
        .build()
}

/// The request that is asked about.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: what is wrong with a body is told field by field")]
#[schema(as = QuotaQuestion)]
#[serde(deny_unknown_fields)]
struct Question {
    /// Its method; `GET` by default.
    #[schema(
        required = false,
        example = "GET",
        pattern = "^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE)$"
    )]
    method: String,
    /// Its path with its query, as it would be sent.
    #[schema(example = "/students?limit=50", pattern = r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/?\[\]-]*$")]
    path: String,
    #[schema(required = false, schema_with = headers)]
    headers: HeaderMap,
    /// Its body.
    #[schema(required = false, value_type = Value)]
    body: Value,
}

/// What a request would cost if it came now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaExplanation)]
struct Answer<'a> {
    /// Calls to CRMs that it would make and wait for. Signing in, repeats of calls that fail, and calls that others have
    /// begun already are not among them.
    calls: usize,
    /// The same for each CRM that it would call or wait for.
    by_source: Vec<Call>,
    /// How memory would take part: `hit` and `stale` need no call to answer, `miss` does, be it one that is under way
    /// already, `none` is for writes and what is never kept.
    #[schema(value_type = Part)]
    cache: &'static str,
    /// Calls that it would cause in the background, because something in memory is stale.
    refreshes: usize,
    /// How long it would wait for turns, in milliseconds: the longest of the CRMs. Calls of an operation that takes several
    /// turns count for as many, and a pause of the CRM is part of it.
    predicted_wait_ms: u64,
    /// Whether the calls depend on answers that nobody knows yet.
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
    /// A CRM must be asked, or somebody else is asking it.
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
    /// How long the last of them would wait for its turn, or the one that would be refused, or one that somebody else has
    /// begun and whose answer will do, in milliseconds.
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

/// An error as it would be answered, but for the id of the request: there was none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaRefusal)]
struct Refusal<'a> {
    /// A page that explains the code.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    kind: String,
    /// The kind of problem in a few words.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What would happen to the request and what to do.
    detail: &'a str,
    /// The path that was asked about.
    instance: &'a str,
    /// The kind of problem for programs; never renamed.
    code: &'a str,
    /// Who would find the problem: `gateway`, `alfacrm` or `cryptocrm`.
    source: &'a str,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// Its `Retry-After` in seconds, where it would have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after: Option<u64>,
    /// The same in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_ms: Option<u64>,
    /// Each single thing that is wrong with the request.
    errors: &'a [Invalid],
}

impl<'a> Refusal<'a> {
    fn new(problem: &'a Problem, base_path: &str, path: &'a str) -> Self {
        let Document {
            kind,
            title,
            status,
            detail,
            instance,
            code,
            source,
            retryable,
            retry_after_ms,
            errors,
            ..
        } = problem.document(base_path, path, "");
        let retry_after = problem.asks_again_after();
        Self {
            kind,
            title,
            status,
            detail,
            instance,
            code,
            source,
            retryable,
            retry_after,
            retry_after_ms,
            errors,
        }
    }
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
                Where an answer is not, it is supposed from what memory holds of the same kind of records; `estimated` is \
                `true` when with other answers there would be other calls. What else can make a difference is what happens before the request is \
                really sent, calls that fail and are repeated, and an `Idempotency-Key` that was used before: it is not \
                looked up."
            .to_owned(),
        parameters: Vec::new(),
        answer: (
            "What it would cost.",
            "QuotaExplanation",
            json!({
                "calls": 1,
                "by_source": [
                    {"source": "alfacrm", "calls": 1, "predicted_wait_ms": 0, "would_be_refused": false},
                ],
                "cache": "miss",
                "refreshes": 0,
                "predicted_wait_ms": 0,
                "estimated": false,
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
    let (Some(stage), Some(caller)) = found else {
        return Err(internal("the question about requests is mounted without their paths"));
    };
    Query::parse(head.uri.query().unwrap_or_default()).finish().map_err(Problem::bad_query)?;
    let asked = read_body(&head.headers, body, Offer::Search).await?;
    let asked = read(asked, &front.base_path)?;
    let scene = Scene { front: &front, stage, caller, deadline: head.extensions.get().copied() };
    let (costs, problem) = scene.play(&asked, Supposed::Likely).await;
    let estimated = scene.depends(&asked, &costs).await;
    let of_problem =
        problem.as_ref().map(|problem| Refusal::new(problem, &front.base_path, asked.uri.path()));
    freshness::reply_once(&answer(&costs, estimated, of_problem)).map_err(unwritable)
}

/// A request as it would come.
#[derive(Debug)]
struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// Where a request is gone through, and for whom.
struct Scene<'a> {
    front: &'a Shared,
    stage: Stage,
    caller: Caller,
    deadline: Option<Deadline>,
}

impl Scene<'_> {
    /// What the request would cost if answers that nobody knows were like this, and the problem it would end in.
    async fn play(&self, asked: &Asked, supposed: Supposed) -> (Costs, Option<Problem>) {
        let member = &self.caller.0;
        let payer = member.payer(freshness::class(&asked.headers, member.consumer.class));
        let rehearsal = Arc::new(self.front.api.hub.rehearsal(&payer, supposed));
        let mut request = Request::new(Body::from(asked.body.clone()));
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = asked.uri.clone();
        *request.headers_mut() = asked.headers.clone();
        let extensions = request.extensions_mut();
        extensions.insert(self.caller.clone());
        extensions.insert(Arc::clone(&rehearsal));
        if let Some(deadline) = self.deadline {
            extensions.insert(deadline);
        }
        let Stage(paths) = self.stage.clone();
        let mut response = paths.oneshot(request).await.unwrap_or_else(|never| match never {});
        (rehearsal.costs(), response.extensions_mut().remove())
    }

    /// Whether the costs depend on answers that nobody knows: they would be others if those were empty, single, or full.
    async fn depends(&self, asked: &Asked, likely: &Costs) -> bool {
        match likely.unknown {
            Unknown::Nothing => false,
            Unknown::Course => true,
            Unknown::Answers => {
                for supposed in [Supposed::Empty, Supposed::Single, Supposed::Full] {
                    if !self.play(asked, supposed).await.0.is_same(likely) {
                        return true;
                    }
                }
                false
            }
        }
    }
}

fn answer<'a>(costs: &Costs, estimated: bool, problem: Option<Refusal<'a>>) -> Answer<'a> {
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
        estimated,
        problem,
    }
}

/// The request that is asked about; all that is wrong with the question is told.
fn read(mut asked: Map<String, Value>, base_path: &str) -> Result<Asked, Problem> {
    let mut bad = Vec::new();
    let mut refuse = |pointer: String, detail: &str| {
        bad.push(BadParam { name: pointer, detail: detail.to_owned() });
    };
    let method = match asked.remove("method") {
        None => Some(Method::GET),
        Some(value) => METHODS.into_iter().find(|method| Some(method.as_str()) == value.as_str()),
    };
    if method.is_none() {
        let known: Vec<String> = METHODS.iter().map(|method| format!("`{method}`")).collect();
        refuse("/method".to_owned(), &format!("is none of {}", known.join(", ")));
    }
    let path = asked.remove("path");
    let path = path.as_ref().and_then(Value::as_str);
    let target = path.and_then(|path| target(path, base_path));
    match &target {
        _ if path.is_some_and(|path| path.contains('#')) => {
            refuse(
                "/path".to_owned(),
                "holds a `#`: what follows it stays with whoever asks and is never sent",
            );
        }
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
                        headers.append(name, value);
                    }
                    _ => refuse(pointer("/headers/", &name), "is no header with a text as its value"),
                }
            }
        }
        Some(_) => refuse("/headers".to_owned(), "must be an object of texts"),
    }
    let body = match asked.remove("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(body) => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            body.to_string().into()
        }
    };
    for name in asked.keys() {
        refuse(pointer("/", name), "is not known; known are `method`, `path`, `headers` and `body`");
    }
    let (Some(method), Some(target), true) = (method, target, bad.is_empty()) else {
        return Err(Problem::bad_body(bad));
    };
    Ok(Asked { method, uri: target.into(), headers, body })
}

/// A path as it would be sent; what all paths begin with may be left out.
fn target(text: &str, base_path: &str) -> Option<PathAndQuery> {
    let sent = |b: u8| b.is_ascii_alphanumeric() || b"._~!$&'()*+,;=:@%/?[]-".contains(&b);
    if !text.starts_with('/') || !text.bytes().all(sent) {
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
