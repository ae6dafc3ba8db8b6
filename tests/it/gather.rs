//! Reads by id that come together are one call, and so are the names that `expand` asks for. The CRM's ledger counts.

use std::time::Duration;

use crm_gateway::sandbox::fault::Fault;
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{advance, sleep};

use crate::support::{Answer, Asker, Setup, TestApp};

fn start() -> TestApp {
    Setup::new().students(300).projects(10).in_no_hurry().start()
}

fn calls(app: &TestApp, operation: &str) -> usize {
    app.alfa.ledger().entries().iter().filter(|entry| entry.operation == operation).count()
}

fn students(app: &TestApp, count: usize) -> Vec<String> {
    let rows = app.alfa.rows("customer");
    assert!(rows.len() >= count);
    rows.iter().take(count).map(|row| format!("alfa-{}", row["id"])).collect()
}

async fn read_each(owner: &Asker, ids: &[String]) -> Vec<Answer> {
    join_all(ids.iter().map(async |id| owner.get(&format!("/students/{id}")).await)).await
}

async fn read_all(app: &TestApp, ids: &[String]) {
    let answers = read_each(&app.owner(), ids).await;
    for (answer, id) in answers.iter().zip(ids) {
        assert_eq!((answer.status, &answer.json["id"]), (200, &json!(id)), "{}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_reads_of_different_students_are_one_call_and_then_none() {
    let app = start();
    let ids = students(&app, 200);
    read_all(&app, &ids).await;
    assert_eq!(calls(&app, "customer/index"), 1);
    read_all(&app, &ids).await;
    assert_eq!(calls(&app, "customer/index"), 1, "each is remembered by itself");
}

#[tokio::test(start_paused = true)]
async fn a_server_with_short_pages_is_asked_for_the_rest_of_them() {
    let app = start();
    app.alfa.switches(|switches| switches.max_page_size = 50);
    let ids = students(&app, 200);
    read_all(&app, &ids).await;
    assert_eq!(calls(&app, "customer/index"), 4);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_there_is_not_found_and_harms_nobody() {
    let app = start();
    let there = students(&app, 1).remove(0);
    let (owner, other) = (app.owner(), app.owner());
    let (found, missing) = tokio::join!(async { owner.get(&format!("/students/{there}")).await }, async {
        other.get("/students/alfa-999999").await
    });
    assert_eq!((found.status, missing.status), (200, 404));
    // Of two the first alone may be all that a server reads of a list, so the other is asked for again.
    assert_eq!(calls(&app, "customer/index"), 2);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_does_not_take_the_others_with_him() {
    let app = start();
    let ids = students(&app, 3);
    let leaver = tokio::spawn({
        let (owner, path) = (app.owner(), format!("/students/{}", ids[0]));
        async move { owner.get(&path).await }
    });
    let stayers = tokio::spawn({
        let (owner, ids) = (app.owner(), ids[1..].to_vec());
        async move { read_each(&owner, &ids).await }
    });
    tokio::time::advance(Duration::from_millis(1)).await;
    leaver.abort();
    let answers = stayers.await.unwrap();
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(calls(&app, "customer/index"), 1);
}

#[tokio::test(start_paused = true)]
async fn when_all_have_left_nothing_is_sent() {
    let app = start();
    // Signed in already, so that only the read could be sent.
    assert_eq!(app.owner().get("/reference/branches").await.status, 200);
    let before = app.calls();
    let ids = students(&app, 5);
    let readers: Vec<_> = ids
        .iter()
        .map(|id| {
            let (owner, path) = (app.owner(), format!("/students/{id}"));
            tokio::spawn(async move { owner.get(&path).await })
        })
        .collect();
    tokio::time::advance(Duration::from_millis(1)).await;
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(app.calls(), before);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_everybodys_and_is_told_to_each() {
    let app = start();
    app.alfa.faults().next(Some("customer/index"), usize::MAX, Fault::LoginPage);
    let ids = students(&app, 20);
    let owner = app.owner();
    let answers = read_each(&owner, &ids).await;
    assert!(answers.iter().all(|answer| (answer.status, answer.code()) == (502, "upstream_invalid")));
    assert!(calls(&app, "customer/index") <= 3, "one call and its repeats");
}

#[tokio::test(start_paused = true)]
async fn names_cost_one_call_for_each_kind_on_a_page_and_none_when_they_are_known() {
    let app = start();
    let path = "/payments?source=alfacrm&branch_id=alfa-1&limit=50&expand=student,account,branch";
    let first = app.owner().get(path).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(calls(&app, "customer/index"), 1);
    assert_eq!(calls(&app, "branch/index"), 1);
    let after = app.calls();
    let names: std::collections::HashMap<String, String> = app
        .alfa
        .rows("customer")
        .iter()
        .map(|row| (format!("alfa-{}", row["id"]), row["name"].as_str().unwrap().to_owned()))
        .collect();
    let mut named = 0;
    for item in first.items() {
        match item["student_id"].as_str() {
            Some(id) => {
                assert_eq!(item["student"], json!({"id": id, "name": names[id]}));
                named += 1;
            }
            None => assert_eq!(item["student"], json!(null)),
        }
        assert!(item["account"]["name"].is_string() && item["branch"]["name"].is_string());
    }
    assert!(named > 10);
    let again = app.owner().get(path).await;
    assert_eq!(again.json, first.json);
    assert_eq!(app.calls(), after, "everything is remembered");
}

#[tokio::test(start_paused = true)]
async fn names_are_not_told_to_who_may_not_read_their_owners() {
    let app = Setup::new()
        .students(30)
        .projects(5)
        .in_no_hurry()
        .set("consumers.reader.scopes", "[\"payments:read\"]")
        .start();
    let refused = app.reader().get("/payments?expand=student").await;
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
    assert!(refused.text.contains("students:read"));
    let unknown = app.owner().get("/payments?expand=cousin").await;
    assert_eq!((unknown.status, unknown.code()), (400, "invalid_request"));
    assert_eq!(app.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pruned_record_shows_the_names_that_were_asked_for() {
    let app = start();
    let answer = app.owner().get("/payments?source=alfacrm&limit=1&fields=amount&expand=account").await;
    let record = answer.items().remove(0);
    let mut fields: Vec<&String> = record.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["account", "amount", "id"]);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_takes_those_along_that_were_read_of_late() {
    let app = start();
    let ids = students(&app, 40);
    for id in &ids {
        assert_eq!(app.owner().get(&format!("/students/{id}")).await.status, 200);
    }
    assert_eq!(calls(&app, "customer/index"), 40, "one after the other");
    // One of them is read now and then; nobody asks for the others, and still they do not get old.
    for minute in 1..=50 {
        advance(Duration::from_secs(61)).await;
        assert_eq!(app.owner().get(&format!("/students/{}", ids[7])).await.status, 200);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(calls(&app, "customer/index"), 40 + minute);
    }
    let other = app.owner().get(&format!("/students/{}", ids[30])).await;
    assert!(other.header("cache-status").starts_with("crm-gateway; hit; ttl=5"), "{:?}", other.headers);
    // What was not read for an hour is left behind.
    for _ in 0..25 {
        advance(Duration::from_secs(61)).await;
        app.owner().get(&format!("/students/{}", ids[7])).await;
        sleep(Duration::from_secs(1)).await;
    }
    let called = calls(&app, "customer/index");
    assert_eq!(app.owner().get(&format!("/students/{}", ids[12])).await.header("age"), "0");
    assert_eq!(calls(&app, "customer/index"), called + 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_on_a_page_that_is_stale_is_given_and_renewed_by_itself() {
    let app = start();
    let listed = app.owner().get("/students?limit=5").await.items();
    let listed_by = calls(&app, "customer/index");
    advance(Duration::from_secs(100)).await;
    let path = format!("/students/{}", listed[3]["id"].as_str().unwrap());
    let stale = app.owner().get(&path).await;
    assert_eq!(stale.header("cache-status"), "crm-gateway; hit; ttl=-40; detail=stale");
    assert_eq!(stale.json, listed[3]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(calls(&app, "customer/index"), listed_by + 1);
    assert!(app.owner().get(&path).await.header("cache-status").starts_with("crm-gateway; hit; ttl=5"));
}
