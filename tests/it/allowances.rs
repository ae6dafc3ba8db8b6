//! Keys that end, and consumers that may cause so many calls of the CRMs in a day.

use std::sync::Arc;
use std::time::Duration;

use crm_gateway::consumers::hash;
use crm_gateway::hub::Clock;
use crm_gateway::sandbox::fault::Fault;
use crm_gateway::store::Store;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::{Instant, advance};

use crate::support::app::key;
use crate::support::{Setup, TestApp};

/// Ten in the morning in UTC, going with the test's own clock.
fn morning() -> Clock {
    let at: Timestamp = "2026-02-20T10:00:00Z".parse().unwrap();
    let began = Instant::now();
    Arc::new(move || at + SignedDuration::try_from(began.elapsed()).unwrap())
}

const FOURTEEN_HOURS: u64 = 14 * 60 * 60;

fn setup(budget: u64) -> Setup {
    Setup::new()
        .students(60)
        .projects(10)
        .in_no_hurry()
        .set("alfacrm.page_size", "10")
        .set("consumers.export.daily_budget", &budget.to_string())
        .kept_in(Store::in_memory(), morning())
}

/// Reads one student after the other; each costs a call. How many were answered.
async fn read_all(app: &TestApp, of: std::ops::Range<u64>) -> usize {
    let mut answered = 0;
    for number in of {
        let answer = app.export().get(&format!("/students/alfa-{number}?fields=id")).await;
        match answer.status {
            200 | 404 => answered += 1,
            429 => {}
            other => panic!("{other}: {}", answer.text),
        }
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn a_key_that_has_expired_is_refused_and_told_so_and_is_no_guess() {
    let keys = |ends: &str| {
        format!("[{{ hash = \"{}\", expires = {ends} }}, \"{}\"]", hash(&key("export")), hash(&key("spare")))
    };
    let setup = setup(1000).set("consumers.export.key_hashes", &keys("2026-02-20T12:00:00Z"));
    let app = setup.clone().start();
    assert_eq!(app.export().get("/quota").await.status, 200);
    advance(Duration::from_secs(2 * 3600)).await;
    // However often it comes, it is told: it is not taken for a flood of guesses.
    for _ in 0..150 {
        let answer = app.export().get("/students").await;
        assert_eq!((answer.status, answer.code()), (401, "unauthenticated"), "{}", answer.text);
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains("expired at 2026-02-20T12:00:00Z"), "{detail}");
    }
    assert_eq!(app.actor("spare").get("/quota").await.status, 200, "its other key has no end");
    assert_eq!(app.stranger().get("/quota").await.json["detail"], "The key is not known.");
    app.reload(&setup.set("consumers.export.key_hashes", &keys("2026-02-21"))).await;
    assert_eq!(app.export().get("/quota").await.status, 200, "it was given more time");
}

#[tokio::test(start_paused = true)]
async fn who_has_spent_its_day_is_answered_from_memory_and_told_when_it_begins_anew() {
    let app = setup(5).start();
    assert_eq!(read_all(&app, 101..111).await, 5);
    assert_eq!(app.calls(), 5, "not one call more than its budget");
    let known = app.export().get("/students/alfa-101?fields=id").await;
    assert_eq!(known.status, 200, "memory costs nothing: {}", known.text);
    let refused = app.export().get("/students?limit=3").await;
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"), "{}", refused.text);
    assert_eq!((&refused.json["source"], &refused.json["retryable"]), (&json!("gateway"), &json!(true)));
    let after: u64 = refused.header("retry-after").parse().unwrap();
    assert_eq!(after, FOURTEEN_HOURS, "until midnight in UTC");
    let detail = refused.json["detail"].as_str().unwrap();
    assert!(detail.contains("5 calls") && detail.contains("00:00 UTC"), "{detail}");
    // Stale answers go on as well, and nothing is fetched behind them.
    advance(Duration::from_secs(90)).await;
    let stale = app.export().get("/students/alfa-101?fields=id").await;
    assert_eq!(stale.status, 200);
    assert!(stale.header("cache-status").contains("stale"), "{}", stale.header("cache-status"));
    assert_eq!(app.calls(), 5);
    // Others are not concerned, and what they fetched is there for all.
    assert_eq!(app.owner().get("/students?limit=3").await.status, 200);
    assert_eq!(app.export().get("/students?limit=3").await.status, 200);
    advance(Duration::from_secs(FOURTEEN_HOURS)).await;
    assert_eq!(app.export().no_cache().get("/students/alfa-107").await.status, 200, "a new day");
}

#[tokio::test(start_paused = true)]
async fn what_is_waited_for_with_others_costs_whoever_may_still_pay() {
    let app = setup(0).start();
    assert_eq!(app.export().get("/teachers").await.status, 429);
    let slow = || Fault::Latency(Duration::from_secs(2));
    app.alfa.faults().next(Some("teacher/index"), 100, slow());
    let (owner, export) = (app.owner(), app.export());
    // Whoever comes first.
    let (paid, rode) = tokio::join!(owner.get("/teachers"), export.get("/teachers"));
    assert_eq!((paid.status, rode.status), (200, 200), "{}", rode.text);
    let (owner, export) = (owner.no_cache(), export.no_cache());
    let (rode, paid) = tokio::join!(export.get("/teachers"), owner.get("/teachers"));
    assert_eq!((paid.status, rode.status), (200, 200), "{}", rode.text);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_which_the_budget_pays_a_part_names_the_rest() {
    let app = setup(3).set("cache.policy.payments.if_error", "\"0s\"").start();
    let answer = app.export().get("/payments?limit=200").await;
    assert!(app.calls() <= 3, "{}", app.calls());
    match answer.status {
        200 => {
            let missing = answer.json["incomplete"].as_array().unwrap();
            assert!(!missing.is_empty(), "{}", answer.text);
            assert!(missing.iter().all(|part| part.to_string().contains("rate_limited")), "{missing:?}");
        }
        status => assert_eq!((status, answer.code()), (429, "rate_limited"), "{}", answer.text),
    }
}

/// A payment of some student, all of which the owner has looked up.
async fn payment(app: &TestApp) -> Value {
    let student = app.owner().get("/students?limit=1").await.items()[0]["id"].clone();
    let id = student.as_str().unwrap();
    let branch = app.owner().get(&format!("/students/{id}")).await.json["branch_ids"][0].clone();
    let account = app.owner().get("/reference/pay-accounts").await.items()[0]["id"].clone();
    json!({
        "student_id": student, "account_id": account, "branch_id": branch,
        "amount": {"amount": "10.00", "currency": "RUB"}, "date": "2026-02-20",
    })
}

#[tokio::test(start_paused = true)]
async fn a_write_that_the_budget_does_not_pay_is_not_sent_and_its_key_is_free() {
    let app = setup(0).start();
    let body = payment(&app).await;
    let pay = app.export().with("idempotency-key", "tuition-1");
    let refused = pay.send(Method::POST, "/payments", Some(&body)).await;
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"), "{}", refused.text);
    assert_eq!(app.alfa.ledger().count_operation("pay/create"), 0);
    app.reload(&setup(100)).await;
    let paid = pay.send(Method::POST, "/payments", Some(&body)).await;
    assert_eq!(paid.status, 201, "{}", paid.text);
    assert!(!paid.headers.contains_key("idempotency-replayed"), "the refusal is not given again");
    assert_eq!(app.alfa.ledger().count_operation("pay/create"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_payment_is_found_out_also_when_the_budget_is_used_up() {
    let app = setup(1).start();
    let body = payment(&app).await;
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
    let pay = app.export().with("idempotency-key", "tuition-1");
    let paid = pay.send(Method::POST, "/payments", Some(&body)).await;
    assert_eq!(paid.status, 201, "{}", paid.text);
    assert_eq!(app.alfa.ledger().count_operation("pay/create"), 1);
    let daily = app.export().get("/quota").await.json["daily_budget"].clone();
    assert!(daily["spent"].as_u64() > Some(1), "looking for it is counted: {daily}");
    assert_eq!(daily["left"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_sees_its_own_day_in_quota_and_explain_knows_it() {
    let app = setup(2).start();
    let daily = || async { app.export().get("/quota").await.json["daily_budget"].clone() };
    assert_eq!(
        daily().await,
        json!({"calls": 2, "spent": 0, "left": 2, "resets_at": "2026-02-21T00:00:00Z"})
    );
    assert_eq!(read_all(&app, 101..103).await, 2);
    assert_eq!(daily().await["left"], 0);
    assert_eq!(
        app.owner().get("/quota").await.json.get("daily_budget"),
        None,
        "who has no bound is not told of one"
    );
    let question = json!({"method": "GET", "path": "/groups"});
    let told = app.export().send(Method::POST, "/quota/explain", Some(&question)).await;
    assert_eq!(told.status, 200, "{}", told.text);
    assert!(told.text.contains("rate_limited"), "{}", told.text);
    let told = app.owner().send(Method::POST, "/quota/explain", Some(&question)).await;
    assert!(!told.text.contains("rate_limited"), "{}", told.text);
}

#[tokio::test(start_paused = true)]
async fn days_and_last_uses_outlive_the_process() {
    let (store, clock) = (Store::in_memory(), morning());
    let setup = setup(5).kept_in(store, clock);
    {
        let app = setup.clone().start();
        assert_eq!(read_all(&app, 101..104).await, 3);
        app.keep_ledger().await;
    }
    advance(Duration::from_secs(60)).await;
    let app = setup.start();
    let state = app.operator().get("/admin/state").await;
    let consumers = state.json["consumers"].as_array().unwrap();
    let export = consumers.iter().find(|consumer| consumer["name"] == "export").unwrap();
    assert_eq!((&export["daily_budget"], &export["spent_today"]), (&json!(5), &json!(3)));
    let used = &export["keys"][0];
    let whole = hash(&key("export")).to_string();
    let mark = used["hash"].as_str().unwrap();
    assert!(mark.len() == 12 && whole.contains(mark), "{used}");
    let last: Timestamp = used["last_used"].as_str().unwrap().parse().unwrap();
    assert!(
        last >= "2026-02-20T10:00:00Z".parse().unwrap() && last < "2026-02-20T10:01:00Z".parse().unwrap()
    );
    let owner = consumers.iter().find(|consumer| consumer["name"] == "owner").unwrap();
    assert_eq!(owner["keys"][0].get("last_used"), None, "nobody came with it");
    assert!(!state.text.contains(&whole) && !state.text.contains("key-of-"), "{}", state.text);
    let answered = read_all(&app, 140..150).await;
    assert_eq!(answered, 2, "the day goes on where it was");
}
