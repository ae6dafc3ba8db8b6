//! Headers that every answer carries, and what browsers of other origins may do.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use axum::response::Response;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Tells browsers to treat answers as what they are. Whoever has set a header already knows better.
pub(super) fn security(mut response: Response) -> Response {
    secure(response.headers_mut());
    response
}

/// The same, for headers alone.
pub(super) fn secure(headers: &mut HeaderMap) {
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::X_FRAME_OPTIONS, "DENY");
    set(headers, header::REFERRER_POLICY, "no-referrer");
    set(headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

/// A value of visible ASCII. It is put together in a place that is there already, because most requests need several.
pub(super) fn value(text: fmt::Arguments<'_>) -> HeaderValue {
    thread_local! {
        static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
    }
    TEXT.with_borrow_mut(|place| {
        place.clear();
        place.write_fmt(text).expect("memory takes whatever is written");
        HeaderValue::from_str(place).expect("whoever calls this has digits, quotes and words")
    })
}

/// Which web pages may use the API.
#[derive(Debug, Clone)]
pub(super) struct Origins {
    listed: Vec<HeaderValue>,
    any: bool,
}

const EXPOSED: &str = "age,etag,link,location,retry-after,cache-status,idempotency-replayed,ratelimit,ratelimit-policy,\
                       server-timing,x-request-id";

impl Origins {
    /// Those listed; nobody's when the list is empty. `*` is everybody's.
    pub(super) fn of(listed: &[String]) -> Option<Self> {
        let any = listed.iter().any(|origin| origin == "*");
        let listed: Vec<HeaderValue> = listed.iter().filter_map(|origin| origin.parse().ok()).collect();
        (!listed.is_empty()).then_some(Self { listed, any })
    }

    /// Answers preflights, and marks all other answers.
    pub(super) fn layer(&self) -> CorsLayer {
        let allowed =
            if self.any { AllowOrigin::any() } else { AllowOrigin::list(self.listed.iter().cloned()) };
        let exposed = EXPOSED.split(',').map(HeaderName::from_static);
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::CACHE_CONTROL,
                header::IF_MATCH,
                header::IF_NONE_MATCH,
                HeaderName::from_static("idempotency-key"),
                HeaderName::from_static("prefer"),
                HeaderName::from_static("x-api-key"),
                HeaderName::from_static("x-request-id"),
            ])
            .expose_headers(exposed.collect::<Vec<_>>())
            .max_age(std::time::Duration::from_secs(600))
    }

    /// Marks an answer to anything but a preflight, as the layer does.
    pub(super) fn mark(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        if self.any {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return;
        }
        if let Some(origin) = request.get(header::ORIGIN).filter(|origin| self.listed.contains(origin)) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        answer.append(header::VARY, HeaderValue::from_static("origin"));
    }
}
