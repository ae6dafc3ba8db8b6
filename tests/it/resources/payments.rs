//! Payments of both CRMs.

use crm_gateway::sandbox::crypto::Table;
use serde_json::Value;

use super::{case, days, every_filter, middle_day, pick, round_trip, same, school, snapshot, text};
use crate::support::app::ids;

fn amount(record: &Value) -> f64 {
    record["amount"]["amount"].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let all = app.owner().walk("/payments?limit=200").await;
    let part: String = pick(&all, "payer_name").chars().take(5).collect();
    let low = part.to_lowercase();
    let mut cases = vec![
        case("source", "alfacrm", |record| record["source"] == "alfacrm"),
        case("source", "cryptocrm", |record| record["source"] == "cryptocrm"),
        same(&all, "student_id", "student_id"),
        same(&all, "project_id", "project_id"),
        case("direction", "EXPENSE", |record| record["direction"] == "EXPENSE"),
        case("direction", "INCOME", |record| record["direction"] == "INCOME"),
        case("confirmed", "true", |record| record["confirmed"] == true),
        same(&all, "account_id", "account_id"),
        same(&all, "item_id", "item_id"),
        same(&all, "branch_id", "branch_id"),
        case("payer", &part, move |record| text(&record["payer_name"]).to_lowercase().contains(&low)),
        case("amount_from", "3000.00", |record| amount(record) >= 3000.0),
        case("amount_to", "1500.50", |record| amount(record) <= 1500.5),
    ];
    cases.extend(days(&all, "from", "to", "date"));
    every_filter(&app, "/payments", &[], &all, cases, &["updated_since"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_tell_when_a_payment_changed_is_named() {
    let app = school();
    let answer = app.owner().get("/payments?limit=200&updated_since=2026-02-01T00:00:00%2B03:00").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json["incomplete"][0]["source"], "cryptocrm");
    assert_eq!(answer.json["incomplete"][0]["reason"], "not_supported");
    assert!(
        !answer.items().is_empty() && answer.items().iter().all(|payment| payment["source"] == "alfacrm")
    );
}

#[tokio::test(start_paused = true)]
async fn both_crms_are_one_list() {
    let app = school();
    let all = app.owner().walk("/payments").await;
    let of = |source: &str| all.iter().filter(|payment| payment["source"] == source).count();
    assert_eq!(of("alfacrm"), app.alfa.count("pay"));
    let projects = app.crypto.projects();
    let live = projects.iter().filter(|project| !matches!(text(&project["deleted"]).as_str(), "1" | "true"));
    let paid: usize =
        live.map(|project| app.crypto.rows(Table::Payments, project["id"].as_u64().unwrap()).len()).sum();
    assert_eq!(of("cryptocrm"), paid);
    let mut once = ids(&all);
    once.sort();
    once.dedup();
    assert_eq!(once.len(), all.len(), "nothing comes twice");
}

#[tokio::test(start_paused = true)]
async fn the_journal_is_newest_first_and_a_day_is_a_stretch_of_it() {
    let app = school();
    let journal = app.owner().walk("/payments?source=alfacrm").await;
    let per_branch = |branch: &str| {
        let days = journal
            .iter()
            .filter(|payment| payment["branch_id"] == branch)
            .map(|payment| text(&payment["date"]));
        days.collect::<Vec<_>>()
    };
    for branch in ["alfa-1", "alfa-2", "alfa-3"] {
        assert!(per_branch(branch).is_sorted_by(|a, b| a >= b), "{branch}");
    }
    let day = middle_day(&journal, "date");
    let one_day = app.owner().walk(&format!("/payments?source=alfacrm&from={day}&to={day}")).await;
    let mut wanted =
        ids(&journal.iter().filter(|payment| payment["date"] == day.as_str()).cloned().collect::<Vec<_>>());
    let mut got = ids(&one_day);
    wanted.sort();
    got.sort();
    assert!(!wanted.is_empty());
    assert_eq!(got, wanted);
}

#[tokio::test(start_paused = true)]
async fn what_a_list_gives_a_read_by_id_finds() {
    let app = school();
    let mut some = app.owner().get("/payments?source=cryptocrm&limit=10").await.items();
    some.extend(app.owner().get("/payments?source=alfacrm&limit=10").await.items());
    assert_eq!(some.len(), 20);
    round_trip(&app, "/payments", &some).await;
    for nothing in ["alfa-99999999", "crypto-1001-99999999", "crypto-5"] {
        assert_eq!(app.owner().get(&format!("/payments/{nothing}")).await.status, 404, "{nothing}");
    }
}

#[tokio::test(start_paused = true)]
async fn payments_look_like_this() {
    let app = school();
    let of = async |source: &str| {
        let page = app.owner().get(&format!("/payments?limit=1&source={source}&include=raw")).await;
        page.json["items"][0].clone()
    };
    snapshot("payment_alfacrm", &of("alfacrm").await, &[]);
    snapshot("payment_cryptocrm", &of("cryptocrm").await, &[]);
}
