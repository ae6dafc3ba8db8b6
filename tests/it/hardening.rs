//! What comes from outside is bounded before it costs anything: depth, size, time, and who may reach what. What slow callers
//! meet is told beside `http/listen.rs`, what floods cost is measured by `make bench-floods`.

use std::time::Duration;

use crm_gateway::sandbox::fault::Fault;
use http::Method;

use crate::support::Setup;

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[tokio::test(start_paused = true)]
async fn a_body_as_deep_as_it_may_be_large_is_refused_and_asks_nobody() {
    let app = Setup::new().students(20).projects(5).in_no_hurry().start();
    for depth in [200, 400_000] {
        for (method, path) in [
            (Method::POST, "/payments"),
            (Method::PATCH, "/students/alfa-101"),
            (Method::POST, "/projects/search"),
            (Method::POST, "/quota/explain"),
            (Method::POST, "/payments/batch"),
        ] {
            let body = format!("{{\"note\": {}}}", nested(depth));
            let asker = app.owner().with("idempotency-key", "deep");
            let answer = asker.send_text(method.clone(), path, body).await;
            assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{path}: {}", answer.text);
        }
    }
    assert_eq!(app.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_crm_that_is_as_deep_cannot_be_read() {
    let app = Setup::new().students(20).projects(5).in_no_hurry().start();
    let deep = |inside: String| Fault::Status {
        code: 200,
        body: inside,
        content_type: "application/json",
        retry_after: None,
    };
    for depth in [200, 1_000_000] {
        let items = format!("{{\"total\": 1, \"items\": [{{\"id\": 1, \"name\": {}}}]}}", nested(depth));
        app.alfa.faults().next(Some("customer/index"), 1, deep(items));
        let answer = app.owner().get("/students?limit=1").await;
        assert_eq!((answer.status, answer.code()), (502, "upstream_invalid"), "{}", answer.text);
        app.crypto.faults().next(Some("projects"), 9, deep(nested(depth)));
        let answer = app.owner().no_cache().get("/projects?limit=1").await;
        assert_eq!((answer.status, answer.code()), (502, "upstream_invalid"), "{}", answer.text);
    }
    // What is no deeper than anything sensible is a record like any other.
    let items = format!(
        "{{\"total\": 1, \"page\": 0, \"items\": [{{\"id\": 101, \"name\": \"x\", \"custom_deep\": {}}}]}}",
        nested(60)
    );
    app.alfa.faults().next(Some("customer/index"), 1, deep(items));
    let answer = app.owner().get("/students?limit=1&include=raw").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn what_operators_see_is_not_on_the_public_port() {
    let app = Setup::new().students(5).projects(5).start_on_sockets().await;
    let paths = [
        "/livez",
        "/readyz",
        "/metrics",
        "/admin",
        "/admin/state",
        "/admin/audit",
        "/admin/page.js",
        "/admin/",
    ];
    for path in paths {
        let seen = app.operator().get(path).await;
        assert!(path == "/admin/" || seen.status == 200, "{path}: {}", seen.status);
        assert_eq!(app.nobody().get(path).await.status, 401, "{path}");
        let answer = app.owner().get(path).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{path}: {}", answer.text);
    }
    let purge = app.owner().send(Method::POST, "/admin/purge?tag=*", None).await;
    assert_eq!(purge.status, 404, "{}", purge.text);
    // And the other way round: operators see no records.
    assert_eq!(app.operator().get("/students").await.status, 404);
    let with_key = app.operator().with("authorization", "Bearer key-of-owner");
    assert_eq!(with_key.get("/students").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_answered_408_and_frees_its_key() {
    let app = Setup::new().students(20).projects(5).in_no_hurry().start();
    let began = tokio::time::Instant::now();
    let pay = app.owner().with("idempotency-key", "slow");
    let answer = pay.send_never(Method::POST, "/payments").await;
    assert_eq!((answer.status, answer.code()), (408, "request_timeout"), "{}", answer.text);
    assert_eq!(began.elapsed(), Duration::from_secs(20));
    let again = pay.send_text(Method::POST, "/payments", "{}".to_owned()).await;
    assert_eq!(again.status, 422, "{}", again.text);
    assert_eq!(app.calls(), 0);
}
