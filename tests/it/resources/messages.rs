//! Text messages, letters and calls.

use serde_json::{Value, json};

use super::{case, days, every_filter, pick, round_trip, same, school, snapshot, text};
use crate::support::TestApp;

const KINDS: [(&str, &str); 3] = [("sms", "sms-message"), ("mail", "mail-message"), ("calls", "phone-call")];

/// Some of each kind differ.
fn varied() -> TestApp {
    let app = school();
    for (_, model) in KINDS {
        for (place, row) in app.alfa.rows(model).into_iter().enumerate().take(6) {
            let id = row["id"].as_u64().unwrap();
            let user = if place % 2 == 0 { 3 } else { 1 };
            app.alfa.update_row(model, id, &json!({"user_id": user, "is_archive": u8::from(place == 0), "is_fail": u8::from(place == 1)}));
        }
    }
    app
}

#[tokio::test(start_paused = true)]
async fn every_kind_is_whole_newest_first_and_found_by_id() {
    let app = varied();
    for (kind, model) in KINDS {
        let path = format!("/messages/{kind}");
        let all = app.owner().walk(&path).await;
        assert_eq!(all.len(), app.alfa.count(model), "{kind}");
        assert!(all.is_sorted_by(|a, b| text(&a["at"]) >= text(&b["at"])), "{kind}");
        round_trip(&app, &path, &all[..3]).await;
        assert_eq!(app.owner().get(&format!("{path}/alfa-999999")).await.status, 404);
    }
    assert_eq!(app.owner().get("/messages/pigeons").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = varied();
    for (kind, _) in KINDS {
        let path = format!("/messages/{kind}");
        let all = app.owner().walk(&path).await;
        let contact = pick(&all, "address");
        let wanted = contact.clone();
        let mut cases = vec![
            same(&all, "user_id", "user_id"),
            case("contact", &contact, move |record| record["address"] == wanted.as_str()),
            case("failed", "true", |record| record["failed"] == true),
            case("failed", "false", |record| record["failed"] == false),
            case("archived", "true", |record| record["archived"] == true),
            case("archived", "false", |record| record["archived"] == false),
        ];
        cases.extend(days(&all, "from", "to", "at"));
        if kind == "calls" {
            assert_eq!(app.owner().walk("/messages/calls?sent=true").await, Vec::<Value>::new());
        } else {
            cases.push(case("sent", "true", |record| record["sent"] == true));
        }
        for case in cases {
            let (name, value) = &case.query[0];
            let path = super::path(&path, &[], &[(name.clone(), value.clone())]);
            let found = app.owner().walk(&path).await;
            let fitting: Vec<Value> = all.iter().filter(|record| (case.fits)(record)).cloned().collect();
            assert!(!fitting.is_empty() && found == fitting, "{path}: {} of {}", found.len(), fitting.len());
        }
    }
    let tested = ["user_id", "contact", "sent", "failed", "archived", "from", "to", "branch_id"];
    every_filter(&app, "/messages/{kind}", &[], &[], Vec::new(), &tested).await;
}

#[tokio::test(start_paused = true)]
async fn they_look_like_this() {
    let app = school();
    for (kind, _) in KINDS {
        let page =
            app.owner().get(&format!("/messages/{kind}?limit=1&include=raw&expand=user,student")).await;
        snapshot(&format!("message_{kind}"), &page.json["items"][0], &[]);
    }
}

#[tokio::test(start_paused = true)]
async fn masks_hide_who_and_what_and_branches_hide_all() {
    let app = school();
    let masked = app.masked().get("/messages/sms?limit=2").await;
    for field in ["address", "subject", "text"] {
        assert!(masked.items().iter().all(|message| message.get(field).is_none()), "{field}");
    }
    assert_eq!(app.masked().get("/messages/sms?contact=7900").await.status, 403);
    let known = text(&masked.items()[0]["id"]);
    assert_eq!(app.branch_one().walk("/messages/sms").await, Vec::<Value>::new());
    assert_eq!(app.branch_one().get(&format!("/messages/sms/{known}")).await.status, 404);
    assert_eq!(app.reader().get("/messages/sms").await.status, 403);
}
