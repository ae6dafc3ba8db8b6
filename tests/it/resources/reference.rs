//! Reference books.

use serde_json::{Value, json};

use super::{every_filter, school, snapshot, text};
use crate::support::Setup;
use crate::support::app::ids;

/// The books of AlfaCRM with the models behind them, and columns that only `raw` shows.
const ALFA: [(&str, &str, &[&str]); 18] = [
    ("branches", "branch", &["subject_ids"]),
    ("locations", "location", &[]),
    ("rooms", "room", &["note", "color_id", "location_id"]),
    ("subjects", "subject", &[]),
    ("lesson-types", "lesson-type", &["type", "icon"]),
    ("study-statuses", "study-status", &[]),
    ("lead-statuses", "lead-status", &[]),
    ("lead-sources", "lead-source", &["code"]),
    ("lead-rejects", "lead-reject", &[]),
    ("customer-rejects", "customer-reject", &[]),
    ("pipelines", "pipeline", &[]),
    ("levels", "level", &[]),
    ("pay-accounts", "pay-account", &["user_ids"]),
    ("pay-items", "pay-item", &["category_id", "pay_type_ids"]),
    ("pay-item-categories", "pay-item-category", &[]),
    ("pay-types", "pay-type", &[]),
    ("companies", "company", &[]),
    ("streamings", "streaming", &[]),
];

/// The dictionaries of the Crypto CRM with what they are called in its own list of all names.
const CRYPTO: [(&str, &str); 7] = [
    ("funnels", "sales_funnels"),
    ("steps", "steps"),
    ("currencies", "currencies"),
    ("action-types", "action_types"),
    ("groups", "groups"),
    ("goods", "goods"),
    ("clients", "clients"),
];

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[tokio::test(start_paused = true)]
async fn every_book_of_alfacrm_is_whole_and_found_by_id() {
    let app = school();
    for (book, model, columns) in ALFA {
        let path = format!("/reference/{book}");
        let all = app.owner().walk(&format!("{path}?include=raw")).await;
        let rows = app.alfa.rows(model);
        let wanted = rows.iter().map(|row| format!("alfa-{}", row["id"])).collect();
        assert_eq!(sorted(ids(&all)), sorted(wanted), "{book}");
        assert!(!all.is_empty(), "{book} is empty");
        for record in &all {
            let number: u64 = text(&record["source_id"]).parse().unwrap();
            let row = rows.iter().find(|row| row["id"] == number).unwrap();
            assert_eq!(record["name"], row["name"], "{book}");
            for column in columns {
                assert_eq!(record["raw"][column], row[column], "{book} {column}");
            }
            let one = app.owner().get(&format!("{path}/{}?include=raw", text(&record["id"]))).await;
            assert_eq!((one.status, &one.json), (200, record), "{book}");
        }
        assert_eq!(app.owner().get(&format!("{path}/alfa-999999")).await.status, 404, "{book}");
        assert_eq!(app.owner().get(&format!("{path}/crypto-1")).await.status, 404, "{book}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_dictionary_of_the_crypto_crm_is_a_book_and_costs_nothing() {
    let app = school();
    let names = crm_gateway::sandbox::crypto::dictionary::all();
    for (book, dictionary) in CRYPTO {
        let path = format!("/reference/{book}");
        let all = app.owner().walk(&path).await;
        let known = names[dictionary].as_object().unwrap();
        assert_eq!(all.len(), known.len(), "{book}");
        for record in &all {
            let name = &known[&text(&record["source_id"])];
            let name = if name.is_object() { &name["name"] } else { name };
            assert_eq!((&record["name"], &record["source"]), (name, &json!("cryptocrm")), "{book}");
            let one = app.owner().get(&format!("{path}/{}", text(&record["id"]))).await;
            assert_eq!((one.status, &one.json), (200, record), "{book}");
        }
    }
    assert_eq!(app.calls(), 0);
}

/// People work in both CRMs, with numbers of their own in each.
#[tokio::test(start_paused = true)]
async fn users_are_one_book_of_both() {
    let app = school();
    let all = app.owner().walk("/reference/users?include=raw").await;
    let of = |source: &str| all.iter().filter(|user| user["source"] == source).count();
    assert_eq!(of("alfacrm"), app.alfa.count("user"));
    assert_eq!(of("cryptocrm"), crm_gateway::sandbox::crypto::dictionary::USERS.len());
    let alfa = all.iter().find(|user| user["source"] == "alfacrm").unwrap();
    assert!(alfa["raw"]["email"].as_str().is_some_and(|email| email.contains('@')), "{alfa}");
    for id in ["alfa-1", "crypto-1"] {
        assert_eq!(app.owner().get(&format!("/reference/users/{id}")).await.json["id"], id);
    }
}

/// An empty list would say that there are no such things; nobody keeps the book.
#[tokio::test(start_paused = true)]
async fn a_book_that_no_configured_crm_keeps_is_not_supported() {
    let without = |crm| Setup::new().students(8).projects(8).in_no_hurry().without(crm).start();
    for (app, book, other) in
        [(without("cryptocrm"), "steps", "rooms"), (without("alfacrm"), "rooms", "steps")]
    {
        for path in [format!("/reference/{book}"), format!("/reference/{book}/alfa-1")] {
            let answer = app.owner().get(&path).await;
            assert_eq!((answer.status, answer.code()), (501, "not_supported"), "{path}: {}", answer.text);
        }
        assert!(!app.owner().walk(&format!("/reference/{other}")).await.is_empty());
        // Users are in both, and the one that is there answers.
        assert!(!app.owner().walk("/reference/users").await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_branches_look_like_this() {
    let app = school();
    let all: Value = app.owner().walk("/reference/branches").await.into();
    snapshot("reference_branches", &all, &[]);
}

#[tokio::test(start_paused = true)]
async fn it_has_no_filter_without_a_test() {
    let app = school();
    let all = app.owner().walk("/reference/branches").await;
    every_filter(&app, "/reference/{book}", &[], &all, Vec::new(), &[]).await;
}

#[tokio::test(start_paused = true)]
async fn who_may_see_one_branch_sees_its_entries_only() {
    let app = school();
    assert_eq!(ids(&app.branch_one().walk("/reference/branches").await), ["alfa-1"]);
    assert_eq!(ids(&app.owner().walk("/reference/branches?branch_id=alfa-2").await), ["alfa-2"]);
    assert_eq!(app.branch_one().get("/reference/branches/alfa-2").await.status, 404);
    for room in app.branch_one().walk("/reference/rooms").await {
        assert_eq!(room["branch_ids"], json!(["alfa-1"]), "{room}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_book_that_is_not_there_is_no_path() {
    let app = school();
    for path in ["/reference/shoes", "/reference", "/reference/shoes/alfa-1", "/reference/branches/nonsense"]
    {
        let answer = app.owner().get(path).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{path}");
    }
}
