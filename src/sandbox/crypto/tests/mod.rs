//! What the simulator promises, asked through its router as a caller would.

mod calls;
mod data;
mod faults;
mod filter;
mod fixtures;
mod generated;
mod paging;
mod strictness;
mod switches;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use super::access::{SECRET_HEADER, TOKEN_HEADER};
use super::{Credentials, Crm, Switches};

/// An answer, read to its end.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The ids of the rows under `payload`, in order.
    fn ids(&self) -> Vec<u64> {
        assert_eq!(self.status, 200, "{}", self.text());
        ids(&self.json()["payload"])
    }
}

fn ids(rows: &Value) -> Vec<u64> {
    let rows = rows.as_array().unwrap();
    rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

/// The CRM of the fixtures, as it is.
fn crm() -> Crm {
    Crm::fixture(Switches::default())
}

/// The CRM of the fixtures, switched.
fn switched(change: impl FnOnce(&mut Switches)) -> Crm {
    let crm = crm();
    crm.switches(change);
    crm
}

fn request(method: Method, target: &str, credentials: &Credentials, body: Option<&Value>) -> Request<Body> {
    let request = Request::builder()
        .method(method)
        .uri(format!("/backend/public{target}"))
        .header(TOKEN_HEADER, &credentials.token)
        .header(SECRET_HEADER, &credentials.secret);
    match body {
        Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    }
    .unwrap()
}

async fn raw(crm: &Crm, request: Request<Body>) -> Response {
    crm.router().oneshot(request).await.unwrap()
}

async fn send(crm: &Crm, request: Request<Body>) -> Reply {
    let (parts, body) = raw(crm, request).await.into_parts();
    Reply {
        status: parts.status,
        headers: parts.headers,
        bytes: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    }
}

/// A GET with the right credentials.
async fn get(crm: &Crm, target: &str) -> Reply {
    send(crm, request(Method::GET, target, &crm.access().credentials, None)).await
}

/// A filter with the right credentials.
async fn filter(crm: &Crm, body: Value) -> Reply {
    let credentials = &crm.access().credentials;
    send(crm, request(Method::POST, "/projects/filter", credentials, Some(&body))).await
}
