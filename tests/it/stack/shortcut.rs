//! What memory answers whole goes past the stack, and nobody can tell: each answer is held against that of the stack, which
//! `Cache-Control: max-age` asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use serde_json::json;
use tokio::time::advance;

use super::Log;
use crate::support::{Answer, Asker, Setup, TestApp};

const ORIGIN: &str = "https://app.example";

fn app() -> TestApp {
    Setup::new()
        .students(60)
        .projects(10)
        .in_no_hurry()
        .set("server.cors_origins", &format!("[\"{ORIGIN}\"]"))
        .set("cache.policy.students.fresh", "\"60s\"")
        .start()
}

fn headers(answer: &Answer) -> Vec<(String, String)> {
    // What is left of a limit is less each time; the length is written by the server library where it is not there.
    let varies = ["ratelimit", "content-length"];
    let told = answer.headers.iter().filter(|(name, _)| !varies.contains(&name.as_str()));
    let mut told: Vec<_> =
        told.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    told.sort();
    told
}

/// The answer past the stack, after checking that it is the one of the stack.
async fn alike(actor: &dyn Fn() -> Asker, path: &str) -> Answer {
    let ask = async |more: &[(&str, &str)]| {
        let mut actor = actor().with("x-request-id", "same");
        for (name, value) in more {
            actor = actor.with(name, value);
        }
        actor.get(path).await
    };
    ask(&[]).await;
    let stacked = ask(&[("cache-control", "max-age=3600")]).await;
    let short = ask(&[]).await;
    assert_eq!(short.status, stacked.status, "{path}");
    assert_eq!(headers(&short), headers(&stacked), "{path}");
    assert_eq!(short.text, stacked.text, "{path}");
    short
}

#[tokio::test(start_paused = true)]
async fn an_answer_past_the_stack_is_the_answer_of_the_stack() {
    let app = app();
    let first = app.owner().get("/students?limit=2").await.items()[0]["id"].as_str().unwrap().to_owned();
    for path in [
        "/students?limit=2",
        "/students?limit=50&fields=name",
        &format!("/students/{first}"),
        &format!("/students/{first}/subscriptions"),
        "/projects?limit=3",
        "/payments?limit=3",
        "/reference/branches",
    ] {
        let answer = alike(&|| app.owner(), path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("cache-status").starts_with("crm-gateway; hit; ttl="), "{path}");
        advance(std::time::Duration::from_secs(3)).await;
        let tag = answer.header("etag").to_owned();
        let unchanged = alike(&|| app.owner().with("if-none-match", &tag).with("origin", ORIGIN), path).await;
        assert_eq!((unchanged.status, unchanged.header("access-control-allow-origin")), (304, ORIGIN));
        alike(&|| app.masked(), path).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_was_answered_is_not_given_to_who_may_see_less() {
    let app = app();
    for path in ["/projects?limit=3", "/students?limit=50"] {
        for _ in 0..3 {
            assert_eq!(app.owner().get(path).await.status, 200);
        }
    }
    assert_eq!(app.reader().get("/projects?limit=3").await.status, 403);
    assert_eq!(app.stranger().get("/projects?limit=3").await.status, 401);
    assert_eq!(app.owner().with("accept", "text/html").get("/projects?limit=3").await.status, 406);
    for _ in 0..3 {
        let one = app.branch_one().get("/students?limit=50").await;
        assert!(one.items().iter().all(|it| it["branch_ids"].to_string().contains("\"alfa-1\"")));
        let masked = app.masked().get("/students?limit=50").await;
        assert!(masked.items().iter().all(|it| it.get("balance").is_none()), "{}", masked.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_ends_what_was_answered_before() {
    let app = app();
    let path = "/students?limit=50";
    let id = app.owner().get(path).await.items()[0]["id"].as_str().unwrap().to_owned();
    let one = format!("/students/{id}");
    for name in ["Anna", "Berta"] {
        for read in [path, &one] {
            alike(&|| app.owner(), read).await;
        }
        let patched = app.owner().send(Method::PATCH, &one, Some(&json!({ "name": name }))).await;
        assert_eq!(patched.status, 200, "{}", patched.text);
        for read in [path, &one] {
            assert!(app.export().get(read).await.text.contains(name), "{read}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_fetched_anew_is_what_all_get() {
    let version = Arc::new(AtomicUsize::new(1));
    let shown = Arc::clone(&version);
    let app = Setup::new().students(5).in_no_hurry().start_altered(move |_, answer| {
        for item in answer["items"].as_array_mut().into_iter().flatten() {
            item["name"] = json!(format!("version {}", shown.load(Ordering::Relaxed)));
        }
    });
    let path = "/students?limit=5";
    assert!(alike(&|| app.owner(), path).await.text.contains("version 1"));
    version.store(2, Ordering::Relaxed);
    assert!(app.owner().get(path).await.text.contains("version 1"));
    let anew = app.owner().with("cache-control", "no-cache").get(path).await;
    assert!(anew.text.contains("version 2"));
    assert!(alike(&|| app.export(), path).await.text.contains("version 2"));
}

#[tokio::test(start_paused = true)]
async fn who_is_answered_past_the_stack_is_limited_counted_and_logged() {
    let (log, _listening) = Log::listen();
    let app = Setup::new().students(20).set("consumers.reader.rate_limit", "4").start();
    let path = "/students?limit=2";
    app.owner().get(path).await;
    for left in ["3", "2", "1", "0"] {
        let answer = app.reader().with("x-request-id", &format!("left-{left}")).get(path).await;
        assert!(answer.header("ratelimit").contains(&format!("r={left}")), "{}", answer.header("ratelimit"));
    }
    assert_eq!(app.reader().get(path).await.status, 429);
    let line = log.line(&["left-0", "answered"]);
    for part in ["GET", "/students", "200", "reader", "hit"] {
        assert!(line.contains(part), "{line}");
    }
    let metrics = app.operator().get("/metrics").await.text;
    for (name, labels, count) in [
        ("http_requests_total", r#"route="/students",method="GET",status="200""#, 5),
        ("http_request_duration_seconds_count", r#"route="/students",method="GET""#, 6),
        ("cache_requests_total", r#"resource="students",result="hit""#, 4),
    ] {
        let line = format!("crm_gateway_{name}{{{labels}}} {count}");
        assert!(metrics.contains(&line), "{line}\nis missing in\n{metrics}");
    }
}

#[tokio::test]
async fn who_reads_gzip_gets_it_as_soon_as_it_is_packed_and_may_write_with_its_tag() {
    let app = Setup::new().students(20).in_no_hurry().start_on_sockets().await;
    let path = "/students?limit=20";
    let plain = app.owner().get(path).await;
    assert!(plain.header("vary").contains("accept-encoding"));
    let head = async || app.owner().with("accept-encoding", "gzip").send(Method::HEAD, path, None).await;
    let mut packed = head().await;
    while packed.header("content-encoding").is_empty() {
        tokio::task::yield_now().await;
        packed = head().await;
    }
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_ne!(packed.header("etag"), plain.header("etag"));
    let length = |answer: &Answer| answer.header("content-length").parse::<usize>().unwrap();
    assert!(length(&packed) * 2 < length(&plain));
    for tag in [packed.header("etag"), plain.header("etag")] {
        let again = app.owner().with("accept-encoding", "gzip").with("if-none-match", tag).get(path).await;
        assert_eq!((again.status, again.header("etag")), (304, tag));
    }
    let one = format!("/students/{}", plain.items()[0]["id"].as_str().unwrap());
    let tag = app.owner().get(&one).await.header("etag").trim_end_matches('"').to_owned() + "-gzip\"";
    let change = json!({ "note": "called" });
    let written = app.owner().with("if-match", &tag).send(Method::PATCH, &one, Some(&change)).await;
    assert_eq!(written.status, 200, "{}", written.text);
    assert_eq!(app.owner().with("if-match", &tag).send(Method::PATCH, &one, Some(&change)).await.status, 412);
}
