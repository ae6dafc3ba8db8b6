//! Bonus points: one balance for each student, moved by points.

use crm_gateway::sandbox::alfa::Crm;
use http::Method;
use serde_json::{Value, json};

use super::{school, snapshot};
use crate::support::{Setup, transport};

fn someone(alfa: &Crm) -> (u64, i64) {
    let row = alfa.rows("customer").into_iter().find(|row| row["branch_ids"] == json!([1])).unwrap();
    let id = row["id"].as_u64().unwrap();
    alfa.update_row("customer", id, &json!({"balance_bonus": 40}));
    (id, 40)
}

#[tokio::test(start_paused = true)]
async fn points_are_given_and_spent_and_no_read_shows_the_old_balance() {
    let app = school();
    let (student, balance) = someone(&app.alfa);
    let path = format!("/students/alfa-{student}/bonus");
    let first = app.owner().get(&format!("{path}?include=raw")).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(first.json["balance"], balance);
    assert_eq!(first.json["raw"], json!({"balance_bonus": balance}));
    snapshot("bonus", &first.json, &["/id", "/source_id", "/student_id"]);
    let card = format!("/students/alfa-{student}?fields=bonus_balance");
    assert_eq!(app.owner().get(&card).await.json["bonus_balance"], balance);

    for (body, left) in [
        (json!({"points": 15, "note": "Олимпиада"}), balance + 15),
        (json!({"points": 25, "kind": "SPEND"}), balance - 10),
        (json!({"points": 1, "kind": "ADD"}), balance - 9),
    ] {
        let moved = app.owner().send(Method::POST, &path, Some(&body)).await;
        assert_eq!((moved.status, &moved.json["balance"]), (201, &json!(left)), "{}", moved.text);
        assert_eq!(app.alfa.row("customer", student).unwrap()["balance_bonus"], left);
        assert_eq!(app.owner().get(&path).await.json["balance"], left);
        assert_eq!(app.owner().get(&card).await.json["bonus_balance"], left);
    }
    let sent = app.alfa.ledger().entries();
    let first = sent.iter().find(|call| call.operation == "bonus/bonus-add").unwrap();
    assert!(first.query.contains(&format!("customer_id={student}")), "{}", first.query);
    assert_eq!((&first.body["amount"], &first.body["note"]), (&json!(15), &json!("Олимпиада")));
    assert_eq!(app.alfa.ledger().count_operation("bonus/bonus-spend"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused() {
    let app = school();
    let (student, balance) = someone(&app.alfa);
    let path = format!("/students/alfa-{student}/bonus");
    for (body, pointer) in [
        (json!({}), "/points"),
        (json!({"points": 0}), "/points"),
        (json!({"points": -5}), "/points"),
        (json!({"points": "5"}), "/points"),
        (json!({"points": 5, "kind": "GIVE"}), "/kind"),
        (json!({"points": 5, "balance": 50}), "/balance"),
    ] {
        let answer = app.owner().send(Method::POST, &path, Some(&body)).await;
        assert_eq!((answer.status, answer.code()), (422, "validation_failed"), "{body}");
        assert_eq!(answer.json["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    assert_eq!(app.calls(), 0, "a mistake costs no quota");
    // The CRM knows how many there are.
    let more = json!({"points": balance + 1, "kind": "SPEND"});
    let answer = app.owner().send(Method::POST, &path, Some(&more)).await;
    assert_eq!((answer.status, answer.code()), (422, "validation_failed"), "{}", answer.text);
    assert_eq!(answer.json["errors"][0]["pointer"], "/points", "{}", answer.text);
    assert_eq!(app.alfa.row("customer", student).unwrap()["balance_bonus"], balance);
    assert_eq!(app.owner().get("/students/alfa-999999/bonus").await.status, 404);
    assert!(app.masked().get(&path).await.json.get("balance").is_none());
}

/// Nobody recorded what the CRM answers to a movement; whatever it is, the balance afterwards is shown.
#[tokio::test(start_paused = true)]
async fn the_balance_is_read_again_when_the_answer_does_not_tell_it() {
    for answer in
        [json!({"success": true, "errors": []}), json!({"success": true, "model": {"id": 3}}), json!([])]
    {
        let setup = Setup::new().students(20).projects(4).in_no_hurry();
        let (alfa, crypto) = setup.crms();
        let (student, balance) = someone(&alfa);
        let silent = answer.clone();
        let to_alfa = transport::to_router(alfa.router(), "");
        let to_alfa = transport::altered(to_alfa, move |path: &str, json: &mut Value| {
            if path.ends_with("bonus/bonus-add") {
                *json = silent.clone();
            }
        });
        let to_crypto = transport::to_router(crypto.router(), &crypto.access().base_path);
        let app = setup.start_over(alfa, crypto, to_alfa, to_crypto);
        let path = format!("/students/alfa-{student}/bonus");
        let moved = app.owner().send(Method::POST, &path, Some(&json!({"points": 2}))).await;
        assert_eq!((moved.status, &moved.json["balance"]), (201, &json!(balance + 2)), "{}", moved.text);
        assert_eq!(app.alfa.ledger().count_operation("bonus/bonus-add"), 1, "given once");
    }
}
