//! The CRMs' own fields as they were met.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{school, text};

/// A field of an answer by its name.
fn fields(answer: &Value) -> BTreeMap<String, Value> {
    let fields = answer["fields"].as_array().unwrap_or_else(|| panic!("{answer}"));
    fields.iter().map(|field| (text(&field["name"]), field.clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn the_fields_are_those_of_the_records_that_were_read() {
    let app = school();
    for (resource, list) in [
        ("students", "/students?stage=ALL&archived=all&limit=200"),
        ("lessons", "/lessons?limit=200"),
        ("payments", "/payments?limit=200"),
        ("projects", "/projects?limit=200"),
    ] {
        let records = app.owner().walk(list).await;
        let answer = app.owner().get(&format!("/schema/{resource}")).await;
        assert_eq!((answer.status, &answer.json["resource"]), (200, &json!(resource)), "{}", answer.text);
        let known = fields(&answer.json);
        let empty = |value: &Value| value.is_null() || *value == json!("") || *value == json!([]);
        let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (name, value) in records.iter().filter_map(|record| record["custom_fields"].as_object()).flatten()
        {
            let counts = expected.entry(name.clone()).or_default();
            counts.0 += 1;
            counts.1 += u64::from(!empty(value));
        }
        let counted: BTreeMap<String, (u64, u64)> = known
            .iter()
            .map(|(name, field)| {
                (name.clone(), (field["seen"].as_u64().unwrap(), field["filled"].as_u64().unwrap()))
            })
            .collect();
        assert_eq!(counted, expected, "{resource}");
        assert_eq!(answer.json["discovered_from"], records.len(), "{resource}");
    }
    let students = fields(&app.owner().get("/schema/students").await.json);
    assert_eq!(students["custom_datadogovora"]["types"], json!(["date", "empty"]));
    assert_eq!(students["custom_klass"]["source"], "alfacrm");
}

#[tokio::test(start_paused = true)]
async fn the_first_page_is_read_when_nothing_was_read_yet_and_only_then() {
    let app = school();
    let first = app.owner().get("/schema/students").await;
    assert!(fields(&first.json).contains_key("custom_klass"), "{}", first.text);
    let calls = app.calls();
    assert!(calls > 0);
    let again = app.owner().get("/schema/students").await;
    assert_eq!((again.json, app.calls()), (first.json, calls));
}

#[tokio::test(start_paused = true)]
async fn it_needs_the_scope_of_the_resource_it_is_about() {
    let app = school();
    assert_eq!(app.reader().get("/schema/students").await.status, 200);
    for (asker, resource, status) in [
        (app.reader(), "projects", 403),
        (app.reader(), "nonsense", 403),
        (app.owner(), "nonsense", 404),
        (app.owner(), "reference", 404),
        (app.masked(), "students", 403),
        (app.nobody(), "students", 401),
    ] {
        let answer = asker.get(&format!("/schema/{resource}")).await;
        assert_eq!(answer.status, status, "{resource}: {}", answer.text);
    }
    let refused = app.reader().get("/schema/projects").await;
    assert!(refused.text.contains("projects:read"), "{}", refused.text);
}
