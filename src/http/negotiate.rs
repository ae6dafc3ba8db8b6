//! Whether the caller can read what is spoken here: JSON.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::ACCEPT;

use super::codes::Code;
use super::problem::Problem;

/// Refuses callers whose `Accept` excludes JSON.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    if reads_json(request.headers()) {
        next.run(request).await
    } else {
        Problem::new(
            Code::NotAcceptable,
            "`Accept` excludes `application/json`, and nothing else is spoken here.",
        )
        .into_response()
    }
}

/// The most exact range that covers JSON decides (RFC 9110, 12.5.1); without the header everything is welcome.
pub(super) fn reads_json(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(ACCEPT).iter().peekable();
    if lines.peek().is_none() {
        return true;
    }
    let ranges = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let best = ranges
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let exactness = match parts.next()?.to_ascii_lowercase().as_str() {
                "application/json" => 3,
                "application/*" => 2,
                "*/*" => 1,
                _ => return None,
            };
            let welcome = parts.all(|part| {
                let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
                weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
            });
            Some((exactness, welcome))
        })
        .max();
    best.is_some_and(|(_, welcome)| welcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderValue;

    #[test]
    fn json_is_read_unless_it_is_excluded() {
        for (accept, reads) in [
            ("*/*", true),
            ("application/json", true),
            ("text/html, application/*;q=0.1", true),
            ("application/json;charset=utf-8", true),
            ("text/html", false),
            ("application/json;q=0, */*", false),
            ("application/problem+json", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(reads_json(&headers), reads, "{accept}");
        }
        assert!(reads_json(&HeaderMap::new()));
    }
}
