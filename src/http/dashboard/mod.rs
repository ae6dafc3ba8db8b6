//! The operator page at `/admin`: the state of the gateway as pictures. One page, one script, one style and the chart
//! library, all of them in the program; the page asks [`state`] every other second and nobody else.

mod state;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use tokio::time::Instant;

use super::freshness;
use super::ops::{Desk, Readiness, Reloads};
use super::read::unwritable;
use crate::consumers::Consumers;
use crate::hub::Hub;
use crate::telemetry::Metrics;

/// Everything comes from here. The page draws on canvases and sets styles by script, which needs no exception.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The files of the page: where, what, and the bytes.
const FILES: [(&str, &str, &str); 6] = [
    ("/admin", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/admin/page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
    ("/admin/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/admin/uPlot.js", "text/javascript; charset=utf-8", include_str!("page/uPlot.iife.min.js")),
    ("/admin/uPlot.css", "text/css; charset=utf-8", include_str!("page/uPlot.min.css")),
    ("/admin/uPlot-LICENSE", "text/plain; charset=utf-8", include_str!("page/uPlot-LICENSE")),
];

/// What is looked at.
#[derive(Debug)]
struct Seen {
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    consumers: Arc<Consumers>,
    reloads: Reloads,
    since: Instant,
}

/// The page and its data, for the admin listener.
pub(super) fn router(desk: &Desk) -> Router {
    let Desk { readiness, metrics, hub, consumers, reloads, .. } = desk.clone();
    let seen = Arc::new(Seen { hub, metrics, readiness, consumers, reloads, since: Instant::now() });
    let mut router = Router::new().route("/admin/state", get(now).with_state(seen));
    for (path, kind, text) in FILES {
        router = router.route(path, get(move || async move { file(kind, text) }));
    }
    router
}

async fn now(State(seen): State<Arc<Seen>>) -> Response {
    let uptime: Duration = seen.since.elapsed();
    let state = state::State::of(&seen.hub, &seen.metrics, seen.readiness.word(), uptime);
    let state = state.with(&seen.consumers, &seen.reloads);
    freshness::reply_once(&state).unwrap_or_else(|error| unwritable(error).into_response())
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (headers, text).into_response()
}
