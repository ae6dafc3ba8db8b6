//! Several payments in one request: each is carried out once and answered for itself.

use std::time::Duration;

use crm_gateway::sandbox::fault::Fault;
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{Answer, Setup, TestApp};

fn start() -> TestApp {
    Setup::new().students(40).projects(3).in_no_hurry().start()
}

fn payment(app: &TestApp, amount: &str) -> Value {
    let alone = |row: &Value| row["branch_ids"].as_array().is_some_and(|branches| branches.len() == 1);
    let student = app.alfa.rows("customer").into_iter().find(alone).unwrap();
    json!({"student_id": format!("alfa-{}", student["id"]), "amount": amount, "date": "2026-02-20", "account_id": "alfa-1"})
}

async fn pay(app: &TestApp, key: &str, items: &[Value]) -> Answer {
    let body = json!({"items": items});
    app.owner().with("idempotency-key", key).send(Method::POST, "/payments/batch", Some(&body)).await
}

fn statuses(answer: &Answer) -> Vec<u64> {
    answer.items().iter().map(|item| item["status"].as_u64().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_payment_is_answered_for_itself_and_made_once() {
    let app = start();
    let before = app.alfa.count("pay");
    let mut refused = payment(&app, "3.00");
    refused["account_id"] = json!("alfa-999999");
    let items = [payment(&app, "1.00"), payment(&app, "2.00"), refused];
    let first = pay(&app, "batch", &items).await;
    assert_eq!((first.status, statuses(&first)), (200, vec![201, 201, 422]), "{}", first.text);
    assert_eq!(first.items()[1]["record"]["amount"]["amount"], "2.00");
    assert_eq!(first.items()[2]["problem"]["code"], "validation_failed");
    assert_eq!(app.alfa.count("pay"), before + 2);
    // Repeated, what was carried out is answered again, and what had no effect is tried again.
    let again = pay(&app, "batch", &items).await;
    assert_eq!(statuses(&again), [201, 201, 422]);
    assert_eq!(again.items()[0], first.items()[0]);
    assert_eq!(app.alfa.count("pay"), before + 2);
}

#[tokio::test(start_paused = true)]
async fn the_key_is_that_of_the_whole_request() {
    let app = start();
    let before = app.alfa.count("pay");
    let [one, two, three] = ["1.00", "2.00", "3.00"].map(|amount| payment(&app, amount));
    let first = pay(&app, "batch", &[one.clone(), two.clone()]).await;
    assert_eq!(statuses(&first), [201, 201], "{}", first.text);
    for other in [
        vec![three.clone(), one.clone(), two.clone()],
        vec![one.clone(), two.clone(), three.clone()],
        vec![one.clone()],
        vec![two.clone(), one.clone()],
    ] {
        let refused = pay(&app, "batch", &other).await;
        assert_eq!((refused.status, refused.code()), (422, "idempotency_mismatch"), "{}", refused.text);
    }
    // Nor is it good for one payment alone, or that of one payment for several.
    let alone =
        app.owner().with("idempotency-key", "batch").send(Method::POST, "/payments", Some(&one)).await;
    assert_eq!((alone.status, alone.code()), (422, "idempotency_mismatch"), "{}", alone.text);
    let single =
        app.owner().with("idempotency-key", "single").send(Method::POST, "/payments", Some(&one)).await;
    assert_eq!(single.status, 201, "{}", single.text);
    let refused = pay(&app, "single", std::slice::from_ref(&one)).await;
    assert_eq!((refused.status, refused.code()), (422, "idempotency_mismatch"), "{}", refused.text);
    assert_eq!(app.alfa.count("pay"), before + 3);
    let again = pay(&app, "batch", &[one, two]).await;
    assert_eq!((statuses(&again), again.header("idempotency-replayed")), (vec![201, 201], "true"));
    let twice = app.owner().with("idempotency-key", "a").with("idempotency-key", "b");
    let twice = twice.send(Method::POST, "/payments", Some(&three)).await;
    assert_eq!((twice.status, twice.code()), (400, "invalid_request"), "{}", twice.text);
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_knows_of_says_where_to_ask_and_the_others_are_done() {
    let app = start();
    let before = app.alfa.count("pay");
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropBefore);
    let answer = pay(&app, "batch", &[payment(&app, "1.00"), payment(&app, "2.00")]).await;
    let mut told = statuses(&answer);
    told.sort_unstable();
    assert_eq!(told, [201, 202], "{}", answer.text);
    let undecided = answer.items().into_iter().find(|item| item["status"] == 202).unwrap();
    let path = undecided["operation"].as_str().unwrap();
    assert_eq!(app.owner().get(path).await.json["status"], "PENDING");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(app.owner().get(path).await.json["status"], "FAILED");
    let again = pay(&app, "batch", &[payment(&app, "1.00"), payment(&app, "2.00")]).await;
    assert_eq!(statuses(&again), [201, 201]);
    assert_eq!(app.alfa.count("pay"), before + 2);
}

#[tokio::test(start_paused = true)]
async fn if_one_is_invalid_none_is_sent() {
    let app = start();
    let mut bad = payment(&app, "2.00");
    bad["amount"] = json!("-2");
    bad["colour"] = json!("RED");
    let answer = pay(&app, "batch", &[payment(&app, "1.00"), bad]).await;
    assert_eq!((answer.status, answer.code()), (422, "validation_failed"), "{}", answer.text);
    let pointers: Vec<&str> = answer.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert!(pointers.contains(&"/items/1/amount") && pointers.contains(&"/items/1/colour"), "{pointers:?}");
    assert_eq!(app.calls(), 0);
    for (body, pointer) in
        [(json!({"items": []}), "/items"), (json!({"items": 7}), "/items"), (json!({}), "/items")]
    {
        let answer =
            app.owner().with("idempotency-key", "k").send(Method::POST, "/payments/batch", Some(&body)).await;
        assert_eq!((answer.status, &answer.json["errors"][0]["pointer"]), (422, &json!(pointer)));
    }
    let keyless = app.owner().send(Method::POST, "/payments/batch", Some(&json!({"items": []}))).await;
    assert_eq!((keyless.status, keyless.code()), (400, "invalid_request"));
}
