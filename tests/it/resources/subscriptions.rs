//! Subscriptions of a student, judged by the simulator's rows.

use http::Method;
use serde_json::{Value, json};

use super::{every_filter, round_trip, same, school, snapshot, text};
use crate::support::TestApp;

/// A student of one branch with two subscriptions that differ, and the path of these.
fn busy(app: &TestApp) -> (u64, String) {
    let rows = app.alfa.rows("customer-tariff");
    let of = |id: &Value| rows.iter().filter(|row| row["customer_id"] == *id).count();
    let mut students = app.alfa.rows("customer").into_iter();
    let student = students.find(|row| of(&row["id"]) == 1 && row["branch_ids"] == json!([1]));
    let id = student.expect("somebody has a subscription")["id"].as_u64().unwrap();
    let first = rows.iter().find(|row| row["customer_id"] == id).unwrap();
    let tariff = app.alfa.rows("tariff").into_iter().find(|row| row["id"] != first["tariff_id"]).unwrap();
    let separate = if first["is_separate_balance"] == 1 { 0 } else { 1 };
    let second = json!({
        "customer_id": id, "tariff_id": tariff["id"], "is_separate_balance": separate, "balance": "-31.00",
        "paid_count": -1, "paid_lesson_count": -1, "b_date": "01.10.2025", "e_date": "31.12.2025",
        "subject_ids": [2], "lesson_type_ids": [2], "note": "второй предмет",
    });
    app.alfa.insert_row("customer-tariff", &second);
    (id, format!("/students/alfa-{id}/subscriptions"))
}

fn rows(app: &TestApp, student: u64) -> Vec<Value> {
    let rows = app.alfa.rows("customer-tariff").into_iter();
    rows.filter(|row| row["customer_id"] == student).collect()
}

#[tokio::test(start_paused = true)]
async fn a_students_subscriptions_are_those_of_the_crm_and_cost_one_call() {
    let app = school();
    let (student, path) = busy(&app);
    let all = app.owner().walk(&path).await;
    assert_eq!(all.len(), rows(&app, student).len());
    assert_eq!(app.alfa.ledger().count_operation("customer-tariff/index"), 1);
    for (record, row) in all.iter().zip(rows(&app, student)) {
        assert_eq!(record["student_id"], format!("alfa-{student}"));
        assert_eq!(record["tariff_id"], format!("alfa-{}", row["tariff_id"]));
        assert_eq!(record["balance"]["amount"], row["balance"]);
        assert_eq!(record["lessons_left"], row["paid_count"]);
    }
    round_trip(&app, &path, &all).await;
    assert_eq!(app.owner().get(&format!("{path}/alfa-999999")).await.status, 404);
    let cases =
        vec![same(&all, "tariff_id", "tariff_id"), same(&all, "separate_balance", "separate_balance")];
    let template = "/students/{id}/subscriptions";
    let known = super::parameters(template);
    for case in cases {
        let (name, value) = &case.query[0];
        assert!(known.contains(name), "{name} is not documented");
        let found = app.owner().walk(&format!("{path}?{name}={value}")).await;
        let wanted: Vec<Value> = all.iter().filter(|record| (case.fits)(record)).cloned().collect();
        assert!(!wanted.is_empty() && found == wanted, "{name}");
    }
    let documented = ["tariff_id", "separate_balance", "branch_id"];
    every_filter(&app, template, &[], &[], Vec::new(), &documented).await;
}

#[tokio::test(start_paused = true)]
async fn whose_student_is_out_of_sight_has_nothing() {
    let app = school();
    let hidden = app.alfa.rows("customer-tariff").into_iter().find_map(|row| {
        let id = row["customer_id"].as_u64()?;
        app.alfa.row("customer", id)?["branch_ids"]
            .as_array()?
            .iter()
            .all(|branch| *branch != 1)
            .then_some(id)
    });
    let path = format!("/students/alfa-{}/subscriptions", hidden.expect("somebody is not in branch 1"));
    assert!(!app.owner().walk(&path).await.is_empty());
    let refused = app.branch_one().get(&path).await;
    assert_eq!((refused.status, refused.code()), (404, "not_found"));
    let (_, path) = busy(&app);
    let masked = app.masked().get(&path).await.items().remove(0);
    for field in ["balance", "lessons_left", "paid_lessons_left", "paid_until", "note"] {
        assert!(masked.get(field).is_none(), "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_made_changed_and_removed_in_the_crm() {
    let app = school();
    let (student, path) = busy(&app);
    let before = app.owner().walk(&path).await.len();
    let tariff = app.alfa.rows("tariff")[0]["id"].clone();
    let body = json!({
        "tariff_id": format!("alfa-{tariff}"), "subject_ids": ["alfa-2"], "lesson_type_ids": ["alfa-2"],
        "separate_balance": true, "from": "2026-03-01", "to": "2026-05-31", "note": "второй предмет",
    });
    let made = app.owner().send(Method::POST, &path, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = text(&made.json["source_id"]).parse::<u64>().unwrap();
    assert_eq!(made.header("location"), format!("{path}/alfa-{id}"));
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(made.json[field], *value, "{field}");
    }
    let row = app.alfa.row("customer-tariff", id).unwrap();
    assert_eq!(row["customer_id"], student);
    assert_eq!(row["tariff_id"], tariff);
    assert_eq!(row["subject_ids"], json!([2]));
    assert_eq!(row["is_separate_balance"], 1);
    assert_eq!((&row["b_date"], &row["e_date"]), (&json!("01.03.2026"), &json!("31.05.2026")));
    assert_eq!(row["note"], "второй предмет");
    assert_eq!(app.owner().walk(&path).await.len(), before + 1, "the list is not the old one");

    let one = format!("{path}/alfa-{id}");
    let patch = json!({"to": "2026-06-30", "subject_ids": null, "note": null});
    let changed = app.owner().send(Method::PATCH, &one, Some(&patch)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let row = app.alfa.row("customer-tariff", id).unwrap();
    assert_eq!((&row["b_date"], &row["e_date"]), (&json!("01.03.2026"), &json!("30.06.2026")));
    assert_eq!((&row["subject_ids"], &row["note"]), (&json!([]), &json!("")));
    assert_eq!(row["lesson_type_ids"], json!([2]), "what is not named stays");
    assert_eq!(app.owner().get(&one).await.json["to"], "2026-06-30");

    let gone = app.owner().send(Method::DELETE, &one, None).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert!(app.alfa.row("customer-tariff", id).is_none());
    assert_eq!(app.owner().get(&one).await.status, 404);
    assert_eq!(app.owner().walk(&path).await.len(), before);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_before_the_crm_is_asked() {
    let app = school();
    let (_, path) = busy(&app);
    let calls = app.calls();
    for (body, pointer) in [
        (json!({"from": "2026-03-01", "to": "2026-05-31"}), "/tariff_id"),
        (json!({"tariff_id": "alfa-40", "to": "2026-05-31"}), "/from"),
        (json!({"tariff_id": "alfa-40", "from": "2026-03-01", "to": "2026-02-01"}), "/to"),
        (
            json!({"tariff_id": "alfa-40", "from": "2026-03-01", "to": "2026-05-01", "balance": "1"}),
            "/balance",
        ),
        (
            json!({"tariff_id": "alfa-40", "from": "2026-03-01", "to": "2026-05-01", "lessons_left": 1}),
            "/lessons_left",
        ),
    ] {
        let answer = app.owner().send(Method::POST, &path, Some(&body)).await;
        assert_eq!((answer.status, answer.code()), (422, "validation_failed"), "{body}");
        assert_eq!(answer.json["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    let body = json!({"tariff_id": "alfa-40", "from": "2026-03-01", "to": "2026-05-01"});
    let valid = app.owner().send(Method::POST, &format!("{path}?validate_only=true"), Some(&body)).await;
    assert_eq!((valid.status, valid.text.as_str()), (204, ""));
    assert_eq!(app.calls(), calls, "nothing was asked");
}

/// The CRM says in which of its fields the mistake is; the consumer reads it under ours, whatever the status.
#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_crm_names_our_fields() {
    for status in [422, 200] {
        let app = school();
        app.alfa.switches(|switches| switches.validation_status = status);
        let (student, path) = busy(&app);
        let before = rows(&app, student).len();
        let body = json!({"tariff_id": "alfa-999999", "from": "2026-03-01", "to": "2026-05-31"});
        let answer = app.owner().send(Method::POST, &path, Some(&body)).await;
        assert_eq!((answer.status, answer.code()), (422, "validation_failed"), "{}", answer.text);
        assert_eq!(answer.json["errors"][0]["pointer"], "/tariff_id", "{}", answer.text);
        assert_eq!(answer.json["source"], "alfacrm");
        assert_eq!(rows(&app, student).len(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_looks_like_this_and_has_names() {
    let app = school();
    let (_, path) = busy(&app);
    let query = "limit=1&include=raw&expand=tariff,subjects,lesson_types";
    let page = app.owner().get(&format!("{path}?{query}")).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let record = page.json["items"][0].clone();
    assert!(record["tariff"]["name"].as_str().is_some_and(|name| !name.starts_with('#')), "{record}");
    snapshot("subscription", &record, &[]);
}
