//! What all writes have in common: the body is read strictly, everything is checked before the CRM is asked, and the
//! record is shown as it is afterwards.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH, LOCATION};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::codes::Code;
use super::freshness;
use super::idempotency::IDEMPOTENCY_KEY;
use super::problem::{Problem, no_such_path, not_found};
use super::read::unwritable;
use super::rendered::{etag, is_named};
use super::resource::{Call, Draft, Filter, Offer, Resource, tag};
use super::view::{self, View};
use crate::consumers::{Access, Consumer};
use crate::hub::{Answer, Failure, Provenance, Scope};
use crate::model::draft::BadField;
use crate::model::{Entity, Fields, Query, Record, RecordId};

/// The longest `Idempotency-Key`.
const LONGEST_KEY: usize = 255;

/// What a write says, read and checked.
struct Asked<R: Resource> {
    filter: Filter<R>,
    id: Option<RecordId>,
    draft: Draft<R>,
    validate_only: bool,
    headers: HeaderMap,
}

/// `POST`: a new record.
pub(super) async fn create<R: Resource>(call: Call, body: Body) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let asked = read::<R>(&call, body, true).await?;
    if asked.validate_only {
        let scope = Scope::of(&consumer.sight);
        call.front.api.hub.check::<R::Record>(&scope, &asked.filter, &asked.draft)?;
        return Ok(valid());
    }
    let ctx = call.circumstances(consumer);
    let (scope, _) = call.scope::<R>(&ctx, consumer, Vec::new()).await?;
    let hub = &call.front.api.hub;
    let made = hub.create::<R::Record>(&ctx, &scope, &asked.filter, &asked.draft).await?;
    let path = call.head.uri.path().trim_end_matches('/');
    let location = HeaderValue::try_from(format!("{path}/{}", made.value.id)).ok();
    let mut response = shown::<R>(&made, consumer, StatusCode::CREATED)?;
    // Where the record can be read again.
    if let Some(location) = location.filter(|_| R::OFFERS.contains(&Offer::Get)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// `PATCH`, and actions on a record: its changes.
pub(super) async fn change<R: Resource>(call: Call, body: Body) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let asked = read::<R>(&call, body, false).await?;
    if asked.validate_only {
        return Ok(valid());
    }
    let ctx = call.circumstances(consumer);
    let (scope, _) = call.scope::<R>(&ctx, consumer, Vec::new()).await?;
    let id = asked.id.as_ref().ok_or_else(not_found)?;
    let hub = &call.front.api.hub;
    let check = |record: &Record<R::Record>| matches(&asked.headers, record, consumer);
    let changed = hub.update(&ctx, &scope, &asked.filter, id, &asked.draft, check).await?;
    shown::<R>(&changed, consumer, StatusCode::OK)
}

/// `DELETE`: the end of a record.
pub(super) async fn delete<R: Resource>(call: Call, body: Body) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let asked = read::<R>(&call, body, false).await?;
    if asked.validate_only {
        return Ok(valid());
    }
    let ctx = call.circumstances(consumer);
    let (scope, _) = call.scope::<R>(&ctx, consumer, Vec::new()).await?;
    let id = asked.id.as_ref().ok_or_else(not_found)?;
    let hub = &call.front.api.hub;
    let check = |record: &Record<R::Record>| matches(&asked.headers, record, consumer);
    let provenance = hub.delete::<R::Record>(&ctx, &scope, &asked.filter, id, check).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    timing(&mut response, &provenance);
    Ok(response)
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
    let draft = if call.offer == Offer::Delete {
        Draft::<R>::default()
    } else {
        let given = read_body(&headers, body, call.offer).await?;
        let mut fields = if new { Fields::of_new(given) } else { Fields::of_change(given) };
        let draft = R::draft(&mut fields);
        fields.finish(&call.fields).map_err(bad_fields)?;
        draft
    };
    Ok(Asked { filter, id, draft, validate_only, headers })
}

/// The parameters of writes, for reading and for the API document.
pub(super) fn declare(query: &mut Query) -> bool {
    query
        .one("validate_only", "`true` checks the request and stops there: nothing is written.")
        .unwrap_or_default()
}

fn read_query(text: &str) -> Result<bool, Problem> {
    let mut query = Query::parse(text);
    let validate_only = declare(&mut query);
    query.finish().map_err(Problem::bad_query)?;
    Ok(validate_only)
}

/// An `Idempotency-Key` must be one that can be kept, and must be there where a write demands it.
fn check_key(headers: &HeaderMap, needed: bool) -> Result<(), Problem> {
    let bad = |detail: String| Err(Problem::bad_header("Idempotency-Key", detail));
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
    let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|error| {
        // The layer that limits the size says so by an error of its own.
        if error.to_string().contains("length limit") {
            Problem::new(Code::PayloadTooLarge, "The body is larger than the gateway takes.")
        } else {
            Problem::new(Code::InvalidRequest, "The body did not arrive whole.")
        }
    })?;
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

fn bad_fields(bad: Vec<BadField>) -> Problem {
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

fn view_of<E: Entity>(consumer: &Consumer) -> Result<View, Problem> {
    View::new(None, false, view::hidden::<E>(&consumer.mask), Vec::new())
}

/// The record as it is after the write.
fn shown<R: Resource>(
    answer: &Answer<std::sync::Arc<Record<R::Record>>>,
    consumer: &Consumer,
    status: StatusCode,
) -> Result<Response, Problem> {
    // Who may only write learns which record it was, and nothing of what is in it.
    let view = if consumer.scopes.allow(tag::<R>(), Access::Read) {
        view_of::<R::Record>(consumer)?
    } else {
        let only = ["id", "source", "source_id"].map(std::sync::Arc::from).to_vec();
        View::new(Some(only), false, Vec::new(), Vec::new())?
    };
    let body = view.one(&answer.value).map_err(unwritable)?;
    let tag = etag(&body);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ETAG, tag);
    timing(&mut response, &answer.provenance);
    Ok(response)
}

/// What `validate_only` answers when nothing is wrong.
fn valid() -> Response {
    let mut response = Response::new(Body::from(r#"{"valid":true}"#));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn timing(response: &mut Response, provenance: &Provenance) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(freshness::SERVER_TIMING, freshness::server_timing(provenance));
}
