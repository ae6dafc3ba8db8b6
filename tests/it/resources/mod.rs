//! What a consumer sees of each resource. What all lists have in common is in [`lists`]; the files of the resources hold
//! what is particular to them: every filter once, against an oracle, and what one record looks like.

mod bonus;
mod calendars;
mod communications;
mod discounts;
mod groups;
mod history;
mod lessons;
mod lessons_written;
mod lists;
mod messages;
mod overview;
mod payments;
mod project_parts;
mod project_search;
mod projects;
mod quota;
mod reference;
mod schedules;
mod schema;
mod search;
mod students;
mod subscriptions;
mod tariffs;
mod tasks;
mod teachers;

use std::collections::BTreeSet;

use serde_json::Value;

use super::support::app::ids;
use super::support::{Setup, TestApp};

/// A small school, nothing to wait for. What is written carries no marks, so that it can be compared with what was sent.
pub(crate) fn school() -> TestApp {
    Setup::new().students(60).projects(40).in_no_hurry().set("alfacrm.mark.field", "\"none\"").start()
}

/// One filter and what fits it.
pub(crate) struct Case {
    /// Name and value of the parameters, as they are before encoding.
    pub(crate) query: Vec<(String, String)>,
    /// Whether a record fits.
    pub(crate) fits: Box<dyn Fn(&Value) -> bool>,
}

/// A filter of one parameter.
pub(crate) fn case(name: &str, value: &str, fits: impl Fn(&Value) -> bool + 'static) -> Case {
    Case { query: vec![(name.to_owned(), value.to_owned())], fits: Box::new(fits) }
}

/// A parameter that compares a field with a value of one of the records.
pub(crate) fn same(all: &[Value], name: &str, field: &'static str) -> Case {
    let value = pick(all, field);
    let wanted = value.clone();
    case(name, &value, move |record| text(&record[field]) == wanted)
}

/// A parameter that looks for a value of one of the records in a list field.
pub(crate) fn among(all: &[Value], name: &str, field: &'static str) -> Case {
    let value = all
        .iter()
        .find_map(|record| record[field].as_array()?.first())
        .map(text)
        .unwrap_or_else(|| panic!("no record has {field}"));
    let wanted = value.clone();
    case(name, &value, move |record| {
        record[field].as_array().is_some_and(|list| list.iter().any(|one| text(one) == wanted))
    })
}

/// A pair of bounds on a day or time, at a value that some record has.
pub(crate) fn days(all: &[Value], from: &str, to: &str, field: &'static str) -> [Case; 2] {
    let middle = middle_day(all, field);
    let (low, high) = (middle.clone(), middle.clone());
    [
        case(from, &middle, move |record| day(record, field).is_some_and(|day| day >= low)),
        case(to, &middle, move |record| day(record, field).is_some_and(|day| day <= high)),
    ]
}

/// The day of a field, which may be a time.
pub(crate) fn day(record: &Value, field: &str) -> Option<String> {
    record[field].as_str().map(|text| text.chars().take(10).collect())
}

pub(crate) fn middle_day(all: &[Value], field: &str) -> String {
    let mut days: Vec<String> = all.iter().filter_map(|record| day(record, field)).collect();
    days.sort();
    days.get(days.len() / 2).cloned().unwrap_or_else(|| panic!("no record has {field}"))
}

/// The first value of a field that is not in all records.
pub(crate) fn pick(all: &[Value], field: &str) -> String {
    let values = all.iter().map(|record| &record[field]).filter(|value| !value.is_null());
    let mut values = values.map(text).peekable();
    let first = values.peek().cloned().unwrap_or_else(|| panic!("no record has {field}"));
    values.find(|value| *value != first).unwrap_or(first)
}

/// A value as it stands in a query.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Asks `list` for every case and compares with what fits among `all`, which `base` gives. Every filter of the list in
/// the API document must be among the cases or in `elsewhere`.
pub(crate) async fn every_filter(
    app: &TestApp,
    list: &str,
    base: &[(&str, &str)],
    all: &[Value],
    cases: Vec<Case>,
    elsewhere: &[&str],
) {
    let mut covered: BTreeSet<String> = elsewhere.iter().map(|name| (*name).to_owned()).collect();
    for case in &cases {
        covered.extend(case.query.iter().map(|(name, _)| name.split('[').next().unwrap_or(name).to_owned()));
        let path = path(list, base, &case.query);
        let mut got = ids(&app.owner().walk(&path).await);
        got.sort();
        let fitting: Vec<Value> = all.iter().filter(|record| (case.fits)(record)).cloned().collect();
        let mut wanted = ids(&fitting);
        wanted.sort();
        assert!(!wanted.is_empty(), "{path}: nothing fits, so nothing is tested");
        assert_eq!(got, wanted, "{path}");
    }
    let mut known = parameters(list);
    for common in ["limit", "cursor", "branch_id", "fields", "include"] {
        assert!(known.remove(common), "{list} has no {common}");
    }
    // What expands is told in the tests of its resource.
    known.remove("expand");
    let missing: Vec<&String> = known.difference(&covered).collect();
    assert!(missing.is_empty(), "no case for {missing:?} of {list}");
}

/// A path with its query encoded.
pub(crate) fn path(list: &str, base: &[(&str, &str)], query: &[(String, String)]) -> String {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(base);
    encoded.extend_pairs(query);
    encoded.append_pair("limit", "200");
    format!("{list}?{}", encoded.finish())
}

/// The query parameters of a list in the API document.
pub(crate) fn parameters(list: &str) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(&crm_gateway::http::openapi::document()).unwrap();
    let parameters = document["paths"][list]["get"]["parameters"].as_array().unwrap();
    let in_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
    in_query.map(|parameter| text(&parameter["name"])).collect()
}

/// Compares with a committed snapshot in `tests/snapshots`. What differs from run to run is named in `redact`.
pub(crate) fn snapshot(name: &str, value: &Value, redact: &[&str]) {
    let mut value = value.clone();
    for pointer in redact {
        *value.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing at {pointer}")) = "[redacted]".into();
    }
    let shown = serde_json::to_string_pretty(&value).unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, shown));
}

/// Reads every record of a list by its id and finds the same.
pub(crate) async fn round_trip(app: &TestApp, list: &str, records: &[Value]) {
    for record in records {
        let id = text(&record["id"]);
        let one = app.owner().get(&format!("{list}/{id}")).await;
        assert_eq!(one.status, 200, "{id}: {}", one.text);
        assert_eq!(&one.json, record, "{id} looks different by itself");
        assert!(id.ends_with(&text(&record["source_id"])), "{id}");
    }
}
