//! Nothing that AlfaCRM sent is lost: of every recorded list each row comes back with `include=raw`, leaf by leaf, under
//! the path that shows it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fixtures::{alfa, fixture, none};

/// A recording and the path under which its rows are shown.
const SHOWN: &[(&str, &str)] = &[
    ("branch", "/reference/branches"),
    ("company", "/reference/companies"),
    ("location", "/reference/locations"),
    ("room", "/reference/rooms"),
    ("subject", "/reference/subjects"),
    ("study-status", "/reference/study-statuses"),
    ("lead-status", "/reference/lead-statuses"),
    ("lead-source", "/reference/lead-sources"),
    ("lead-reject", "/reference/lead-rejects"),
    ("customer-reject", "/reference/customer-rejects"),
    ("pipeline", "/reference/pipelines"),
    ("level", "/reference/levels"),
    ("lesson-type", "/reference/lesson-types"),
    ("pay-account", "/reference/pay-accounts"),
    ("pay-item", "/reference/pay-items"),
    ("pay-item-category", "/reference/pay-item-categories"),
    ("pay-type", "/reference/pay-types"),
    ("user", "/reference/users"),
    ("customer", "/students?stage=ALL&archived=all"),
    ("customer-archived", "/students?stage=ALL&archived=all"),
    ("lead", "/students?stage=ALL&archived=all"),
    ("group", "/groups?archived=all"),
    ("cgi", "/groups/alfa-12/members"),
    ("cgi-customer", "/students/alfa-102/groups"),
    ("calendar-customer", "/students/alfa-101/calendar?from=2026-01-01&to=2026-12-31"),
    ("calendar-group", "/groups/alfa-12/calendar?from=2026-01-01&to=2026-12-31"),
    ("teacher", "/teachers?archived=all"),
    ("teacher-rate", "/teachers/alfa-4/rates"),
    ("working-hour", "/teachers/alfa-4/working-hours"),
    ("lesson", "/lessons?status=CONDUCTED"),
    ("lesson-planned", "/lessons?status=PLANNED"),
    ("regular-lesson", "/schedules"),
    ("pay", "/payments"),
    ("tariff", "/tariffs"),
    ("customer-tariff", "/students/alfa-101/subscriptions"),
    ("discount", "/students/alfa-102/discounts"),
    ("task", "/tasks?archived=all"),
    ("communication", "/students/alfa-101/communications"),
    ("log", "/history"),
    ("sms-message", "/messages/sms"),
];

/// Recordings that answer a list of another name.
const VARIANTS: &[(&str, &str)] = &[
    ("customer-archived", "customer/index"),
    ("lead", "customer/index"),
    ("lesson-planned", "lesson/index"),
    ("cgi-customer", "cgi/customer"),
    ("calendar-customer", "calendar/customer"),
    ("calendar-group", "calendar/group"),
    ("teacher-rate", "teacher/teacher-rate"),
    ("working-hour", "teacher/working-hour"),
];

/// The recording that answers a call.
fn recording(call: &str, shown: &str) -> String {
    let variant = VARIANTS.iter().find(|(name, _)| *name == shown).map(|(_, call)| *call);
    if variant == Some(call) {
        shown.to_owned()
    } else {
        call.split('/').next().unwrap_or_default().to_owned()
    }
}

/// All rows of a recording, whether it is a page or a bare list.
fn rows(recording: &Value) -> Vec<Value> {
    recording.as_array().or(recording["items"].as_array()).cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn every_leaf_of_every_recorded_row_is_in_raw() {
    for (shown, path) in SHOWN {
        let app = alfa(move |path, body| {
            // `/v2api/1/model/action` or `/v2api/model/action`.
            let call: Vec<&str> =
                path.split('/').skip(2).filter(|part| part.parse::<u64>().is_err()).collect();
            if body["page"].as_u64().is_some_and(|page| page > 0) {
                return none();
            }
            fixture(&format!("alfacrm/{}", recording(&call.join("/"), shown)))
        });
        let separator = if path.contains('?') { '&' } else { '?' };
        let answer = app.owner().get(&format!("{path}{separator}include=raw&limit=200")).await;
        assert_eq!(answer.status, 200, "{shown}: {}", answer.text);
        let raw: Vec<Value> = answer.items().iter().map(|item| item["raw"].clone()).collect();
        for row in rows(&fixture(&format!("alfacrm/{shown}"))) {
            assert!(raw.contains(&row), "{shown}: {row} is lost in {}", answer.text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_balance_of_bonus_points_is_kept_as_it_came() {
    let app = alfa(|path, _| match path.rsplit('/').next() {
        Some("balance-bonus") => fixture("alfacrm/bonus-balance"),
        _ => fixture("alfacrm/customer"),
    });
    let answer = app.owner().get("/students/alfa-101/bonus?include=raw").await;
    assert_eq!(answer.json["raw"], json!({"balance_bonus": 40}), "{}", answer.text);
}

/// Recordings that are no rows of a list: signing in, errors, writes, webhooks, and the balance above.
fn is_no_list(name: &str) -> bool {
    ["auth-", "error-", "create-", "delete-", "update-", "webhook-", "_index", "page-past-end", "bonus-"]
        .iter()
        .any(|start| name.starts_with(start))
}

#[test]
fn no_recorded_list_is_left_out() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/alfacrm");
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = names
        .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
        .filter(|name| !is_no_list(name))
        .collect();
    let shown: BTreeSet<String> = SHOWN.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, shown);
}
