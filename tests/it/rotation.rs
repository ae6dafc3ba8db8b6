//! Credentials of the CRMs, and how tokens are judged, are exchanged while the gateway runs.

use std::sync::Arc;
use std::time::Duration;

use crm_gateway::sandbox::crypto::Credentials;
use crm_gateway::sandbox::fault::Fault;
use crm_gateway::store::Store;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::time::advance;

use crate::support::app::same_as_the_crms;
use crate::support::provider::{School, Signer, claims};
use crate::support::{Setup, TestApp};

fn setup() -> Setup {
    Setup::new().students(60).projects(10).in_no_hurry().forgetful()
}

fn sign_ins(app: &TestApp) -> usize {
    app.alfa.ledger().count_operation("auth/login")
}

/// A slot for one student, as it is asked for.
fn slot(student: &str) -> Value {
    json!({
        "student_id": student, "branch_id": "alfa-1", "lesson_type_id": "alfa-1", "subject_id": "alfa-2",
        "teacher_ids": ["alfa-4"], "weekdays": ["MONDAY"], "starts_at": "09:00", "ends_at": "10:00",
        "valid_from": "2026-03-02", "valid_to": "2026-05-31",
    })
}

#[tokio::test(start_paused = true)]
async fn what_a_bearer_wrote_is_known_after_an_exchange_of_credentials_and_a_restart() {
    let signer = Signer::es256("e");
    let school = School::publishing(&[&signer]);
    let setup = setup().tokens_of(&school).kept_in(Store::in_memory(), same_as_the_crms());
    let token = signer.sign(&claims("parent", &["alfa-101"]));
    let make = async |app: &TestApp| {
        let parent = app.bearer(&token).with("idempotency-key", "slot-1");
        parent.send(Method::POST, "/schedules", Some(&slot("alfa-101"))).await
    };
    let made = make(&setup.clone().start()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let again = make(&setup.set("alfacrm.api_key", "\"new-key-of-the-crm\"").start()).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"), "{}", again.text);
    assert_eq!(again.json["id"], made.json["id"]);
}

/// What operators are told of one part.
async fn board(app: &TestApp, part: &str) -> Option<Value> {
    let state = app.operator().get("/admin/state").await;
    assert!(!state.text.contains("-key-of-the-crm"), "{}", state.text);
    let parts = state.json["reloads"].as_array().unwrap();
    parts.iter().find(|noted| noted["part"] == part).cloned()
}

#[tokio::test(start_paused = true)]
async fn a_new_api_key_is_proven_and_used_from_then_on() {
    let app = setup().start();
    assert_eq!(app.owner().get("/students?limit=1").await.status, 200);
    app.alfa.switches(|switches| switches.credentials.api_key = "new-key-of-the-crm".to_owned());
    app.reload(&setup().set("alfacrm.api_key", "\"new-key-of-the-crm\"")).await;
    assert_eq!(sign_ins(&app), 2, "it was proven by signing in");
    assert_eq!(board(&app, "alfacrm").await.unwrap()["taken"], true);
    assert_eq!(app.owner().get("/students?limit=1").await.status, 200);
    app.alfa.expire_tokens();
    assert_eq!(
        app.owner().get("/students?limit=1").await.status,
        200,
        "the next sign-in is with the new one too"
    );
    assert_eq!(sign_ins(&app), 3);
    // The same again is no news.
    app.reload(&setup().set("alfacrm.api_key", "\"new-key-of-the-crm\"")).await;
    assert_eq!(sign_ins(&app), 3);
}

#[tokio::test(start_paused = true)]
async fn an_api_key_that_is_not_proven_changes_nothing() {
    for (fault, told) in [
        (None, "refuses"),
        (Some(Fault::DropBefore), "connection broke"),
        (
            Some(Fault::Status {
                code: 200,
                body: "[]".to_owned(),
                content_type: "application/json",
                retry_after: None,
            }),
            "token",
        ),
    ] {
        let app = setup().start();
        assert_eq!(app.owner().get("/students?limit=1").await.status, 200);
        if let Some(fault) = fault {
            app.alfa.switches(|switches| switches.credentials.api_key = "bad-key-of-the-crm".to_owned());
            app.alfa.faults().next(Some("auth/login"), 10, fault);
        }
        app.reload(&setup().set("alfacrm.api_key", "\"bad-key-of-the-crm\"")).await;
        let noted = board(&app, "alfacrm").await.unwrap();
        assert_eq!(noted["taken"], false);
        let detail = noted["detail"].as_str().unwrap();
        assert!(detail.contains("the old ones stay") && detail.contains(told), "{detail}");
        app.alfa.faults().clear();
        app.reload(&setup()).await;
        assert_eq!(board(&app, "alfacrm").await, None, "the file says again what is in use");
        let before = sign_ins(&app);
        let answer = app.owner().get("/students?limit=1").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(sign_ins(&app), before, "the old token goes on");
        if told == "refuses" {
            app.alfa.expire_tokens();
            let answer = app.owner().get("/students?limit=1").await;
            assert_eq!(answer.status, 200, "and the next sign-in is with the old key: {}", answer.text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_under_way_end_with_the_old_token_and_none_is_made_twice() {
    let app = setup().start();
    assert_eq!(app.owner().get("/students?limit=1").await.status, 200);
    let before = app.calls();
    app.alfa.faults().next(Some("customer/index"), 10, Fault::Latency(Duration::from_secs(5)));
    let asked =
        join_all(
            (0..10).map(|number| {
                let owner = app.owner();
                async move {
                    owner.get(&format!("/students?stage=ALL&archived=all&id=alfa-{}", 101 + number)).await
                }
            }),
        );
    let exchanged = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.alfa.switches(|switches| switches.credentials.api_key = "new-key-of-the-crm".to_owned());
        app.reload(&setup().set("alfacrm.api_key", "\"new-key-of-the-crm\"")).await;
        assert_eq!(board(&app, "alfacrm").await.unwrap()["taken"], true);
        assert_eq!(
            app.owner().get("/teachers?limit=1").await.status,
            200,
            "while the old ones are under way"
        );
    };
    let (answers, ()) = tokio::join!(asked, exchanged);
    assert!(answers.iter().all(|answer| answer.status == 200), "{}", answers[0].text);
    assert_eq!(app.alfa.ledger().count_operation("customer/index"), before + 10);
    assert_eq!(sign_ins(&app), 2);
}

#[tokio::test(start_paused = true)]
async fn the_proof_takes_a_turn_and_goes_before_all_who_wait() {
    let slow = || setup().set("alfacrm.quota.rate", "1.0").set("alfacrm.quota.burst", "1");
    let app = slow().start();
    assert_eq!(app.owner().get("/teachers?limit=1").await.status, 200);
    let asked =
        join_all(
            (0..8).map(|number| {
                let export = app.export();
                async move {
                    export.get(&format!("/students?stage=ALL&archived=all&id=alfa-{}", 101 + number)).await
                }
            }),
        );
    let exchanged = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        app.alfa.switches(|switches| switches.credentials.api_key = "new-key-of-the-crm".to_owned());
        app.reload(&slow().set("alfacrm.api_key", "\"new-key-of-the-crm\"")).await;
    };
    let (answers, ()) = tokio::join!(asked, exchanged);
    assert!(answers.iter().all(|answer| answer.status == 200), "{}", answers[0].text);
    let entries = app.alfa.ledger().entries();
    let proof = entries.iter().rposition(|entry| entry.operation == "auth/login").unwrap();
    let after = entries[proof..].iter().filter(|entry| entry.operation == "customer/index").count();
    assert!(after >= 6, "only {after} of eight came after it");
    assert!(
        entries[proof].at - entries[proof - 1].at >= Duration::from_millis(900),
        "it took a turn of the same quota"
    );
}

#[tokio::test(start_paused = true)]
async fn credentials_of_another_account_take_a_restart() {
    let app = setup().start();
    assert_eq!(app.owner().get("/students?limit=1").await.status, 200);
    app.reload(
        &setup()
            .set("alfacrm.email", "\"other@school.example\"")
            .set("alfacrm.api_key", "\"x-key-of-the-crm\""),
    )
    .await;
    assert_eq!(sign_ins(&app), 1, "they are not even tried");
    let noted = board(&app, "alfacrm").await.unwrap();
    assert!(noted["taken"] == false && noted["detail"].as_str().unwrap().contains("restart"), "{noted}");
    assert_eq!(app.owner().get("/students?limit=1").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn token_and_secret_of_the_crypto_crm_are_exchanged_the_same_way() {
    let new = || {
        setup()
            .set("cryptocrm.token", "\"new-token-key-of-the-crm\"")
            .set("cryptocrm.secret", "\"new-secret-key-of-the-crm\"")
    };
    let app = setup().start();
    assert_eq!(app.owner().get("/projects?limit=1").await.status, 200);
    app.reload(&new()).await;
    let noted = board(&app, "cryptocrm").await.unwrap();
    assert_eq!(noted["taken"], false, "{noted}");
    assert_eq!(app.owner().get("/projects?limit=1").await.status, 200, "the old pair stays");

    let delay = Fault::Latency(Duration::from_secs(5));
    app.crypto.faults().next(Some("projects"), 1, delay);
    let under_way = app.owner();
    let exchanged = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.crypto.switches(|switches| {
            switches.credentials = Some(Credentials {
                token: "new-token-key-of-the-crm".to_owned(),
                secret: "new-secret-key-of-the-crm".to_owned(),
            });
        });
        app.reload(&new()).await;
    };
    let (_, ()) = tokio::join!(under_way.get("/projects?limit=1"), exchanged);
    let noted = board(&app, "cryptocrm").await.unwrap();
    assert_eq!(noted["taken"], true, "{noted}");
    assert_eq!(app.owner().get("/projects?limit=1").await.status, 200);
    app.reload(&setup()).await;
    assert_eq!(
        board(&app, "cryptocrm").await.unwrap()["taken"],
        false,
        "the old pair is good for nothing now"
    );
    assert_eq!(app.owner().get("/projects?limit=1").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn how_tokens_are_judged_is_exchanged_and_holds_for_those_that_were_good_before() {
    let signer = Signer::es256("e");
    let school = School::publishing(&[&signer]);
    let base = || Setup::new().students(20).in_no_hurry();
    let with = |school: &Arc<School>| base().tokens_of(school);
    let app = with(&school).start();
    let token = signer.sign(&claims("parent", &["alfa-101"]));
    let status = || async { app.bearer(&token).get("/students").await.status };
    assert_eq!(status().await, 200);
    app.reload(&with(&school).set("auth.jwt.scopes", "[\"lessons:read\"]")).await;
    assert_eq!(status().await, 403, "what it may do is narrower now");
    app.reload(&with(&school).set("auth.jwt.audience", "\"another-service\"")).await;
    assert_eq!(status().await, 401);
    app.reload(&base()).await;
    assert_eq!(status().await, 401, "tokens are no longer taken");
    assert_eq!(board(&app, "consumers").await.unwrap()["taken"], true);
    school.set_down(true);
    app.reload(&with(&school)).await;
    assert_eq!(status().await, 503, "there are no keys yet");
    school.set_down(false);
    advance(Duration::from_secs(120)).await;
    assert_eq!(status().await, 200);
}

#[tokio::test(start_paused = true)]
async fn what_subjects_have_used_counts_under_other_rules_too() {
    let signer = Signer::es256("e");
    let school = School::publishing(&[&signer]);
    let with = |budget: &str| {
        setup().tokens_of(&school).set("auth.jwt.daily_budget", budget).set("auth.jwt.rate_limit", "1000")
    };
    let app = with("1").start();
    let token = signer.sign(&claims("parent", &["alfa-101"]));
    let read = async || app.bearer(&token).get("/students/alfa-101").await.status;
    assert_eq!((read().await, read().await), (200, 429));
    app.reload(&with("1").set("auth.jwt.clock_skew", "\"61s\"")).await;
    assert_eq!(read().await, 429, "no new day because of another rule");
    app.reload(&with("2")).await;
    assert_eq!((read().await, read().await), (200, 429), "one more is one more");
}

#[tokio::test(start_paused = true)]
async fn keys_of_tokens_are_read_from_their_file_again_and_a_bad_file_changes_nothing() {
    let directory = std::env::temp_dir();
    let file = directory.join(format!("crm-gateway-{}-rotation-jwks.json", std::process::id()));
    let write = |signers: &[&Signer]| {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
        std::fs::write(&file, serde_json::json!({"keys": keys}).to_string()).unwrap();
    };
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    write(&[&old]);
    let setup = || {
        Setup::new()
            .students(20)
            .in_no_hurry()
            .set("auth.jwt.jwks_file", &format!("{:?}", file.display().to_string()))
            .set("auth.jwt.issuer", &format!("{:?}", crate::support::provider::ISSUER))
            .set("auth.jwt.audience", &format!("{:?}", crate::support::provider::AUDIENCE))
    };
    let app = setup().start();
    let status = async |signer: &Signer| {
        app.bearer(&signer.sign(&claims("parent", &["alfa-101"]))).get("/students").await.status
    };
    assert_eq!((status(&old).await, status(&new).await), (200, 401));
    write(&[&old, &new]);
    app.reload(&setup()).await;
    assert_eq!((status(&old).await, status(&new).await), (200, 200), "old and new overlap");
    write(&[&new]);
    app.reload(&setup()).await;
    assert_eq!((status(&old).await, status(&new).await), (401, 200));
    std::fs::write(&file, "nothing of that kind").unwrap();
    app.reload(&setup().set("consumers.owner.scopes", "[]")).await;
    let noted = board(&app, "consumers").await.unwrap();
    assert_eq!(noted["taken"], false, "{noted}");
    assert_eq!((status(&old).await, status(&new).await), (401, 200));
    assert_eq!(app.owner().get("/students?limit=1").await.status, 200, "nothing else of it is taken either");
    std::fs::remove_file(&file).unwrap();
}
