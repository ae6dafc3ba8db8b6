//! The log.

use http::Method;
use serde_json::{Value, json};

use super::{Case, case, days, every_filter, same, school, snapshot, text};

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let all = app.owner().walk("/history?limit=200").await;
    assert_eq!(all.len(), app.alfa.count("log"));
    assert!(all.is_sorted_by(|a, b| text(&a["at"]) >= text(&b["at"])), "newest first");
    let one = all.iter().find(|entry| entry["entity"] == "Customer").unwrap();
    let (entity, id) = (text(&one["entity"]), text(&one["entity_id"]));
    let (of, with) = (entity.clone(), id.clone());
    let mut cases = vec![
        case("entity", "CustomerGroupInvolve", |entry| entry["entity"] == "CustomerGroupInvolve"),
        same(&all, "user_id", "user_id"),
        case("event", "ADDED", |entry| entry["event"] == "ADDED"),
        case("event", "CHANGED", |entry| entry["event"] == "CHANGED"),
        case("event", "DELETED", |entry| entry["event"] == "DELETED"),
        Case {
            query: vec![("entity".to_owned(), entity), ("entity_id".to_owned(), id)],
            fits: Box::new(move |entry| {
                entry["entity"] == of.as_str() && entry["entity_id"] == with.as_str()
            }),
        },
    ];
    cases.extend(days(&all, "from", "to", "at"));
    // The log tells no branch.
    every_filter(&app, "/history", &[], &all, cases, &["branch_id"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_tells_what_was_and_what_is() {
    let app = school();
    let all = app.owner().walk("/history?limit=200").await;
    for entry in &all {
        assert!(entry["old"].is_object() && entry["new"].is_object(), "{entry}");
        let (old, new) = (entry["old"] == json!({}), entry["new"] == json!({}));
        match text(&entry["event"]).as_str() {
            "ADDED" => assert!(old && !new, "{entry}"),
            "DELETED" => assert!(!old && new, "{entry}"),
            _ => assert!(!old && !new, "{entry}"),
        }
    }
    let some = [&all[0], &all[all.len() / 2]];
    for entry in some {
        let one = app.owner().get(&format!("/history/{}", text(&entry["id"]))).await;
        assert_eq!((one.status, &one.json), (200, entry));
    }
    assert_eq!(app.owner().get("/history/alfa-1").await.status, 404);
    let changed = app.owner().get("/history?event=CHANGED&limit=1&include=raw&expand=user").await;
    snapshot("history_entry", &changed.json["items"][0], &[]);
}

/// What a record holds is among its changes, and its branch is not told.
#[tokio::test(start_paused = true)]
async fn masks_hide_the_changes_and_branches_hide_all() {
    let app = school();
    let masked = app.masked().get("/history?limit=3").await;
    assert_eq!(masked.items().len(), 3);
    for field in ["old", "new", "raw"] {
        assert!(masked.items().iter().all(|entry| entry.get(field).is_none()), "{field}");
    }
    assert_eq!(app.masked().get("/history?include=raw").await.status, 403);
    let known = text(&masked.items()[0]["id"]);
    let calls = app.calls();
    assert_eq!(app.branch_one().walk("/history").await, Vec::<Value>::new());
    assert_eq!(app.branch_one().get(&format!("/history/{known}")).await.status, 404);
    assert_eq!(app.calls(), calls, "what cannot be shown is not asked for");
}

#[tokio::test(start_paused = true)]
async fn a_write_is_in_the_log_at_once() {
    let app = school();
    let student = app.alfa.rows("customer").remove(0)["id"].as_u64().unwrap();
    let newest = "/history?entity=CustomerToTariff&limit=1";
    assert_eq!(app.owner().get(newest).await.items(), Vec::<Value>::new());
    let tariff = app.alfa.rows("tariff")[0]["id"].clone();
    let body = json!({"tariff_id": format!("alfa-{tariff}"), "from": "2026-03-01", "to": "2026-05-31"});
    let path = format!("/students/alfa-{student}/subscriptions");
    let made = app.owner().send(Method::POST, &path, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let seen = app.owner().get(newest).await.items().remove(0);
    assert_eq!((&seen["entity_id"], &seen["event"]), (&made.json["id"], &json!("ADDED")));
}
