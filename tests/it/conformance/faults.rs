//! What goes wrong on the way is told as what it is, whichever CRM it was.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crm_gateway::sandbox::fault::{Fault, Faults};
use tokio::net::TcpListener;

use super::{Case, enrolled, small};
use crate::support::{Setup, TestApp};

fn faults<'a>(app: &'a TestApp, case: &Case) -> &'a Faults {
    if case.crm == "alfacrm" { app.alfa.faults() } else { app.crypto.faults() }
}

fn status(code: u16, retry_after: Option<&str>) -> Fault {
    Fault::Status {
        code,
        body: "<html>busy</html>".to_owned(),
        content_type: "text/html",
        retry_after: retry_after.map(str::to_owned),
    }
}

fn setup() -> Setup {
    // The usual quota and timeouts: waiting is part of what is checked.
    Setup::new().students(10).projects(10)
}

#[tokio::test(start_paused = true)]
async fn every_lasting_fault_has_one_meaning() {
    let table: [(Fault, u16, &str); 15] = [
        (status(429, Some("7")), 503, "upstream_unavailable"),
        (status(429, None), 503, "upstream_unavailable"),
        (status(500, None), 502, "upstream_error"),
        (status(503, None), 502, "upstream_error"),
        (status(418, None), 502, "upstream_error"),
        (Fault::LoginPage, 502, "upstream_invalid"),
        (Fault::Truncated, 502, "upstream_invalid"),
        (Fault::WarningText, 502, "upstream_invalid"),
        (Fault::DropBefore, 502, "upstream_error"),
        (Fault::DropAfter, 502, "upstream_error"),
        (Fault::DropMidBody, 502, "upstream_error"),
        (Fault::StatusAfter { code: 500 }, 502, "upstream_error"),
        (Fault::Redirect("http://elsewhere.example/".to_owned()), 502, "upstream_error"),
        (Fault::Hang, 504, "upstream_timeout"),
        (Fault::ByteOrderMark, 200, ""),
    ];
    for case in enrolled() {
        for (fault, expected, code) in &table {
            let app = setup().start();
            faults(&app, &case).next(Some(case.operation), usize::MAX, fault.clone());
            let answer = app.owner().get(case.path).await;
            let told = (answer.status, answer.code());
            assert_eq!(told, (*expected, *code), "{} {fault:?}: {}", case.path, answer.text);
            if *expected != 200 {
                assert_eq!(answer.json["source"], case.crm, "{}", answer.text);
                assert!(!answer.text.contains("<html"), "{}", answer.text);
                assert_eq!(answer.header("content-type"), "application/problem+json");
            }
            if *expected == 503 {
                let after: u64 = answer.header("retry-after").parse().unwrap();
                assert!((1..=300).contains(&after), "{after}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_passes_is_not_told() {
    let passing = [
        status(429, Some("2")),
        status(429, None),
        status(500, None),
        status(502, None),
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::DropMidBody,
        Fault::StatusAfter { code: 500 },
    ];
    for case in enrolled() {
        for fault in &passing {
            let app = setup().start();
            faults(&app, &case).next(Some(case.operation), 1, fault.clone());
            let answer = app.owner().get(case.path).await;
            assert_eq!(answer.status, 200, "{} {fault:?}: {}", case.path, answer.text);
            assert_eq!(answer.json["incomplete"], serde_json::json!([]), "{}", case.path);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_cut_off_and_told() {
    for case in enrolled() {
        let app = setup().start();
        faults(&app, &case).next(Some(case.operation), usize::MAX, Fault::Endless);
        let answer = app.owner().get(case.path).await;
        // One CRM sends slowly, so that time is up first; the other as fast as it is read.
        let expected = if case.crm == "alfacrm" { "upstream_timeout" } else { "upstream_invalid" };
        assert_eq!(answer.code(), expected, "{}: {}", case.path, answer.text);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_on_a_real_connection() {
    let app = setup().set("cryptocrm.max_response", "\"64KiB\"").start_on_sockets().await;
    app.crypto.faults().next(Some("projects"), usize::MAX, Fault::Endless);
    let answer = app.owner().get("/projects").await;
    assert_eq!((answer.status, answer.code()), (502, "upstream_invalid"), "{}", answer.text);
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_as_it_is_on_a_real_connection() {
    for fault in [Fault::DropBefore, Fault::DropMidBody, Fault::DropAfter] {
        let app = setup().start_on_sockets().await;
        app.crypto.faults().next(Some("projects"), usize::MAX, fault.clone());
        let answer = app.owner().no_cache().get("/projects").await;
        assert_eq!((answer.status, answer.code()), (502, "upstream_error"), "{fault:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_secret_leaves() {
    let trap = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = trap.local_addr().unwrap();
    let caught = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&caught);
    let task = tokio::spawn(async move {
        loop {
            let _ = trap.accept().await;
            seen.fetch_add(1, Ordering::Relaxed);
        }
    });
    let app = setup().start_on_sockets().await;
    let to = Fault::Redirect(format!("http://{address}/v2api/customer/index"));
    app.alfa.faults().next(Some("customer/index"), usize::MAX, to.clone());
    app.crypto.faults().next(None, usize::MAX, to);
    for path in ["/students", "/projects", "/projects/crypto-1"] {
        let answer = app.owner().get(path).await;
        assert_eq!((answer.status, answer.code()), (502, "upstream_error"), "{path}: {}", answer.text);
        assert!(!answer.text.contains(&address.to_string()), "{}", answer.text);
    }
    task.abort();
    assert_eq!(caught.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_known_is_told_while_the_crm_cannot_answer() {
    for case in enrolled() {
        let app = small().set("cache.policy.history.if_error", "\"24h\"").start();
        let known = app.owner().get(case.path).await;
        faults(&app, &case).next(Some(case.operation), usize::MAX, status(500, None));
        let again = app.owner().no_cache().get(case.path).await;
        assert_eq!(again.status, 502, "{}: {}", case.path, again.text);
        tokio::time::advance(std::time::Duration::from_secs(23 * 3600)).await;
        let later = app.owner().get(case.path).await;
        assert_eq!(later.json["items"], known.json["items"], "{}: {}", case.path, later.text);
        assert!(later.header("cache-status").contains("detail=stale"), "{}", later.header("cache-status"));
    }
}

#[tokio::test(start_paused = true)]
async fn one_crm_that_fails_costs_its_own_records_and_is_named() {
    let app = small().start();
    app.crypto.faults().next(None, usize::MAX, status(500, None));
    let answer = app.owner().get("/payments?limit=5").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.items().len(), 5);
    assert_eq!(answer.json["incomplete"][0]["source"], "cryptocrm", "{}", answer.text);
}
