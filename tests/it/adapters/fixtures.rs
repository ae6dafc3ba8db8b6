//! Recorded answers become the records they were meant to be: AlfaCRM's against reviewed snapshots, the Crypto CRM's,
//! with every variant, against what the recordings themselves say.

use bytes::Bytes;
use http::{Request, Response};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestApp, transport};

pub(super) fn fixture(path: &str) -> Value {
    let path = format!("{}/tests/fixtures/{path}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("a fixture is JSON")
}

fn respond(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).header("content-type", content_type).body(body.into()).unwrap()
}

fn json_response(body: &Value) -> Response<Bytes> {
    respond(200, "application/json", body.to_string())
}

/// A gateway in front of recordings: `answer` knows those of AlfaCRM by path and body.
pub(super) fn alfa(answer: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> TestApp {
    let setup = Setup::new().students(1).projects(1).without("cryptocrm");
    let (alfa, crypto) = setup.crms();
    let to_alfa = transport::to_answers(move |request: &Request<Bytes>| {
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        let path = request.uri().path();
        if path == "/v2api/auth/login" {
            return json_response(&fixture("alfacrm/auth-login"));
        }
        json_response(&answer(path, &body))
    });
    let nowhere = transport::to_answers(|_| unreachable!("there is no such CRM"));
    setup.start_over(alfa, crypto, to_alfa, nowhere)
}

pub(super) fn none() -> Value {
    json!({"total": 0, "count": 0, "page": 0, "items": []})
}

/// The answer to a list, as a snapshot; every row must be in it.
async fn snapshot(name: &str, app: &TestApp, path: &str, rows: usize) {
    let answer = app.owner().get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.items().len(), rows, "{name}: {}", answer.text);
    insta::with_settings!({snapshot_path => "../../snapshots", prepend_module_to_snapshot => false}, {
        // As text: exact numbers look strange to a serializer that does not know them.
        insta::assert_snapshot!(name, serde_json::to_string_pretty(&answer.json).unwrap());
    });
}

#[tokio::test(start_paused = true)]
async fn students_and_leads() {
    for (name, rows) in [("customer", 2), ("customer-archived", 1), ("lead", 2)] {
        let app = alfa(move |_, _| fixture(&format!("alfacrm/{name}")));
        snapshot(&format!("alfacrm-{name}"), &app, "/students?stage=ALL&archived=all", rows).await;
    }
}

#[tokio::test(start_paused = true)]
async fn lessons() {
    let app = alfa(|_, body| match body["status"].as_u64() {
        Some(3) => fixture("alfacrm/lesson"),
        Some(1) => fixture("alfacrm/lesson-planned"),
        _ => none(),
    });
    snapshot("alfacrm-lessons", &app, "/lessons", 3).await;
}

#[tokio::test(start_paused = true)]
async fn payments_and_branches() {
    let app = alfa(|path, _| match path {
        "/v2api/branch/index" => fixture("alfacrm/branch"),
        "/v2api/1/pay/index" => fixture("alfacrm/pay"),
        _ => none(),
    });
    snapshot("alfacrm-payments", &app, "/payments", 3).await;
    snapshot("alfacrm-branches", &app, "/reference/branches", 2).await;
}

/// The student that the rows hang on, and its branch.
fn below_a_student(path: &str, call: &str, rows: &Value) -> Value {
    match path {
        "/v2api/branch/index" => fixture("alfacrm/branch"),
        "/v2api/customer/index" => fixture("alfacrm/customer"),
        path if path.ends_with(call) => rows.clone(),
        _ => none(),
    }
}

#[tokio::test(start_paused = true)]
async fn tariffs_and_what_is_made_from_them() {
    let app = alfa(|_, _| fixture("alfacrm/tariff"));
    snapshot("alfacrm-tariffs", &app, "/tariffs", 2).await;
    let app =
        alfa(|path, _| below_a_student(path, "customer-tariff/index", &fixture("alfacrm/customer-tariff")));
    snapshot("alfacrm-subscriptions", &app, "/students/alfa-101/subscriptions", 2).await;
    let app = alfa(|path, _| below_a_student(path, "discount/index", &fixture("alfacrm/discount")));
    snapshot("alfacrm-discounts", &app, "/students/alfa-102/discounts", 1).await;
    let app = alfa(|path, _| below_a_student(path, "bonus/balance-bonus", &fixture("alfacrm/bonus-balance")));
    let bonus = app.owner().get("/students/alfa-101/bonus").await;
    assert_eq!((bonus.status, &bonus.json["balance"]), (200, &json!(40)), "{}", bonus.text);
    assert_eq!(bonus.json["id"], "alfa-101");
}

#[tokio::test(start_paused = true)]
async fn the_log_and_messages() {
    let app = alfa(|_, _| fixture("alfacrm/log"));
    snapshot("alfacrm-log", &app, "/history", 3).await;
    let app = alfa(|path, _| match path {
        "/v2api/branch/index" => fixture("alfacrm/branch"),
        "/v2api/1/sms-message/index" | "/v2api/2/sms-message/index" => fixture("alfacrm/sms-message"),
        _ => none(),
    });
    snapshot("alfacrm-messages", &app, "/messages/sms", 1).await;
}

#[tokio::test(start_paused = true)]
async fn every_recorded_book() {
    for (book, model) in [
        ("locations", "location"),
        ("rooms", "room"),
        ("subjects", "subject"),
        ("lesson-types", "lesson-type"),
        ("study-statuses", "study-status"),
        ("lead-statuses", "lead-status"),
        ("lead-sources", "lead-source"),
        ("lead-rejects", "lead-reject"),
        ("customer-rejects", "customer-reject"),
        ("pipelines", "pipeline"),
        ("levels", "level"),
        ("pay-accounts", "pay-account"),
        ("pay-items", "pay-item"),
        ("pay-item-categories", "pay-item-category"),
        ("pay-types", "pay-type"),
        ("users", "user"),
        ("companies", "company"),
    ] {
        let recorded = fixture(&format!("alfacrm/{model}"));
        let found = recorded["items"].as_array().unwrap().clone();
        let call = format!("{model}/index");
        let app = alfa(move |path, _| match path {
            "/v2api/branch/index" => fixture("alfacrm/branch"),
            path if path.ends_with(&call) => recorded.clone(),
            _ => none(),
        });
        let answer = app.owner().get(&format!("/reference/{book}?include=raw")).await;
        assert_eq!(answer.items().len(), found.len(), "{book}: {}", answer.text);
        for (seen, row) in answer.items().iter().zip(&found) {
            assert_eq!((&seen["name"], &seen["raw"]), (&row["name"], row), "{book}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn groups_and_their_members() {
    let app = alfa(|path, _| match path.trim_start_matches("/v2api/") {
        "group/index" => fixture("alfacrm/group"),
        "customer/index" => fixture("alfacrm/customer"),
        "1/cgi/index" => fixture("alfacrm/cgi"),
        "1/cgi/customer" => fixture("alfacrm/cgi-customer"),
        _ => none(),
    });
    snapshot("alfacrm-groups", &app, "/groups?archived=all", 2).await;
    snapshot("alfacrm-members", &app, "/groups/alfa-12/members", 2).await;
    snapshot("alfacrm-student-groups", &app, "/students/alfa-102/groups", 2).await;
}

#[tokio::test(start_paused = true)]
async fn teachers_their_hours_and_rates() {
    let app = alfa(|path, _| match path.trim_start_matches("/v2api/") {
        "teacher/index" => fixture("alfacrm/teacher"),
        "teacher/working-hour" => fixture("alfacrm/working-hour"),
        "teacher/teacher-rate" => fixture("alfacrm/teacher-rate"),
        _ => none(),
    });
    snapshot("alfacrm-teachers", &app, "/teachers", 2).await;
    snapshot("alfacrm-working-hours", &app, "/teachers/alfa-4/working-hours", 2).await;
    snapshot("alfacrm-rates", &app, "/teachers/alfa-4/rates", 1).await;
}

#[tokio::test(start_paused = true)]
async fn calendars() {
    let app = alfa(|path, _| match path.trim_start_matches("/v2api/") {
        "group/index" => fixture("alfacrm/group"),
        "customer/index" => fixture("alfacrm/customer"),
        "1/calendar/customer" => fixture("alfacrm/calendar-customer"),
        "1/calendar/group" => fixture("alfacrm/calendar-group"),
        _ => json!([]),
    });
    let days = "from=2026-02-01&to=2026-02-28";
    let of_student = format!("/students/alfa-102/calendar?{days}");
    snapshot("alfacrm-calendar-student", &app, &of_student, 3).await;
    snapshot("alfacrm-calendar-group", &app, &format!("/groups/alfa-12/calendar?{days}"), 2).await;
}

#[tokio::test(start_paused = true)]
async fn schedules_tasks_and_communications() {
    let app = alfa(|path, _| match path {
        "/v2api/branch/index" => fixture("alfacrm/branch"),
        "/v2api/customer/index" => fixture("alfacrm/customer"),
        "/v2api/regular-lesson/index" => fixture("alfacrm/regular-lesson"),
        "/v2api/1/task/index" => fixture("alfacrm/task"),
        "/v2api/1/communication/index" => fixture("alfacrm/communication"),
        _ => none(),
    });
    snapshot("alfacrm-regular-lesson", &app, "/schedules", 2).await;
    snapshot("alfacrm-task", &app, "/tasks", 1).await;
    snapshot("alfacrm-communication", &app, "/students/alfa-101/communications", 1).await;
}

/// A gateway in front of one recording of the Crypto CRM; behind the first page there is nothing.
async fn crypto(response: Response<Bytes>, path: &str) -> Answer {
    let setup = Setup::new().students(1).projects(1).without("alfacrm");
    let setup = setup.set("cryptocrm.currencies", "{ 1 = \"RUB\", 2 = \"USD\" }");
    let (alfa, crypto) = setup.crms();
    let to_crypto = transport::to_answers(move |request: &Request<Bytes>| {
        let query = request.uri().query().unwrap_or_default();
        let behind = request.uri().path() == "/projects/payments" && !query.ends_with("offset=0");
        if behind { json_response(&json!([])) } else { response.clone() }
    });
    let nowhere = transport::to_answers(|_| unreachable!("there is no such CRM"));
    let app = setup.start_over(alfa, crypto, nowhere, to_crypto);
    app.owner().get(path).await
}

/// A gateway in front of one recording of what hangs on project 101 or 102; a filter is not looked at.
async fn below_a_project(body: Value, path: &str) -> Answer {
    let setup = Setup::new().students(1).projects(1).without("alfacrm");
    let (alfa, crypto) = setup.crms();
    let to_crypto = transport::to_answers(move |request: &Request<Bytes>| {
        let query = request.uri().query().unwrap_or_default();
        match request.uri().path() {
            "/projects/info" => {
                let mut project = fixture("cryptocrm/projects_info")["response"]["body"].clone();
                project["payload"]["id"] = query.trim_start_matches("id=").parse::<u64>().unwrap().into();
                json_response(&project)
            }
            _ if query.contains("offset=") && !query.contains("offset=0") => json_response(&json!([])),
            _ => json_response(&body),
        }
    });
    let nowhere = transport::to_answers(|_| unreachable!("there is no such CRM"));
    setup.start_over(alfa, crypto, nowhere, to_crypto).owner().get(path).await
}

/// The list below a project in every variant, each record against what is expected of it.
async fn every_variant(part: &str, check: impl Fn(&str, &Value, &Value)) {
    let fixture = fixture(&format!("cryptocrm/projects_{part}"));
    for (name, body) in recordings(&fixture) {
        let answer = below_a_project(body, &format!("/projects/crypto-101/{part}?include=raw")).await;
        assert_eq!(answer.status, 200, "{part} {name}: {}", answer.text);
        let flat = name == "flat_items";
        let expected = fixture["expected"].as_array().unwrap().iter();
        let expected: Vec<&Value> = expected.filter(|one| !flat || one["items"] != json!([])).collect();
        assert_eq!(answer.items().len(), expected.len(), "{part} {name}: {}", answer.text);
        for expected in expected {
            let wanted = format!("crypto-101-{}", expected["id"]);
            let items = answer.items();
            let seen = items.iter().find(|record| record["id"] == wanted).expect(&wanted);
            assert_eq!(seen["project_id"], "crypto-101", "{part} {name}");
            assert_eq!(seen["source_id"], expected["id"].to_string(), "{part} {name}");
            assert!(seen["raw"].is_object(), "{part} {name}");
            check(&format!("{part} {name}"), seen, expected);
        }
    }
    for case in fixture["more_cases"].as_array().into_iter().flatten() {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in case["query"].as_object().unwrap() {
            let value = value.as_str().unwrap();
            let many = |name: &str, query: &mut form_urlencoded::Serializer<'_, String>| {
                for id in value.split('_') {
                    query.append_pair(name, &format!("crypto-{id}"));
                }
            };
            match name.as_str() {
                "filter_date" => drop(query.append_pair("date", value)),
                "filter_steps" => many("step_id", &mut query),
                "filter_actions" => many("type_id", &mut query),
                "filter_id" => drop(query.append_pair("id", &format!("crypto-101-{value}"))),
                "filter_type" => {
                    query.append_pair("direction", if value == "1" { "INCOME" } else { "EXPENSE" });
                }
                other => assert!(["id", "count", "offset"].contains(&other), "{other}"),
            }
        }
        let project = case["query"]["id"].as_str().unwrap();
        let path = format!("/projects/crypto-{project}/{part}?{}", query.finish());
        let answer = below_a_project(fixture["response"]["body"].clone(), &path).await;
        let mut seen = crate::support::app::ids(&answer.items());
        seen.sort();
        let expected = case["expected_ids"].as_array().unwrap().iter();
        let expected: Vec<String> = expected.map(|id| format!("crypto-{project}-{id}")).collect();
        assert_eq!(seen, expected, "{part} {}: {}", case["name"], answer.text);
    }
}

fn moment(local: &Value) -> Value {
    json!(format!("{}+03:00", local.as_str().unwrap()))
}

fn is_action(name: &str, seen: &Value, expected: &Value) {
    assert_eq!(seen["type_id"], id(&expected["actions_type_id"]), "{name}");
    assert_eq!(seen["type"]["id"], seen["type_id"], "{name}");
    assert_eq!(seen["user_id"], id(&expected["user_id"]), "{name}");
    assert_eq!(seen["at"], moment(&expected["date"]), "{name}");
    assert_eq!(seen["text"], expected["comment"], "{name}");
}

#[tokio::test(start_paused = true)]
async fn steps_of_a_project_in_every_variant() {
    every_variant("steps", |name, seen, expected| {
        assert_eq!(seen["funnel_id"], id(&expected["sales_funnel_id"]), "{name}");
        assert_eq!(seen["step_id"], id(&expected["step_id"]), "{name}");
        assert_eq!(seen["user_id"], id(&expected["user_id"]), "{name}");
        assert_eq!(seen["at"], moment(&expected["date"]), "{name}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn events_of_a_project_in_every_variant() {
    every_variant("actions", is_action).await;
    let fixture = fixture("cryptocrm/projects_actions_info");
    for (name, body) in recordings(&fixture) {
        let answer = below_a_project(body.clone(), "/projects/crypto-101/actions/crypto-101-2003").await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        is_action(&name, &answer.json, &fixture["expected"]);
        // It belongs to project 101, whatever the path says.
        for path in
            ["/projects/crypto-102/actions/crypto-101-2003", "/projects/crypto-102/actions/crypto-102-2003"]
        {
            let answer = below_a_project(body.clone(), path).await;
            assert_eq!((answer.status, answer.code()), (404, "not_found"), "{name} {path}: {}", answer.text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn checklists_of_a_project_in_every_variant() {
    every_variant("checklists", |name, seen, expected| {
        assert_eq!(seen["name"], expected["name"], "{name}");
        let (items, wanted) = (seen["items"].as_array().unwrap(), expected["items"].as_array().unwrap());
        assert_eq!(items.len(), wanted.len(), "{name}");
        for (item, wanted) in items.iter().zip(wanted) {
            let day = |value: &Value| value.as_str().map(|text| text[..10].to_owned());
            assert_eq!(item["name"], wanted["name"], "{name}");
            assert_eq!(item["done"], wanted["done"], "{name}");
            assert_eq!(item["due_on"], wanted["deadline"], "{name}");
            assert_eq!(day(&item["done_on"]), day(&wanted["done_date"]), "{name}");
            let user = wanted["user_id"].as_u64().map(|user| format!("crypto-{user}"));
            assert_eq!(item["user_id"].as_str(), user.as_deref(), "{name}");
            // The recording's clock stands in the year its items were due; what was overdue then still is.
            assert_eq!(item["overdue"], wanted["id"] == 2, "{name}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn goods_of_a_project_in_every_variant() {
    every_variant("goods", |name, seen, expected| {
        assert_eq!(seen["good_id"], id(&expected["good_id"]), "{name}");
        assert_eq!(seen["name"], expected["name"], "{name}");
        assert_eq!(seen["quantity"], expected["count"], "{name}");
        assert_eq!(seen["discount"], expected["discount"], "{name}");
        for field in ["price", "sum"] {
            same_amount(name, &seen[field], &expected[field]);
            assert_eq!(seen[field]["currency"], "RUB", "{name}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn payments_below_a_project_in_every_variant() {
    every_variant("payments", |name, seen, expected| {
        assert_eq!(
            seen["direction"],
            if expected["direction"] == "in" { "INCOME" } else { "EXPENSE" },
            "{name}"
        );
        assert_eq!(seen["date"], expected["date"], "{name}");
        same_amount(name, &seen["amount"], &expected["amount"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn lines_of_goods_without_ids_get_stable_ones() {
    let line = |good: u64, count: u64| json!({"good_id": good, "count": count, "price": 1});
    let seen = async |lines: Value| {
        let answer = below_a_project(json!({"payload": lines}), "/projects/crypto-101/goods").await;
        crate::support::app::ids(&answer.items())
    };
    let all = seen(json!([line(10, 1), line(11, 1), line(10, 2)])).await;
    assert_eq!(
        all,
        [
            "crypto-101-1000000000000010001",
            "crypto-101-1000000000000011001",
            "crypto-101-1000000000000010002"
        ]
    );
    assert_eq!(seen(json!([line(10, 1), line(10, 2)])).await, [all[0].clone(), all[2].clone()]);
}

/// The recorded answer and all its variants, with their names.
fn recordings(fixture: &Value) -> Vec<(String, Value)> {
    let mut all = vec![("as recorded".to_owned(), fixture["response"]["body"].clone())];
    for variant in fixture["variants"].as_array().unwrap() {
        all.push((variant["name"].as_str().unwrap().to_owned(), variant["body"].clone()));
    }
    all
}

fn same_amount(name: &str, money: &Value, expected: &Value) {
    let amount = |value: &Value| value.as_str().unwrap().parse::<Decimal>().unwrap();
    assert_eq!(amount(&money["amount"]), amount(expected), "{name}");
}

fn id(number: &Value) -> Value {
    json!(format!("crypto-{number}"))
}

fn is_project(name: &str, seen: &Value, expected: &Value) {
    assert_eq!(seen["id"], id(&expected["id"]), "{name}");
    assert_eq!(seen["name"], expected["name"], "{name}");
    let created = format!("{}+03:00", expected["created"].as_str().unwrap());
    assert_eq!(seen["created_at"], created, "{name}");
    for (field, theirs) in [
        ("funnel_id", "sales_funnel_id"),
        ("step_id", "step_id"),
        ("responsible_user_id", "user_id"),
        ("responsible_group_id", "group_id"),
    ] {
        assert_eq!(seen[field], id(&expected[theirs]), "{name}: {field}");
    }
    for (field, theirs) in
        [("participant_user_ids", "participants_user_id"), ("participant_group_ids", "participants_group_id")]
    {
        let ids: Vec<Value> = expected[theirs].as_array().unwrap().iter().map(id).collect();
        assert_eq!(seen[field], json!(ids), "{name}: {field}");
    }
    same_amount(name, &seen["price"], &expected["price"]);
    assert_eq!(seen["price"]["currency"], if expected["currency_id"] == 1 { "RUB" } else { "USD" }, "{name}");
    assert_eq!(seen["deleted"], expected["deleted"], "{name}");
    assert_eq!(seen["custom_fields"], expected["data"], "{name}");
    assert_eq!(seen["client_id"], id(&expected["data"]["client_id"]), "{name}");
}

#[tokio::test(start_paused = true)]
async fn lists_of_projects_in_every_variant() {
    for (file, path) in
        [("projects_list", "/projects"), ("projects_filter", "/projects?having=checklists_expired")]
    {
        let fixture = fixture(&format!("cryptocrm/{file}"));
        for (name, body) in recordings(&fixture) {
            let answer = crypto(json_response(&body), path).await;
            let expected = fixture["expected"].as_array().unwrap();
            assert_eq!(answer.items().len(), expected.len(), "{file} {name}: {}", answer.text);
            for (seen, expected) in answer.items().iter().zip(expected) {
                is_project(&format!("{file} {name}"), seen, expected);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_project_in_every_variant() {
    let fixture = fixture("cryptocrm/projects_info");
    for (name, body) in recordings(&fixture) {
        let answer = crypto(json_response(&body), "/projects/crypto-101").await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        is_project(&name, &answer.json, &fixture["expected"]);
    }
}

#[tokio::test(start_paused = true)]
async fn payments_of_a_project_in_every_variant() {
    let fixture = fixture("cryptocrm/projects_payments");
    for (name, body) in recordings(&fixture) {
        let answer = crypto(json_response(&body), "/payments?project_id=crypto-101").await;
        let expected = fixture["expected"].as_array().unwrap();
        assert_eq!(answer.items().len(), expected.len(), "{name}: {}", answer.text);
        for expected in expected {
            let wanted = format!("crypto-101-{}", expected["id"]);
            let seen = answer.items().into_iter().find(|record| record["id"] == wanted).unwrap();
            let direction = if expected["direction"] == "in" { "INCOME" } else { "EXPENSE" };
            assert_eq!(seen["direction"], direction, "{name}");
            assert_eq!(seen["project_id"], id(&expected["project_id"]), "{name}");
            assert_eq!(seen["date"], expected["date"], "{name}");
            assert_eq!(seen["note"], expected["comment"], "{name}");
            assert_eq!(seen["amount"]["currency"], "RUB", "{name}");
            same_amount(&name, &seen["amount"], &expected["amount"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn recorded_refusals_mean_what_they_say() {
    let fixture = fixture("cryptocrm/errors");
    for case in fixture["cases"].as_array().unwrap() {
        let body = case["body"].as_str().map_or_else(|| case["body"].to_string(), str::to_owned);
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        let mut response = respond(status, case["content_type"].as_str().unwrap(), body);
        for (name, value) in case["headers"].as_object().into_iter().flatten() {
            let name: http::HeaderName = name.parse().unwrap();
            response.headers_mut().insert(name, value.as_str().unwrap().parse().unwrap());
        }
        let answer = crypto(response, "/projects/crypto-999").await;
        let expected = match case["classify_as"].as_str().unwrap() {
            // An empty list where one record was asked for is no record.
            "not_found" | "ok_empty_list" => (404, "not_found"),
            "auth" | "auth_or_config" | "bad_request" | "retryable" => (502, "upstream_error"),
            "rate_limited" => (503, "upstream_unavailable"),
            "protocol" => (502, "upstream_invalid"),
            other => panic!("nothing is known about {other}"),
        };
        assert_eq!((answer.status, answer.code()), expected, "{}: {}", case["name"], answer.text);
    }
}
