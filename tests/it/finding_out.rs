//! What happens to a record while the gateway looks for it: people and other requests change it, the CRM stands still, its
//! address changes. Nothing of it may be taken for a payment that was not made.

use std::time::Duration;

use axum::body::Bytes;
use crm_gateway::sandbox::fault::Fault;
use http::Method;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::time::{sleep, sleep_until};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::operations::{SETTLE, creates, known, pay, payment, setup};
use crate::support::{TestApp, transport};

/// The newest payment in the CRM.
fn newest(app: &TestApp) -> Value {
    app.alfa.rows("pay").into_iter().max_by_key(|row| row["id"].as_u64()).unwrap()
}

/// A payment whose answer is lost and that lists do not show until somebody in the CRM has worked on it.
async fn changed_before_it_is_found(app: &TestApp, patch: impl Fn(&Value) -> Value) -> Value {
    app.alfa.switches(|switches| switches.index_lag = Duration::from_secs(20));
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
    let told = pay(app, "k", &payment(app, "100.00")).await;
    let row = newest(app);
    assert!(app.alfa.update_row("pay", row["id"].as_u64().unwrap(), &patch(&row)));
    sleep(SETTLE * 2).await;
    let known = known(&app.owner(), &told).await;
    let again = pay(app, "k", &payment(app, "100.00")).await;
    assert_eq!(creates(app, "pay/create"), 1, "it was not made again");
    let status = if known["status"] == "SUCCEEDED" { 201 } else { 202 };
    assert_eq!((again.status, again.header("idempotency-replayed")), (status, "true"), "{}", again.text);
    if status == 202 {
        assert_eq!(again.json, known, "whoever repeats it is told what is known");
    }
    known
}

#[tokio::test(start_paused = true)]
async fn what_people_write_behind_the_mark_does_not_hide_a_payment() {
    let app = setup().start();
    let known = changed_before_it_is_found(&app, |row| {
        json!({"note": format!("{} оплатил наличными", row["note"].as_str().unwrap()), "income": "120.00"})
    })
    .await;
    assert_eq!(known["status"], "SUCCEEDED", "{known}");
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_was_changed_before_it_was_found_is_for_people_and_not_a_failure() {
    for (field, patch) in [
        ("note", json!({"note": "кто-то переписал"})),
        ("none", json!({"note": "кто-то переписал"})),
        ("none", json!({"payer_name": "Другой Плательщик", "note": ""})),
    ] {
        let app = setup().set("alfacrm.mark.field", &format!("\"{field}\"")).start();
        let known = changed_before_it_is_found(&app, |_| patch.clone()).await;
        assert_eq!(known["status"], "NEEDS_REVIEW", "{field} {patch}: {known}");
        assert_eq!(known["evidence"]["candidates"].as_array().unwrap().len(), 1, "{known}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_changes_a_record_has_not_made_it_and_its_mark_stays() {
    for (field, becomes) in [("note", "SUCCEEDED"), ("none", "NEEDS_REVIEW")] {
        let app = setup().set("alfacrm.mark.field", &format!("\"{field}\"")).start();
        change_through_the_gateway(&app, becomes).await;
        let note = newest(&app)["note"].as_str().unwrap().to_owned();
        assert_eq!(note.starts_with("исправлено [gw:"), field == "note", "{note}");
    }
}

/// What becomes of a payment whose record is changed while it is looked for.
async fn change_through_the_gateway(app: &TestApp, becomes: &str) {
    app.alfa.switches(|switches| switches.index_lag = Duration::from_secs(20));
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
    let told = pay(app, "k", &payment(app, "100.00")).await;
    let path = format!("/payments/alfa-{}", newest(app)["id"]);
    sleep(Duration::from_secs(21)).await;
    let changed = app.owner().send(Method::PATCH, &path, Some(&json!({"note": "исправлено"}))).await;
    assert_eq!(
        (changed.status, changed.json["note"].as_str()),
        (200, Some("исправлено")),
        "{}",
        changed.text
    );
    sleep(SETTLE * 2).await;
    let known = known(&app.owner(), &told).await;
    assert_eq!(known["status"], *becomes, "{known}");
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_wakes_up_is_given_the_whole_settling_time() {
    // The CRM stands still for a minute. Then it works off what lies before it: lists first, the payment after them.
    let app = setup().start();
    app.alfa.faults().next(Some("pay/create"), 1, Fault::Late(Duration::from_secs(90)));
    app.alfa.faults().next(Some("pay/index"), usize::MAX, Fault::StatusAfter { code: 500 });
    let paying = tokio::spawn({
        let (owner, body) = (app.owner().with("idempotency-key", "k"), payment(&app, "100.00"));
        async move { owner.send(Method::POST, "/payments", Some(&body)).await }
    });
    sleep(Duration::from_secs(65)).await;
    app.alfa.faults().clear();
    let told = paying.await.unwrap();
    sleep(SETTLE * 3).await;
    let known = known(&app.owner(), &told).await;
    assert_eq!(known["status"], "SUCCEEDED", "{known}");
}

#[tokio::test(start_paused = true)]
async fn the_look_that_counts_joins_no_question_that_was_asked_before() {
    let setup = setup();
    let (alfa, crypto) = setup.crms();
    // Answers to lists of payments come six seconds after they were made.
    let at_once = transport::to_router(alfa.router(), "");
    let to_alfa = BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let (at_once, slow) = (at_once.clone(), request.uri().path().ends_with("/pay/index"));
        async move {
            let answer = at_once.oneshot(request).await;
            sleep(if slow { Duration::from_secs(6) } else { Duration::ZERO }).await;
            answer
        }
    }));
    let to_crypto = transport::to_router(crypto.router(), &crypto.access().base_path);
    let app = setup.start_over(alfa, crypto, to_alfa, to_crypto);
    app.alfa.switches(|switches| switches.index_lag = SETTLE - Duration::from_millis(500));
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
    let body = payment(&app, "100.00");
    let began = tokio::time::Instant::now();
    let told = pay(&app, "k", &body).await;
    // Somebody asks the same a second before the time is over, when the CRM does not show the payment yet.
    sleep_until(began + SETTLE - Duration::from_secs(1)).await;
    let list = format!("/payments?student_id={}", body["student_id"].as_str().unwrap());
    let read = app.owner().with("cache-control", "no-cache").get(&list).await;
    assert_eq!(read.status, 200, "{}", read.text);
    assert!(read.items().iter().all(|item| item["amount"]["amount"] != "100.00"), "{}", read.text);
    sleep(SETTLE).await;
    let known = known(&app.owner(), &told).await;
    assert_eq!(known["status"], "SUCCEEDED", "{known}");
}

#[test]
fn what_was_sent_to_another_address_is_not_looked_for_at_this_one() {
    // Everything that the first gateway has begun ends with its runtime.
    let life = || {
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("it needs no sockets")
    };
    let setup = setup();
    let (crms, made) = life().block_on(async {
        let first = setup.clone().start();
        first.alfa.switches(|switches| switches.index_lag = Duration::from_secs(20));
        first.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
        let made = pay(&first, "made", &payment(&first, "100.00")).await;
        ((first.alfa.clone(), first.crypto.clone()), made)
    });
    life().block_on(async {
        let moved = setup.set("alfacrm.base_url", "\"http://another-school.example\"");
        let second = moved.start_with(crms.0, crms.1);
        sleep(SETTLE * 2).await;
        let known = known(&second.owner(), &made).await;
        assert_eq!(known["status"], "NEEDS_REVIEW", "{known}");
        assert!(known["evidence"]["reason"].as_str().unwrap().contains("http://alfa.example"), "{known}");
        let again = pay(&second, "made", &payment(&second, "100.00")).await;
        assert_eq!((again.status, creates(&second, "pay/create")), (202, 1), "{}", again.text);
    });
}

#[tokio::test(start_paused = true)]
async fn what_memory_gives_in_place_of_a_failing_crm_is_no_look() {
    let app = setup().start();
    app.alfa.switches(|switches| switches.index_lag = Duration::from_secs(20));
    app.alfa.faults().next(Some("pay/create"), 1, Fault::DropAfter);
    // The first look finds nothing, and that is remembered; then the CRM cannot be asked any more.
    let told = pay(&app, "k", &payment(&app, "100.00")).await;
    let gone = Fault::Status { code: 503, body: String::new(), content_type: "text/html", retry_after: None };
    app.alfa.faults().next(Some("pay/index"), usize::MAX, gone);
    sleep(SETTLE * 3).await;
    assert_eq!(known(&app.owner(), &told).await["status"], "PENDING");
    app.alfa.faults().clear();
    sleep(SETTLE * 2).await;
    assert_eq!(known(&app.owner(), &told).await["status"], "SUCCEEDED");
}
