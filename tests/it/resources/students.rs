//! Students and leads.

use serde_json::{Value, json};

use super::{Case, among, case, days, every_filter, pick, round_trip, same, school, snapshot, text};
use crate::support::app::ids;

const EVERYBODY: [(&str, &str); 2] = [("stage", "ALL"), ("archived", "all")];

fn money(record: &Value, field: &str) -> Option<f64> {
    record[field]["amount"].as_str()?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let painted = app.alfa.rows("customer")[3]["id"].as_u64().unwrap();
    app.alfa.update_row("customer", painted, &json!({"color": "#9acfea"}));
    let all = app.owner().walk("/students?stage=ALL&archived=all&limit=200").await;
    assert_eq!(all.len(), app.alfa.count("customer"), "nobody is missing without a filter");
    let part: String = pick(&all, "name").chars().take(4).collect();
    let phone =
        all.iter().find_map(|record| record["contacts"]["phones"][0]["display"].as_str()).unwrap().to_owned();
    let email = all.iter().find_map(|record| record["contacts"]["emails"][0].as_str()).unwrap().to_owned();
    let updated = pick(&all, "updated_at");
    let (low_part, has_phone, has_email, since) =
        (part.to_lowercase(), phone.clone(), email.clone(), updated.clone());
    let two = ids(&all[..2]);
    let wanted = two.clone();
    let mut cases: Vec<Case> = vec![
        case("q", &part, move |record| text(&record["name"]).to_lowercase().contains(&low_part)),
        case("contact", &phone, move |record| record["contacts"]["phones"].to_string().contains(&has_phone)),
        case("contact", &email, move |record| record["contacts"]["emails"].to_string().contains(&has_email)),
        Case {
            query: two.iter().map(|id| ("id".to_owned(), id.clone())).collect(),
            fits: Box::new(move |record| wanted.contains(&text(&record["id"]))),
        },
        same(&all, "status_id", "status_id"),
        same(&all, "lead_status_id", "lead_status_id"),
        same(&all, "lead_source_id", "lead_source_id"),
        same(&all, "assigned_user_id", "assigned_user_id"),
        case("color", "LIGHT_BLUE", |record| record["color"] == "LIGHT_BLUE"),
        case("balance_from", "100.00", |record| {
            money(record, "balance").is_some_and(|amount| amount >= 100.0)
        }),
        case("balance_to", "0", |record| money(record, "balance").is_some_and(|amount| amount <= 0.0)),
        case("updated_since", &updated, move |record| text(&record["updated_at"]) >= since),
        among(&all, "branch_id", "branch_ids"),
    ];
    cases.extend(days(&all, "birth_date_from", "birth_date_to", "birth_date"));
    cases.extend(days(&all, "next_lesson_from", "next_lesson_to", "next_lesson_at"));
    cases.extend(days(&all, "last_attended_from", "last_attended_to", "last_attended_on"));
    cases.extend(days(&all, "created_from", "created_to", "created_at"));
    every_filter(&app, "/students", &EVERYBODY, &all, cases, &["stage", "archived"]).await;
}

#[tokio::test(start_paused = true)]
async fn stage_and_archive_are_told_apart_and_default_to_active_students() {
    let app = school();
    let all = app.owner().walk("/students?stage=ALL&archived=all&limit=200").await;
    for (query, stage, archived) in [
        ("", Some("STUDENT"), Some(false)),
        ("stage=LEAD", Some("LEAD"), Some(false)),
        ("archived=true", Some("STUDENT"), Some(true)),
        ("archived=all", Some("STUDENT"), None),
        ("stage=ALL", None, Some(false)),
        ("stage=ALL&archived=true", None, Some(true)),
    ] {
        let mut got = ids(&app.owner().walk(&format!("/students?limit=200&{query}")).await);
        let fitting = all.iter().filter(|record| {
            stage.is_none_or(|stage| record["stage"] == stage)
                && archived.is_none_or(|archived| record["archived"] == archived)
        });
        let mut wanted = ids(&fitting.cloned().collect::<Vec<_>>());
        got.sort();
        wanted.sort();
        assert!(!wanted.is_empty() && got == wanted, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_list_gives_a_read_by_id_finds() {
    let app = school();
    let all = app.owner().walk("/students?stage=ALL&archived=all&limit=200").await;
    round_trip(&app, "/students", &all).await;
    for nobody in ["alfa-999999", "crypto-1", "alfa-1-2", "alfa-", "nonsense", "alfa-0"] {
        let answer = app.owner().get(&format!("/students/{nobody}")).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{nobody}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_telephone_number_is_found_in_any_spelling() {
    let app = school();
    let student = app.owner().get("/students?limit=1").await.items().remove(0);
    let digits = text(&student["contacts"]["phones"][0]["e164"]);
    let ten = &digits[2..];
    for spelling in [
        format!("%2B7{ten}"),
        format!("8{ten}"),
        ten.to_owned(),
        format!("%2B7({})%20{}", &ten[..3], &ten[3..]),
    ] {
        let found = app.owner().walk(&format!("/students?stage=ALL&archived=all&contact={spelling}")).await;
        assert!(ids(&found).contains(&text(&student["id"])), "{spelling}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_total_is_the_crms_count_and_not_told_when_it_cannot_be_believed() {
    let app = school();
    let total =
        async |query: &str| app.owner().get(&format!("/students?limit=1{query}")).await.json["total"].clone();
    let active = app.owner().walk("/students?limit=200").await.len();
    assert_eq!(total("").await, active);
    assert_eq!(total("&archived=true").await, app.owner().walk("/students?archived=true").await.len());
    // Whether the CRM obeys this filter is not known.
    assert_eq!(total("&balance_from=0").await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_student_looks_like_this() {
    let app = school();
    let page = app.owner().get("/students?limit=1&include=raw").await;
    snapshot("student", &page.json["items"][0], &[]);
    let refused = app.owner().get("/students?limit=ten&colour=red&fields=name,shoe").await;
    snapshot("student_query_refused", &refused.json, &["/request_id"]);
}
