//! What happens to a call, in order: the ledger notes it, a fault may take it, then path, method, `User-Agent`,
//! credentials and quota are checked, and only then its parameters.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::USER_AGENT;
use http::request::Parts;
use serde_json::Value;

use super::answer::Answer;
use super::crm::Crm;
use super::endpoint::Endpoint;
use super::envelope;
use super::misbehave;
use super::params::Params;
use super::refusal::Refusal;
use super::switches::Switches;
use crate::sandbox::ledger::Entry;
use crate::sandbox::server::HangUp;

/// Bodies above this are refused; the longest sensible filter is far below.
const MAX_BODY: usize = 1024 * 1024;

/// Name in the ledger of calls to paths that are none of the nine.
const NO_OPERATION: &str = "unknown";

/// Answers one call.
pub(super) async fn receive(State(crm): State<Crm>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.ok();
    let switches = crm.switches(|switches| switches.clone());
    let endpoint = Endpoint::at(&crm.access().prefix(), parts.uri.path(), switches.strict);
    let operation = endpoint.map_or(NO_OPERATION, Endpoint::operation);

    let number = crm.ledger().received(entry(&crm, &parts, body.as_ref(), operation));
    let fault = crm.faults().strike(operation);
    if let Some(fault) = &fault {
        crm.ledger().struck(number, fault.clone());
    }
    let answered = misbehave::answer(fault, switches.error_shape, || {
        serve(&crm, &switches, endpoint, &parts, body)
            .unwrap_or_else(|refusal| refusal.answer(switches.error_shape))
    });
    let response = answered.await;
    if response.extensions().get::<HangUp>().is_none() {
        crm.ledger().answered(number, response.status().as_u16(), Duration::ZERO);
    }
    response
}

fn serve(
    crm: &Crm,
    switches: &Switches,
    endpoint: Option<Endpoint>,
    parts: &Parts,
    body: Option<Bytes>,
) -> Result<Answer, Refusal> {
    let endpoint = endpoint.ok_or(Refusal::NotFound)?;
    if parts.method != endpoint.method() {
        let right = if endpoint == Endpoint::Filter { "POST" } else { "GET" };
        return Err(Refusal::MethodNotAllowed(right));
    }
    if switches.require_user_agent && parts.headers.get(USER_AGENT).is_none_or(|agent| agent.is_empty()) {
        return Err(Refusal::Forbidden("User-Agent required"));
    }
    switches.credentials.as_ref().unwrap_or(&crm.access().credentials).check(&parts.headers)?;
    if switches.quota.is_some_and(|quota| !crm.admits(quota)) {
        return Err(Refusal::TooManyRequests);
    }
    let params = if endpoint == Endpoint::Filter {
        let body = body.ok_or(Refusal::TooLarge)?;
        Params::from_body(&parts.headers, &body, switches.strict)?
    } else {
        let query = parts.uri.query().unwrap_or_default();
        Params::from_query(query, endpoint.parameters(), switches.strict)?
    };
    let found = super::look_up::look_up(crm, switches, endpoint, &params)?;
    envelope::wrap(found, switches)
}

/// The call as the ledger keeps it: no headers, and no secret even if a caller put one where it does not belong.
fn entry(crm: &Crm, parts: &Parts, body: Option<&Bytes>, operation: &str) -> Entry {
    let scrub = |text: &str| crm.access().credentials.scrub(text, &parts.headers);
    let body = body
        .and_then(|body| std::str::from_utf8(body).ok())
        .and_then(|body| serde_json::from_str(&scrub(body)).ok())
        .unwrap_or(Value::Null);
    Entry {
        at: Duration::ZERO,
        method: parts.method.to_string(),
        path: scrub(parts.uri.path()),
        query: scrub(parts.uri.query().unwrap_or_default()),
        body,
        operation: operation.to_owned(),
        status: 0,
        delayed: Duration::ZERO,
        fault: None,
        made: None,
    }
}
