//! Calendars of students, groups and teachers.

use serde_json::{Value, json};

use super::{school, snapshot, text};
use crate::support::TestApp;
use crate::support::app::ids;

const DAYS: &str = "from=2026-01-01&to=2026-03-31";

/// The lessons that the CRM's rows put into a calendar, by time.
fn expected(app: &TestApp, column: &str, id: u64) -> Vec<String> {
    let in_days = |row: &Value| ("2026-01-01"..="2026-03-31").contains(&row["date"].as_str().unwrap());
    let rows = app.alfa.rows("lesson").into_iter();
    let mut rows: Vec<Value> =
        rows.filter(|row| row[column].as_array().unwrap().contains(&id.into()) && in_days(row)).collect();
    rows.sort_by_key(|row| (text(&row["time_from"]), row["id"].as_u64()));
    rows.iter().map(|row| format!("alfa-{}", row["id"])).collect()
}

#[tokio::test(start_paused = true)]
async fn a_calendar_holds_the_lessons_of_all_statuses_by_time() {
    let app = school();
    let student = app
        .alfa
        .rows("lesson")
        .iter()
        .rev()
        .find_map(|row| {
            row["customer_ids"][0].as_u64().filter(|_| text(&row["date"]).as_str() > "2026-01-01")
        })
        .unwrap();
    for (path, column, id) in [
        ("/students", "customer_ids", student),
        ("/groups", "group_ids", 12),
        // Teaches in two branches.
        ("/teachers", "teacher_ids", 4),
    ] {
        let path = format!("{path}/alfa-{id}/calendar?{DAYS}");
        let wanted = expected(&app, column, id);
        assert!(wanted.len() > 3, "{path} proves nothing");
        for limit in [2, 200] {
            let entries = app.owner().walk(&format!("{path}&limit={limit}")).await;
            assert_eq!(ids(&entries), wanted, "{path}");
        }
        let entries = app.owner().walk(&path).await;
        for entry in &entries {
            assert_eq!(entry["lesson_id"], entry["id"]);
            let lesson = app.owner().get(&format!("/lessons/{}", text(&entry["id"]))).await.json;
            for field in ["status", "starts_at", "lesson_type_id", "subject_id", "duration_minutes"] {
                assert_eq!(entry[field], lesson[field], "{field} of {}", entry["id"]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn both_days_must_be_named_and_two_years_are_the_most() {
    let app = school();
    for (query, pointers) in [
        ("", vec!["/query/from", "/query/to"]),
        ("?from=2026-01-01", vec!["/query/to"]),
        ("?from=2026-02-01&to=2026-01-01", vec!["/query/from"]),
        ("?from=2020-01-01&to=2026-01-01", vec!["/query/to"]),
        ("?from=yesterday&to=2026-01-01", vec!["/query/from"]),
    ] {
        for path in ["/students/alfa-101", "/groups/alfa-12", "/teachers/alfa-4"] {
            let answer = app.owner().get(&format!("{path}/calendar{query}")).await;
            assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{query}: {}", answer.text);
            let errors = answer.json["errors"].as_array().unwrap().iter();
            let told: Vec<String> = errors.map(|error| text(&error["pointer"])).collect();
            assert_eq!(told, pointers, "{query}");
        }
    }
    assert_eq!(app.calls(), 0, "a mistake costs no quota");
}

/// A list without pages has no order that anybody promised, and a branch may show what another shows as well.
#[tokio::test(start_paused = true)]
async fn a_lesson_that_every_branch_shows_comes_once_and_in_its_place() {
    let app = crate::support::Setup::new().students(60).in_no_hurry().start_altered(|path, json| {
        if path.contains("/calendar/") {
            let row = |id: u64, start: &str| json!({"id": id, "type": 2, "status": 1, "start": start, "subject_id": 2, "duration": "60"});
            *json = json!([row(7, "2026-02-18 17:00:00"), row(9, "2026-02-25 17:00:00"), row(8, "2026-02-11 17:00:00")]);
        }
    });
    for limit in [1, 2, 50] {
        let path = format!("/teachers/alfa-4/calendar?{DAYS}&limit={limit}");
        assert_eq!(ids(&app.owner().walk(&path).await), ["alfa-8", "alfa-7", "alfa-9"], "by {limit}");
    }
    let branches: Vec<String> = app
        .alfa
        .ledger()
        .entries()
        .into_iter()
        .filter(|entry| entry.operation == "calendar/teacher")
        .map(|entry| entry.path)
        .collect();
    assert_eq!(branches.len(), 2, "one call for each branch of the teacher: {branches:?}");
}

#[tokio::test(start_paused = true)]
async fn an_entry_looks_like_this() {
    let app = school();
    let page = app
        .owner()
        .get(&format!("/groups/alfa-12/calendar?{DAYS}&limit=1&include=raw&expand=subject,lesson_type"))
        .await;
    snapshot("calendar_entry", &page.json["items"][0], &[]);
}
