//! What became of a write that nobody knows of is found out before anything is repeated. The CRM's rows and ledger are
//! the judges.

use std::time::Duration;

use crm_gateway::sandbox::fault::Fault;
use crm_gateway::store::{Frail, Store};
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::app::same_as_the_crms;
use crate::support::{Answer, Asker, Setup, TestApp};

/// How long a record that is not to be found may still appear, by default.
pub(crate) const SETTLE: Duration = Duration::from_secs(30);

pub(crate) fn setup() -> Setup {
    Setup::new().students(40).projects(3).in_no_hurry().kept_in(Store::in_memory(), same_as_the_crms())
}

/// A student of one branch.
pub(crate) fn student(app: &TestApp) -> u64 {
    let alone = |row: &Value| row["branch_ids"].as_array().is_some_and(|branches| branches.len() == 1);
    app.alfa.rows("customer").into_iter().find(alone).unwrap()["id"].as_u64().unwrap()
}

pub(crate) fn payment(app: &TestApp, amount: &str) -> Value {
    let student = format!("alfa-{}", student(app));
    json!({"student_id": student, "amount": amount, "date": "2026-02-20", "account_id": "alfa-1", "note": "за март"})
}

pub(crate) async fn pay(app: &TestApp, key: &str, body: &Value) -> Answer {
    app.owner().with("idempotency-key", key).send(Method::POST, "/payments", Some(body)).await
}

pub(crate) fn creates(app: &TestApp, operation: &str) -> usize {
    app.alfa.ledger().entries().iter().filter(|entry| entry.operation == operation).count()
}

/// What an operation has come to.
pub(crate) async fn known(asker: &Asker, told: &Answer) -> Value {
    assert_eq!(told.status, 202, "{}", told.text);
    let answer = asker.get(told.header("location")).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.text);
    answer.json
}

#[tokio::test(start_paused = true)]
async fn a_payment_whose_answer_was_lost_is_found_and_answered_as_if_nothing_had_happened() {
    let app = setup().start();
    let before = app.alfa.count("pay");
    for (key, fault) in [
        ("dropped", Fault::DropAfter),
        ("failed", Fault::StatusAfter { code: 502 }),
        ("cut", Fault::DropMidBody),
        ("page", Fault::Truncated),
    ] {
        app.alfa.faults().next(Some("pay/create"), 1, fault);
        let paid = pay(&app, key, &payment(&app, "100.00")).await;
        assert_eq!((paid.status, paid.header("idempotency-replayed")), (201, ""), "{key}: {}", paid.text);
        assert_eq!(paid.json["note"], "за март");
        assert_eq!(paid.header("location"), format!("/payments/{}", paid.json["id"].as_str().unwrap()));
        let again = pay(&app, key, &payment(&app, "100.00")).await;
        assert_eq!(
            (again.status, &again.json, again.header("idempotency-replayed")),
            (201, &paid.json, "true")
        );
    }
    assert_eq!((app.alfa.count("pay"), creates(&app, "pay/create")), (before + 4, 4));
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_did_not_arrive_is_undecided_until_that_is_sure_and_may_then_be_repeated() {
    let app = setup().start();
    let (before, body) = (app.alfa.count("pay"), payment(&app, "100.00"));
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropBefore);
    let told = pay(&app, "k", &body).await;
    assert_eq!((told.status, told.header("retry-after")), (202, "1"), "{}", told.text);
    let pending = known(&app.owner(), &told).await;
    assert_eq!((pending["status"].as_str(), &pending["record"]), (Some("PENDING"), &Value::Null));
    // Who repeats it is told the same, and nothing is sent.
    let again = pay(&app, "k", &body).await;
    assert_eq!((again.status, again.header("location")), (202, told.header("location")));
    assert_eq!(again.header("idempotency-replayed"), "true");
    let other = pay(&app, "k", &payment(&app, "200.00")).await;
    assert_eq!((other.status, other.code()), (422, "idempotency_mismatch"));
    sleep(SETTLE - Duration::from_secs(5)).await;
    assert_eq!(known(&app.owner(), &told).await["status"], "PENDING", "it may still appear");
    sleep(Duration::from_secs(10)).await;
    let failed = known(&app.owner(), &told).await;
    assert_eq!(failed["status"], "FAILED");
    assert_eq!(
        (&failed["problem"]["code"], &failed["problem"]["retryable"]),
        (&json!("upstream_error"), &json!(true))
    );
    assert_eq!((app.alfa.count("pay"), creates(&app, "pay/create")), (before, 1));
    let repeated = pay(&app, "k", &body).await;
    assert_eq!((repeated.status, repeated.header("idempotency-replayed")), (201, ""), "{}", repeated.text);
    assert_eq!((app.alfa.count("pay"), creates(&app, "pay/create")), (before + 1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_lists_show_late_is_not_given_up_before() {
    // However long answers are good, no look is the answer to a look before.
    let setup = ["fresh", "stale", "if_error"]
        .iter()
        .fold(setup(), |setup, window| setup.set(&format!("cache.policy.payments.{window}"), "\"1h\""));
    let app = setup.set("alfacrm.mark.settle", "\"10m\"").start();
    let (before, body) = (app.alfa.count("pay"), payment(&app, "100.00"));
    app.alfa.switches(|switches| switches.index_lag = Duration::from_secs(20));
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
    let told = pay(&app, "k", &body).await;
    sleep(Duration::from_secs(15)).await;
    assert_eq!(known(&app.owner(), &told).await["status"], "PENDING");
    sleep(Duration::from_secs(60)).await;
    let found = known(&app.owner(), &told).await;
    assert_eq!(
        (&found["status"], &found["record"]["amount"]["amount"]),
        (&json!("SUCCEEDED"), &json!("100.00"))
    );
    let again = pay(&app, "k", &body).await;
    assert_eq!((again.status, &again.json["id"]), (201, &found["record"]["id"]));
    assert_eq!((app.alfa.count("pay"), creates(&app, "pay/create")), (before + 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_known_soon_after_the_crm_is_back() {
    let app = setup().start();
    let body = payment(&app, "100.00");
    assert_eq!(pay(&app, "before", &body).await.status, 201);
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
    let gone = Fault::Status { code: 503, body: String::new(), content_type: "text/html", retry_after: None };
    app.alfa.faults().next(Some("pay/index"), usize::MAX, gone);
    let told = pay(&app, "k", &body).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(
        known(&app.owner(), &told).await["status"],
        "PENDING",
        "nothing follows from not being able to look"
    );
    app.alfa.faults().clear();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(known(&app.owner(), &told).await["status"], "SUCCEEDED");
}

#[tokio::test(start_paused = true)]
async fn only_who_asked_for_a_write_sees_what_became_of_it() {
    let app = setup().start();
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropBefore);
    let told = pay(&app, "k", &payment(&app, "100.00")).await;
    let path = told.header("location");
    assert_eq!(app.owner().get(path).await.status, 200);
    assert_eq!(app.export().get(path).await.status, 404);
    assert_eq!(app.nobody().get(path).await.status, 401);
    assert_eq!(app.owner().get("/operations/none").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn the_mark_is_written_into_the_crm_and_not_shown() {
    let app = setup().start();
    let paid = pay(&app, "k", &payment(&app, "100.00")).await;
    assert_eq!(paid.json["note"], "за март");
    let row = app
        .alfa
        .rows("pay")
        .into_iter()
        .find(|row| json!(row["id"].to_string()) == paid.json["source_id"])
        .unwrap();
    let note = row["note"].as_str().unwrap();
    assert!(note.starts_with("за март [gw:") && note.ends_with(']'), "{note}");
    let path = format!("/payments/{}?include=raw", paid.json["id"].as_str().unwrap());
    let read = app.owner().get(&path).await;
    assert_eq!(
        (read.json["note"].as_str(), read.json["raw"]["note"].as_str()),
        (Some("за март"), Some(note))
    );
}

#[tokio::test(start_paused = true)]
async fn without_marks_a_payment_is_known_by_what_was_sent_and_what_fits_several_is_for_people() {
    let app = setup().set("alfacrm.mark.field", "\"none\"").start();
    let (before, body) = (app.alfa.count("pay"), payment(&app, "100.00"));
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
    let found = pay(&app, "one", &body).await;
    assert_eq!(found.status, 201, "{}", found.text);
    assert!(
        app.alfa.rows("pay").iter().all(|row| !row["note"].as_str().unwrap_or_default().contains("[gw:"))
    );
    // The first is known to be another's, so it is not taken for the second.
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropBefore);
    let lost = pay(&app, "two", &body).await;
    sleep(SETTLE * 2).await;
    assert_eq!(known(&app.owner(), &lost).await["status"], "FAILED");
    // Two of a kind at once cannot be told from each other.
    app.alfa.faults().next(Some("pay/create"), 2, Fault::DropAfter);
    app.alfa.switches(|switches| switches.index_lag = Duration::from_secs(5));
    let twins = futures_util::future::join(pay(&app, "three", &body), pay(&app, "four", &body)).await;
    sleep(SETTLE * 2).await;
    for twin in [twins.0, twins.1] {
        let review = known(&app.owner(), &twin).await;
        assert_eq!(review["status"], "NEEDS_REVIEW", "{review}");
        assert_eq!(review["evidence"]["candidates"].as_array().unwrap().len(), 2, "{review}");
    }
    assert_eq!(app.alfa.count("pay"), before + 3);
}

#[tokio::test(start_paused = true)]
async fn a_field_for_marks_that_the_crm_does_not_keep_makes_no_false_failure() {
    let app = setup().set("alfacrm.mark.field", "\"custom_unknown\"").start();
    let body = payment(&app, "100.00");
    assert_eq!(pay(&app, "good", &body).await.status, 201);
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
    let told = pay(&app, "k", &payment(&app, "170.00")).await;
    sleep(SETTLE * 2).await;
    let review = known(&app.owner(), &told).await;
    assert_eq!(review["status"], "NEEDS_REVIEW", "{review}");
    assert_eq!(review["evidence"]["candidates"].as_array().unwrap().len(), 1, "{review}");
}

/// The first row of a model in the first branch.
fn in_branch_one(app: &TestApp, model: &str) -> String {
    let here =
        |row: &Value| row["branch_ids"].as_array().is_some_and(|branches| branches.contains(&json!(1)));
    format!("alfa-{}", app.alfa.rows(model).into_iter().find(here).unwrap()["id"])
}

/// A write of each kind that makes a record: its call, path and body.
fn kinds(app: &TestApp) -> Vec<(&'static str, String, Value)> {
    let student = format!("alfa-{}", student(app));
    let (group, tariff) = (in_branch_one(app, "group"), in_branch_one(app, "tariff"));
    let task = format!("alfa-{}", app.alfa.rows("task")[0]["id"]);
    let lesson = json!({
        "starts_at": "2026-03-02T15:00:00+03:00", "duration_minutes": 60, "lesson_type_id": "alfa-2", "subject_id": "alfa-2",
        "group_ids": [group], "branch_id": "alfa-1", "topic": "Новое",
    });
    let subscription = json!({"tariff_id": tariff, "from": "2026-03-01", "to": "2026-03-31"});
    let text = json!({"text": "Позвонить родителям"});
    let points = json!({"points": 7, "note": "за участие"});
    vec![
        (
            "customer/create",
            "/students".to_owned(),
            json!({"name": "Новикова Ольга", "branch_ids": ["alfa-1"]}),
        ),
        ("lesson/create", "/lessons".to_owned(), lesson),
        ("group/create", "/groups".to_owned(), json!({"name": "Новая группа", "branch_ids": ["alfa-1"]})),
        (
            "teacher/create",
            "/teachers".to_owned(),
            json!({"name": "Учителев Пётр", "branch_ids": ["alfa-1"]}),
        ),
        ("customer-tariff/create", format!("/students/{student}/subscriptions"), subscription),
        (
            "task/create",
            "/tasks".to_owned(),
            json!({"title": "Сделать", "text": "Что-нибудь", "branch_ids": ["alfa-1"]}),
        ),
        ("communication/create", format!("/students/{student}/communications"), text.clone()),
        ("communication/create", format!("/tasks/{task}/communications"), text),
        ("bonus/bonus-add", format!("/students/{student}/bonus"), points),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_record_is_found_after_its_answer_was_lost() {
    let app = setup().start();
    for (call, path, body) in kinds(&app) {
        if call == "bonus/bonus-add" {
            continue;
        }
        app.alfa.ledger().clear();
        app.alfa.faults().next(Some(call), 1, Fault::DropAfter);
        let made = app.owner().with("idempotency-key", &path).send(Method::POST, &path, Some(&body)).await;
        assert_eq!(made.status, 201, "{call} {path}: {}", made.text);
        let again = app.owner().with("idempotency-key", &path).send(Method::POST, &path, Some(&body)).await;
        assert_eq!((again.status, &again.json), (201, &made.json), "{path}");
        assert_eq!(creates(&app, call), 1, "{path}");
        for (field, value) in body.as_object().unwrap() {
            if value.is_string() && !field.ends_with("_at") {
                assert_eq!(&made.json[field], value, "{path}: {field} is shown as it was sent");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_record_that_was_not_made_is_said_not_to_be() {
    let app = setup().start();
    for (call, path, body) in kinds(&app) {
        app.alfa.ledger().clear();
        app.alfa.faults().next(Some(call), 1, Fault::DropBefore);
        let told = app.owner().send(Method::POST, &path, Some(&body)).await;
        sleep(SETTLE * 2).await;
        let end = known(&app.owner(), &told).await;
        // Points have no records: their balance does not tell who gave them.
        let expected = if call == "bonus/bonus-add" { "NEEDS_REVIEW" } else { "FAILED" };
        assert_eq!(end["status"], expected, "{path}: {end}");
        assert_eq!(creates(&app, call), 1, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn members_and_slots_are_known_by_what_was_sent() {
    let app = setup().start();
    let group = in_branch_one(&app, "group");
    let path = format!("/groups/{group}/members");
    let members = app.owner().walk(&path).await;
    let inside = |id: &str| members.iter().any(|member| member["student_id"] == id);
    let outside = app.owner().walk("/students").await;
    let new = outside.iter().find(|student| !inside(student["id"].as_str().unwrap())).unwrap();
    let body = json!({"student_id": new["id"], "from": "2026-02-20"});
    app.alfa.faults().next(Some("cgi/create"), 1, Fault::DropAfter);
    let made = app.owner().send(Method::POST, &path, Some(&body)).await;
    assert_eq!((made.status, &made.json["student_id"]), (201, &new["id"]), "{}", made.text);
    let slot = json!({
        "group_id": group, "lesson_type_id": "alfa-2", "subject_id": "alfa-2", "weekdays": ["SUNDAY"],
        "starts_at": "07:15", "ends_at": "08:15", "valid_from": "2026-03-01", "branch_id": "alfa-1",
    });
    app.alfa.faults().next(Some("regular-lesson/create"), 1, Fault::DropAfter);
    let made = app.owner().send(Method::POST, "/schedules", Some(&slot)).await;
    assert_eq!((made.status, &made.json["starts_at"]), (201, &json!("07:15")), "{}", made.text);
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_change_and_of_a_removal_is_seen_in_the_record() {
    let app = setup().start();
    let path = format!("/students/alfa-{}", student(&app));
    app.alfa.faults().next(Some("customer/update"), 1, Fault::DropAfter);
    let changed = app.owner().send(Method::PATCH, &path, Some(&json!({"note": "изменено"}))).await;
    assert_eq!((changed.status, &changed.json["note"]), (200, &json!("изменено")), "{}", changed.text);
    app.alfa.faults().next(Some("customer/update"), 1, Fault::DropBefore);
    let told = app.owner().send(Method::PATCH, &path, Some(&json!({"note": "ещё раз"}))).await;
    sleep(SETTLE * 2).await;
    assert_eq!(known(&app.owner(), &told).await["status"], "FAILED");
    assert_eq!(app.owner().no_cache().get(&path).await.json["note"], "изменено");
    let subscriptions = format!("{path}/subscriptions");
    let body = json!({"tariff_id": in_branch_one(&app, "tariff"), "from": "2026-03-01", "to": "2026-03-31"});
    let made = app.owner().send(Method::POST, &subscriptions, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let one = format!("{subscriptions}/{}", made.json["id"].as_str().unwrap());
    app.alfa.faults().next(Some("customer-tariff/delete"), 1, Fault::DropBefore);
    let told = app.owner().send(Method::DELETE, &one, None).await;
    sleep(SETTLE * 2).await;
    assert_eq!(known(&app.owner(), &told).await["status"], "FAILED");
    app.alfa.faults().next(Some("customer-tariff/delete"), 1, Fault::DropAfter);
    let removed = app.owner().send(Method::DELETE, &one, None).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_wait_asks_later() {
    let app = setup().start();
    let (before, body) = (app.alfa.count("pay"), payment(&app, "100.00"));
    app.alfa.faults().next(Some("pay/create"), 1, Fault::Latency(Duration::from_secs(3)));
    let asynchronous = app.owner().with("prefer", "respond-async").with("idempotency-key", "k");
    let told = asynchronous.send(Method::POST, "/payments", Some(&body)).await;
    assert_eq!((told.status, told.header("preference-applied")), (202, "respond-async"), "{}", told.text);
    assert_eq!(known(&app.owner(), &told).await["status"], "PENDING");
    sleep(Duration::from_secs(5)).await;
    let done = known(&app.owner(), &told).await;
    assert_eq!(
        (&done["status"], &done["record"]["amount"]["amount"]),
        (&json!("SUCCEEDED"), &json!("100.00"))
    );
    assert_eq!(app.alfa.count("pay"), before + 1);
    // What the CRM refuses is told there too.
    let mut bad = payment(&app, "100.00");
    bad["account_id"] = json!("alfa-999999");
    let told = app
        .owner()
        .with("prefer", "respond-async")
        .with("idempotency-key", "k2")
        .send(Method::POST, "/payments", Some(&bad))
        .await;
    sleep(Duration::from_secs(5)).await;
    let failed = known(&app.owner(), &told).await;
    assert_eq!(
        (&failed["status"], &failed["problem"]["code"]),
        (&json!("FAILED"), &json!("validation_failed"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_gateway_finds_out_what_the_one_before_it_left_open() {
    let setup = setup();
    let first = setup.clone().start();
    let before = first.alfa.count("pay");
    // Two that the first gateway cannot find out: lists show nothing new while it lives.
    first.alfa.switches(|switches| switches.index_lag = Duration::from_secs(20));
    first.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
    let made = pay(&first, "made", &payment(&first, "100.00")).await;
    first.alfa.faults().next(Some("pay/create"), 1, Fault::DropBefore);
    let lost = pay(&first, "lost", &payment(&first, "200.00")).await;
    first.alfa.faults().next(Some("communication/create"), 1, Fault::DropAfter);
    let path = format!("/students/alfa-{}/communications", student(&first));
    let said = first.owner().send(Method::POST, &path, Some(&json!({"text": "сказано"}))).await;
    let second = setup.start_with(first.alfa.clone(), first.crypto.clone());
    drop(first);
    let again = pay(&second, "made", &payment(&second, "100.00")).await;
    assert_eq!((again.status, again.header("location")), (202, made.header("location")), "{}", again.text);
    sleep(SETTLE * 2).await;
    assert_eq!(known(&second.owner(), &made).await["status"], "SUCCEEDED");
    assert_eq!(known(&second.owner(), &lost).await["status"], "FAILED");
    let said = known(&second.owner(), &said).await;
    assert_eq!((&said["status"], &said["record"]["text"]), (&json!("SUCCEEDED"), &json!("сказано")));
    assert_eq!(pay(&second, "made", &payment(&second, "100.00")).await.status, 201);
    assert_eq!(pay(&second, "lost", &payment(&second, "200.00")).await.status, 201);
    assert_eq!((second.alfa.count("pay"), creates(&second, "pay/create")), (before + 2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_request_is_the_same_wherever_the_gateway_is_mounted() {
    let setup = setup();
    let first = {
        let app = setup.clone().start();
        let body = payment(&app, "100.00");
        (pay(&app, "k", &body).await, body)
    };
    assert_eq!(first.0.status, 201, "{}", first.0.text);
    let app = setup.set("server.base_path", "\"/crm\"").start();
    let keyed = app.owner().with("idempotency-key", "k");
    let again = keyed.send(Method::POST, "/crm/payments", Some(&first.1)).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"), "{}", again.text);
    let typed = app.operator().get("/admin/audit?outcome=needs_review").await;
    assert_eq!((typed.status, typed.code()), (400, "invalid_request"), "{}", typed.text);
    assert_eq!(app.operator().get("/admin/audit?outcome=SUCCEEDED").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_again_by_the_next_gateway_for_three_days() {
    let setup = setup();
    let first = setup.clone().start();
    let (before, body) = (first.alfa.count("pay"), payment(&first, "100.00"));
    let paid = pay(&first, "k", &body).await;
    sleep(Duration::from_secs(71 * 60 * 60)).await;
    let second = setup.clone().start_with(first.alfa.clone(), first.crypto.clone());
    let again = pay(&second, "k", &body).await;
    assert_eq!((again.status, &again.json, again.header("idempotency-replayed")), (201, &paid.json, "true"));
    assert_eq!(pay(&second, "k", &payment(&second, "1.00")).await.code(), "idempotency_mismatch");
    assert_eq!(second.alfa.count("pay"), before + 1);
    sleep(Duration::from_secs(2 * 60 * 60)).await;
    // What is too old is forgotten with the next write.
    assert_eq!(pay(&second, "other", &payment(&second, "5.00")).await.status, 201);
    let anew = pay(&second, "k", &body).await;
    assert_eq!((anew.status, anew.header("idempotency-replayed")), (201, ""));
}

#[tokio::test(start_paused = true)]
async fn operators_see_who_wrote_what_and_what_it_was_before() {
    let app = setup().start();
    let path = format!("/students/alfa-{}", student(&app));
    let paid = pay(&app, "k", &payment(&app, "100.00")).await;
    let request = app.owner().with("x-request-id", "change-1");
    assert_eq!(request.send(Method::PATCH, &path, Some(&json!({"note": "после"}))).await.status, 200);
    let mut bad = payment(&app, "100.00");
    bad["account_id"] = json!("alfa-999999");
    assert_eq!(pay(&app, "bad", &bad).await.status, 422);
    let log = app.operator().get("/admin/audit").await;
    let entries = log.items();
    let outcomes: Vec<&str> = entries.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["FAILED", "SUCCEEDED", "SUCCEEDED"], "the newest first: {}", log.text);
    let change = &entries[1];
    assert_eq!(
        (&change["consumer"], &change["request_id"], &change["method"]),
        (&json!("owner"), &json!("change-1"), &json!("PATCH"))
    );
    assert_eq!((&change["path"], &change["resource"]), (&json!(path), &json!("students")));
    assert_ne!(change["before"]["note"], "после");
    assert_eq!(change["after"]["note"], "после");
    assert_eq!((&entries[2]["record"], &entries[2]["before"]), (&paid.json["id"], &Value::Null));
    assert_eq!(entries[0]["detail"]["code"], "validation_failed");
    let page = app.operator().get("/admin/audit?limit=1&resource=payments").await;
    assert_eq!((page.items().len(), &page.items()[0]["outcome"]), (1, &json!("FAILED")));
    let next = page.next_cursor().unwrap();
    let rest = app.operator().get(&format!("/admin/audit?resource=payments&cursor={next}")).await;
    assert_eq!((rest.items().len(), rest.next_cursor()), (1, None));
    assert_eq!(app.operator().get("/admin/audit?who=me").await.status, 400);
    assert_eq!(app.owner().get("/admin/audit").await.status, 404, "it is not for consumers");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_writes_and_answers_reads() {
    let disk = Frail::default();
    let app = setup().kept_in(Store::on_frail(disk.clone()).unwrap(), same_as_the_crms()).start();
    let before = app.alfa.count("pay");
    assert_eq!(pay(&app, "good", &payment(&app, "1.00")).await.status, 201);
    disk.fill(true);
    let refused = pay(&app, "full", &payment(&app, "2.00")).await;
    assert_eq!((refused.status, refused.code()), (503, "storage_unavailable"), "{}", refused.text);
    assert_eq!((refused.header("retry-after"), &refused.json["retryable"]), ("5", &json!(true)));
    assert_eq!(app.owner().get("/students?limit=3").await.items().len(), 3);
    assert_eq!(app.owner().get("/payments?limit=3").await.items().len(), 3);
    assert_eq!(creates(&app, "pay/create"), 1, "what cannot be noted is not sent");
    disk.fill(false);
    assert_eq!(pay(&app, "full", &payment(&app, "2.00")).await.status, 201, "there is room again");
    // What became of a write is told when it is kept, not before.
    app.alfa.faults().next(Some("pay/create"), 1, Fault::Latency(Duration::from_secs(3)));
    let paying = tokio::spawn({
        let (owner, body) = (app.owner(), payment(&app, "3.00"));
        async move { owner.with("idempotency-key", "late").send(Method::POST, "/payments", Some(&body)).await }
    });
    while creates(&app, "pay/create") < 3 {
        sleep(Duration::from_millis(100)).await;
    }
    disk.fill(true);
    let told = paying.await.unwrap();
    assert_eq!(told.status, 202, "{}", told.text);
    disk.fill(false);
    sleep(SETTLE * 2).await;
    let found = known(&app.owner(), &told).await;
    assert_eq!(
        (&found["status"], &found["record"]["amount"]["amount"]),
        (&json!("SUCCEEDED"), &json!("3.00"))
    );
    assert_eq!(app.alfa.count("pay"), before + 3);
}

#[tokio::test(start_paused = true)]
async fn two_equal_payments_without_marks_of_which_one_arrived_are_for_people() {
    let app = setup().set("alfacrm.mark.field", "\"none\"").start();
    let (before, body) = (app.alfa.count("pay"), payment(&app, "100.00"));
    app.alfa.switches(|switches| switches.index_lag = Duration::from_secs(5));
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropBefore);
    let twins = futures_util::future::join(pay(&app, "one", &body), pay(&app, "two", &body)).await;
    sleep(SETTLE * 2).await;
    for twin in [twins.0, twins.1] {
        assert_eq!(known(&app.owner(), &twin).await["status"], "NEEDS_REVIEW");
    }
    assert_eq!(app.alfa.count("pay"), before + 1);
}
