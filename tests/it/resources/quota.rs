//! How the CRMs' calls are spent, held against what the CRMs received.

use std::time::Duration;

use crm_gateway::sandbox::fault::Fault;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::school;
use crate::support::{Asker, Setup};

/// What is told of one CRM.
async fn quota_of(asker: &Asker, source: &str) -> Value {
    let answer = asker.get("/quota").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let found = answer.items().into_iter().find(|quota| quota["source"] == source);
    found.unwrap_or_else(|| panic!("{source} is missing in {}", answer.text))
}

fn sum(spent: &Value) -> u64 {
    spent.as_object().unwrap().values().map(|calls| calls.as_u64().unwrap()).sum()
}

#[tokio::test(start_paused = true)]
async fn what_was_spent_is_what_the_crms_received() {
    let app = school();
    app.owner().walk("/students?limit=20").await;
    app.owner().walk("/projects?limit=20").await;
    let broken =
        Fault::Status { code: 500, body: String::new(), content_type: "text/html", retry_after: None };
    app.alfa.faults().next(Some("teacher/index"), 1, broken);
    assert_eq!(app.export().get("/teachers").await.status, 200);
    let id = app.owner().get("/students?limit=1").await.items()[0]["id"].clone();
    let path = format!("/students/{}", id.as_str().unwrap());
    let changed = app.owner().send(Method::PATCH, &path, Some(&json!({"note": "звонить утром"}))).await;
    assert_eq!(changed.status, 200, "{}", changed.text);

    let alfa = quota_of(&app.owner(), "alfacrm").await;
    let ledger = app.alfa.ledger();
    assert_eq!(sum(&alfa["spent_all"]), ledger.len() as u64, "{alfa}");
    assert_eq!(alfa["spent_all"]["auth"], ledger.count_operation("auth/login"));
    assert_eq!(alfa["spent_all"]["write"], ledger.count_operation("customer/update"));
    assert_eq!(alfa["spent_all"]["retry"], 1, "{alfa}");
    let shares = alfa["consumers"].as_array().unwrap();
    let names: Vec<&str> = shares.iter().map(|share| share["consumer"].as_str().unwrap()).collect();
    assert_eq!(names, ["export", "gateway", "owner"]);
    assert_eq!(shares.iter().map(|share| sum(&share["spent"])).sum::<u64>(), ledger.len() as u64, "{alfa}");
    assert_eq!(shares[1]["spent"]["auth"], alfa["spent_all"]["auth"], "signing in is nobody's own");
    assert_eq!(shares[2]["spent"], alfa["spent"]);
    let crypto = quota_of(&app.owner(), "cryptocrm").await;
    assert!(sum(&crypto["spent_all"]) > 0);
    assert_eq!(sum(&crypto["spent_all"]), app.crypto.ledger().len() as u64, "{crypto}");
}

/// The fields that tell of others.
const OF_ALL: [&str; 3] = ["waiting_all", "spent_all", "consumers"];

#[tokio::test(start_paused = true)]
async fn each_consumer_sees_its_own_share_and_nothing_of_the_others() {
    let app = Setup::new()
        .students(60)
        .projects(40)
        .in_no_hurry()
        .set("consumers.export.scopes", "[\"teachers:read\", \"quota:read\"]")
        .set("consumers.masked.scopes", "[\"quota:read\"]")
        .start();
    app.owner().walk("/students?limit=20").await;
    let by_owner = app.calls() as u64;
    app.export().walk("/teachers").await;
    let by_export = app.calls() as u64 - by_owner;
    assert!(by_owner > 0 && by_export > 0);
    for (asker, own) in [(app.owner(), by_owner), (app.export(), by_export), (app.masked(), 0)] {
        let quota = quota_of(&asker, "alfacrm").await;
        let expected = json!({"miss": own, "write": 0, "retry": 0, "refresh": 0, "auth": 0});
        assert_eq!(quota["spent"], expected);
    }
    for asker in [app.export(), app.masked()] {
        let answer = asker.get("/quota").await;
        for quota in answer.items() {
            let fields: Vec<&str> = quota.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(OF_ALL.iter().all(|field| !fields.contains(field)), "absent, not null: {fields:?}");
        }
        assert!(!answer.text.contains("owner"), "{}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_sees_all() {
    let app = Setup::new()
        .students(20)
        .projects(10)
        .set("consumers.export.scopes", "[\"quota:read\", \"admin:read\"]")
        .start();
    for asker in [app.owner(), app.export()] {
        let quota = quota_of(&asker, "alfacrm").await;
        assert!(OF_ALL.iter().all(|field| !quota[*field].is_null()), "{quota}");
    }
    let only = Setup::new().students(20).set("consumers.export.scopes", "[\"admin:read\"]").start();
    assert_eq!(
        only.export().get("/quota").await.status,
        403,
        "it widens what is seen, not what may be asked"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refresh_is_told_as_one() {
    let app = school();
    let path = "/teachers?limit=1";
    assert_eq!(app.owner().get(path).await.status, 200);
    let before = quota_of(&app.owner(), "alfacrm").await["spent"]["refresh"].as_u64().unwrap();
    let calls = app.calls();
    let mut answer = app.owner().get(path).await;
    while !answer.header("cache-status").contains("detail=stale") {
        tokio::time::advance(Duration::from_secs(10)).await;
        answer = app.owner().get(path).await;
        assert!(!answer.header("cache-status").contains("fwd=miss"), "it was never stale");
    }
    while app.calls() == calls {
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    let after = quota_of(&app.owner(), "alfacrm").await;
    assert_eq!(after["spent"]["refresh"], before + (app.calls() - calls) as u64);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_counted_and_the_wait_of_the_next_one_is_foretold() {
    let app = Setup::new()
        .students(60)
        .projects(10)
        .set("alfacrm.quota.rate", "2.0")
        .set("alfacrm.quota.max_wait", "\"1m\"")
        .set("server.request_timeout", "\"2m\"")
        .start();
    let idle = quota_of(&app.owner(), "alfacrm").await;
    assert_eq!(
        (&idle["rate"], &idle["burst"], &idle["max_wait_ms"], &idle["waiting"]),
        (&json!(2.0), &json!(1), &json!(60_000), &json!(0))
    );
    assert_eq!((&idle["learned_rate"], &idle["breaker"]), (&json!(2.0), &json!("closed")));
    assert_eq!(app.owner().get("/students?limit=1").await.status, 200);
    let read = |asker: Asker, month: u32| async move {
        let path = format!("/students?stage=ALL&archived=all&created_from=2020-{month:02}-01");
        asker.get(&path).await
    };
    let waiting: Vec<_> = (1..=6).map(|month| tokio::spawn(read(app.owner(), month))).collect();
    let mut quota = quota_of(&app.owner(), "alfacrm").await;
    for _ in 0..1000 {
        if quota["waiting"] == 6 {
            break;
        }
        tokio::task::yield_now().await;
        quota = quota_of(&app.owner(), "alfacrm").await;
    }
    assert_eq!(quota["waiting"], 6, "{quota}");
    let other = quota_of(&app.export(), "alfacrm").await;
    assert_eq!((&other["waiting"], &other["waiting_all"]), (&json!(0), &json!(6)), "they are the owner's");
    let foretold = quota["predicted_wait_ms"].as_u64().unwrap();
    assert!((3_000..=4_400).contains(&foretold), "six are ahead, two calls a second: {foretold} ms");
    assert_eq!(quota_of(&app.owner(), "cryptocrm").await["waiting"], 0, "each CRM has its own queue");
    let last = read(app.owner(), 7).await;
    let timing = last.header("server-timing").strip_prefix("queue;dur=").unwrap();
    let waited: f64 = timing.split(',').next().unwrap().parse().unwrap();
    assert!(
        (waited - foretold as f64).abs() < waited / 4.0,
        "it waited {waited} ms, {foretold} ms were foretold"
    );
    assert!(join_all(waiting).await.into_iter().all(|answer| answer.unwrap().status == 200));
    assert_eq!(quota_of(&app.owner(), "alfacrm").await["waiting"], 0);
}

#[tokio::test(start_paused = true)]
async fn asking_costs_no_call_and_is_not_kept() {
    let app = school();
    let first = app.owner().get("/quota").await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(first.header("cache-control"), "no-store");
    for name in ["etag", "age", "cache-status", "last-modified"] {
        assert!(!first.headers.contains_key(name), "{name}");
    }
    assert_eq!(app.owner().with("if-none-match", "*").get("/quota").await.status, 200);
    assert_eq!(app.owner().no_cache().get("/quota").await.json, first.json);
    assert_eq!(app.alfa.ledger().len() + app.crypto.ledger().len(), 0);
    let sources: Vec<Value> = first.items().iter().map(|quota| quota["source"].clone()).collect();
    assert_eq!(sources, ["alfacrm", "cryptocrm"]);
    let alone = Setup::new().students(10).without("cryptocrm").start();
    assert_eq!(alone.owner().get("/quota").await.items().len(), 1, "only what is configured");
}

#[tokio::test(start_paused = true)]
async fn it_needs_its_scope() {
    let app =
        Setup::new().students(10).projects(10).set("consumers.export.scopes", "[\"quota:read\"]").start();
    assert_eq!(app.export().get("/quota").await.status, 200);
    assert_eq!(app.nobody().get("/quota").await.status, 401);
    let refused = app.reader().get("/quota").await;
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
    assert!(refused.text.contains("quota:read"), "{}", refused.text);
    assert_eq!(app.owner().send(Method::POST, "/quota", Some(&json!({}))).await.status, 405);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_told_its_class_its_weight_and_what_the_class_is_sure_of() {
    let app = Setup::new()
        .students(5)
        .projects(5)
        .set("consumers.export.scopes", "[\"quota:read\"]")
        .set("consumers.export.class", "\"batch\"")
        .set("consumers.export.weight", "3")
        .start();
    let batch = quota_of(&app.export(), "alfacrm").await;
    assert_eq!((&batch["class"], &batch["weight"]), (&json!("batch"), &json!(3)), "{batch}");
    assert_eq!(batch["guaranteed"], 0.1);
    assert!(batch.get("breaker_retry_after_ms").is_none(), "{batch}");
    let urgent = quota_of(&app.owner(), "alfacrm").await;
    assert_eq!((&urgent["class"], &urgent["guaranteed"]), (&json!("interactive"), &json!(0.5)));
    let later = quota_of(&app.owner().with("prefer", "priority=partner"), "alfacrm").await;
    assert_eq!((&later["class"], &later["guaranteed"]), (&json!("partner"), &json!(0.2)));
}
