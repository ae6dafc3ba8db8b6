//! Lessons that are made, changed and conducted, judged by the simulator's rows and by the bodies it received.

use http::Method;
use serde_json::{Value, json};

use super::school;
use crate::support::{Answer, Setup, TestApp};

const POST: Method = Method::POST;
const PATCH: Method = Method::PATCH;

/// What the CRM was sent last for an operation: the query and the body.
fn sent(app: &TestApp, operation: &str) -> (String, Value) {
    let entries = app.alfa.ledger().entries();
    let entry = entries.into_iter().rev().find(|entry| entry.operation == operation);
    let entry = entry.unwrap_or_else(|| panic!("{operation} was not called"));
    (entry.query, entry.body)
}

/// A lesson of branch 1 in this status with at least two participants.
fn some(app: &TestApp, status: u64) -> (u64, Value) {
    let fits = |row: &Value| {
        row["status"] == status
            && row["branch_id"] == 1
            && row["customer_ids"].as_array().is_some_and(|ids| ids.len() >= 2)
    };
    let row = app.alfa.rows("lesson").into_iter().find(fits).expect("the school has such a lesson");
    (row["id"].as_u64().unwrap(), row)
}

fn refused(answer: &Answer) -> Vec<&str> {
    assert_eq!((answer.status, answer.code()), (422, "validation_failed"), "{}", answer.text);
    answer.json["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

fn new_lesson() -> Value {
    json!({
        "branch_id": "alfa-1", "starts_at": "2026-03-02T12:00:00+03:00", "duration_minutes": 45,
        "lesson_type_id": "alfa-1", "subject_id": "alfa-2",
    })
}

fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test(start_paused = true)]
async fn a_new_lesson_is_sent_in_the_crms_formats_and_nothing_else_is() {
    let app = school();
    let made = app.owner().send(POST, "/lessons", Some(&new_lesson())).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (query, body) = sent(&app, "lesson/create");
    assert_eq!(query, "");
    assert_eq!(
        body,
        json!({
            "lesson_date": "02.03.2026", "time_from": "12:00", "duration": 45, "lesson_type_id": 1, "subject_id": 2,
            "branch_id": 1,
        })
    );
    assert_eq!(made.json["status"], "PLANNED");
    assert_eq!(made.json["starts_at"], "2026-03-02T12:00:00+03:00");
    assert_eq!(made.json["ends_at"], "2026-03-02T12:45:00+03:00");
    let id = made.json["id"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("/lessons/{id}"));
    assert_eq!(app.owner().get(&format!("/lessons/{id}")).await.json, made.json);
}

#[tokio::test(start_paused = true)]
async fn everything_that_can_be_said_of_a_lesson_arrives() {
    let app = school();
    // Another offset, the same time; both ways to say the length.
    let body = json!({
        "branch_id": "alfa-1", "starts_at": "2026-03-02T09:00:00Z", "ends_at": "2026-03-02T13:30:00+03:00",
        "duration_minutes": 90, "lesson_type_id": "alfa-1", "subject_id": "alfa-2", "teacher_ids": ["alfa-4"],
        "student_ids": ["alfa-101", "alfa-102"], "group_ids": [], "room_id": null, "topic": "Тема", "homework": "Упр. 1",
        "note": "заметка", "status": "CANCELLED",
    });
    let made = app.owner().send(POST, "/lessons", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (_, sent) = sent(&app, "lesson/create");
    for (key, value) in [
        ("lesson_date", json!("02.03.2026")),
        ("time_from", json!("12:00")),
        ("time_to", json!("13:30")),
        ("duration", json!(90)),
        ("teacher_ids", json!([4])),
        ("customer_ids", json!([101, 102])),
        ("group_ids", json!([])),
        ("room_id", Value::Null),
        ("status", json!(2)),
    ] {
        assert_eq!(sent[key], value, "{key}");
    }
    let row = app.alfa.row("lesson", made.json["source_id"].as_str().unwrap().parse().unwrap()).unwrap();
    assert_eq!(row["customer_ids"], json!([101, 102]));
    assert_eq!(
        (&row["topic"], &row["homework"], &row["note"]),
        (&json!("Тема"), &json!("Упр. 1"), &json!("заметка"))
    );
    assert_eq!(
        (&row["time_from"], &row["time_to"]),
        (&json!("2026-03-02 12:00:00"), &json!("2026-03-02 13:30:00"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_sends_what_it_names_and_the_rest_stays() {
    let app = school();
    let (id, before) = some(&app, 1);
    let path = format!("/lessons/alfa-{id}");
    let (from, to) = (before["time_from"].as_str().unwrap(), before["time_to"].as_str().unwrap());
    let day = &from[..10];
    for (patch, expected) in [
        (json!({"topic": "Новая"}), json!({"topic": "Новая"})),
        (json!({"note": null, "room_id": null}), json!({"note": "", "room_id": null})),
        (json!({"status": "CANCELLED"}), json!({"status": 2})),
        (json!({"student_ids": ["alfa-101"]}), json!({"customer_ids": [101]})),
        (json!({"status": "PLANNED", "duration_minutes": 50}), json!({"status": 1, "duration": 50})),
        // The start moves, the length stays.
        (
            json!({"starts_at": format!("{day}T08:10:00+03:00")}),
            json!({"time_from": "08:10", "time_to": "09:00"}),
        ),
        (json!({"ends_at": format!("{day}T09:29:59+03:00")}), json!({"time_to": "09:30"})),
        (json!({"date": "2026-03-05"}), json!({"lesson_date": "05.03.2026"})),
        (
            json!({"starts_at": "2026-03-06T10:00:00+03:00", "duration_minutes": 30}),
            json!({"lesson_date": "06.03.2026", "time_from": "10:00", "duration": 30}),
        ),
    ] {
        let changed = app.owner().send(PATCH, &path, Some(&patch)).await;
        assert_eq!(changed.status, 200, "{patch}: {}", changed.text);
        let (query, body) = sent(&app, "lesson/update");
        assert_eq!((query, body), (format!("id={id}"), expected), "{patch}");
        assert_eq!(app.owner().get(&path).await.json, changed.json, "{patch}");
    }
    let row = app.alfa.row("lesson", id).unwrap();
    assert_eq!(
        (&row["time_from"], &row["time_to"]),
        (&json!("2026-03-06 10:00:00"), &json!("2026-03-06 10:30:00"))
    );
    assert_eq!((&row["topic"], &row["subject_id"]), (&json!("Новая"), &before["subject_id"]));
    assert_ne!(to, "2026-03-06 10:30:00");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_nothing_asks_for_nothing() {
    let app = school();
    let (id, before) = some(&app, 1);
    let answer = app.owner().send(PATCH, &format!("/lessons/alfa-{id}"), Some(&json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(app.alfa.ledger().count_operation("lesson/update"), 0);
    assert_eq!(app.alfa.row("lesson", id).unwrap(), before);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_before_the_crm_is_asked() {
    let app = school();
    for (more, pointer) in [
        (json!({"duration_minutes": 0}), "/duration_minutes"),
        (json!({"ends_at": "2026-03-02T11:00:00+03:00"}), "/ends_at"),
        (json!({"status": "CONDUCTED"}), "/status"),
        (json!({"attendance": []}), "/attendance"),
        (json!({"custom_fields": {}}), "/custom_fields"),
        (json!({"schedule_id": "alfa-301"}), "/schedule_id"),
        (json!({"subject_id": null}), "/subject_id"),
        // The CRM's lessons end on the day they start.
        (json!({"starts_at": "2026-03-02T23:30:00+03:00"}), "/duration_minutes"),
        (json!({"duration_minutes": 840, "ends_at": "2026-03-03T02:00:00+03:00"}), "/ends_at"),
        (json!({"teacher_ids": ["crypto-4"]}), "/teacher_ids"),
    ] {
        let body = with(new_lesson(), more);
        let answer = app.owner().send(POST, "/lessons", Some(&body)).await;
        assert_eq!(refused(&answer)[0], pointer, "{body}: {}", answer.text);
    }
    let hint =
        app.owner().send(POST, "/lessons", Some(&with(new_lesson(), json!({"status": "CONDUCTED"})))).await;
    assert!(hint.text.contains("/conduct"), "{}", hint.text);
    assert_eq!(app.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_branch_may_be_left_out_where_there_is_only_one() {
    let mut body = new_lesson();
    body.as_object_mut().unwrap().remove("branch_id");
    let app = school();
    let answer = app.owner().send(POST, "/lessons", Some(&body)).await;
    assert_eq!(refused(&answer), ["/branch_id"]);
    assert_eq!(app.alfa.ledger().count_operation("lesson/create"), 0);
    let seen = app.branch_one().send(POST, "/lessons", Some(&body)).await;
    assert_eq!((seen.status, &seen.json["branch_id"]), (201, &json!("alfa-1")), "{}", seen.text);
    let only = Setup::new().students(10).in_no_hurry().set("alfacrm.branches", "[1]").start();
    assert_eq!(only.owner().send(POST, "/lessons", Some(&body)).await.status, 201);
    let foreign = with(new_lesson(), json!({"branch_id": "alfa-2"}));
    assert_eq!(app.branch_one().send(POST, "/lessons", Some(&foreign)).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_crm_is_told_in_our_words_whatever_its_status() {
    for status in [422, 200] {
        let app = school();
        app.alfa.switches(|switches| switches.validation_status = status);
        let lessons = app.alfa.count("lesson");
        let body = with(
            new_lesson(),
            json!({"subject_id": "alfa-999", "student_ids": ["alfa-999999"], "room_id": "alfa-999"}),
        );
        let answer = app.owner().send(POST, "/lessons", Some(&body)).await;
        let mut pointers = refused(&answer);
        pointers.sort_unstable();
        assert_eq!(pointers, ["/room_id", "/student_ids", "/subject_id"], "{}", answer.text);
        assert_eq!(answer.json["source"], "alfacrm");
        assert_eq!(app.alfa.count("lesson"), lessons);
        let (id, before) = some(&app, 1);
        let path = format!("/lessons/alfa-{id}/conduct");
        let body = json!({"teacher_ids": ["alfa-999"]});
        assert_eq!(refused(&app.owner().send(POST, &path, Some(&body)).await), ["/teacher_ids"]);
        assert_eq!(app.alfa.row("lesson", id).unwrap(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn conducting_marks_who_came_and_charges_them() {
    let app = school();
    let (id, before) = some(&app, 1);
    let students: Vec<u64> =
        before["customer_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    let (came, ill) = (students[0], students[1]);
    let student = format!("/students/alfa-{came}");
    let balance = app.owner().get(&student).await.json["balance"].clone();
    let body = json!({
        "attendance": [
            {"student_id": format!("alfa-{came}"), "attended": true, "charge": {"amount": "120.5", "currency": "RUB"},
             "grade": "5", "bonus": 7, "note": "молодец"},
            {"student_id": format!("alfa-{ill}"), "attended": false, "reason_id": "alfa-2"},
        ],
        "topic": "Past Simple", "homework": "Упр. 7",
    });
    let path = format!("/lessons/alfa-{id}/conduct");
    let done = app.owner().send(POST, &path, Some(&body)).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let (query, sent) = sent(&app, "lesson/teach");
    assert_eq!(query, format!("id={id}"));
    assert_eq!(
        sent,
        json!({
            "status": 3, "branch_id": 1, "topic": "Past Simple", "homework": "Упр. 7",
            "details": [
                {"customer_id": came, "is_attend": 1, "commission": "120.50", "grade": "5", "bonus": 7, "note": "молодец"},
                {"customer_id": ill, "is_attend": 0, "reason_id": 2},
            ],
        })
    );
    assert_eq!((&done.json["status"], &done.json["topic"]), (&json!("CONDUCTED"), &json!("Past Simple")));
    let entry = |student: u64| {
        let entries = done.json["attendance"].as_array().unwrap().iter();
        entries.clone().find(|entry| entry["student_id"] == format!("alfa-{student}")).unwrap().clone()
    };
    assert_eq!(
        (&entry(came)["attended"], &entry(came)["charge"]["amount"]),
        (&json!(true), &json!("120.50"))
    );
    assert_eq!((&entry(ill)["attended"], &entry(ill)["reason_id"]), (&json!(false), &json!("alfa-2")));
    let row = app.alfa.row("lesson", id).unwrap();
    assert_eq!(row["status"], 3);
    assert_eq!((&row["date"], &row["time_from"]), (&before["date"], &before["time_from"]));
    assert_eq!(app.owner().get(&format!("/lessons/alfa-{id}")).await.json, done.json);
    let after = app.owner().get(&student).await.json["balance"].clone();
    assert_ne!(after, balance, "what was remembered of the student is not believed any more");
}

#[tokio::test(start_paused = true)]
async fn conducting_without_a_body_says_only_that() {
    let app = school();
    let (id, before) = some(&app, 1);
    let done = app.owner().send(POST, &format!("/lessons/alfa-{id}/conduct"), None).await;
    assert_eq!((done.status, &done.json["status"]), (200, &json!("CONDUCTED")), "{}", done.text);
    assert_eq!(sent(&app, "lesson/teach").1, json!({"status": 3, "branch_id": 1}));
    assert_eq!(app.alfa.row("lesson", id).unwrap()["customer_ids"], before["customer_ids"]);
}

#[tokio::test(start_paused = true)]
async fn a_conducted_lesson_is_conducted_anew_and_charged_once() {
    let app = school();
    let (id, before) = some(&app, 3);
    let student = before["details"][0]["customer_id"]
        .as_u64()
        .unwrap_or_else(|| before["customer_ids"][0].as_u64().unwrap());
    let path = format!("/lessons/alfa-{id}/conduct");
    let balance = || app.alfa.row("customer", student).unwrap()["balance"].clone();
    let conduct = async |charge: &str| {
        let mark = json!({"student_id": format!("alfa-{student}"), "attended": true, "charge": charge});
        let done = app.owner().send(POST, &path, Some(&json!({"attendance": [mark]}))).await;
        assert_eq!(done.status, 200, "{}", done.text);
        balance()
    };
    let first = conduct("100.00").await;
    assert_eq!(conduct("100.00").await, first, "the same charge once more takes the first one back");
    assert_ne!(conduct("250.00").await, first);
    let again = app.owner().send(POST, &path, None).await;
    assert_eq!(again.status, 200, "{}", again.text);
    let kept = again.json["attendance"].as_array().unwrap();
    let kept = kept.iter().find(|entry| entry["student_id"] == format!("alfa-{student}")).unwrap();
    assert_eq!(kept["charge"]["amount"], "250.00", "without attendance the charges stay");
}

#[tokio::test(start_paused = true)]
async fn a_lesson_is_conducted_on_its_day() {
    let app = school();
    let (id, before) = some(&app, 1);
    let path = format!("/lessons/alfa-{id}/conduct");
    let elsewhen = json!({"starts_at": "2026-01-01T10:00:00+03:00"});
    assert_eq!(refused(&app.owner().send(POST, &path, Some(&elsewhen)).await), ["/starts_at"]);
    assert_eq!(app.alfa.ledger().count_operation("lesson/teach"), 0);
    let day = before["date"].as_str().unwrap();
    let late =
        json!({"starts_at": format!("{day}T08:05:00+03:00"), "ends_at": format!("{day}T08:50:00+03:00")});
    let done = app.owner().send(POST, &path, Some(&late)).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let body = sent(&app, "lesson/teach").1;
    assert_eq!(body, json!({"status": 3, "branch_id": 1, "time_from": "08:05", "time_to": "08:50"}));
    assert_eq!(done.json["duration_minutes"], 45);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_see_a_lesson_cannot_write_to_it() {
    let app = school();
    let elsewhere = app.alfa.rows("lesson").into_iter().find(|row| row["branch_id"] == 2).unwrap();
    let path = format!("/lessons/alfa-{}", elsewhere["id"]);
    let one = app.branch_one();
    assert_eq!(one.send(PATCH, &path, Some(&json!({"topic": "x"}))).await.status, 404);
    assert_eq!(one.send(POST, &format!("{path}/conduct"), None).await.status, 404);
    assert_eq!(app.owner().send(POST, "/lessons/alfa-99999999/conduct", None).await.status, 404);
    let writes = ["lesson/update", "lesson/teach"].map(|name| app.alfa.ledger().count_operation(name));
    assert_eq!(writes, [0, 0]);
}
