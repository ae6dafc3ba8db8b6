//! The front: what consumers see. A request passes the stack in [`router`] from top to bottom, is answered by a resource
//! or refused with a problem, and comes back up.
//!
//! - [`resource`] and `resources/`: what can be asked, as declarations; [`read`] and [`write`]: how all are answered
//! - [`query`], [`view`], [`freshness`], [`memo`], [`rendered`]: what reads are made of
//! - [`shortcut`]: the way of reads that memory answers whole, past the stack
//! - [`auth`], [`guard`], [`body`], [`headers`], [`idempotency`], [`access_log`], [`request_id`]: the layers
//! - [`problem`] and [`codes`]: how anything goes wrong
//! - [`describe`], [`openapi`], [`docs`]: how all of it is documented
//! - [`listen`]: serves a router on a socket; [`ops`]: the other listener, with the operator page ([`dashboard`])

mod access_log;
mod audit;
mod auth;
mod batch;
mod body;
mod clerk;
mod codes;
mod dashboard;
mod describe;
mod docs;
mod freshness;
mod guard;
mod headers;
mod idempotency;
pub mod listen;
mod memo;
mod negotiate;
pub mod openapi;
mod operations;
mod ops;
mod problem;
mod query;
mod read;
mod rendered;
mod request_id;
mod resource;
mod resources;
mod routes;
mod shortcut;
#[cfg(test)]
mod tests;
mod view;
mod write;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

pub use operations::Recovery;
pub use ops::{Desk, Readiness, Reloaded, Reloads, admin};

use crate::consumers::Consumers;
use crate::hub::Hub;
use crate::idempotency::Journal;
use crate::telemetry::Metrics;

/// What the front works with.
#[derive(Debug)]
pub struct Api {
    /// Who knows the answers.
    pub hub: Arc<Hub>,
    /// Who may ask.
    pub consumers: Arc<Consumers>,
    /// What is known of writes.
    pub journal: Arc<Journal>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How it is set up.
    pub settings: Settings,
}

/// How the front is set up.
#[derive(Clone)]
pub struct Settings {
    /// Put before every path; empty, or `/` and more.
    pub base_path: String,
    /// The longest a request may take.
    pub request_timeout: Duration,
    /// The largest body of a request, in bytes.
    pub max_body: usize,
    /// Memory for answers as they are sent, in bytes.
    pub max_written: u64,
    /// Web origins whose pages may use the API.
    pub cors_origins: Vec<String>,
    /// Whether `/docs` is served.
    pub docs: bool,
    /// A key that `/docs` signs in with; for the demo only, since everybody can read it.
    pub demo_key: Option<String>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("base_path", &self.base_path)
            .field("request_timeout", &self.request_timeout)
            .field("max_body", &self.max_body)
            .field("max_written", &self.max_written)
            .field("cors_origins", &self.cors_origins)
            .field("docs", &self.docs)
            .field("demo_key", &self.demo_key.as_ref().map(|_| "***"))
            .finish()
    }
}

#[derive(Debug)]
struct Front {
    api: Api,
    base_path: Arc<str>,
    memo: memo::Memo,
    origins: Option<headers::Origins>,
}

type Shared = Arc<Front>;

/// The router of the public listener, and who follows up what an earlier process left open.
pub fn router(api: Api) -> (Router, Recovery) {
    with_routes(api, resources::all())
}

/// What a request meets behind authentication, but for what is noted of it: no log, no metric, no idempotency key. Its own
/// limit has been charged to the question about it.
fn stage(paths: Router<Shared>, front: &Shared, settings: &Settings) -> routes::Stage {
    let layers = ServiceBuilder::new()
        .option_layer(front.origins.as_ref().map(headers::Origins::layer))
        .layer(CatchPanicLayer::custom(guard::on_panic))
        .layer(from_fn_with_state((settings.max_body, settings.request_timeout), guard::size));
    // What stands in the document does not matter here: it costs nothing.
    let open = docs::router(&front.base_path, settings, String::new());
    let paths = paths
        .fallback(async || problem::no_such_path())
        .method_not_allowed_fallback(async || problem::no_such_method())
        .layer(from_fn(negotiate::layer))
        .merge(open.method_not_allowed_fallback(async || problem::no_such_method()))
        .layer(layers);
    routes::Stage(paths.with_state(Arc::clone(front)))
}

fn with_routes(api: Api, mut routes: routes::Routes) -> (Router, Recovery) {
    let base_path: Arc<str> = match api.settings.base_path.trim_matches('/') {
        "" => "".into(),
        path => format!("/{path}").into(),
    };
    let settings = api.settings.clone();
    let observer =
        access_log::Observer { metrics: Arc::clone(&api.metrics), base_path: Arc::clone(&base_path) };
    let front = Arc::new(Front {
        api,
        base_path: Arc::clone(&base_path),
        memo: memo::Memo::new(settings.max_written),
        origins: headers::Origins::of(&settings.cors_origins),
    });
    let resumes = Arc::new(routes.take_resumes());
    let recovery = Recovery { front: Arc::clone(&front), resumes };
    let (protected, documents) = routes.finish(&base_path, |paths| stage(paths, &front, &settings));
    let open = docs::router(&base_path, &settings, openapi::text(documents, &base_path));

    let keyed = ServiceBuilder::new()
        // Outside everything that answers, paths that do not exist included: without a key nobody learns which do.
        .layer(from_fn_with_state(Arc::clone(&front), auth::authenticate))
        // Before work is done for an answer that the caller cannot read.
        .layer(from_fn(negotiate::layer))
        // Inside the log, so that what is answered again is seen; behind authentication, because keys are a consumer's own.
        .layer(from_fn_with_state(Arc::clone(&front), idempotency::layer));
    let stack = ServiceBuilder::new()
        // Everything below can be found again.
        .layer(from_fn(request_id::layer))
        // Must see every answer, also those that the layers below make.
        .layer(from_fn_with_state(observer, access_log::layer))
        // On every answer, also those that the layers below make.
        .map_response(headers::security)
        // Outside the layers that refuse, so that browsers may read refusals; before authentication, because preflights
        // carry no key.
        .option_layer(front.origins.as_ref().map(headers::Origins::layer))
        // Outside everything that goes wrong: there is one place where errors get their form.
        .layer(from_fn_with_state(base_path, problem::render))
        // A mistake in one request becomes its own problem document, counted and logged.
        .layer(CatchPanicLayer::custom(guard::on_panic))
        // Inside the log, so that what ran out of time is seen.
        .layer(from_fn_with_state(settings.request_timeout, guard::deadline))
        // Before anybody reads what is too large or takes too long to come.
        .layer(from_fn_with_state((settings.max_body, settings.request_timeout), guard::size));

    let stacked = protected
        .fallback(async || problem::no_such_path())
        .method_not_allowed_fallback(async || problem::no_such_method())
        .layer(keyed)
        .merge(open.method_not_allowed_fallback(async || problem::no_such_method()))
        .layer(stack)
        .with_state(Arc::clone(&front));
    // What memory answers whole does not go through the stack; it is seen, limited and marked all the same.
    (Router::new().fallback_service(shortcut::Shortcut::new(front, stacked)), recovery)
}
