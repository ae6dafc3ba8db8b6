//! What a consumer may cause in a day, and how long its keys are good.

use http::Method;
use serde_json::{Value, json};

use crate::support::app::{key, same_as_the_crms};
use crate::support::{Asker, Setup, TestApp};
use crm_gateway::store::Store;

/// A school in which `thrifty` may cause three calls a day.
fn school() -> TestApp {
    let hash = crm_gateway::consumers::hash(&key("thrifty"));
    let expired = crm_gateway::consumers::hash(&key("late"));
    let rights = format!(
        "{{ key_hashes = [\"{hash} until 2026-12-31\", \"{expired} until 2026-02-19\"], scopes = [\"*\"], \
         daily_budget = 3, rate_limit = 1000 }}"
    );
    let setup = Setup::new().students(40).projects(3).in_no_hurry();
    setup.set("consumers.thrifty", &rights).kept_in(Store::in_memory(), same_as_the_crms()).start()
}

fn student(app: &TestApp, number: usize) -> String {
    format!("/students/alfa-{}", app.alfa.rows("customer")[number]["id"])
}

/// `thrifty` when it has spent its day on three students.
async fn with_nothing_left(app: &TestApp) -> Asker {
    let thrifty = app.actor("thrifty");
    for number in 0..3 {
        assert_eq!(thrifty.get(&student(app, number)).await.status, 200);
    }
    thrifty
}

#[tokio::test(start_paused = true)]
async fn who_has_used_up_its_day_is_answered_by_memory_and_by_nothing_else() {
    let app = school();
    let thrifty = with_nothing_left(&app).await;
    let calls = app.alfa.ledger().entries().len();
    let refused = thrifty.get(&student(&app, 7)).await;
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"), "{}", refused.text);
    // The simulated day began in the morning; it ends at midnight in Greenwich.
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=24 * 60 * 60).contains(&wait), "{wait}");
    assert!(refused.json["detail"].as_str().unwrap().contains("in a day"), "{}", refused.text);
    assert_eq!(app.alfa.ledger().entries().len(), calls, "nothing was sent");
    // What is remembered is answered, and what somebody else asks for as well.
    assert_eq!(thrifty.get(&student(&app, 0)).await.status, 200);
    assert_eq!(app.owner().get(&student(&app, 7)).await.status, 200);
    assert_eq!(thrifty.get(&student(&app, 7)).await.status, 200);
    // What a request is told to come to is what it comes to.
    let asked = json!({"method": "GET", "path": student(&app, 8)});
    let explained = thrifty.send(Method::POST, "/quota/explain", Some(&asked)).await;
    assert!(explained.text.contains("rate_limited"), "{}", explained.text);
    let quota = thrifty.get("/quota").await.json;
    assert_eq!((&quota["daily_budget"]["calls"], &quota["daily_budget"]["spent"]), (&json!(3), &json!(3)));
    assert_eq!(app.owner().get("/quota").await.json.get("daily_budget"), None);
}

#[tokio::test(start_paused = true)]
async fn a_write_beyond_the_day_is_not_made_and_may_be_sent_again() {
    let app = school();
    let thrifty = with_nothing_left(&app).await;
    let before = app.alfa.count("pay");
    let id = &app.alfa.rows("customer")[0]["id"];
    let body = json!({"student_id": format!("alfa-{id}"), "amount": "10.00", "date": "2026-02-20", "account_id": "alfa-1"});
    let paid = thrifty.with("idempotency-key", "over").send(Method::POST, "/payments", Some(&body)).await;
    assert_eq!((paid.status, paid.code()), (429, "rate_limited"), "{}", paid.text);
    assert_eq!(app.alfa.count("pay"), before);
}

#[tokio::test(start_paused = true)]
async fn one_who_joins_a_call_that_its_beginner_may_not_make_makes_it_itself() {
    let app = school();
    let thrifty = with_nothing_left(&app).await;
    let path = student(&app, 9);
    let owner = app.owner();
    let (theirs, owners) = tokio::join!(thrifty.get(&path), owner.get(&path));
    assert_eq!(owners.status, 200, "{}", owners.text);
    assert!([200, 429].contains(&theirs.status), "{}", theirs.text);
}

#[tokio::test(start_paused = true)]
async fn an_expired_key_says_so_and_operators_see_how_keys_are_used() {
    let app = school();
    let late = app.actor("late").get("/quota").await;
    assert_eq!((late.status, late.code()), (401, "unauthenticated"), "{}", late.text);
    assert!(late.json["detail"].as_str().unwrap().contains("2026-02-19"), "{}", late.text);
    assert_eq!(app.actor("thrifty").get("/quota").await.status, 200);
    let state = app.operator().get("/admin/state").await.json;
    let keys: Vec<&Value> =
        state["keys"].as_array().unwrap().iter().filter(|key| key["consumer"] == "thrifty").collect();
    assert_eq!(keys.len(), 2, "{state}");
    for key in keys {
        let used = key["until"] == "2026-12-31";
        assert_eq!(key.get("last_used").is_some(), used, "{key}");
        assert_eq!(key["key"].as_str().unwrap().len(), 8);
    }
}
