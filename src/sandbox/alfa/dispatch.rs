//! From request to answer: the ledger notes the call, the quota lets it in, a fault may strike, then method, address,
//! token, rights and body are checked in this order and the call is carried out.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::Crm;
use super::actions::{self, Action};
use super::call::{Call, parse_query};
use super::desk::Desk;
use super::errors::{Refusal, body as error_body};
use super::misbehave::{self, Course};
use super::switches::{Body429, Switches};
use crate::sandbox::ledger::Entry;

/// More than any request needs.
const MAX_BODY: usize = 4 << 20;

const PAGE_429: &str = "<html>\r\n<head><title>429 Too Many Requests</title></head>\r\n<body>\r\n<center><h1>429 Too Many Requests</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// Answers one request.
pub(super) async fn serve(crm: Crm, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, MAX_BODY).await.ok();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let route = Call::route(&path);
    let operation = route.as_ref().map_or_else(|| path.trim_matches('/').to_owned(), Call::operation);
    let sent = bytes.as_ref().map(read);
    let number = crm.inner.ledger.received(Entry {
        at: Duration::ZERO,
        method: parts.method.to_string(),
        path,
        query: query.clone(),
        body: redact(&operation, sent.clone().and_then(Result::ok).unwrap_or(Value::Null)),
        operation: operation.clone(),
        status: 0,
        delayed: Duration::ZERO,
        fault: None,
        made: None,
    });
    let switches = crm.current();
    let Some(wait) = crm.admit(&switches) else {
        crm.inner.ledger.answered(number, 429, Duration::ZERO);
        return refused(&switches);
    };
    if !wait.is_zero() {
        sleep(wait).await;
    }
    let fault = crm.inner.faults.strike(&operation);
    if let Some(fault) = &fault {
        crm.inner.ledger.struck(number, fault.clone());
    }
    let call = route.map(|call| Call { query: parse_query(&query), ..call });
    let carry_out = {
        let crm = crm.clone();
        move || match answer(&crm, number, &parts.method, &parts.headers, call, sent) {
            Ok(value) => (200, value.to_string()),
            Err(refusal) => {
                let (status, value) = refusal.answer(&crm.current());
                (status, value.to_string())
            }
        }
    };
    let response = match misbehave::before(fault).await {
        Course::Instead(response) => *response,
        Course::Through(after) => {
            let (status, text) = carry_out();
            misbehave::after(after, status, text).await
        }
        Course::Late(time) => {
            // On a task of its own, which a caller who hangs up does not end.
            let carried_out = tokio::spawn(async move {
                sleep(time).await;
                carry_out()
            });
            let (status, text) = carried_out.await.expect("no call panics");
            misbehave::after(None, status, text).await
        }
    };
    let status = if misbehave::hangs_up(&response) { 0 } else { response.status().as_u16() };
    crm.inner.ledger.answered(number, status, wait);
    response
}

fn answer(
    crm: &Crm,
    number: usize,
    method: &Method,
    headers: &HeaderMap,
    call: Option<Call>,
    sent: Option<Result<Value, ()>>,
) -> Result<Value, Refusal> {
    let switches = crm.current();
    let mut call = call.ok_or(Refusal::NotFound)?;
    let action = Action::of(&call).ok_or(Refusal::NotFound)?;
    if method != Method::POST {
        return Err(Refusal::Method);
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if switches.app_key.is_some() && header("x-app-key") != switches.app_key.as_deref() {
        return Err(Refusal::NoAppKey);
    }
    let now = Instant::now();
    if !action.is_public() {
        crm.tokens().check(header("x-alfacrm-token"), &switches, now)?;
        let permitted = switches.branches.as_ref();
        let foreign = call.branch.is_some_and(|branch| permitted.is_some_and(|ids| !ids.contains(&branch)));
        if foreign || switches.denied.contains(&call.model) {
            return Err(Refusal::Denied);
        }
    }
    call.body = match sent.ok_or(Refusal::TooLarge)? {
        Ok(Value::Object(map)) => map,
        // An empty PHP array, and no body at all.
        Ok(Value::Null) => Map::new(),
        Ok(Value::Array(list)) if list.is_empty() => Map::new(),
        _ => return Err(Refusal::BadJson),
    };
    if action == Action::Login {
        let token = crm.tokens().login(&call, &switches, now)?;
        return Ok(json!({"token": token}));
    }
    let mut store = crm.store();
    let mut desk = Desk {
        store: &mut store,
        switches: &switches,
        now: crm.inner.clock.now(),
        at: now,
        events: Vec::new(),
    };
    let answer = actions::perform(&mut desk, action, &call);
    if matches!(action, Action::Create(_) | Action::LeadForm)
        && let Some(created) = desk.events.iter().find(|event| event.event == "create")
    {
        crm.inner.ledger.made(number, created.entity, created.id);
    }
    crm.inner.hooks.fire(&desk.events, &switches);
    answer
}

/// The body as JSON; nothing at all is null.
fn read(bytes: &Bytes) -> Result<Value, ()> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|_| ())
}

/// Keeps credentials out of the ledger.
fn redact(operation: &str, mut body: Value) -> Value {
    if operation == "auth/login"
        && let Some(map) = body.as_object_mut()
    {
        for value in map.values_mut() {
            *value = json!("***");
        }
    }
    body
}

/// The 429 of the proxy.
fn refused(switches: &Switches) -> Response {
    let (kind, body) = match switches.body_429 {
        Body429::Html => ("text/html", PAGE_429.to_owned()),
        Body429::Json => (JSON, error_body(429, "Rate limit exceeded.").to_string()),
    };
    let mut response = respond(429, kind, Body::from(body));
    if let Some(seconds) = switches.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

pub(super) const JSON: &str = "application/json; charset=UTF-8";

/// A response of this status and content type.
pub(super) fn respond(status: u16, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
