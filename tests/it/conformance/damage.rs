//! Nothing that a CRM sent is lost: records keep their raw form untouched, a bad field costs its field at most, a bad
//! record itself at most.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Case, enrolled, small};
use crate::support::app::ids;
use crate::support::{Setup, TestApp};

/// The rows of a CRM's list, in whatever is around them.
fn rows(json: &mut Value) -> Option<&mut Vec<Value>> {
    match json {
        Value::Array(rows) => Some(rows),
        Value::Object(map) => {
            let key =
                ["items", "payload"].into_iter().find(|key| map.get(*key).is_some_and(Value::is_array))?;
            map[key].as_array_mut()
        }
        _ => None,
    }
}

fn is_for(case: &Case, path: &str) -> bool {
    let operation = path.trim_start_matches("/v2api/");
    let operation = operation.trim_start_matches(|c: char| c.is_ascii_digit() || c == '/');
    // A filtered list of projects is asked for elsewhere.
    operation == case.operation || (case.operation == "projects" && operation == "projects/filter")
}

/// A gateway whose answers for `case` are spoilt by what stands in the cell.
fn spoilt(case: Case, setup: Setup) -> (TestApp, Arc<Mutex<Spoil>>) {
    let cell = Arc::new(Mutex::new(Spoil::default()));
    let spoil = Arc::clone(&cell);
    let app = setup.start_altered(move |path, json| {
        if !is_for(&case, path) {
            return;
        }
        let mut spoil = spoil.lock().unwrap();
        let Some(rows) = rows(json) else { return };
        spoil.seen.extend(rows.iter().cloned());
        if let Some((field, value)) = spoil.field.clone() {
            for row in rows.iter_mut() {
                row[&field] = value.clone();
            }
        }
        if let Some(record) = spoil.record.clone()
            && let Some(first) = rows.first_mut()
        {
            *first = record;
        }
    });
    (app, cell)
}

#[derive(Debug, Default)]
struct Spoil {
    /// This field of every row has this value.
    field: Option<(String, Value)>,
    /// The first row of every page is this.
    record: Option<Value>,
    /// All rows the CRM sent.
    seen: Vec<Value>,
}

#[tokio::test(start_paused = true)]
async fn the_raw_record_is_what_the_crm_sent() {
    for case in enrolled() {
        let (app, spoil) = spoilt(case, small());
        let joint = if case.path.contains('?') { '&' } else { '?' };
        let records = app.owner().walk(&format!("{}{joint}include=raw", case.path)).await;
        let sent = &spoil.lock().unwrap().seen;
        assert!(records.len() >= case.least(), "{}", case.path);
        for record in &records {
            assert!(sent.contains(&record["raw"]), "{}: {}", case.path, record["raw"]);
        }
        // Row by row: every leaf the CRM shows is somewhere in the raw form.
        for (id, row) in (case.rows)(&app) {
            let record = records.iter().find(|record| record["id"] == *id).unwrap();
            let raw = record["raw"].as_object().unwrap();
            for (key, value) in row.as_object().unwrap().iter().filter(|(key, _)| raw.contains_key(*key)) {
                let computed = ["lesson_type_name", "details", "teachers"].contains(&key.as_str());
                let none = |value: &Value| value.is_null() || value == "";
                let same = raw[key] == *value || (none(&raw[key]) && none(value));
                assert!(computed || same, "{id}: {key} is {} instead of {value}", raw[key]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_bad_field_costs_a_record() {
    let strange = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5e300),
        json!("2026-02-25 17:00:0🕴 nonsense"),
        json!("9999-99-99"),
        json!([[1], null, "x"]),
        json!({"a": {"b": 1}}),
    ];
    for case in enrolled() {
        // The student that a list is below of has something in a larger school only.
        let students = if case.least() == 1 || case.resource == "tasks" { 30 } else { 4 };
        let setup = small().students(students).projects(6).set("alfacrm.page_size", "5").forgetful();
        let one_branch = |setup: Setup| setup.set("alfacrm.branches", "[1]");
        let setup = if case.tells_branches() && case.least() > 1 { one_branch(setup) } else { setup };
        let (app, spoil) = spoilt(case, setup);
        let joint = if case.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{joint}limit=5", case.path);
        let whole = app.owner().get(&path).await;
        assert!(!whole.items().is_empty(), "{}", case.path);
        let fields: Vec<String> =
            spoil.lock().unwrap().seen[0].as_object().unwrap().keys().cloned().collect();
        // These decide in which list a record is, so that a list that asks for one leaves the others out.
        let deciding =
            ["id", "is_study", "e_date", "branch_ids", "branch_id", "status", "project_id", "deleted"];
        for field in fields.iter().filter(|field| !deciding.contains(&field.as_str())) {
            for value in &strange {
                spoil.lock().unwrap().field = Some((field.clone(), value.clone()));
                let answer = app.owner().get(&path).await;
                let found = ids(&answer.items());
                let same: std::collections::BTreeSet<_> = found.iter().collect();
                let all = ids(&whole.items());
                let expected: std::collections::BTreeSet<_> = all.iter().collect();
                // Where a page holds a part only, another order may bring other records.
                let right =
                    if whole.next_cursor().is_some() { found.len() == all.len() } else { same == expected };
                assert!(right, "{}: {field} = {value}: {}", case.path, answer.text);
                assert_eq!(answer.json["incomplete"], json!([]), "{}: {field} = {value}", case.path);
            }
        }
        assert!(fields.len() >= 4, "{}", case.path);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_in_no_list_of_its_own_is_still_found_by_its_id() {
    for (path, field) in [("/students/alfa-101", "is_study"), ("/projects/crypto-ID", "deleted")] {
        let cell: Arc<Mutex<Option<Value>>> = Arc::default();
        let value = Arc::clone(&cell);
        let app = small().forgetful().start_altered(move |_, json| {
            let Some(value) = value.lock().unwrap().clone() else { return };
            if let Some(rows) = rows(json) {
                rows.iter_mut().for_each(|row| row[field] = value.clone());
            } else if json["payload"].is_object() {
                json["payload"][field] = value;
            }
        });
        let path = path.replace("ID", &app.crypto.project_ids()[0].to_string());
        for strange in [json!(null), json!([]), json!({"x": 1}), json!("nonsense"), json!(-7)] {
            *cell.lock().unwrap() = Some(strange.clone());
            let answer = app.owner().get(&path).await;
            assert_eq!(answer.status, 200, "{path} {field} = {strange}: {}", answer.text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_bad_record_costs_a_page() {
    for case in enrolled() {
        for record in [
            json!(null),
            json!("a text"),
            json!([1, 2]),
            json!({}),
            json!({"id": null}),
            json!({"id": {"x": 1}}),
        ] {
            let setup = small()
                .projects(16)
                .set("alfacrm.page_size", "10")
                .set("cryptocrm.page_size", "10")
                .forgetful();
            let (app, spoil) = spoilt(case, setup);
            let all = ids(&app.owner().walk(case.path).await);
            spoil.lock().unwrap().record = Some(record.clone());
            let found = ids(&app.owner().walk(case.path).await);
            let lost = all.iter().filter(|id| !found.contains(id)).count();
            let lists = (case.lists)(&app);
            let pages = all.len() / 10 + 2 * lists;
            assert!(lost >= 1 && lost <= pages, "{} {record}: {lost} of {} lost", case.path, all.len());
            assert!(found.iter().all(|id| all.contains(id)), "{}", case.path);
        }
    }
}

/// A word that is not known and a value of another type cost no answer, and each is counted.
#[tokio::test(start_paused = true)]
async fn what_is_not_understood_is_counted_as_drift() {
    let values: [(&str, &[(&str, Value)]); 3] = [
        (
            "students",
            &[
                ("color", json!("#123456")),
                ("is_study", json!(7)),
                ("legal_type", json!(9)),
                ("gender", json!(9)),
                ("balance", json!({"sum": 1})),
                ("name", json!([[1]])),
                ("dob", json!("99.99.9999")),
                ("branch_ids", json!("nonsense")),
            ],
        ),
        (
            "lessons",
            &[
                ("status", json!(9)),
                ("time_from", json!({"at": 1})),
                ("subject_id", json!("nonsense")),
                ("topic", json!([1])),
                ("streaming", json!("perhaps")),
                ("details", json!([{"customer_id": {"x": 1}}])),
            ],
        ),
        (
            "payments",
            &[
                ("income", json!("many")),
                ("document_date", json!(true)),
                ("is_confirmed", json!("perhaps")),
                ("note", json!({"x": 1})),
            ],
        ),
    ];
    for (resource, fields) in values {
        let case =
            enrolled().into_iter().find(|case| case.crm == "alfacrm" && case.resource == resource).unwrap();
        let (app, spoil) = spoilt(case, small().students(4).projects(1).forgetful());
        let joint = if case.path.contains('?') { '&' } else { '?' };
        for (field, value) in fields {
            let label = format!(
                "crm_gateway_drift_total{{upstream=\"alfacrm\",resource=\"{resource}\",field=\"{field}\"}}"
            );
            let before = app.operator().get("/metrics").await.text;
            assert!(!before.contains(&label), "{field} is counted while it is good");
            spoil.lock().unwrap().field = Some(((*field).to_owned(), value.clone()));
            let answer = app.owner().get(&format!("{}{joint}limit=20", case.path)).await;
            assert_eq!(answer.status, 200, "{resource} {field} = {value}: {}", answer.text);
            let after = app.operator().get("/metrics").await.text;
            assert!(after.contains(&label), "{resource} {field} = {value} is not counted");
        }
    }
}
