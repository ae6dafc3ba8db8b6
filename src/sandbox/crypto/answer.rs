//! An answer before it is sent: whole, so that a fault can still cut, prefix or replace it.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

/// Media type of all JSON answers (assumption A2).
const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// Status, headers and body.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// An answer with a JSON body.
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self::new(status, JSON, body.to_string().into_bytes())
    }

    /// A page.
    pub(super) fn html(status: StatusCode, body: String) -> Self {
        Self::new(status, HTML, body.into_bytes())
    }

    /// An answer with any body.
    pub(super) fn new(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status, headers, body }
    }

    /// Sets a header.
    pub(super) fn header(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// The answer as it is.
    pub(super) fn send(self) -> Response {
        let body = Body::from(self.body);
        respond(self.status, self.headers, body)
    }

    /// The answer with its status and headers, but another body.
    pub(super) fn send_with(self, body: Body) -> Response {
        respond(self.status, self.headers, body)
    }
}

fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
