//! What comes in: seen, counted and logged whatever becomes of it; refused before it costs anything.

use std::time::Duration;

use bytes::Bytes;
use crm_gateway::sandbox::fault::Fault;
use crm_gateway::upstream::Error;
use crm_gateway::upstream::wire::Transport;
use http::{Method, Response};
use tower::util::BoxCloneSyncService;

use super::Log;
use crate::support::{Answer, Setup, TestApp, transport};

fn app() -> TestApp {
    Setup::new().students(20).projects(10).start()
}

async fn counted(app: &TestApp, labels: &str) -> bool {
    let metrics = app.operator().get("/metrics").await.text;
    metrics.lines().any(|line| line.starts_with("crm_gateway_http_requests_total{") && line.contains(labels))
}

/// What every problem has, wherever in the stack it was made.
fn is_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(!answer.header("x-request-id").is_empty());
    assert_eq!(answer.json["request_id"], answer.header("x-request-id"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.json["type"], format!("/docs/errors/{code}"));
}

fn short_fuse() -> Result<Response<Bytes>, Error> {
    panic!("the fuse is short")
}

/// A handler that panics is tested beside the stack; here the panic comes from below, on the task that asks the CRM.
#[tokio::test(start_paused = true)]
async fn a_panic_becomes_a_problem_with_its_request_id_and_the_gateway_lives_on() {
    let (log, _listening) = Log::listen();
    let setup = Setup::new().students(20).projects(10);
    let (alfa, crypto) = setup.crms();
    let panics: Transport = BoxCloneSyncService::new(tower::service_fn(async |_| short_fuse()));
    let to_crypto = transport::to_router(crypto.router(), &crypto.access().base_path);
    let app = setup.start_over(alfa, crypto, panics, to_crypto);
    let answer = app.owner().with("x-request-id", "my-request-1").get("/students").await;
    is_problem(&answer, 502, "upstream_error");
    assert_eq!(answer.json["request_id"], "my-request-1");
    assert!(!answer.text.contains("fuse"));
    assert!(counted(&app, "route=\"/students\",method=\"GET\",status=\"502\"").await);
    log.line(&["failed", "my-request-1", "502"]);
    assert_eq!(app.owner().get("/projects").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_ran_out_of_time_is_logged_and_counted() {
    let (log, _listening) = Log::listen();
    let app = Setup::new().students(20).set("server.request_timeout", "\"2s\"").start();
    app.alfa.faults().next(None, usize::MAX, Fault::Hang);
    let start = tokio::time::Instant::now();
    let answer = app.owner().with("x-request-id", "slow-1").get("/students/alfa-1").await;
    assert!((2.0..2.6).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
    is_problem(&answer, 504, "upstream_timeout");
    assert!(counted(&app, "route=\"/students/{id}\",method=\"GET\",status=\"504\"").await);
    let line = log.line(&["slow-1"]);
    assert!(line.contains("504") && line.contains("owner"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn who_has_no_key_is_logged_and_counted() {
    let (log, _listening) = Log::listen();
    let app = app();
    let answer = app.nobody().with("x-request-id", "unknown-1").get("/students").await;
    is_problem(&answer, 401, "unauthenticated");
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    assert!(counted(&app, "route=\"/students\",method=\"GET\",status=\"401\"").await);
    let line = log.line(&["unknown-1"]);
    assert!(line.contains("401") && line.contains("unauthenticated"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn without_a_key_nobody_learns_what_there_is() {
    let app = app();
    for path in ["/students", "/students/alfa-1", "/nothing/here", "/students?limit=0"] {
        is_problem(&app.nobody().get(path).await, 401, "unauthenticated");
        is_problem(&app.nobody().with("accept", "text/html").get(path).await, 401, "unauthenticated");
        is_problem(&app.stranger().send(Method::DELETE, path, None).await, 401, "unauthenticated");
    }
    is_problem(&app.owner().get("/nothing/here").await, 404, "not_found");
    is_problem(&app.owner().send(Method::DELETE, "/students", None).await, 405, "method_not_allowed");
    is_problem(&app.owner().with("accept", "text/html").get("/students").await, 406, "not_acceptable");
    // Too large is refused before anybody looks for a key.
    is_problem(&app.nobody().get(&format!("/students?q={}", "x".repeat(40_000))).await, 414, "uri_too_long");
    assert_eq!(app.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_asks_too_often_is_refused_before_any_work_and_told_when() {
    let app = Setup::new().students(20).set("consumers.reader.rate_limit", "2").start();
    for left in ["1", "0"] {
        let answer = app.reader().get("/students?limit=0").await;
        assert_eq!(answer.status, 400, "a bad request counts too");
        assert_eq!(answer.header("ratelimit-policy"), "\"consumer\";q=2;w=1");
        assert!(answer.header("ratelimit").contains(&format!("r={left}")), "{}", answer.header("ratelimit"));
    }
    let refused = app.reader().get("/students").await;
    is_problem(&refused, 429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(app.calls(), 0);
    assert_eq!(app.owner().get("/students").await.status, 200, "others are not concerned");
    assert!(counted(&app, "route=\"/students\",method=\"GET\",status=\"429\"").await);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_early_is_counted_as_such() {
    let app = app();
    app.alfa.faults().next(None, usize::MAX, Fault::Hang);
    let left = tokio::time::timeout(Duration::from_secs(1), app.owner().get("/students")).await;
    assert!(left.is_err());
    assert!(counted(&app, "route=\"/students\",method=\"GET\",status=\"499\"").await);
}

#[tokio::test(start_paused = true)]
async fn browsers_may_read_refusals_and_preflights_need_no_key() {
    let app = Setup::new().students(20).set("server.cors_origins", "[\"https://app.example\"]").start();
    let preflight = app
        .nobody()
        .with("origin", "https://app.example")
        .with("access-control-request-method", "GET")
        .with("access-control-request-headers", "authorization")
        .send(Method::OPTIONS, "/students", None)
        .await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-origin"), "https://app.example");
    let refused = app.nobody().with("origin", "https://app.example").get("/students").await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, "https://app.example"));
    assert!(refused.header("access-control-expose-headers").contains("x-request-id"));
    let foreign = app.nobody().with("origin", "https://elsewhere.example").get("/students").await;
    assert_eq!(foreign.header("access-control-allow-origin"), "");
}

#[tokio::test(start_paused = true)]
async fn metrics_and_logs_name_routes_never_ids_or_values() {
    let (log, _listening) = Log::listen();
    let app = app();
    app.owner().get("/students/alfa-424242?fields=name").await;
    app.owner().get("/students?q=canaryvalue").await;
    app.owner().get("/canarypath/alfa-424242").await;
    let metrics = app.operator().get("/metrics").await.text;
    for text in [metrics, log.lines().join("\n")] {
        for canary in ["424242", "canaryvalue", "canarypath"] {
            assert!(!text.contains(canary), "{canary} is in\n{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_does_not_depend_on_a_crm() {
    let app = app();
    app.alfa.faults().next(None, usize::MAX, Fault::Hang);
    app.crypto.faults().next(None, usize::MAX, Fault::Hang);
    for path in ["/livez", "/readyz"] {
        assert_eq!(app.operator().get(path).await.status, 200, "{path}");
    }
    // What is for operators is not for consumers.
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(app.owner().get(path).await.status, 404, "{path}");
    }
}
