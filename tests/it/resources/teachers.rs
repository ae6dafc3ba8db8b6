//! Teachers, their hours and rates.

use http::Method;
use serde_json::{Value, json};

use super::groups::{keys, sent};
use super::{Case, among, case, every_filter, pick, round_trip, school, snapshot, text};
use crate::support::app::ids;

const ALL: [(&str, &str); 1] = [("archived", "all")];

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let left = app.alfa.rows("teacher")[2]["id"].as_u64().unwrap();
    app.alfa.update_row("teacher", left, &json!({"e_date": "2026-01-31"}));
    let all = app.owner().walk("/teachers?archived=all&limit=200").await;
    assert_eq!(all.len(), app.alfa.count("teacher"));
    let part: String = pick(&all, "name").chars().take(4).collect();
    let low = part.to_lowercase();
    let phone = text(&all[1]["contacts"]["phones"][0]["display"]);
    let email = text(&all[2]["contacts"]["emails"][0]);
    let (has_phone, has_email) = (phone.clone(), email.clone());
    let two = ids(&all[..2]);
    let wanted = two.clone();
    let cases = vec![
        case("q", &part, move |teacher| text(&teacher["name"]).to_lowercase().contains(&low)),
        case("contact", &phone, move |teacher| teacher["contacts"].to_string().contains(&has_phone)),
        case("contact", &email, move |teacher| teacher["contacts"].to_string().contains(&has_email)),
        Case {
            query: two.iter().map(|id| ("id".to_owned(), id.clone())).collect(),
            fits: Box::new(move |teacher| wanted.contains(&text(&teacher["id"]))),
        },
        among(&all, "branch_id", "branch_ids"),
    ];
    every_filter(&app, "/teachers", &ALL, &all, cases, &["archived"]).await;
    let gone = ids(&app.owner().walk("/teachers?archived=true").await);
    assert!(gone.contains(&format!("alfa-{left}")), "{gone:?}");
    assert!(!ids(&app.owner().walk("/teachers").await).contains(&gone[0]));
    round_trip(&app, "/teachers", &all).await;
}

#[tokio::test(start_paused = true)]
async fn a_telephone_number_is_found_in_any_spelling_and_any_branch() {
    let app = school();
    for branch in ["alfa-1", "alfa-2", "alfa-3"] {
        let teachers = app.owner().walk("/teachers?archived=all").await;
        let teacher = teachers.into_iter().find(|one| one["branch_ids"][0] == branch).unwrap();
        let e164 = text(&teacher["contacts"]["phones"][0]["e164"]);
        let ten = &e164[2..];
        for spelling in [
            format!("%2B7{ten}"),
            format!("8{ten}"),
            ten.to_owned(),
            format!("8%20({})%20{}-{}", &ten[..3], &ten[3..6], &ten[6..]),
        ] {
            let found = app.owner().walk(&format!("/teachers?archived=all&contact={spelling}")).await;
            assert_eq!(ids(&found), [text(&teacher["id"])], "{spelling}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_teacher_is_made_and_changed() {
    let app = school();
    let body = json!({
        "name": "Наставников Глеб", "branch_ids": ["alfa-1", "alfa-3"], "gender": "MALE", "birth_date": "1988-04-09",
        "contacts": {"phones": ["8 900 000-01-77"], "emails": ["gleb@school.example"]}, "note": "шахматы",
    });
    let made = app.owner().send(Method::POST, "/teachers", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let row = app.alfa.rows("teacher").into_iter().find(|row| row["name"] == "Наставников Глеб").unwrap();
    assert_eq!((&row["dob"], &row["gender"]), (&json!("09.04.1988"), &json!(1)));
    assert_eq!(row["phone"], json!(["+7(900)000-01-77"]));
    assert_eq!(
        keys(&sent(&app, "teacher/create")),
        ["branch_ids", "dob", "email", "gender", "name", "note", "phone"],
        "what is not said is not sent"
    );
    let path = format!("/teachers/{}", text(&made.json["id"]));
    let changed = app.owner().send(Method::PATCH, &path, Some(&json!({"contacts": {"emails": []}}))).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(sent(&app, "teacher/update"), json!({"email": []}));
    assert_eq!(changed.json["contacts"]["phones"][0]["e164"], "+79000000177", "the other contacts stay");
    for (field, hint) in [("archived", "archives a teacher"), ("skills", "do it there")] {
        let refused = app.owner().send(Method::PATCH, &path, Some(&json!({field: true}))).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(text(&refused.json["errors"][0]["detail"]).contains(hint), "{}", refused.text);
    }
}

#[tokio::test(start_paused = true)]
async fn hours_and_rates_are_the_teachers_own() {
    let app = school();
    let hours = app.owner().walk("/teachers/alfa-5/working-hours").await;
    let rows = app.alfa.rows("working-hour").into_iter().filter(|row| row["teacher_id"] == 5).count();
    assert!(rows >= 2 && hours.len() == rows);
    let days: Vec<String> = hours.iter().map(|hour| text(&hour["weekday"])).collect();
    // The CRM numbers Sunday 1, so 2, 4 and 6 are these.
    assert_eq!(days, ["MONDAY", "WEDNESDAY", "FRIDAY"]);
    assert_eq!((&hours[0]["starts_at"], &hours[0]["ends_at"]), (&json!("10:00"), &json!("20:00")));
    let rates = app.owner().walk("/teachers/alfa-5/rates?expand=teacher,lesson_types,subjects").await;
    assert_eq!(rates.len(), 3);
    assert_eq!((&rates[0]["rate"]["amount"], &rates[0]["to"]), (&json!("600.00"), &Value::Null));
    assert!(rates[0]["subjects"][0]["name"].as_str().is_some_and(|name| !name.starts_with('#')));
    let call =
        app.alfa.ledger().entries().into_iter().find(|entry| entry.operation == "teacher/working-hour");
    assert_eq!(call.unwrap().body["teacher_id"], 5, "the CRM reads it from the body");
    assert_eq!(app.owner().get("/teachers/alfa-999/rates").await.status, 404);
    assert!(app.masked().get("/teachers/alfa-5/rates").await.json["items"][0].get("rate").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_names_of_teachers_cost_one_call() {
    let app = school();
    let before = app.alfa.ledger().count_operation("teacher/index");
    let page = app.owner().get("/groups?limit=200&expand=teachers").await;
    assert!(page.items().len() > 3, "{}", page.text);
    for group in page.items() {
        assert_eq!(group["teachers"][0]["id"], group["teacher_ids"][0]);
        assert!(group["teachers"][0]["name"].as_str().is_some_and(|name| !name.starts_with('#')), "{group}");
    }
    assert_eq!(app.alfa.ledger().count_operation("teacher/index") - before, 1);
}

#[tokio::test(start_paused = true)]
async fn a_teacher_looks_like_this() {
    let app = school();
    let page = app.owner().get("/teachers/alfa-4?include=raw&expand=branches").await;
    snapshot("teacher", &page.json, &[]);
}
