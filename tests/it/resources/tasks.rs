//! Tasks.

use http::Method;
use serde_json::{Value, json};

use super::{among, case, days, every_filter, round_trip, school, text};
use crate::support::TestApp;
use crate::support::app::ids;

fn sent(app: &TestApp, operation: &str) -> (String, String, Value) {
    let entry = app.alfa.ledger().entries().into_iter().rev().find(|entry| entry.operation == operation);
    let entry = entry.unwrap_or_else(|| panic!("{operation} was not called"));
    (entry.path, entry.query, entry.body)
}

fn pointers(answer: &crate::support::Answer) -> Vec<&str> {
    assert_eq!((answer.status, answer.code()), (422, "validation_failed"), "{}", answer.text);
    answer.json["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let put_away = app.alfa.rows("task")[1]["id"].as_u64().unwrap();
    assert!(app.alfa.update_row("task", put_away, &json!({"is_archive": 1})));
    let all = app.owner().walk("/tasks?archived=all&limit=200").await;
    assert_eq!(all.len(), app.alfa.count("task"));
    let cases = vec![
        case("archived", "true", |task| task["archived"] == true),
        case("archived", "false", |task| task["archived"] == false),
    ];
    let base = [("archived", "all")];
    every_filter(&app, "/tasks", &[], &all, cases, &["done", "assigned_user_id", "due_from", "due_to"]).await;
    let mut cases = vec![
        case("done", "true", |task| task["done"] == true),
        case("done", "false", |task| task["done"] == false),
        among(&all, "assigned_user_id", "assigned_user_ids"),
        case("branch_id", "alfa-2", |task| task["branch_ids"] == json!(["alfa-2"])),
    ];
    cases.extend(days(&all, "due_from", "due_to", "due_on"));
    every_filter(&app, "/tasks", &base, &all, cases, &["archived"]).await;
    let open = app.owner().walk("/tasks").await;
    assert!(open.iter().all(|task| task["archived"] == false) && open.len() == all.len() - 1);
    let archived = app.owner().get(&format!("/tasks/alfa-{put_away}")).await;
    assert_eq!(
        (archived.status, &archived.json["archived"]),
        (200, &json!(true)),
        "found by its id all the same"
    );
}

#[tokio::test(start_paused = true)]
async fn tasks_of_several_branches_come_once_newest_first() {
    let app = school();
    for row in app.alfa.rows("task").iter().step_by(2) {
        let id = row["id"].as_u64().unwrap();
        assert!(app.alfa.update_row("task", id, &json!({"branch_ids": [3, 1, 2]})));
    }
    for limit in [1, 2, 5, 200] {
        let all = app.owner().walk(&format!("/tasks?archived=all&limit={limit}")).await;
        let mut once = ids(&all);
        let made: Vec<String> = all.iter().map(|task| text(&task["created_at"])).collect();
        assert!(made.is_sorted_by(|a, b| a >= b), "{made:?}");
        once.sort();
        once.dedup();
        assert_eq!((once.len(), all.len()), (app.alfa.count("task"), app.alfa.count("task")), "by {limit}");
    }
    let one = app.branch_one().walk("/tasks?archived=all").await;
    assert!(one.iter().all(|task| task["branch_ids"].as_array().unwrap().contains(&json!("alfa-1"))));
    round_trip(&app, "/tasks", &one[..3]).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_is_made_and_done() {
    let app = school();
    let body = json!({
        "title": "Позвонить", "text": "Узнать про договор", "assigned_user_ids": ["alfa-3"], "student_ids": ["alfa-101"],
        "branch_ids": ["alfa-1", "alfa-2"], "due_on": "2026-02-27", "priority": 1, "private": true,
    });
    let made = app.owner().send(Method::POST, "/tasks", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (path, _, sent_body) = sent(&app, "task/create");
    assert_eq!(path, "/v2api/1/task/create");
    assert_eq!(
        sent_body,
        json!({
            "title": "Позвонить", "text": "Узнать про договор", "assigned_ids": [3], "customer_ids": [101],
            "branch_ids": [1, 2], "due_date": "27.02.2026", "priority": 1, "is_private": 1,
        })
    );
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(made.json[field], *value, "{field}");
    }
    assert_eq!((&made.json["done"], &made.json["done_at"]), (&json!(false), &Value::Null));
    let one = format!("/tasks/{}", made.json["id"].as_str().unwrap());
    for (patch, expected) in [
        (json!({"done": true}), json!({"is_done": 1})),
        (json!({"archived": true}), json!({"is_archive": 1})),
        (
            json!({"due_on": null, "text": null, "student_ids": null}),
            json!({"due_date": "", "text": "", "customer_ids": []}),
        ),
    ] {
        let changed = app.owner().send(Method::PATCH, &one, Some(&patch)).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        let (_, query, body) = sent(&app, "task/update");
        assert_eq!((query, body), (format!("id={}", made.json["source_id"].as_str().unwrap()), expected));
        assert_eq!(app.owner().get(&one).await.json, changed.json);
    }
    let row = app.alfa.row("task", made.json["source_id"].as_str().unwrap().parse().unwrap()).unwrap();
    assert_eq!((&row["is_done"], &row["is_archive"], &row["due_date"]), (&json!(1), &json!(1), &Value::Null));
    assert_eq!((&row["title"], &row["assigned_ids"]), (&json!("Позвонить"), &json!([3])));
    assert!(!row["done_date"].is_null());
}

#[tokio::test(start_paused = true)]
async fn the_branch_may_be_left_out_where_there_is_only_one() {
    let app = school();
    let body = json!({"title": "Позвонить"});
    assert_eq!(pointers(&app.owner().send(Method::POST, "/tasks", Some(&body)).await), ["/branch_ids"]);
    let made = app.branch_one().send(Method::POST, "/tasks", Some(&body)).await;
    assert_eq!((made.status, &made.json["branch_ids"]), (201, &json!(["alfa-1"])), "{}", made.text);
    let foreign = json!({"title": "Позвонить", "branch_ids": ["alfa-1", "alfa-2"]});
    assert_eq!(app.branch_one().send(Method::POST, "/tasks", Some(&foreign)).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_in_our_words() {
    let app = school();
    for (body, pointer) in [
        (json!({}), "/title"),
        (json!({"title": "x", "branch_ids": []}), "/branch_ids"),
        (json!({"title": "x".repeat(256)}), "/title"),
        (json!({"title": "x", "done_at": null}), "/done_at"),
        (json!({"title": "x", "due_on": "27.02.2026"}), "/due_on"),
    ] {
        assert_eq!(pointers(&app.owner().send(Method::POST, "/tasks", Some(&body)).await)[0], pointer);
    }
    assert_eq!(app.calls(), 0);
    for status in [422, 200] {
        app.alfa.switches(|switches| switches.validation_status = status);
        let before = app.alfa.count("task");
        let body = json!({
            "title": "x", "branch_ids": ["alfa-1"], "student_ids": ["alfa-999999"], "assigned_user_ids": ["alfa-999"],
        });
        let answer = app.owner().send(Method::POST, "/tasks", Some(&body)).await;
        let mut told = pointers(&answer);
        told.sort_unstable();
        assert_eq!(told, ["/assigned_user_ids", "/student_ids"]);
        assert_eq!(app.alfa.count("task"), before);
    }
}
