//! Who may call what: credentials, paths, methods, `User-Agent`, quota, and what the ledger keeps of it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Request};
use serde_json::{Value, json};

use super::super::access::{SECRET_HEADER, TOKEN_HEADER};
use super::super::{Access, Credentials, Crm, Dataset, ErrorShape, Switches};
use super::{crm, filter, get, request, send, switched};
use crate::sandbox::clock::Clock;

const TARGETS: [(&str, &str); 9] = [
    ("/projects", "projects"),
    ("/projects/filter", "projects/filter"),
    ("/projects/info?id=101", "projects/info"),
    ("/projects/steps?id=101", "projects/steps"),
    ("/projects/actions?id=101", "projects/actions"),
    ("/projects/actions/info?id=2001", "projects/actions/info"),
    ("/projects/checklists?id=101", "projects/checklists"),
    ("/projects/goods?id=101", "projects/goods"),
    ("/projects/payments?id=101", "projects/payments"),
];

fn method_of(operation: &str) -> Method {
    if operation == "projects/filter" { Method::POST } else { Method::GET }
}

#[tokio::test]
async fn each_endpoint_wants_both_secrets() {
    for (target, operation) in TARGETS {
        let crm = crm();
        let right = crm.access().credentials.clone();
        let method = method_of(operation);
        let body = json!({});
        let body = (method == Method::POST).then_some(&body);
        let ask = || request(method.clone(), target, &right, body);
        assert_eq!(send(&crm, ask()).await.status, 200, "{operation}");
        for header in [TOKEN_HEADER, SECRET_HEADER] {
            let mut missing = ask();
            missing.headers_mut().remove(header);
            assert_eq!(send(&crm, missing).await.status, 401, "{operation}");
            let mut empty = ask();
            empty.headers_mut().insert(header, HeaderValue::from_static(""));
            assert_eq!(send(&crm, empty).await.status, 401, "{operation}");
            let mut wrong = ask();
            wrong.headers_mut().insert(header, HeaderValue::from_static("0000"));
            assert_eq!(send(&crm, wrong).await.status, 403, "{operation}");
        }
        let statuses: Vec<u16> = crm.ledger().entries().iter().map(|entry| entry.status).collect();
        assert_eq!(statuses, [200, 401, 401, 403, 401, 401, 403]);
        assert_eq!(crm.ledger().count_operation(operation), 7);
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let crm = crm();
    for target in
        ["/", "/project", "/projects/", "/projects/info/?id=101", "/projects/tasks?id=101", "/clients"]
    {
        assert_eq!(get(&crm, target).await.status, 404, "{target}");
    }
    assert_eq!(crm.ledger().count_operation("unknown"), 6);
    let credentials = &crm.access().credentials;
    for (target, operation) in TARGETS {
        let (wrong, right) = match method_of(operation) {
            Method::POST => (Method::GET, "POST"),
            _ => (Method::POST, "GET"),
        };
        let reply = send(&crm, request(wrong, target, credentials, None)).await;
        assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, right), "{operation}");
        let reply = send(&crm, request(Method::DELETE, target, credentials, None)).await;
        assert_eq!(reply.status, 405, "{operation}");
    }
    crm.switches(|switches| switches.strict = false);
    assert_eq!(get(&crm, "/projects/").await.status, 200);
    assert_eq!(get(&crm, "/projects//").await.status, 404);
}

#[tokio::test]
async fn the_base_path_can_be_another() {
    for (base, path) in [("crm/api/", "/crm/api/projects"), ("", "/projects"), ("/", "/projects")] {
        let access = Access { base_path: base.to_owned(), credentials: Credentials::default() };
        let clock = Arc::new(Clock::starting_at(Dataset::fixture_clock()));
        let crm = Crm::with_dataset(Dataset::fixture(), access, Switches::default(), clock);
        let mut asked = request(Method::GET, "", &Credentials::default(), None);
        *asked.uri_mut() = path.parse().unwrap();
        assert_eq!(send(&crm, asked).await.ids(), [101, 102, 103, 104, 106]);
        assert_eq!(get(&crm, "/projects").await.status, 404);
    }
}

#[tokio::test]
async fn a_user_agent_can_be_required() {
    let crm = switched(|switches| switches.require_user_agent = true);
    assert_eq!(get(&crm, "/projects").await.status, 403);
    let mut named = request(Method::GET, "/projects", &crm.access().credentials, None);
    named.headers_mut().insert("user-agent", HeaderValue::from_static("test/1"));
    assert_eq!(send(&crm, named).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_quota_counts_the_calls_of_one_second() {
    let crm = switched(|switches| switches.quota = Some(2));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(get(&crm, "/projects?count=1").await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
    let refused = get(&crm, "/projects").await;
    assert_eq!(refused.header("retry-after"), "1");
    tokio::time::advance(Duration::from_millis(999)).await;
    assert_eq!(get(&crm, "/projects").await.status, 429);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(get(&crm, "/projects").await.status, 200);
    crm.switches(|switches| switches.quota = None);
    for _ in 0..20 {
        assert_eq!(get(&crm, "/projects?count=1").await.status, 200);
    }
    assert_eq!(crm.ledger().count_status(429), 3);
}

#[tokio::test(start_paused = true)]
async fn the_ledger_keeps_what_was_asked() {
    let crm = crm();
    get(&crm, "/projects/steps?id=101&filter_steps=1_2").await;
    tokio::time::advance(Duration::from_secs(3)).await;
    filter(&crm, json!({ "having": "goods" })).await;
    let entries = crm.ledger().entries();
    assert_eq!(entries[0].path, "/backend/public/projects/steps");
    assert_eq!(entries[0].query, "id=101&filter_steps=1_2");
    assert_eq!((entries[0].method.as_str(), &entries[0].body), ("GET", &Value::Null));
    assert_eq!(entries[1].body, json!({ "having": "goods" }));
    assert_eq!(entries[1].at, Duration::from_secs(3));
}

#[tokio::test]
async fn no_secret_gets_into_ledger_debug_output_or_answers() {
    for shape in [ErrorShape::StatusMessage, ErrorShape::Html, ErrorShape::In200] {
        let crm = switched(|switches| switches.error_shape = shape);
        let right = crm.access().credentials.clone();
        let stray = "a-stray-secret-of-somebody";
        for secret in [&right.token, &right.secret, stray] {
            let mut asked = request(Method::GET, &format!("/projects?key={secret}"), &right, None);
            asked.headers_mut().insert(SECRET_HEADER, HeaderValue::from_str(secret).unwrap());
            let reply = send(&crm, asked).await;
            assert!(!reply.text().contains(stray) && !reply.text().contains(&right.secret));
            let body = json!({ "data": { "note": secret } });
            let mut asked = request(Method::POST, "/projects/filter", &right, Some(&body));
            asked.headers_mut().insert(TOKEN_HEADER, HeaderValue::from_str(secret).unwrap());
            send(&crm, asked).await;
        }
        let kept = format!("{:?} {crm:?}", crm.ledger().entries());
        for secret in [&right.token, &right.secret, stray] {
            assert!(!kept.contains(secret));
        }
        assert!(kept.contains("***"));
    }
}

#[tokio::test]
async fn the_invented_pair_has_the_form_of_the_samples() {
    let Credentials { token, secret } = Credentials::default();
    assert_eq!((token.len(), secret.len()), (64, 128));
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    assert!(hex(&token) && hex(&secret));
}

#[tokio::test]
async fn a_body_beyond_reason_is_refused() {
    let crm = crm();
    let right = &crm.access().credentials;
    let asked = Request::post("/backend/public/projects/filter")
        .header(TOKEN_HEADER, &right.token)
        .header(SECRET_HEADER, &right.secret)
        .header("content-type", "application/json")
        .body(Body::from(vec![b' '; 2 * 1024 * 1024]))
        .unwrap();
    assert_eq!(send(&crm, asked).await.status, 413);
}
