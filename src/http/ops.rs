//! What operators and their machines ask: alive, ready, metrics, and the page ([`super::dashboard`]). For a listener that consumers cannot reach.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{StatusCode, Uri};
use jiff::Timestamp;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use super::problem::{Problem, no_such_method, no_such_path, render};
use super::{audit, dashboard, guard, headers, request_id};
use crate::consumers::Consumers;
use crate::hub::{Hub, Purge};
use crate::idempotency::Journal;
use crate::model::Query;
use crate::model::query::BadParam;
use crate::telemetry::Metrics;

/// Whether requests should come here. It does not depend on a CRM being up: without one, memory still answers.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicU8>);

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

impl Readiness {
    /// Not ready yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on requests are welcome, unless the end has begun.
    pub fn ready(&self) {
        let _ = self.0.compare_exchange(STARTING, READY, Ordering::AcqRel, Ordering::Acquire);
    }

    /// From now on requests should go elsewhere, for good.
    pub fn drain(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    /// Whether requests are welcome.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == READY
    }

    /// Whether the end has begun.
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Acquire) == DRAINING
    }

    pub(super) fn word(&self) -> &'static str {
        match self.0.load(Ordering::Acquire) {
            STARTING => "starting",
            READY => "ready",
            _ => "draining",
        }
    }
}

/// What became of reloads, part by part: a notice board that whoever reloads writes on.
#[derive(Debug, Clone, Default)]
pub struct Reloads(Arc<Mutex<BTreeMap<&'static str, Reloaded>>>);

/// What became of the last reload of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// When.
    pub at: Timestamp,
    /// What was taken, or why not. Nothing confidential.
    pub outcome: Result<String, String>,
}

impl Reloads {
    /// Notes what became of a part.
    pub fn note(&self, part: &'static str, reloaded: Reloaded) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part, reloaded);
    }

    /// A part is as the configuration says: that it could not be taken before is over.
    pub fn settled(&self, part: &'static str) {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if board.get(part).is_some_and(|noted| noted.outcome.is_err()) {
            board.remove(part);
        }
    }

    /// Every part that was reloaded, or was tried to.
    pub fn all(&self) -> Vec<(&'static str, Reloaded)> {
        let board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        board.iter().map(|(part, reloaded)| (*part, reloaded.clone())).collect()
    }
}

/// What operators look at.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Whether requests should come.
    pub readiness: Readiness,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who knows the answers.
    pub hub: Arc<Hub>,
    /// What is known of writes.
    pub journal: Arc<Journal>,
    /// Who may call.
    pub consumers: Arc<Consumers>,
    /// What became of reloads.
    pub reloads: Reloads,
}

/// The router of the admin listener.
pub fn admin(desk: Desk) -> Router {
    let page = dashboard::router(&desk);
    let Desk { readiness, metrics, hub, journal, .. } = desk;
    let stack = ServiceBuilder::new()
        // Everything below can be found again.
        .layer(from_fn(request_id::layer))
        .map_response(headers::security)
        .layer(axum::middleware::from_fn_with_state(Arc::<str>::from(""), render))
        .layer(CatchPanicLayer::custom(guard::on_panic));
    Router::new()
        .merge(page)
        .route("/livez", get(|| async { words(StatusCode::OK, "alive") }))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(exposition).with_state(metrics))
        .route("/admin/purge", post(purge).with_state(hub))
        .route("/admin/audit", get(audit::read).with_state(journal))
        .fallback(async || no_such_path())
        .method_not_allowed_fallback(async || no_such_method())
        .layer(stack)
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    words(status, readiness.word())
}

/// What carries the tag is asked for anew: `*`, `students`, `students:alfa-17`, `student:alfa-17`, `branch:alfa-1`.
async fn purge(State(hub): State<Arc<Hub>>, uri: Uri) -> Response {
    let mut query = Query::parse(uri.query().unwrap_or_default());
    let about =
        "What is asked for anew: `*`, a resource, `students:alfa-17`, `student:alfa-17`, `branch:alfa-1`.";
    let tag = query.required::<String>("tag", about, "students");
    let read = query.finish().map_err(Problem::bad_query);
    let tag = read.and_then(|_| tag.unwrap_or_default().parse::<Purge>().map_err(bad_tag));
    match tag {
        Ok(tag) if hub.purge(&tag).await => StatusCode::NO_CONTENT.into_response(),
        Ok(_) => bad_tag("names no resource").into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn bad_tag(detail: &str) -> Problem {
    Problem::bad_query(vec![BadParam { name: "tag".to_owned(), detail: detail.to_owned() }])
}

async fn exposition(State(metrics): State<Arc<Metrics>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], metrics.text()).into_response()
}

fn words(status: StatusCode, word: &'static str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], format!("{word}\n")).into_response()
}
