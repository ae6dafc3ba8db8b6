//! The id under which a request can be found again: the caller's if it is sane, else our own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use super::headers::value;

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over.
const LONGEST: usize = 128;

/// A request's id: visible ASCII.
#[derive(Debug, Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// The id of a request with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        headers.get(X_REQUEST_ID).and_then(Self::from_caller).unwrap_or_else(Self::new)
    }

    /// Takes over what the caller sent, if it is 1 to 128 visible ASCII characters.
    fn from_caller(sent: &HeaderValue) -> Option<Self> {
        let sane = (1..=LONGEST).contains(&sent.len()) && sent.as_bytes().iter().all(u8::is_ascii_graphic);
        sane.then(|| Self(sent.clone()))
    }

    /// A new one. The first half is the process, the second counts.
    fn new() -> Self {
        static PROCESS: OnceLock<u32> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let process = PROCESS.get_or_init(rand::random);
        Self(value(format_args!("{process:08x}-{:x}", COUNT.fetch_add(1, Ordering::Relaxed))))
    }

    /// Tells the caller.
    pub(super) fn put_on(self, headers: &mut HeaderMap) {
        headers.insert(X_REQUEST_ID, self.0);
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Gives the request its id and the answer the same.
pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    id.put_on(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_ids_are_taken_over() {
        let taken = |text: &str| RequestId::from_caller(&HeaderValue::from_str(text).unwrap()).is_some();
        assert!(taken("a") && taken("order/17:retry=2") && taken(&"x".repeat(128)));
        assert!(!taken("") && !taken("two words") && !taken(&"x".repeat(129)));
        assert!(RequestId::from_caller(&HeaderValue::from_bytes("жук".as_bytes()).unwrap()).is_none());
    }

    #[test]
    fn own_ids_differ() {
        assert_ne!(RequestId::new().as_str(), RequestId::new().as_str());
    }
}
