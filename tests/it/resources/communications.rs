//! Communications below students, groups and tasks.

use http::Method;
use serde_json::{Value, json};

use super::{round_trip, school};
use crate::support::TestApp;

const KINDS: [(&str, &str, &str); 3] =
    [("students", "Customer", "STUDENT"), ("tasks", "Task", "TASK"), ("groups", "Group", "GROUP")];

/// The rows about one record, newest first.
fn rows(app: &TestApp, class: &str, id: u64) -> Vec<Value> {
    let rows = app.alfa.rows("communication").into_iter();
    rows.filter(|row| row["class"] == class && row["related_id"] == id).collect()
}

/// A record of branch 1 that is written about.
fn subject(app: &TestApp, class: &str) -> u64 {
    let rows = app.alfa.rows("communication").into_iter().rev();
    let model = class.to_lowercase();
    let mut about = rows.filter(|row| row["class"] == class).filter_map(|row| row["related_id"].as_u64());
    about
        .find(|id| app.alfa.row(&model, *id).unwrap()["branch_ids"] == json!([1]))
        .expect("somebody wrote about one")
}

fn path(segment: &str, id: u64) -> String {
    format!("/{segment}/alfa-{id}/communications")
}

#[tokio::test(start_paused = true)]
async fn each_record_has_its_own() {
    let app = school();
    for (segment, class, kind) in KINDS {
        let id = subject(&app, class);
        let path = path(segment, id);
        let all = app.owner().walk(&path).await;
        let rows = rows(&app, class, id);
        assert!(!all.is_empty());
        assert_eq!(all.len(), rows.len(), "{path}");
        for (record, row) in all.iter().zip(&rows) {
            assert_eq!(record["about"], json!({"kind": kind, "id": format!("alfa-{id}")}));
            assert_eq!((&record["text"], &record["type_id"]), (&row["comment"], &json!("alfa-1")));
            assert_eq!(record["user_id"], format!("alfa-{}", row["user_id"]));
        }
        round_trip(&app, &path, &all).await;
        let other = app.alfa.rows("communication").into_iter().find(|row| row["related_id"] != id).unwrap();
        assert_eq!(app.owner().get(&format!("{path}/alfa-{}", other["id"])).await.status, 404);
        let day = all[0]["created_at"].as_str().unwrap()[..10].to_owned();
        let that_day = app.owner().walk(&format!("{path}?from={day}&to={day}")).await;
        let fits = |record: &&Value| record["created_at"].as_str().unwrap().starts_with(&day);
        assert_eq!(that_day.len(), all.iter().filter(fits).count());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_written_lands_on_the_record_in_the_path() {
    let app = school();
    for (segment, class, kind) in KINDS {
        let id = subject(&app, class);
        let path = path(segment, id);
        let before = app.alfa.rows("communication");
        let read = app.owner().walk(&path).await.len();
        let body = json!({"text": "Просят перезвонить", "user_id": "alfa-3"});
        let made = app.owner().send(Method::POST, &path, Some(&body)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let entry = app
            .alfa
            .ledger()
            .entries()
            .into_iter()
            .rev()
            .find(|entry| entry.operation == "communication/create");
        let entry = entry.unwrap();
        assert_eq!(entry.query, format!("class={class}&related_id={id}"));
        assert_eq!(entry.path, "/v2api/1/communication/create");
        assert_eq!(entry.body, json!({"type_id": 1, "comment": "Просят перезвонить", "user_id": 3}));
        assert_eq!(made.json["about"], json!({"kind": kind, "id": format!("alfa-{id}")}));
        let one = format!("{path}/{}", made.json["id"].as_str().unwrap());
        assert_eq!(made.header("location"), one);
        assert_eq!(app.owner().walk(&path).await.len(), read + 1, "the list is not the old one");

        let changed = app.owner().send(Method::PATCH, &one, Some(&json!({"text": "Перезвонили"}))).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert_eq!(app.owner().get(&one).await.json["text"], "Перезвонили");
        // Everything else is as it was.
        let after = app.alfa.rows("communication");
        assert_eq!(after.len(), before.len() + 1);
        assert!(before.iter().all(|row| after.contains(row)), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_below_what_is_not_there_or_not_seen() {
    let app = school();
    let student = subject(&app, "Customer");
    let comment = rows(&app, "Customer", student)[0]["id"].clone();
    let before = app.alfa.rows("communication");
    let text = json!({"text": "x"});
    let hidden = app.alfa.rows("customer").into_iter().find(|row| row["branch_ids"] == json!([2])).unwrap();
    let hidden = path("students", hidden["id"].as_u64().unwrap());
    assert_eq!(app.branch_one().send(Method::POST, &hidden, Some(&text)).await.status, 404);
    for nowhere in ["/students/alfa-999999/communications", "/tasks/alfa-999999/communications"] {
        assert_eq!(app.owner().send(Method::POST, nowhere, Some(&text)).await.status, 404, "{nowhere}");
        assert_eq!(app.owner().get(nowhere).await.status, 404, "{nowhere}");
    }
    // The comment of one student below another, and below a task.
    let other = app.alfa.rows("customer").into_iter().find(|row| row["id"] != student).unwrap();
    let task = subject(&app, "Task");
    for wrong in [path("students", other["id"].as_u64().unwrap()), path("tasks", task)] {
        let answer = app.owner().send(Method::PATCH, &format!("{wrong}/alfa-{comment}"), Some(&text)).await;
        assert_eq!(answer.status, 404, "{wrong}: {}", answer.text);
    }
    assert_eq!(app.alfa.rows("communication"), before);
    assert_eq!(app.alfa.ledger().count_operation("communication/update"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_in_our_words() {
    let app = school();
    let path = path("students", subject(&app, "Customer"));
    for (body, pointer) in [
        (json!({}), "/text"),
        (json!({"text": ""}), "/text"),
        (json!({"text": "я".repeat(2049)}), "/text"),
        (json!({"text": "x", "type_id": "alfa-2"}), "/type_id"),
        (json!({"text": "x", "about": {}}), "/about"),
    ] {
        let answer = app.owner().send(Method::POST, &path, Some(&body)).await;
        assert_eq!((answer.status, answer.code()), (422, "validation_failed"), "{body}");
        assert_eq!(answer.json["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    assert_eq!(app.calls(), 0);
    for status in [422, 200] {
        app.alfa.switches(|switches| switches.validation_status = status);
        let body = json!({"text": "x", "user_id": "alfa-999"});
        let answer = app.owner().send(Method::POST, &path, Some(&body)).await;
        assert_eq!(
            (answer.status, &answer.json["errors"][0]["pointer"]),
            (422, &json!("/user_id")),
            "{}",
            answer.text
        );
    }
    let longest = json!({"text": "я".repeat(2048)});
    assert_eq!(app.owner().send(Method::POST, &path, Some(&longest)).await.status, 201);
    let masked = app.masked().get(&path).await.items().remove(0);
    assert!(masked.get("text").is_none() && masked.get("about").is_some());
}
