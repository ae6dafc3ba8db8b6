//! What hangs on a project: its steps, events, checklists, goods and payments.

use crm_gateway::sandbox::crypto::{Checklists, Table};
use serde_json::Value;

use super::{day, pick, school, snapshot, text};
use crate::support::app::ids;
use crate::support::{Setup, TestApp};

const PROJECT: &str = "/projects/crypto-103";

async fn list(app: &TestApp, part: &str) -> Vec<Value> {
    app.owner().walk(&format!("{PROJECT}/{part}")).await
}

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    // With the reading of the date that the CRM has, with the other one, and without any.
    for reading in ["on", "since", "unknown"] {
        let setup = Setup::new().students(10).projects(20).in_no_hurry();
        let app = setup.set("cryptocrm.semantics.filter_date", &format!("\"{reading}\"")).start();
        for (part, date, filters) in [
            ("steps", "at", &[("step_id", "step_id")][..]),
            ("actions", "at", &[("type_id", "type_id"), ("id", "id")][..]),
            ("payments", "date", &[("direction", "direction"), ("id", "id")][..]),
        ] {
            let all = list(&app, part).await;
            assert!(all.len() > 2, "{part}");
            let day_of_one = day(&all[all.len() / 2], date).unwrap();
            let on = |record: &&Value| day(record, date).as_ref() == Some(&day_of_one);
            let seen = list(&app, &format!("{part}?date={day_of_one}")).await;
            assert_eq!(
                ids(&seen),
                ids(&all.iter().filter(on).cloned().collect::<Vec<_>>()),
                "{part} {reading}"
            );
            assert!(!seen.is_empty() && seen.len() < all.len());
            for (name, field) in filters {
                let value = pick(&all, field);
                let fits = |record: &&Value| text(&record[*field]) == value;
                let fitting: Vec<Value> = all.iter().filter(fits).cloned().collect();
                assert_eq!(list(&app, &format!("{part}?{name}={value}")).await, fitting, "{part} {name}");
                let both: Vec<Value> = fitting.iter().filter(on).cloned().collect();
                let path = format!("{part}?{name}={value}&date={day_of_one}");
                assert_eq!(list(&app, &path).await, both, "{path}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_date_is_sent_only_where_its_meaning_is_known() {
    for (reading, sent) in [("on", true), ("since", true), ("unknown", false)] {
        let setup = Setup::new().students(1).projects(5).in_no_hurry();
        let app = setup.set("cryptocrm.semantics.filter_date", &format!("\"{reading}\"")).start();
        list(&app, "actions?date=2025-01-01").await;
        let entries = app.crypto.ledger().entries();
        let asked = entries.iter().find(|entry| entry.operation == "projects/actions").unwrap();
        assert_eq!(asked.query.contains("filter_date=2025-01-01"), sent, "{reading}: {}", asked.query);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_read_below_its_own_project_only() {
    let app = school();
    for record in list(&app, "actions").await {
        let one = app.owner().get(&format!("{PROJECT}/actions/{}", text(&record["id"]))).await;
        assert_eq!((one.status, &one.json), (200, &record), "{}", one.text);
    }
    let event = text(&list(&app, "actions").await[0]["source_id"]);
    for path in [
        format!("/projects/crypto-104/actions/crypto-103-{event}"),
        format!("/projects/crypto-104/actions/crypto-104-{event}"),
        format!("{PROJECT}/actions/crypto-{event}"),
        format!("{PROJECT}/actions/alfa-103-{event}"),
        format!("{PROJECT}/actions/crypto-103-99999999"),
        format!("{PROJECT}/actions/x"),
    ] {
        let answer = app.owner().get(&path).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{path}: {}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn below_an_unknown_project_there_is_nothing() {
    let app = school();
    for part in ["steps", "actions", "checklists", "goods", "payments"] {
        for project in ["crypto-999999", "alfa-101", "crypto-103-1", "x"] {
            let answer = app.owner().get(&format!("/projects/{project}/{part}")).await;
            assert_eq!((answer.status, answer.code()), (404, "not_found"), "{project} {part}");
        }
        let answer = app.owner().get(&format!("{PROJECT}/{part}?colour=red")).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{part}");
    }
    let answer = app.owner().get(&format!("{PROJECT}/payments?student_id=alfa-101")).await;
    assert_eq!(answer.json["errors"][0]["pointer"], "/query/student_id", "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn names_come_from_the_dictionaries() {
    let app = school();
    app.crypto
        .insert(
            Table::Actions,
            serde_json::json!({"id": 10390, "project_id": 103, "actions_type_id": 77, "user_id": 2,
                "date": "2026-02-01 10:00:00", "comment": null}),
        )
        .unwrap();
    let events = list(&app, "actions").await;
    let unknown = events.iter().find(|event| event["source_id"] == "10390").unwrap();
    assert_eq!(unknown["type"], serde_json::json!({"id": "crypto-77", "name": "#77"}));
    let known = events.iter().find(|event| event["type_id"] == "crypto-2").unwrap();
    assert_eq!(known["type"]["name"], "Встреча");
    for step in list(&app, "steps").await {
        for name in ["step", "funnel", "user"] {
            assert!(!text(&step[name]["name"]).starts_with('#'), "{step}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_checklist_is_the_same_whether_its_items_come_inside_or_row_by_row() {
    let app = school();
    let nested = list(&app, "checklists").await;
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get("Europe/Moscow").unwrap()).date();
    let items = nested.iter().flat_map(|checklist| checklist["items"].as_array().unwrap());
    for item in items {
        let late =
            item["due_on"].as_str().is_some_and(|day| day.parse::<jiff::civil::Date>().unwrap() < today);
        assert_eq!(item["overdue"], item["done"] == false && late, "{item}");
    }
    app.crypto.switches(|switches| switches.checklists = Checklists::Flat);
    let flat = app.owner().no_cache().walk(&format!("{PROJECT}/checklists?include=raw")).await;
    let whole: Vec<&Value> = nested.iter().filter(|list| list["items"] != serde_json::json!([])).collect();
    assert_eq!(flat.len(), whole.len());
    for (flat, nested) in flat.iter().zip(whole) {
        assert_eq!(
            (&flat["id"], &flat["name"], &flat["items"]),
            (&nested["id"], &nested["name"], &nested["items"])
        );
        assert_eq!(flat["raw"]["items"].as_array().unwrap().len(), nested["items"].as_array().unwrap().len());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_mask_hides_is_not_told_below_a_project() {
    let app = school();
    let good = app.masked().walk(&format!("{PROJECT}/goods")).await.remove(0);
    let event = app.masked().walk(&format!("{PROJECT}/actions")).await.remove(0);
    for (record, field) in [(&good, "price"), (&good, "sum"), (&event, "text")] {
        assert!(record.get(field).is_none(), "{field}: {record}");
    }
    assert!(good["quantity"].is_string() && event["at"].is_string());
}

#[tokio::test(start_paused = true)]
async fn what_hangs_on_a_project_looks_like_this() {
    let app = school();
    for (part, name) in [("steps", "project-step"), ("actions", "project-action"), ("goods", "project-good")]
    {
        let page = app.owner().get(&format!("{PROJECT}/{part}?limit=1&include=raw")).await;
        snapshot(name, &page.json["items"][0], &[]);
    }
}
