//! Payments of both CRMs.

use std::sync::atomic::{AtomicU64, Ordering};

use crm_gateway::sandbox::crypto::Table;
use http::Method;
use serde_json::{Value, json};

use super::{case, days, every_filter, middle_day, pick, round_trip, same, school, snapshot, text};
use crate::support::app::ids;
use crate::support::{Answer, Asker, TestApp};

fn amount(record: &Value) -> f64 {
    record["amount"]["amount"].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let all = app.owner().walk("/payments?limit=200").await;
    let part: String = pick(&all, "payer_name").chars().take(5).collect();
    let low = part.to_lowercase();
    let mut cases = vec![
        case("source", "alfacrm", |record| record["source"] == "alfacrm"),
        case("source", "cryptocrm", |record| record["source"] == "cryptocrm"),
        same(&all, "student_id", "student_id"),
        same(&all, "project_id", "project_id"),
        case("direction", "EXPENSE", |record| record["direction"] == "EXPENSE"),
        case("direction", "INCOME", |record| record["direction"] == "INCOME"),
        case("confirmed", "true", |record| record["confirmed"] == true),
        same(&all, "account_id", "account_id"),
        same(&all, "item_id", "item_id"),
        same(&all, "branch_id", "branch_id"),
        case("payer", &part, move |record| text(&record["payer_name"]).to_lowercase().contains(&low)),
        case("amount_from", "3000.00", |record| amount(record) >= 3000.0),
        case("amount_to", "1500.50", |record| amount(record) <= 1500.5),
    ];
    cases.extend(days(&all, "from", "to", "date"));
    every_filter(&app, "/payments", &[], &all, cases, &["updated_since"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_tell_when_a_payment_changed_is_named() {
    let app = school();
    let answer = app.owner().get("/payments?limit=200&updated_since=2026-02-01T00:00:00%2B03:00").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json["incomplete"][0]["source"], "cryptocrm");
    assert_eq!(answer.json["incomplete"][0]["reason"], "not_supported");
    assert!(
        !answer.items().is_empty() && answer.items().iter().all(|payment| payment["source"] == "alfacrm")
    );
}

#[tokio::test(start_paused = true)]
async fn both_crms_are_one_list() {
    let app = school();
    let all = app.owner().walk("/payments").await;
    let of = |source: &str| all.iter().filter(|payment| payment["source"] == source).count();
    assert_eq!(of("alfacrm"), app.alfa.count("pay"));
    let projects = app.crypto.projects();
    let live = projects.iter().filter(|project| !matches!(text(&project["deleted"]).as_str(), "1" | "true"));
    let paid: usize =
        live.map(|project| app.crypto.rows(Table::Payments, project["id"].as_u64().unwrap()).len()).sum();
    assert_eq!(of("cryptocrm"), paid);
    let mut once = ids(&all);
    once.sort();
    once.dedup();
    assert_eq!(once.len(), all.len(), "nothing comes twice");
}

#[tokio::test(start_paused = true)]
async fn the_journal_is_newest_first_and_a_day_is_a_stretch_of_it() {
    let app = school();
    let journal = app.owner().walk("/payments?source=alfacrm").await;
    let per_branch = |branch: &str| {
        let days = journal
            .iter()
            .filter(|payment| payment["branch_id"] == branch)
            .map(|payment| text(&payment["date"]));
        days.collect::<Vec<_>>()
    };
    for branch in ["alfa-1", "alfa-2", "alfa-3"] {
        assert!(per_branch(branch).is_sorted_by(|a, b| a >= b), "{branch}");
    }
    let day = middle_day(&journal, "date");
    let one_day = app.owner().walk(&format!("/payments?source=alfacrm&from={day}&to={day}")).await;
    let mut wanted =
        ids(&journal.iter().filter(|payment| payment["date"] == day.as_str()).cloned().collect::<Vec<_>>());
    let mut got = ids(&one_day);
    wanted.sort();
    got.sort();
    assert!(!wanted.is_empty());
    assert_eq!(got, wanted);
}

#[tokio::test(start_paused = true)]
async fn what_a_list_gives_a_read_by_id_finds() {
    let app = school();
    let mut some = app.owner().get("/payments?source=cryptocrm&limit=10").await.items();
    some.extend(app.owner().get("/payments?source=alfacrm&limit=10").await.items());
    assert_eq!(some.len(), 20);
    round_trip(&app, "/payments", &some).await;
    for nothing in ["alfa-99999999", "crypto-1001-99999999", "crypto-5"] {
        assert_eq!(app.owner().get(&format!("/payments/{nothing}")).await.status, 404, "{nothing}");
    }
}

#[tokio::test(start_paused = true)]
async fn payments_look_like_this() {
    let app = school();
    let of = async |source: &str| {
        let page = app.owner().get(&format!("/payments?limit=1&source={source}&include=raw")).await;
        page.json["items"][0].clone()
    };
    snapshot("payment_alfacrm", &of("alfacrm").await, &[]);
    snapshot("payment_cryptocrm", &of("cryptocrm").await, &[]);
}

/// A student of these branches.
fn student(app: &TestApp, branches: &[u64]) -> u64 {
    let rows = app.alfa.rows("customer").into_iter();
    let mut active = rows.filter(|row| row["is_study"] == 1 && row["e_date"] == "2030-12-31");
    let id = active.next().expect("there are students")["id"].as_u64().unwrap();
    app.alfa.update_row("customer", id, &json!({"branch_ids": branches}));
    id
}

fn payment(student: u64) -> Value {
    json!({
        "student_id": format!("alfa-{student}"), "amount": {"amount": "1250.50", "currency": "RUB"},
        "date": "2026-02-20", "account_id": "alfa-1",
    })
}

/// The same body with other fields.
fn with(mut body: Value, fields: Value) -> Value {
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

async fn pay(asker: &Asker, body: &Value) -> Answer {
    // As many keys as there are requests: none is a repeated one.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let key = format!("invoice-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    asker.clone().with("idempotency-key", &key).send(Method::POST, "/payments", Some(body)).await
}

fn row(app: &TestApp, made: &Answer) -> Value {
    assert_eq!(made.status, 201, "{}", made.text);
    app.alfa.row("pay", text(&made.json["source_id"]).parse().unwrap()).expect("it is in the CRM")
}

fn balance(app: &TestApp, student: u64) -> f64 {
    text(&app.alfa.row("customer", student).unwrap()["balance"]).parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_booked_as_asked_and_no_read_shows_the_old_balance() {
    let app = school();
    let student = student(&app, &[2]);
    let card = format!("/students/alfa-{student}?fields=balance");
    let shown =
        async || -> f64 { text(&app.owner().get(&card).await.json["balance"]["amount"]).parse().unwrap() };
    let before = balance(&app, student);
    assert!((shown().await - before).abs() < 0.005);
    let list = format!("/payments?student_id=alfa-{student}&limit=200");
    let known = app.owner().walk(&list).await.len();
    let full = with(
        payment(student),
        json!({
            "item_id": "alfa-3", "payer_name": "Образцова Анна", "note": "Абонемент", "confirmed": false,
        }),
    );
    let made = pay(&app.owner(), &full).await;
    let booked = row(&app, &made);
    assert_eq!(made.header("location"), format!("/payments/{}", text(&made.json["id"])));
    for (field, value) in full.as_object().unwrap() {
        assert_eq!(made.json[field], *value, "{field}");
    }
    for (column, value) in [
        ("customer_id", json!(student)),
        // The student's own branch.
        ("branch_id", json!(2)),
        ("pay_type_id", json!(1)),
        ("pay_account_id", json!(1)),
        ("pay_item_id", json!(3)),
        ("document_date", json!("20.02.2026")),
        ("income", json!("1250.50")),
        ("payer_name", json!("Образцова Анна")),
        ("note", json!("Абонемент")),
        ("is_confirmed", json!(0)),
    ] {
        assert_eq!(booked[column], value, "{column}");
    }
    assert!((balance(&app, student) - before - 1250.5).abs() < 0.005);
    assert!((shown().await - before - 1250.5).abs() < 0.005, "the card is not the old one");
    assert_eq!(app.owner().walk(&list).await.len(), known + 1, "nor is the list");
    let written = app.alfa.ledger().entries();
    assert!(written.iter().all(|call| call.body.get("balance").is_none()), "the balance is the CRM's");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_said_has_its_default_and_a_type_wins_over_a_direction() {
    for (fields, kind, direction, income) in [
        (json!({}), 1, "INCOME", "1250.50"),
        (json!({"direction": "INCOME"}), 1, "INCOME", "1250.50"),
        (json!({"direction": "EXPENSE"}), 2, "EXPENSE", "-1250.50"),
        (json!({"direction": "INCOME", "type_id": "alfa-2"}), 2, "EXPENSE", "-1250.50"),
        (json!({"direction": "EXPENSE", "type_id": "alfa-1"}), 1, "INCOME", "1250.50"),
    ] {
        let app = school();
        let student = student(&app, &[1]);
        // Who usually pays for the student.
        let payer = app.alfa.row("customer", student).unwrap()["legal_name"].clone();
        let made = pay(&app.owner(), &with(payment(student), fields.clone())).await;
        let booked = row(&app, &made);
        assert_eq!((&booked["pay_type_id"], &booked["income"]), (&json!(kind), &json!(income)), "{fields}");
        assert_eq!(made.json["direction"], direction, "{fields}");
        assert_eq!(made.json["amount"]["amount"], "1250.50", "{fields}");
        assert_eq!((&booked["is_confirmed"], &booked["payer_name"]), (&json!(1), &payer), "{fields}");
        assert_eq!(made.json["payer_name"], payer, "{fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_belongs_to_several_branches_must_be_told_which() {
    let app = school();
    let student = student(&app, &[1, 2]);
    let refused = pay(&app.owner(), &payment(student)).await;
    assert_eq!((refused.status, refused.code()), (422, "validation_failed"), "{}", refused.text);
    assert_eq!(refused.json["errors"][0]["pointer"], "/branch_id");
    let made = pay(&app.owner(), &with(payment(student), json!({"branch_id": "alfa-2"}))).await;
    assert_eq!(row(&app, &made)["branch_id"], 2);
    // Who sees one of them only has no choice.
    let made = pay(&app.branch_one(), &payment(student)).await;
    assert_eq!(row(&app, &made)["branch_id"], 1);
    let hidden = pay(&app.branch_one(), &with(payment(student), json!({"branch_id": "alfa-2"}))).await;
    assert_eq!((hidden.status, hidden.code()), (403, "forbidden"), "{}", hidden.text);
}

#[tokio::test(start_paused = true)]
async fn nobody_pays_for_a_student_out_of_sight() {
    let app = school();
    let hidden = student(&app, &[2]);
    let before = app.alfa.count("pay");
    for body in [payment(hidden), with(payment(hidden), json!({"branch_id": "alfa-1"}))] {
        let refused = pay(&app.branch_one(), &body).await;
        assert_eq!((refused.status, refused.code()), (422, "validation_failed"), "{}", refused.text);
        assert_eq!(refused.json["errors"][0]["pointer"], "/student_id");
    }
    assert_eq!(app.alfa.count("pay"), before);
    let masked = pay(&app.masked(), &with(payment(hidden), json!({"note": "лично"}))).await;
    assert_eq!(row(&app, &masked)["note"], "лично");
    assert!(masked.json.get("note").is_none(), "{}", masked.text);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_before_anything_is_spent() {
    let app = school();
    let good = payment(student(&app, &[1]));
    let without = |field: &str| {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(field);
        body
    };
    for (body, pointer) in [
        (without("student_id"), "/student_id"),
        (without("amount"), "/amount"),
        (without("date"), "/date"),
        (without("account_id"), "/account_id"),
        (with(good.clone(), json!({"amount": "-1"})), "/amount"),
        (with(good.clone(), json!({"amount": 10})), "/amount"),
        (with(good.clone(), json!({"amount": {"amount": "1.005"}})), "/amount/amount"),
        (with(good.clone(), json!({"amount": {"amount": "10.00", "currency": "USD"}})), "/amount/currency"),
        (with(good.clone(), json!({"date": "20.02.2026"})), "/date"),
        (with(good.clone(), json!({"direction": "UNKNOWN"})), "/direction"),
        (with(good.clone(), json!({"payer_name": "ы".repeat(51)})), "/payer_name"),
        (with(good.clone(), json!({"type_name": "Доход"})), "/type_name"),
        (with(good.clone(), json!({"project_id": "crypto-101"})), "/project_id"),
        (with(good.clone(), json!({"balance": "5"})), "/balance"),
        (with(good.clone(), json!({"account_id": "crypto-1", "branch_id": "alfa-1"})), "/account_id"),
    ] {
        let answer = pay(&app.owner(), &body).await;
        assert_eq!((answer.status, answer.code()), (422, "validation_failed"), "{body}: {}", answer.text);
        assert_eq!(answer.json["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    let keyless = app.owner().send(Method::POST, "/payments", Some(&good)).await;
    assert_eq!((keyless.status, keyless.code()), (400, "invalid_request"), "{}", keyless.text);
    assert!(keyless.text.contains("Idempotency-Key"), "{}", keyless.text);
    let asker = app.owner().with("idempotency-key", "k");
    let valid = asker.send(Method::POST, "/payments?validate_only=true", Some(&good)).await;
    assert_eq!((valid.status, valid.text.as_str()), (204, ""));
    assert_eq!(app.alfa.ledger().count_operation("pay/create"), 0);
}

#[tokio::test(start_paused = true)]
async fn changes_change_what_they_name() {
    let app = school();
    let student = student(&app, &[1]);
    let made =
        pay(&app.owner(), &with(payment(student), json!({"note": "Абонемент", "item_id": "alfa-3"}))).await;
    let path = format!("/payments/{}", text(&made.json["id"]));
    let before = row(&app, &made);
    let balance_before = balance(&app, student);
    let patch = async |body: Value| {
        let answer = app.owner().send(Method::PATCH, &path, Some(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(app.owner().get(&path).await.json, answer.json, "no read shows the old one");
        (row_of(&app, &answer), answer.json)
    };
    let (changed, _) = patch(json!({"note": "исправлено"})).await;
    for column in ["income", "pay_type_id", "pay_item_id", "document_date", "customer_id", "branch_id"] {
        assert_eq!(changed[column], before[column], "{column}");
    }
    assert_eq!(changed["note"], "исправлено");
    let (changed, _) = patch(json!({"amount": "1000.00", "confirmed": false, "item_id": null})).await;
    assert_eq!((&changed["income"], &changed["is_confirmed"]), (&json!("1000.00"), &json!(0)));
    assert!((balance(&app, student) - balance_before + 250.5).abs() < 0.005);
    // The sign goes with the direction, there and back.
    for (direction, income) in [("EXPENSE", "-1000.00"), ("INCOME", "1000.00")] {
        let (changed, record) = patch(json!({"direction": direction})).await;
        assert_eq!((&changed["income"], &record["direction"]), (&json!(income), &json!(direction)));
        assert_eq!(record["amount"]["amount"], "1000.00");
    }
    for fixed in [json!({"student_id": "alfa-102"}), json!({"branch_id": "alfa-2"})] {
        let refused = app.owner().send(Method::PATCH, &path, Some(&fixed)).await;
        assert_eq!((refused.status, refused.code()), (422, "validation_failed"), "{}", refused.text);
    }
    // A payment of a project is read only.
    let project = app.owner().get("/payments?source=cryptocrm&limit=1").await.items().remove(0);
    let other = format!("/payments/{}", text(&project["id"]));
    let refused = app.owner().send(Method::PATCH, &other, Some(&json!({"note": "x"}))).await;
    assert_eq!((refused.status, refused.code()), (501, "not_supported"), "{}", refused.text);
}

fn row_of(app: &TestApp, answer: &Answer) -> Value {
    app.alfa.row("pay", text(&answer.json["source_id"]).parse().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_crm_names_our_fields() {
    for status in [422, 200] {
        let app = school();
        app.alfa.switches(|switches| switches.validation_status = status);
        let good = payment(student(&app, &[1]));
        let before = app.alfa.count("pay");
        for (fields, pointer) in [
            (json!({"account_id": "alfa-999999"}), "/account_id"),
            (json!({"item_id": "alfa-999999"}), "/item_id"),
            (json!({"subscription_id": "alfa-999999"}), "/subscription_id"),
            (json!({"direction": "INCOME", "type_id": "alfa-999999"}), "/type_id"),
        ] {
            let answer = pay(&app.owner(), &with(good.clone(), fields)).await;
            assert_eq!((answer.status, answer.code()), (422, "validation_failed"), "{}", answer.text);
            assert_eq!(answer.json["errors"][0]["pointer"], pointer, "{status}: {}", answer.text);
            assert_eq!(answer.json["source"], "alfacrm");
        }
        assert_eq!(app.alfa.count("pay"), before);
    }
}
