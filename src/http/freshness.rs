//! How old an answer may be and how old it is: the request's `Cache-Control` and `Prefer`, the answer's `ETag`, `Age`,
//! `Cache-Control`, `Cache-Status` (RFC 9211) and `Server-Timing`.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, VARY};
use http::{HeaderMap, StatusCode};

use super::access_log::CacheResult;
use super::headers::value;
use super::rendered::{Form, Rendered};
use crate::hub::{CacheUse, Provenance};
use crate::model::Class;
use crate::model::context::Freshness;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Room for all headers of an answer, so that they are not moved while they are added.
const HEADERS: usize = 24;
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// How old an answer the consumer accepts. What cannot be read is ignored (RFC 9111, 4.2.1).
pub(super) fn accepted(headers: &HeaderMap) -> Freshness {
    let mut accepted = Freshness::default();
    for directive in words(headers, &CACHE_CONTROL, &[',']) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let max_age = match name.trim().to_ascii_lowercase().as_str() {
            "no-cache" => Some(Duration::ZERO),
            "max-age" => seconds(value),
            "only-if-cached" => {
                accepted.only_if_cached = true;
                None
            }
            _ => None,
        };
        accepted.max_age = match (accepted.max_age, max_age) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    accepted
}

/// The longest wait the consumer accepts: `Prefer: wait=N` (RFC 7240).
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    words(headers, &PREFER, &[',', ';']).find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("wait") { seconds(value) } else { None }
    })
}

/// Whether the consumer does not wait for the outcome: `Prefer: respond-async` (RFC 7240).
pub(super) fn responds_async(headers: &HeaderMap) -> bool {
    words(headers, &PREFER, &[',', ';']).any(|word| word.eq_ignore_ascii_case("respond-async"))
}

/// How urgent the request is: as the consumer is configured, or less where it says so by `Prefer: priority=batch`.
pub(super) fn class(headers: &HeaderMap, configured: Class) -> Class {
    let wanted = words(headers, &PREFER, &[',', ';']).find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        let known = || Class::ALL.into_iter().find(|class| class.name() == value);
        if name.trim().eq_ignore_ascii_case("priority") { known() } else { None }
    });
    wanted.map_or(configured, |wanted| wanted.max(configured))
}

pub(super) fn words<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    between: &'static [char],
) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(move |line| line.split(between)).map(str::trim)
}

fn seconds(text: &str) -> Option<Duration> {
    let digits = text.trim().trim_matches('"');
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    // A year is as good as for ever, and can be added to a point in time.
    plain.then(|| Duration::from_secs(digits.parse().unwrap_or(u64::MAX).min(31_536_000)))
}

/// A JSON answer with its history; 304 when the consumer has the same already.
pub(super) fn reply(request: &HeaderMap, rendered: &Arc<Rendered>, provenance: &Provenance) -> Response {
    let mut response = respond(&rendered.form(request), provenance);
    response.extensions_mut().insert(CacheResult(result(provenance.cache)));
    response
}

/// An answer in this form, with its history.
pub(super) fn respond(form: &Form<'_>, provenance: &Provenance) -> Response {
    let mut response = Response::new(form.body());
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(ETAG, form.tag().clone());
    match form {
        Form::Known(_) => *response.status_mut() = StatusCode::NOT_MODIFIED,
        Form::Plain(..) => drop(headers.insert(CONTENT_TYPE, JSON)),
        Form::Packed(_, _, coding) => {
            headers.insert(CONTENT_TYPE, JSON);
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
    }
    let [age, control, status] = history(provenance);
    headers.insert(AGE, age);
    headers.insert(CACHE_CONTROL, control);
    headers.insert(CACHE_STATUS, status);
    headers.insert(SERVER_TIMING, server_timing(provenance));
    headers.insert(VARY, HeaderValue::from_static("authorization, x-api-key, accept-encoding"));
    *response.headers_mut() = headers;
    response
}

/// Says that something is missing from the answer that may be there the next moment.
pub(super) fn soon_old(response: &mut Response) {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=0"));
}

/// A JSON answer made of parts; incomplete when one of them is missing.
pub(super) fn reply_with<T: serde::Serialize>(
    request: &HeaderMap,
    value: &T,
    provenance: &Provenance,
    incomplete: bool,
) -> serde_json::Result<Response> {
    let body = Bytes::from(serde_json::to_vec(value)?);
    let mut response = reply(request, &Arc::new(Rendered::once(body)), provenance);
    if incomplete {
        soon_old(&mut response);
    }
    Ok(response)
}

/// A JSON answer about this very moment: there is no other one that it could be compared with, and nobody keeps it.
pub(super) fn reply_once<T: serde::Serialize>(value: &T) -> serde_json::Result<Response> {
    let mut response = Response::new(Body::from(serde_json::to_vec(value)?));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `Age`, `Cache-Control` and `Cache-Status`. They are the same for a second, so the last ones are kept.
fn history(provenance: &Provenance) -> [HeaderValue; 3] {
    type Last = (CacheUse, u64, i64, [HeaderValue; 3]);
    thread_local! {
        static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    }
    let (cache, age, ttl) = (provenance.cache, provenance.age.as_secs(), provenance.ttl);
    LAST.with_borrow_mut(|last| match last {
        Some((its_cache, its_age, its_ttl, values))
            if (*its_cache, *its_age, *its_ttl) == (cache, age, ttl) =>
        {
            values.clone()
        }
        _ => {
            let values = [age.into(), max_age(provenance), cache_status(provenance)];
            *last = Some((cache, age, ttl, values.clone()));
            values
        }
    })
}

/// `max-age` counts from when the CRM answered, as `Age` does (RFC 9111, 4.2), so what is left is their difference.
fn max_age(provenance: &Provenance) -> HeaderValue {
    let left = u64::try_from(provenance.ttl).unwrap_or(0);
    let max_age = if left == 0 { 0 } else { provenance.age.as_secs() + left };
    value(format_args!("private, max-age={max_age}"))
}

fn cache_status(provenance: &Provenance) -> HeaderValue {
    let ttl = provenance.ttl;
    match provenance.cache {
        CacheUse::Hit => value(format_args!("crm-gateway; hit; ttl={ttl}")),
        CacheUse::Collapsed => HeaderValue::from_static("crm-gateway; fwd=miss; collapsed"),
        CacheUse::Miss => HeaderValue::from_static("crm-gateway; fwd=miss; stored"),
        CacheUse::Stale => value(format_args!("crm-gateway; hit; ttl={ttl}; detail=stale")),
        CacheUse::StaleIfError(None) => {
            value(format_args!("crm-gateway; hit; ttl={ttl}; detail=stale-if-error"))
        }
        CacheUse::StaleIfError(Some(status)) => {
            value(format_args!("crm-gateway; hit; ttl={ttl}; detail=stale-if-error; fwd-status={status}"))
        }
    }
}

/// Where the time went, in milliseconds.
pub(super) fn server_timing(provenance: &Provenance) -> HeaderValue {
    if provenance.queued.is_zero() && provenance.upstream.is_zero() {
        return HeaderValue::from_static("queue;dur=0.0, upstream;dur=0.0");
    }
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let (queued, upstream) = (millis(provenance.queued), millis(provenance.upstream));
    value(format_args!("queue;dur={queued:.1}, upstream;dur={upstream:.1}"))
}

/// The word for logs and metrics.
pub(super) fn result(cache: CacheUse) -> &'static str {
    match cache {
        CacheUse::Hit => "hit",
        CacheUse::Collapsed => "collapsed",
        CacheUse::Miss => "miss",
        CacheUse::Stale => "stale",
        CacheUse::StaleIfError(_) => "stale_if_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::IF_NONE_MATCH;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    fn answer(request: &HeaderMap, body: &'static [u8], provenance: &Provenance) -> Response {
        reply(request, &Arc::new(Rendered::new(Bytes::from_static(body))), provenance)
    }

    #[test]
    fn the_age_a_consumer_accepts_is_read_and_nonsense_is_ignored() {
        for (text, max_age, only_if_cached) in [
            ("no-cache", Some(0), false),
            ("max-age=30", Some(30), false),
            ("Max-Age=\"30\", only-if-cached", Some(30), true),
            ("no-cache, max-age=30", Some(0), false),
            ("max-age=soon", None, false),
            ("max-age=-1", None, false),
            ("max-age=99999999999999999999", Some(31_536_000), false),
            ("no-transform", None, false),
        ] {
            let freshness = accepted(&with(CACHE_CONTROL, text));
            assert_eq!(freshness.max_age.map(|age| age.as_secs()), max_age, "{text}");
            assert_eq!(freshness.only_if_cached, only_if_cached, "{text}");
        }
    }

    #[test]
    fn the_wait_a_consumer_accepts_is_found_among_other_preferences() {
        for (text, seconds) in [
            ("wait=5", Some(5)),
            ("respond-async, Wait = 7", Some(7)),
            ("a; wait=3", Some(3)),
            ("wait=long", None),
            ("wait", None),
        ] {
            assert_eq!(wait(&with(PREFER, text)).map(|wait| wait.as_secs()), seconds, "{text}");
        }
    }

    #[test]
    fn each_history_has_its_cache_status() {
        for (cache, ttl, status, control) in [
            (CacheUse::Hit, 30, "crm-gateway; hit; ttl=30", "private, max-age=40"),
            (CacheUse::Miss, 60, "crm-gateway; fwd=miss; stored", "private, max-age=70"),
            (CacheUse::Collapsed, 60, "crm-gateway; fwd=miss; collapsed", "private, max-age=70"),
            (CacheUse::Stale, -12, "crm-gateway; hit; ttl=-12; detail=stale", "private, max-age=0"),
            (
                CacheUse::StaleIfError(None),
                -12,
                "crm-gateway; hit; ttl=-12; detail=stale-if-error",
                "private, max-age=0",
            ),
            (
                CacheUse::StaleIfError(Some(429)),
                -12,
                "crm-gateway; hit; ttl=-12; detail=stale-if-error; fwd-status=429",
                "private, max-age=0",
            ),
        ] {
            let provenance = Provenance {
                cache,
                ttl,
                age: Duration::from_secs(10),
                queued: Duration::from_micros(1500),
                upstream: Duration::from_millis(80),
            };
            let response = answer(&HeaderMap::new(), b"{}", &provenance);
            let header = |name: &str| response.headers()[name].to_str().unwrap();
            assert_eq!(header("cache-status"), status);
            assert_eq!(header("cache-control"), control);
            assert_eq!(header("age"), "10");
            assert_eq!(header("server-timing"), "queue;dur=1.5, upstream;dur=80.0");
        }
    }

    #[test]
    fn a_consumer_who_has_the_same_gets_304() {
        let provenance = Provenance::default();
        let first = answer(&HeaderMap::new(), b"{}", &provenance);
        let etag = first.headers()[ETAG].to_str().unwrap().to_owned();
        for (tags, status) in [
            (etag.clone(), 304),
            (format!("\"other\", W/{etag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
        ] {
            let request = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::try_from(tags).unwrap())]);
            let again = answer(&request, b"{}", &provenance);
            assert_eq!(again.status(), status);
            assert_eq!(again.headers()[ETAG], etag.as_str());
        }
        let other = answer(&HeaderMap::new(), b"[]", &provenance);
        assert_ne!(other.headers()[ETAG], etag.as_str());
    }

    proptest::proptest! {
        #[test]
        fn no_header_is_too_strange(bytes in proptest::collection::vec(32_u8..=255, 0..40)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let names = [CACHE_CONTROL, PREFER, IF_NONE_MATCH];
                let headers = HeaderMap::from_iter(names.map(|name| (name, value.clone())));
                let max_age = accepted(&headers).max_age.unwrap_or_default();
                let _ = tokio::time::Instant::now() + max_age + wait(&headers).unwrap_or_default();
                answer(&headers, b"{}", &Provenance::default());
            }
        }
    }
}
