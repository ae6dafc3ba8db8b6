//! A write that carries an `Idempotency-Key` is carried out once. The CRM's rows and ledger are the judges.

use std::time::Duration;

use crm_gateway::sandbox::fault::Fault;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Asker, Setup, TestApp};

fn start() -> TestApp {
    Setup::new().students(40).projects(3).in_no_hurry().start()
}

fn payment(app: &TestApp, amount: &str) -> Value {
    let alone = |row: &Value| row["branch_ids"].as_array().is_some_and(|branches| branches.len() == 1);
    let student = app.alfa.rows("customer").into_iter().find(alone).unwrap();
    json!({"student_id": format!("alfa-{}", student["id"]), "amount": amount, "date": "2026-02-20", "account_id": "alfa-1"})
}

async fn pay(asker: &Asker, key: &str, body: &Value) -> Answer {
    asker.clone().with("idempotency-key", key).send(Method::POST, "/payments", Some(body)).await
}

fn creates(app: &TestApp) -> usize {
    app.alfa.ledger().entries().iter().filter(|entry| entry.operation == "pay/create").count()
}

#[tokio::test(start_paused = true)]
async fn the_same_request_is_answered_again_and_made_once() {
    let app = start();
    let (before, body) = (app.alfa.count("pay"), payment(&app, "100.00"));
    let first = pay(&app.owner(), "k1", &body).await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = pay(&app.owner(), "k1", &body).await;
    assert_eq!((again.status, &again.json), (201, &first.json));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("location"), first.header("location"));
    // In which order it says what it says is nothing that it says.
    let mut turned = body.as_object().unwrap().clone().into_iter().collect::<Vec<_>>();
    turned.reverse();
    let turned = serde_json::Value::Object(turned.into_iter().collect());
    assert_ne!(turned.to_string(), body.to_string());
    assert_eq!(pay(&app.owner(), "k1", &turned).await.header("idempotency-replayed"), "true");
    let other = pay(&app.owner(), "k1", &payment(&app, "200.00")).await;
    assert_eq!((other.status, other.code()), (422, "idempotency_mismatch"));
    assert_eq!((app.alfa.count("pay"), creates(&app)), (before + 1, 1));
    // Another consumer's key of the same text is another key.
    assert_eq!(pay(&app.export(), "k1", &body).await.status, 201);
    assert_eq!(app.alfa.count("pay"), before + 2);
}

#[tokio::test(start_paused = true)]
async fn of_many_at_once_one_is_carried_out() {
    let app = start();
    let (before, body) = (app.alfa.count("pay"), payment(&app, "100.00"));
    let owner = app.owner();
    let answers = join_all((0..20).map(|_| pay(&owner, "k2", &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((answer.status, answer.code(), answer.header("retry-after")), (409, "in_progress", "1"));
    }
    assert_eq!(app.alfa.count("pay"), before + 1);
    assert_eq!(pay(&owner, "k2", &body).await.header("idempotency-replayed"), "true");
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_finds_the_answer_when_he_comes_again() {
    let app = start();
    let (before, body) = (app.alfa.count("pay"), payment(&app, "100.00"));
    app.alfa.faults().next(Some("pay/create"), 1, Fault::Latency(Duration::from_secs(3)));
    let leaving = tokio::spawn({
        let (owner, body) = (app.owner(), body.clone());
        async move { pay(&owner, "k3", &body).await.status }
    });
    while creates(&app) == 0 {
        tokio::time::advance(Duration::from_millis(50)).await;
    }
    leaving.abort();
    // Not `advance`: that does not wait for what is written to the store before the answer is kept.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let answer = pay(&app.owner(), "k3", &body).await;
    assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, "true"));
    assert_eq!(app.alfa.count("pay"), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_caller_left_before_it_was_sent_is_not_made_and_its_key_is_free() {
    let slow = Setup::new().students(40).projects(3).set("alfacrm.quota.rate", "1.0");
    let slow = slow.set("alfacrm.quota.max_wait", "\"2m\"").set("server.request_timeout", "\"5m\"");
    let app = slow.start();
    let (before, body) = (app.alfa.count("pay"), payment(&app, "100.00"));
    // The student is known then, so that the next payment has nothing to wait for but its turn.
    assert_eq!(pay(&app.owner(), "k6", &body).await.status, 201);
    let path = format!("/students/{}", body["student_id"].as_str().unwrap());
    assert_eq!(app.owner().get(&path).await.status, 200);
    for key in [Some("k7"), None] {
        let others: Vec<_> = app.alfa.rows("customer")[..5]
            .iter()
            .map(|row| {
                let path = format!("/students?stage=ALL&archived=all&id=alfa-{}", row["id"]);
                let owner = app.owner().no_cache();
                tokio::spawn(async move { owner.get(&path).await.status })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let lead = json!({"name": "Somebody", "branch_ids": ["alfa-1"], "stage": "LEAD"});
        let leaving = tokio::spawn({
            let (owner, body) = (app.owner(), body.clone());
            async move {
                match key {
                    Some(key) => pay(&owner, key, &body).await.status,
                    None => owner.send(Method::POST, "/students", Some(&lead)).await.status,
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        leaving.abort();
        for other in others {
            assert_eq!(other.await.unwrap(), 200);
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    assert_eq!((app.alfa.count("pay"), creates(&app)), (before + 1, 1), "it was never sent");
    assert_eq!(app.alfa.ledger().count_operation("customer/create"), 0);
    let again = pay(&app.owner(), "k7", &body).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, ""), "{}", again.text);
}

#[tokio::test(start_paused = true)]
async fn what_had_no_effect_may_be_repeated_with_the_same_key() {
    let app = start();
    let mut body = payment(&app, "100.00");
    body["account_id"] = json!("alfa-999999");
    let refused = pay(&app.owner(), "k4", &body).await;
    assert_eq!((refused.status, refused.code()), (422, "validation_failed"), "{}", refused.text);
    let repaired = pay(&app.owner(), "k4", &payment(&app, "100.00")).await;
    assert_eq!(repaired.status, 201, "{}", repaired.text);
}

#[tokio::test(start_paused = true)]
async fn a_payment_without_a_key_or_with_a_bad_one_is_refused() {
    let app = start();
    let body = payment(&app, "100.00");
    let missing = app.owner().send(Method::POST, "/payments", Some(&body)).await;
    assert_eq!((missing.status, missing.code()), (400, "invalid_request"));
    assert!(missing.text.contains("Idempotency-Key"));
    let long = pay(&app.owner(), &"k".repeat(256), &body).await;
    assert_eq!((long.status, long.code()), (400, "invalid_request"));
    assert_eq!(app.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_consumer_has_keys_of_its_own() {
    let app = Setup::new().students(40).projects(3).in_no_hurry().start();
    let alone = |row: &Value| row["branch_ids"].as_array().is_some_and(|branches| branches.len() == 1);
    let student = app.alfa.rows("customer").into_iter().find(alone).unwrap();
    let body = json!({"student_id": format!("alfa-{}", student["id"]), "amount": "1.00", "date": "2026-02-20", "account_id": "alfa-1"});
    let before = app.alfa.count("pay");
    for asker in [app.owner(), app.export()] {
        let paid = pay(&asker, "the-same", &body).await;
        assert_eq!((paid.status, paid.header("idempotency-replayed")), (201, ""), "{}", paid.text);
    }
    assert_eq!(app.alfa.count("pay"), before + 2);
}

#[tokio::test(start_paused = true)]
async fn a_claim_lasts_as_long_as_the_work() {
    let app =
        Setup::new().students(40).projects(3).in_no_hurry().set("alfacrm.request_timeout", "\"3m\"").start();
    let path = format!("/students/alfa-{}", app.alfa.rows("customer")[0]["id"]);
    // The record is read first, which takes longer than a claim lasts that nobody holds on.
    app.alfa.faults().next(Some("customer/index"), 1, Fault::Latency(Duration::from_secs(100)));
    let body = json!({"note": "долго"});
    let change = async |key: &str| {
        app.owner().with("idempotency-key", key).send(Method::PATCH, &path, Some(&body)).await
    };
    let twin = async {
        tokio::time::sleep(Duration::from_secs(70)).await;
        change("k8").await
    };
    let (first, twin) = futures_util::future::join(change("k8"), twin).await;
    assert_eq!((twin.status, twin.code()), (409, "in_progress"), "{}", twin.text);
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(app.alfa.ledger().count_operation("customer/update"), 1);
}
