//! A student with all that hangs on it in one answer.

use crm_gateway::sandbox::fault::Fault;
use serde_json::{Value, json};

use super::{school, text};
use crate::support::{Setup, TestApp};

const DAYS: &str = "from=2026-01-01&to=2026-03-31";

fn overview(id: &str) -> String {
    format!("/students/{id}/overview?{DAYS}")
}

/// A student with payments.
async fn payer(app: &TestApp) -> String {
    let payments = app.owner().get("/payments?source=alfacrm&limit=50").await.items();
    text(&payments.iter().find(|payment| payment["student_id"].is_string()).unwrap()["student_id"])
}

#[tokio::test(start_paused = true)]
async fn each_part_is_what_its_own_path_answers() {
    let app = school();
    let id = payer(&app).await;
    for asker in [app.owner(), app.masked()] {
        let answer = asker.get(&overview(&id)).await;
        assert_eq!((answer.status, &answer.json["failed"]), (200, &json!([])), "{}", answer.text);
        for (part, path) in [
            ("student", format!("/students/{id}")),
            ("calendar", format!("/students/{id}/calendar?{DAYS}")),
            ("groups", format!("/students/{id}/groups")),
            ("subscriptions", format!("/students/{id}/subscriptions")),
            ("discounts", format!("/students/{id}/discounts")),
            ("communications", format!("/students/{id}/communications")),
            ("projects", format!("/students/{id}/projects")),
            ("payments", format!("/payments?student_id={id}")),
        ] {
            let own = asker.get(&path).await;
            assert_eq!(own.status, 200, "{path}: {}", own.text);
            assert_eq!(answer.json[part], own.json, "{part}");
        }
        assert!(!answer.json["payments"]["items"].as_array().unwrap().is_empty());
    }
    let masked = app.masked().get(&overview(&id)).await;
    assert!(
        masked.json["student"].get("contacts").is_none() && masked.json["student"].get("balance").is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_of_days_is_of_the_days_asked_for() {
    let app = school();
    let lessons = app.owner().walk("/lessons?limit=200").await;
    let lesson = lessons.iter().find(|lesson| lesson["student_ids"][0].is_string()).unwrap();
    let (id, day) = (text(&lesson["student_ids"][0]), text(&lesson["date"]));
    let answer = app.owner().get(&format!("/students/{id}/overview?from={day}&to={day}")).await;
    let items = answer.json["calendar"]["items"].as_array().unwrap();
    let on_that_day = |entry: &Value| text(&entry["starts_at"]).starts_with(&day);
    assert!(!items.is_empty() && items.iter().all(on_that_day), "{}", answer.text);
    let turned = app.owner().get(&format!("/students/{id}/overview?from=2026-03-01&to=2026-02-01")).await;
    assert_eq!((turned.status, turned.code()), (400, "invalid_request"));
}

#[tokio::test(start_paused = true)]
async fn a_part_that_fails_is_named_and_the_rest_is_there() {
    let app = Setup::new().students(30).projects(5).in_no_hurry().forgetful().start();
    let id = payer(&app).await;
    let fault = Fault::Status {
        code: 500,
        body: "{}".to_owned(),
        content_type: "application/json",
        retry_after: None,
    };
    app.alfa.faults().next(Some("pay/index"), 1000, fault);
    let answer = app.owner().get(&overview(&id)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!((&answer.json["student"]["id"], &answer.json["payments"]), (&json!(id), &Value::Null));
    assert!(answer.json["calendar"]["items"].is_array());
    let failed = &answer.json["failed"];
    assert_eq!(failed.as_array().unwrap().len(), 1);
    assert_eq!(
        (&failed[0]["part"], &failed[0]["reason"], &failed[0]["source"]),
        (&json!("payments"), &json!("upstream_error"), &json!("alfacrm"))
    );
    assert_eq!(answer.header("cache-control"), "private, max-age=0");
}

#[tokio::test(start_paused = true)]
async fn a_part_whose_scope_is_missing_is_named_and_not_asked_for() {
    let app = school();
    let id = payer(&app).await;
    let before = app.alfa.ledger().count_operation("pay/index");
    let answer = app.reader().get(&overview(&id)).await;
    assert_eq!((answer.status, &answer.json["student"]["id"]), (200, &json!(id)));
    for (at, (part, scope)) in
        [("groups", "groups:read"), ("payments", "payments:read"), ("projects", "projects:read")]
            .iter()
            .enumerate()
    {
        let failed = &answer.json["failed"][at];
        assert_eq!(
            (&failed["part"], &failed["reason"], &failed["source"]),
            (&json!(part), &json!("forbidden"), &json!("gateway"))
        );
        assert!(text(&failed["detail"]).contains(scope));
        assert_eq!(answer.json[*part], Value::Null);
    }
    assert_eq!(app.alfa.ledger().count_operation("pay/index"), before);
}

#[tokio::test(start_paused = true)]
async fn a_student_that_is_not_there_has_no_overview() {
    let app = school();
    let all = app.owner().walk("/students?stage=ALL&limit=200").await;
    let elsewhere =
        all.iter().find(|one| !one["branch_ids"].as_array().unwrap().contains(&json!("alfa-1"))).unwrap();
    for (asker, id) in [
        (app.owner(), "alfa-999999"),
        (app.owner(), "nonsense"),
        (app.owner(), "crypto-1"),
        (app.branch_one(), elsewhere["id"].as_str().unwrap()),
    ] {
        let answer = asker.get(&overview(id)).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_overview_that_is_known_costs_no_call_and_is_answered_with_304() {
    let app = school();
    let id = payer(&app).await;
    let first = app.owner().get(&overview(&id)).await;
    let calls = app.calls();
    let etag = first.header("etag").to_owned();
    let again = app.owner().with("if-none-match", &etag).get(&overview(&id)).await;
    assert_eq!((again.status, app.calls()), (304, calls));
    assert!(again.header("cache-status").contains("hit"), "{}", again.header("cache-status"));
}
