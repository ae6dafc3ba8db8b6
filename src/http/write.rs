//! What all writes have in common: the body is read strictly, everything is checked before the CRM is asked, and what is
//! carried out is carried out once.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::body::whole;
use super::clerk::{Reply, view_of};
use super::codes::Code;
use super::freshness;
use super::idempotency::IDEMPOTENCY_KEY;
use super::operations;
use super::problem::{Problem, internal, no_such_path, not_found};
use super::rendered::{etag, is_named};
use super::request_id::RequestId;
use super::resource::{Answered, Call, Draft, Filter, Offer, Resource};
use crate::consumers::Consumer;
use crate::hub::{Deed, Failure, Outcome, Provenance, Scope};
use crate::idempotency::{Claimed, Request};
use crate::model::draft::BadField;
use crate::model::{Ctx, Entity, Fields, Query, Record, RecordId};

/// The longest `Idempotency-Key`.
const LONGEST_KEY: usize = 255;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What a write says, read and checked.
pub(super) struct Asked<R: Resource> {
    filter: Filter<R>,
    id: Option<RecordId>,
    draft: Draft<R>,
    /// The body as it came.
    given: Map<String, Value>,
    validate_only: bool,
    headers: HeaderMap,
}

impl<R: Resource> Asked<R> {
    /// What the body says, as text.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(&self.given).unwrap_or_default()
    }
}

/// `POST`: a new record.
pub(super) async fn create<R: Resource>(call: Call, body: Body) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let asked = read::<R>(&call, body, true).await?;
    if asked.validate_only {
        check(&call, consumer, &asked)?;
        return Ok(valid());
    }
    let ctx = call.circumstances(&caller.0);
    make(&call, &ctx, &asked, call.claimed()).await
}

/// Finds what is wrong with a new record as far as can be told without asking a CRM.
pub(super) fn check<R: Resource>(call: &Call, consumer: &Consumer, asked: &Asked<R>) -> Result<(), Problem> {
    let scope = Scope::of(&consumer.sight);
    Ok(call.front.api.hub.check::<R::Record>(&scope, &asked.filter, &asked.draft)?)
}

/// Makes a record.
pub(super) async fn make<R: Resource>(
    call: &Call,
    ctx: &Ctx,
    asked: &Asked<R>,
    claimed: Option<Arc<Claimed>>,
) -> Answered {
    let caller = call.caller()?;
    let (scope, _) = call.scope::<R>(ctx, &caller.0.consumer, Vec::new()).await?;
    let deed = deed::<R>(call, ctx, asked, claimed)?;
    let hub = &call.front.api.hub;
    answered(call, hub.create::<R::Record>(ctx, &scope, &asked.filter, &asked.draft, deed).await?)
}

/// `PATCH`, and actions on a record: its changes.
pub(super) async fn change<R: Resource>(call: Call, body: Body) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let asked = read::<R>(&call, body, false).await?;
    if asked.validate_only {
        return Ok(valid());
    }
    let ctx = call.circumstances(&caller.0);
    let (scope, _) = call.scope::<R>(&ctx, consumer, Vec::new()).await?;
    let id = asked.id.as_ref().ok_or_else(not_found)?;
    let deed = deed::<R>(&call, &ctx, &asked, call.claimed())?;
    let hub = &call.front.api.hub;
    let check = |record: &Record<R::Record>| matches(&asked.headers, record, consumer);
    answered(&call, hub.update(&ctx, &scope, (&asked.filter, id), &asked.draft, check, deed).await?)
}

/// `DELETE`: the end of a record.
pub(super) async fn delete<R: Resource>(call: Call, body: Body) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let asked = read::<R>(&call, body, false).await?;
    if asked.validate_only {
        return Ok(valid());
    }
    let ctx = call.circumstances(&caller.0);
    let (scope, _) = call.scope::<R>(&ctx, consumer, Vec::new()).await?;
    let id = asked.id.as_ref().ok_or_else(not_found)?;
    let deed = deed::<R>(&call, &ctx, &asked, call.claimed())?;
    let hub = &call.front.api.hub;
    let check = |record: &Record<R::Record>| matches(&asked.headers, record, consumer);
    answered(&call, hub.delete::<R::Record>(&ctx, &scope, (&asked.filter, id), check, deed).await?)
}

/// The write as it is carried out; none where it is only gone through.
fn deed<R: Resource>(
    call: &Call,
    ctx: &Ctx,
    asked: &Asked<R>,
    claimed: Option<Arc<Claimed>>,
) -> Result<Option<Deed<R::Record>>, Problem> {
    if ctx.rehearsal.is_some() {
        return Ok(None);
    }
    let claimed = claimed.ok_or_else(|| internal("a write is mounted outside the layer of idempotency"))?;
    let path = call.head.uri.path();
    let path = path.strip_prefix(&*call.front.base_path).unwrap_or(path);
    let request_id = call.head.extensions.get::<RequestId>().map_or("", RequestId::as_str);
    let member = Arc::clone(&call.caller()?.0);
    let rights = member.rights.to_string();
    let clerk = Reply::<R>::new(&call.front.base_path, Some(member), call.offer, path, request_id);
    let request = Request {
        id: request_id.to_owned(),
        method: call.head.method.to_string(),
        path: path.to_owned(),
        route: call.offer.path::<R>(),
        body: asked.given.clone().into(),
        rights,
    };
    let asynchronous = freshness::responds_async(&asked.headers);
    Ok(Some(Deed { claimed, request, clerk: Arc::new(clerk), asynchronous }))
}

/// What is answered to a write.
fn answered(call: &Call, outcome: Outcome) -> Answered {
    Ok(match outcome {
        Outcome::Done(answer, provenance) => {
            let mut response = operations::respond(&answer);
            timing(&mut response, &provenance);
            response
        }
        Outcome::Undecided(id) => {
            let mut response = operations::undecided(&call.front.base_path, id);
            if freshness::responds_async(&call.head.headers) {
                let applied = HeaderValue::from_static("respond-async");
                response.headers_mut().insert(PREFERENCE_APPLIED, applied);
            }
            response
        }
        Outcome::Supposed => StatusCode::OK.into_response(),
    })
}

/// Reads everything there is to read; what is wrong is told before any quota is spent.
async fn read<R: Resource>(call: &Call, body: Body, new: bool) -> Result<Asked<R>, Problem> {
    if let Some(rehearsal) = call.rehearsal() {
        rehearsal.writes();
    }
    let mut filter = Filter::<R>::default();
    let (path, id) = call.segments().ok_or_else(not_found)?;
    if !R::narrow(&mut filter, &path) {
        return Err(no_such_path());
    }
    let validate_only = read_query(call.head.uri.query().unwrap_or_default())?;
    let headers = call.head.headers.clone();
    check_key(&headers, R::KEYED && new)?;
    if headers.get(IF_MATCH).is_some_and(HeaderValue::is_empty) {
        let detail = "is empty; send the `ETag` of the record, or leave it out".to_owned();
        return Err(Problem::bad_header("If-Match", detail));
    }
    let mut given = Map::new();
    let draft = if call.offer == Offer::Delete {
        Draft::<R>::default()
    } else {
        given = read_body(&headers, body, call.offer).await?;
        let mut fields = if new { Fields::of_new(given.clone()) } else { Fields::of_change(given.clone()) };
        let draft = R::draft(&mut fields);
        fields.finish(&call.fields).map_err(bad_fields)?;
        draft
    };
    Ok(Asked { filter, id, draft, given, validate_only, headers })
}

/// Reads one of several new records; `pointer` leads to it in the body.
pub(super) fn read_part<R: Resource>(
    call: &Call,
    given: Map<String, Value>,
    pointer: &str,
) -> Result<Asked<R>, Vec<BadField>> {
    let mut fields = Fields::of_new(given.clone());
    let draft = R::draft(&mut fields);
    let below = |bad: BadField| BadField { pointer: format!("{pointer}{}", bad.pointer), ..bad };
    fields.finish(&call.fields).map_err(|bad| bad.into_iter().map(below).collect::<Vec<_>>())?;
    let (filter, headers) = (Filter::<R>::default(), call.head.headers.clone());
    Ok(Asked { filter, id: None, draft, given, validate_only: false, headers })
}

/// The parameters of writes, for reading and for the API document.
pub(super) fn declare(query: &mut Query) -> bool {
    query
        .one("validate_only", "`true` checks the request and stops there: nothing is written, and 204 says that nothing is wrong as far as can be told without asking the CRM.")
        .unwrap_or_default()
}

pub(super) fn read_query(text: &str) -> Result<bool, Problem> {
    let mut query = Query::parse(text);
    let validate_only = declare(&mut query);
    query.finish().map_err(Problem::bad_query)?;
    Ok(validate_only)
}

/// An `Idempotency-Key` must be one that can be kept, and must be there where a write demands it.
pub(super) fn check_key(headers: &HeaderMap, needed: bool) -> Result<(), Problem> {
    let bad = |detail: String| Err(Problem::bad_header("Idempotency-Key", detail));
    if headers.get_all(&IDEMPOTENCY_KEY).iter().count() > 1 {
        return bad("must be sent once".to_owned());
    }
    match headers.get(&IDEMPOTENCY_KEY) {
        None if needed => {
            bad("is missing; send a new one with each new request, and the same with a repeated one"
                .to_owned())
        }
        Some(key)
            if key.is_empty()
                || key.len() > LONGEST_KEY
                || !key.as_bytes().iter().all(u8::is_ascii_graphic) =>
        {
            bad(format!("must be 1 to {LONGEST_KEY} visible ASCII characters"))
        }
        _ => Ok(()),
    }
}

/// The JSON object in the body. An action may come without one.
pub(super) async fn read_body(
    headers: &HeaderMap,
    body: Body,
    offer: Offer,
) -> Result<Map<String, Value>, Problem> {
    let bytes = whole(body).await?;
    if bytes.is_empty() && offer == Offer::Act {
        return Ok(Map::new());
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let merge = offer == Offer::Update && essence == "application/merge-patch+json";
    if essence != "application/json" && !merge {
        let detail = "The body must be JSON; send `Content-Type: application/json`.";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Problem::new(Code::InvalidRequest, "The body must be a JSON object.")),
        // The place, never the words: bodies hold personal data.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let detail = format!("The body is no JSON; see line {line}, column {column}.");
            Err(Problem::new(Code::InvalidRequest, detail))
        }
    }
}

pub(super) fn bad_fields(bad: Vec<BadField>) -> Problem {
    Problem::bad_fields(bad.into_iter().map(|bad| (bad.pointer, bad.detail)).collect())
}

/// `If-Match` names the record as the consumer read it (RFC 9110, 13.1.1).
fn matches<E: Entity>(headers: &HeaderMap, record: &Record<E>, consumer: &Consumer) -> Result<(), Failure> {
    if !headers.contains_key(IF_MATCH) {
        return Ok(());
    }
    // A line that cannot be read names nothing.
    let lines = headers.get_all(IF_MATCH).iter().filter_map(|line| line.to_str().ok());
    let now = view_of::<E>(consumer).ok().and_then(|view| view.one(record).ok());
    let tag = now.map(|body| etag(&body));
    let named = |name: &str| name == "*" || tag.as_ref().is_some_and(|tag| is_named(tag, name));
    if lines.flat_map(|line| line.split(',')).map(str::trim).any(named) {
        Ok(())
    } else {
        Err(Failure::Stale)
    }
}

/// What `validate_only` answers when nothing is wrong: there is nothing to say.
pub(super) fn valid() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn timing(response: &mut Response, provenance: &Provenance) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(freshness::SERVER_TIMING, freshness::server_timing(provenance));
}
