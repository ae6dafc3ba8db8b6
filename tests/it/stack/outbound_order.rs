//! What goes out: the CRM's ledger is the judge.

use std::time::Duration;

use crm_gateway::sandbox::fault::Fault;
use crm_gateway::sandbox::ledger::Entry;
use futures_util::future::join_all;
use tokio::time::advance;

use crate::support::{Answer, Setup, TestApp};

/// One call a second, so that places in the waiting room can be told apart.
fn slow() -> Setup {
    Setup::new()
        .students(40)
        .projects(10)
        .set("alfacrm.quota.rate", "1.0")
        .set("alfacrm.quota.max_wait", "\"2m\"")
        .set("server.request_timeout", "\"5m\"")
}

/// Signed in, with nothing else in memory.
async fn signed_in(setup: Setup) -> TestApp {
    let app = setup.start();
    assert_eq!(app.owner().get("/students?limit=1").await.status, 200);
    app.alfa.ledger().clear();
    app
}

fn some_ids(app: &TestApp, count: usize) -> Vec<u64> {
    app.alfa.rows("customer").iter().take(count).map(|row| row["id"].as_u64().unwrap()).collect()
}

fn broken() -> Fault {
    Fault::Status { code: 500, body: String::new(), content_type: "text/html", retry_after: None }
}

async fn read(app: &TestApp, id: u64) -> Answer {
    app.owner().get(&format!("/students?stage=ALL&archived=all&id=alfa-{id}")).await
}

/// What was called, in order: the student's id, or the operation where it was something else.
fn order(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| match entry.body.get("id") {
            Some(id) if entry.operation == "customer/index" => id[0].to_string(),
            _ => entry.operation.clone(),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_retry_spends_a_turn_of_its_own() {
    let app = signed_in(slow()).await;
    let id = some_ids(&app, 1)[0];
    app.alfa.faults().next(Some("customer/index"), 2, broken());
    assert_eq!(read(&app, id).await.status, 200);
    let entries = app.alfa.ledger().entries();
    assert_eq!(entries.iter().map(|entry| entry.status).collect::<Vec<_>>(), [500, 500, 200]);
    for pair in entries.windows(2) {
        assert!(pair[1].at - pair[0].at >= Duration::from_secs(1), "each attempt waits for its turn");
    }
    let metrics = app.operator().get("/metrics").await.text;
    let spent = "crm_gateway_quota_spent_total{upstream=\"alfacrm\",consumer=\"owner\",reason=\"retry\"} 2";
    assert!(metrics.contains(spent), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn after_three_attempts_the_failure_is_told() {
    let app = signed_in(slow()).await;
    let id = some_ids(&app, 1)[0];
    app.alfa.faults().next(Some("customer/index"), usize::MAX, broken());
    let answer = read(&app, id).await;
    assert_eq!((answer.status, answer.code()), (502, "upstream_error"));
    assert_eq!(app.alfa.ledger().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn time_in_the_queue_is_not_held_against_the_crm() {
    // A call may take one second, and each takes 900 ms; the tenth waits ten times as long.
    let app = signed_in(slow().set("alfacrm.request_timeout", "\"1s\"")).await;
    app.alfa.faults().next(None, usize::MAX, Fault::Latency(Duration::from_millis(900)));
    let answers = join_all(some_ids(&app, 10).into_iter().map(|id| read(&app, id))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(app.alfa.ledger().len(), 10, "nothing was sent twice");
    let queued = |answer: &Answer| -> f64 {
        let timing = answer.header("server-timing");
        timing.strip_prefix("queue;dur=").and_then(|rest| rest.split(',').next()).unwrap().parse().unwrap()
    };
    assert!(queued(answers.last().unwrap()) > 9000.0, "{}", answers.last().unwrap().header("server-timing"));
    assert!(answers.iter().all(|answer| answer.header("server-timing").contains("upstream;dur=900.0")));
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_while_waiting_costs_nothing() {
    let app = signed_in(slow()).await;
    let ids = some_ids(&app, 6);
    let asking: Vec<_> = ids
        .iter()
        .map(|id| {
            let (owner, path) = (app.owner(), format!("/students?stage=ALL&archived=all&id=alfa-{id}"));
            tokio::spawn(async move { owner.get(&path).await })
        })
        .collect();
    // All have asked, none had a turn yet.
    advance(Duration::from_millis(1)).await;
    assert!(app.alfa.ledger().is_empty());
    for leaving in &asking[..5] {
        leaving.abort();
    }
    let start = tokio::time::Instant::now();
    let answer = asking.into_iter().next_back().unwrap().await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(
        start.elapsed() < Duration::from_millis(1100),
        "those who left hold nobody up: {:?}",
        start.elapsed()
    );
    assert_eq!(order(&app.alfa.ledger().entries()), [ids[5].to_string()]);
}

#[tokio::test(start_paused = true)]
async fn retries_come_behind_first_attempts() {
    let app = signed_in(slow()).await;
    let ids = some_ids(&app, 5);
    app.alfa.faults().next(Some("customer/index"), 1, broken());
    let answers = join_all(ids.iter().map(|id| read(&app, *id))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let mut expected: Vec<String> = ids.iter().map(u64::to_string).collect();
    expected.push(ids[0].to_string());
    assert_eq!(order(&app.alfa.ledger().entries()), expected, "the first one failed and is tried again last");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_is_not_tried_again() {
    let app = signed_in(slow()).await;
    let id = some_ids(&app, 1)[0];
    assert_eq!(read(&app, id).await.status, 200);
    app.alfa.ledger().clear();
    tokio::time::sleep(Duration::from_secs(120)).await;
    app.alfa.faults().next(Some("customer/index"), usize::MAX, broken());
    assert!(read(&app, id).await.header("cache-status").contains("stale"));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(app.alfa.ledger().count_status(500), 1);
}

#[tokio::test(start_paused = true)]
async fn signing_in_goes_first() {
    let app = signed_in(slow()).await;
    let ids = some_ids(&app, 4);
    app.alfa.expire_tokens();
    let answers = join_all(ids.iter().map(|id| read(&app, *id))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let order = order(&app.alfa.ledger().entries());
    // The first call is refused; nobody else is sent before the new token is there.
    assert_eq!(order[..2], [ids[0].to_string(), "auth/login".to_owned()]);
    assert_eq!(order.len(), 6, "{order:?}");
    assert_eq!(app.alfa.ledger().count_status(401), 1, "one call found out for all");
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_share_one_sign_in() {
    let app = Setup::new().students(40).projects(10).in_no_hurry().start();
    let answers = join_all(some_ids(&app, 20).into_iter().map(|id| read(&app, id))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(app.alfa.ledger().count_operation("auth/login"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_served_in_time_is_refused_at_once_and_told_when() {
    let app = signed_in(slow()).await;
    let ids = some_ids(&app, 11);
    let asking: Vec<_> = ids[..10]
        .iter()
        .map(|id| {
            let (owner, path) = (app.owner(), format!("/students?stage=ALL&archived=all&id=alfa-{id}"));
            tokio::spawn(async move { owner.get(&path).await })
        })
        .collect();
    advance(Duration::from_millis(1)).await;
    let start = tokio::time::Instant::now();
    let hasty = app
        .owner()
        .with("prefer", "wait=3")
        .get(&format!("/students?stage=ALL&archived=all&id=alfa-{}", ids[10]))
        .await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!((hasty.status, hasty.code()), (503, "overloaded"));
    let after: u64 = hasty.header("retry-after").parse().unwrap();
    assert!((9..=12).contains(&after), "{after}");
    for asking in asking {
        assert_eq!(asking.await.unwrap().status, 200, "those who wait already are not concerned");
    }
    assert_eq!(app.alfa.ledger().len(), 10, "who was refused costs nothing");
}
