//! One sign-in for all who wait, another when the CRM forgets us, none that helps nobody.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::{Answer, Setup, TestApp};

fn setup() -> Setup {
    Setup::new().students(60).without("cryptocrm").in_no_hurry().forgetful()
}

fn sign_ins(app: &TestApp) -> usize {
    app.alfa.ledger().count_operation("auth/login")
}

async fn fifty(app: &TestApp) -> Vec<Answer> {
    let owner = app.owner();
    join_all((0..50).map(|number| {
        let owner = owner.clone();
        async move { owner.get(&format!("/students?stage=ALL&archived=all&id=alfa-{}", 101 + number)).await }
    }))
    .await
}

#[tokio::test(start_paused = true)]
async fn fifty_who_come_at_once_sign_in_once() {
    let app = setup().start();
    let answers = fifty(&app).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{}", answers[0].text);
    assert_eq!(sign_ins(&app), 1);
    assert_eq!(app.calls(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_crm_forgot_costs_one_sign_in_and_nobody_notices() {
    for (status, age) in [(401, 0), (401, 300), (403, 300)] {
        let app = setup().start();
        app.alfa.switches(|switches| switches.bad_token_status = status);
        fifty(&app).await;
        tokio::time::advance(Duration::from_secs(age)).await;
        for round in 2..5 {
            app.alfa.expire_tokens();
            let answers = fifty(&app).await;
            let failed = answers.iter().find(|answer| answer.status != 200).map(|answer| answer.text.clone());
            assert_eq!(failed, None, "{status} after {age} s");
            assert_eq!(sign_ins(&app), round, "{status} after {age} s");
            tokio::time::advance(Duration::from_secs(age)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_told_and_not_taken_for_a_bad_token() {
    let app = setup().start();
    app.alfa.switches(|switches| switches.denied = ["customer".to_owned()].into());
    for _ in 0..120 {
        let answer = app.owner().get("/students/alfa-101").await;
        assert_eq!((answer.status, answer.code()), (502, "upstream_error"), "{}", answer.text);
        assert!(answer.text.contains("right"), "{}", answer.text);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!(sign_ins(&app) <= 3, "{} sign-ins in two minutes", sign_ins(&app));
    // What the right is there for goes on.
    assert_eq!(app.owner().get("/lessons?limit=1").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn bad_credentials_are_told_and_not_tried_over_and_over() {
    for status in [401, 403] {
        let app = setup().set("alfacrm.api_key", "\"not-the-key\"").start();
        app.alfa.switches(|switches| switches.bad_login_status = status);
        for _ in 0..10 {
            for answer in fifty(&app).await {
                assert_eq!((answer.status, answer.code()), (502, "upstream_error"), "{}", answer.text);
                assert!(!answer.text.contains("not-the-key"), "{}", answer.text);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(sign_ins(&app) <= 3, "{} sign-ins in ten seconds", sign_ins(&app));
        assert_eq!(app.calls(), 0);
        // Put right in the CRM, it works without a restart.
        app.alfa.switches(|switches| switches.credentials.api_key = "not-the-key".to_owned());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(fifty(&app).await.iter().all(|answer| answer.status == 200));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_ends_and_no_call_fails() {
    let app = setup().start();
    for _ in 0..360 {
        let answer = app.owner().get("/students/alfa-101").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    let ledger = app.alfa.ledger();
    assert_eq!(ledger.count_status(401) + ledger.count_status(403), 0);
    assert!((5..=6).contains(&sign_ins(&app)), "{} sign-ins in an hour", sign_ins(&app));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_while_the_token_is_still_good() {
    use crm_gateway::sandbox::fault::Fault;
    let app = setup().start();
    assert_eq!(app.owner().get("/students/alfa-101").await.status, 200);
    tokio::time::advance(Duration::from_secs(700)).await;
    app.alfa.faults().next(Some("auth/login"), 3, Fault::DropBefore);
    for _ in 0..30 {
        let answer = app.owner().get("/students/alfa-101").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    assert_eq!(app.alfa.ledger().count_status(401), 0);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_signing_in_does_not_end_it_for_others() {
    use crm_gateway::sandbox::fault::Fault;
    let app = setup().start();
    app.alfa.faults().next(Some("auth/login"), 1, Fault::Latency(Duration::from_secs(5)));
    let owner = app.owner();
    let leaving = tokio::spawn(async move { owner.get("/students/alfa-101").await.status });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let owner = app.owner();
    let staying = tokio::spawn(async move { owner.get("/students/alfa-102").await.status });
    tokio::time::sleep(Duration::from_secs(1)).await;
    leaving.abort();
    assert_eq!(staying.await.unwrap(), 200);
    assert_eq!(sign_ins(&app), 1);
}
