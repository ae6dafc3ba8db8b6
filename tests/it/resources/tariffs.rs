//! Tariffs.

use super::{case, every_filter, pick, round_trip, same, school, snapshot, text};

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let all = app.owner().walk("/tariffs").await;
    assert_eq!(all.len(), app.alfa.count("tariff"));
    let part: String = pick(&all, "name").chars().take(4).collect::<String>().to_lowercase();
    let wanted = part.clone();
    let branch = text(&all[0]["branch_ids"][0]);
    let inside = branch.clone();
    let cases = vec![
        case("q", &part, move |record| text(&record["name"]).to_lowercase().contains(&wanted)),
        case("branch_id", &branch, move |record| record["branch_ids"].to_string().contains(&inside)),
    ];
    every_filter(&app, "/tariffs", &[], &all, cases, &[]).await;
    let kind = same(&all, "kind", "kind");
    assert!(all.iter().any(|tariff| (kind.fits)(tariff)), "kinds differ");
}

/// The CRM ignores its own filter by id.
#[tokio::test(start_paused = true)]
async fn what_a_list_gives_a_read_by_id_finds() {
    let app = school();
    let all = app.owner().walk("/tariffs").await;
    round_trip(&app, "/tariffs", &all).await;
    assert_eq!(app.owner().get("/tariffs/alfa-999999").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_tariff_looks_like_this_and_has_names() {
    let app = school();
    let page = app.owner().get("/tariffs?limit=2&include=raw").await;
    snapshot("tariff", &page.json["items"][0], &[]);
    let named = app.owner().get("/tariffs?limit=1&expand=branches&fields=name").await;
    let branches = named.items()[0]["branches"].clone();
    assert!(branches[0]["name"].as_str().is_some_and(|name| !name.starts_with('#')), "{}", named.text);
}
