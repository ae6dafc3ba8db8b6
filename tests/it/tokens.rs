//! End users come with tokens of the school's identity provider: which are good, and what that costs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::advance;

use crate::support::provider::{AUDIENCE, ISSUER, School, Signer, claims, seconds, text};
use crate::support::{Setup, TestApp};

fn app(school: &Arc<School>) -> TestApp {
    Setup::new().students(20).projects(10).in_no_hurry().tokens_of(school).start()
}

async fn status(app: &TestApp, token: &str) -> (u16, String) {
    let answer = app.bearer(token).get("/quota").await;
    (answer.status, answer.json["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(start_paused = true)]
async fn tokens_of_all_three_algorithms_are_good() {
    let signers = [Signer::rs256("r"), Signer::es256("e"), Signer::eddsa("d")];
    let app = app(&School::publishing(&signers.each_ref()));
    for signer in &signers {
        let answer = app.bearer(&signer.sign(&claims("parent", &[]))).get("/students").await;
        assert_eq!(answer.status, 200, "{}: {}", signer.algorithm, answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_whole_or_not_for_us_is_refused() {
    let signer = Signer::es256("e");
    let other = Signer::es256("e");
    let app = app(&School::publishing(&[&signer]));
    let good = claims("parent", &[]);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut claims = good.clone();
        change(&mut claims);
        claims
    };
    let signed = |change: &dyn Fn(&mut Value)| signer.sign(&with(change));
    let header = |header: Value| signer.sign_as(&header, &good);
    let whole = signer.sign(&good);
    let (head, signature) = whole.rsplit_once('.').unwrap();
    let (head, _) = head.split_once('.').unwrap();
    let changed = with(&|claims| claims["sub"] = "somebody else".into());
    let without =
        |claim: &'static str| signed(&move |claims| drop(claims.as_object_mut().unwrap().remove(claim)));
    for (what, token) in [
        ("signed by somebody else with the same key id", other.sign(&good)),
        (
            "other claims under the same signature",
            format!("{head}.{}.{signature}", text(changed.to_string().as_bytes())),
        ),
        (
            "without a signature",
            format!("{}.{}.", text(br#"{"alg":"none"}"#), text(good.to_string().as_bytes())),
        ),
        ("named as signed with a secret", header(json!({"alg": "HS256", "kid": "e"}))),
        ("named as signed with another kind of key", header(json!({"alg": "EdDSA", "kid": "e"}))),
        ("of a larger curve", header(json!({"alg": "ES384", "kid": "e"}))),
        (
            "with an extension that must be understood",
            header(json!({"alg": "ES256", "kid": "e", "crit": ["b64"], "b64": false})),
        ),
        ("of another issuer", signed(&|claims| claims["iss"] = "https://id.elsewhere.example".into())),
        (
            "of several issuers, one of them ours",
            signed(&|claims| claims["iss"] = json!(["https://a.example", ISSUER])),
        ),
        ("for another audience", signed(&|claims| claims["aud"] = "another-service".into())),
        ("for several others", signed(&|claims| claims["aud"] = json!(["a", "b"]))),
        ("that has expired", signed(&|claims| claims["exp"] = (seconds() - 1000).into())),
        ("that begins later", signed(&|claims| claims["nbf"] = (seconds() + 1000).into())),
        ("without an end", without("exp")),
        ("without an issuer", without("iss")),
        ("without an audience", without("aud")),
        ("without a subject", without("sub")),
        ("that is no token", "a.b.c".to_owned()),
        ("that is too long", signed(&|claims| claims["x"] = "x".repeat(9000).into())),
    ] {
        let answer = app.bearer(&token).get("/students").await;
        assert_eq!((answer.status, answer.code()), (401, "unauthenticated"), "{what}: {}", answer.text);
        assert!(answer.header("www-authenticate").contains("invalid_token"), "{what}");
        assert!(!answer.text.contains("somebody"), "{what}: {}", answer.text);
    }
    let several = signed(&|claims| claims["aud"] = json!(["another-service", AUDIENCE]));
    assert_eq!(status(&app, &several).await.0, 200);
    let soon_over = signed(&|claims| claims["exp"] = (seconds() - 30).into());
    assert_eq!(status(&app, &soon_over).await.0, 200, "the clocks may differ by a minute");
    assert_eq!(app.calls(), 0, "none of them costs the CRM anything");
    assert_eq!(whole.matches('.').count(), 2);
    assert!(ISSUER.starts_with("https://"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_good_is_so_until_it_expires() {
    let signer = Signer::es256("e");
    let app = app(&School::publishing(&[&signer]));
    let token = signer.sign(&claims("parent", &[]));
    assert_eq!(status(&app, &token).await.0, 200);
    advance(Duration::from_secs(3600 + 50)).await;
    assert_eq!(status(&app, &token).await.0, 200);
    // Far beyond: the clock of the test's own machine goes on meanwhile.
    advance(Duration::from_secs(600)).await;
    let (status, detail) = status(&app, &token).await;
    assert_eq!(status, 401);
    assert!(detail.contains("expired"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_asked_for_at_most_once_a_minute() {
    let (old, new, never) = (Signer::es256("old"), Signer::es256("new"), Signer::es256("never"));
    let school = School::publishing(&[&old]);
    let app = app(&school);
    assert_eq!(status(&app, &old.sign(&claims("parent", &[]))).await.0, 200);
    let begun = school.asked();
    advance(Duration::from_secs(61)).await;
    school.publish(&[&old, &new]);
    assert_eq!(status(&app, &new.sign(&claims("parent", &[]))).await.0, 200, "a new key is good at once");
    assert_eq!(school.asked(), begun + 1);
    for turn in 0..200 {
        let (status, _) = status(&app, &never.sign(&claims(&format!("parent {turn}"), &[]))).await;
        assert_eq!(status, 401);
    }
    assert_eq!(school.asked(), begun + 1, "a flood of unknown keys asks nobody");
    advance(Duration::from_secs(61)).await;
    let flood = (0..50).map(|turn| never.sign(&claims(&format!("again {turn}"), &[])));
    let flood: Vec<String> = flood.collect();
    futures_util::future::join_all(flood.iter().map(|token| status(&app, token))).await;
    assert_eq!(school.asked(), begun + 2, "those who come together ask together");
}

#[tokio::test(start_paused = true)]
async fn keys_stay_while_their_provider_is_down_and_a_key_that_is_withdrawn_is_forgotten() {
    let (old, new) = (Signer::eddsa("old"), Signer::eddsa("new"));
    let school = School::publishing(&[&old]);
    let app = app(&school);
    let token = old.sign(&json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "exp": seconds() + 100_000}));
    assert_eq!(status(&app, &token).await.0, 200);
    school.set_down(true);
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    let other = old.sign(&json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "b", "exp": seconds() + 100_000}));
    assert_eq!(status(&app, &other).await.0, 200, "what was known is still good");
    school.set_down(false);
    school.publish(&[&new]);
    tokio::time::sleep(Duration::from_secs(20 * 60)).await;
    assert_eq!(
        status(&app, &token).await.0,
        401,
        "a token is not remembered longer than its key is published"
    );
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_nobody_is_judged() {
    let signer = Signer::es256("e");
    let school = School::publishing(&[&signer]);
    school.set_down(true);
    let app = app(&school);
    let token = signer.sign(&claims("parent", &[]));
    let answer = app.bearer(&token).get("/quota").await;
    assert_eq!((answer.status, answer.code()), (503, "upstream_unavailable"), "{}", answer.text);
    assert_eq!(app.owner().get("/quota").await.status, 200, "keys of consumers are another matter");
    school.set_down(false);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(status(&app, &token).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn scopes_are_what_the_token_and_the_configuration_have_in_common() {
    let signer = Signer::es256("e");
    let school = School::publishing(&[&signer]);
    let app = Setup::new()
        .students(20)
        .projects(10)
        .in_no_hurry()
        .tokens_of(&school)
        .set("auth.jwt.scopes", "[\"students:read\", \"lessons:read\"]")
        .start();
    let with = |scope: Option<&str>| {
        let mut claims = claims("parent", &[]);
        if let Some(scope) = scope {
            claims["scope"] = scope.into();
        }
        app.bearer(&signer.sign(&claims))
    };
    for (scope, students, lessons, payments) in [
        (None, 200, 200, 403),
        (Some("openid students:read payments:read"), 200, 403, 403),
        (Some("*"), 200, 200, 403),
        (Some(""), 403, 403, 403),
        (Some("students:write"), 403, 403, 403),
    ] {
        let asker = with(scope);
        assert_eq!(asker.get("/students").await.status, students, "{scope:?}");
        assert_eq!(asker.get("/lessons").await.status, lessons, "{scope:?}");
        assert_eq!(asker.get("/payments").await.status, payments, "{scope:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_subject_has_a_limit_of_its_own_and_all_share_one_label() {
    let signer = Signer::es256("e");
    let school = School::publishing(&[&signer]);
    let app =
        Setup::new().students(20).in_no_hurry().tokens_of(&school).set("auth.jwt.rate_limit", "2").start();
    let token = |subject: &str, turn: i64| {
        let mut claims = claims(subject, &["alfa-101"]);
        claims["iat"] = turn.into();
        signer.sign(&claims)
    };
    let first = [0, 1, 2].map(|turn| token("subject-with-a-telling-name", turn));
    let statuses = [
        app.bearer(&first[0]).get("/students").await.status,
        app.bearer(&first[1]).get("/students").await.status,
        app.bearer(&first[2]).get("/students").await.status,
    ];
    assert_eq!(statuses, [200, 200, 429], "another token is not another limit");
    assert_eq!(app.bearer(&token("another", 0)).get("/students").await.status, 200);
    let metrics = app.operator().get("/metrics").await.text;
    assert!(metrics.contains("consumer=\"jwt\""), "{metrics}");
    assert!(!metrics.contains("jwt#") && !metrics.contains("telling"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn each_subject_has_a_day_of_its_own() {
    let signer = Signer::es256("e");
    let school = School::publishing(&[&signer]);
    let setup = Setup::new().students(20).in_no_hurry().tokens_of(&school);
    let app = setup.set("auth.jwt.daily_budget", "1").start();
    let of = |subject: &str, turn: i64| {
        let mut claims = claims(subject, &["alfa-101"]);
        claims["iat"] = turn.into();
        app.bearer(&signer.sign(&claims))
    };
    assert_eq!(of("one", 0).get("/students/alfa-101").await.status, 200);
    let refused = of("one", 1).get("/teachers").await;
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"), "{}", refused.text);
    assert_eq!(of("one", 2).get("/students/alfa-101").await.status, 200, "memory costs nothing");
    assert_eq!(of("another", 0).get("/teachers").await.status, 200);
}

#[tokio::test]
async fn a_flood_of_bad_tokens_from_one_address_is_no_longer_looked_at() {
    let app = Setup::new().students(20).start_on_sockets().await;
    for turn in 0..100 {
        let answer = app.bearer(&format!("a.b.{turn}")).get("/quota").await;
        assert_eq!(answer.status, 401, "{}", answer.text);
    }
    let answer = app.stranger().get("/quota").await;
    assert_eq!((answer.status, answer.code()), (429, "rate_limited"), "{}", answer.text);
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert_eq!(app.owner().get("/quota").await.status, 200, "who has a good key is let in all the same");
}
