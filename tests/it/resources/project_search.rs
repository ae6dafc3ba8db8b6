//! The search of projects: the list with its filters in a body.

use http::Method;
use serde_json::{Value, json};

use super::{parameters, school, text};
use crate::support::app::ids;
use crate::support::{Answer, TestApp};

async fn search(app: &TestApp, body: &Value) -> Answer {
    app.owner().send(Method::POST, "/projects/search", Some(body)).await
}

#[tokio::test(start_paused = true)]
async fn it_answers_as_the_list_does() {
    let app = school();
    let all = app.owner().walk("/projects?limit=200").await;
    let price = all[0]["price"]["amount"].clone();
    let contract = all.iter().find_map(|one| one["custom_fields"]["contract_number"].as_str()).unwrap();
    let encoded: String = form_urlencoded::byte_serialize(contract.as_bytes()).collect();
    let created = text(&all[all.len() / 2]["created_at"])[..10].to_owned();
    for (body, query) in [
        (json!({}), String::new()),
        (json!({"limit": 7}), "limit=7".to_owned()),
        (json!({"limit": 100_000}), "limit=100000".to_owned()),
        (json!({"deleted": true}), "deleted=true".to_owned()),
        (json!({"sort": "-created", "limit": 5}), "sort=-created&limit=5".to_owned()),
        (json!({"funnel_id": ["crypto-1", "crypto-2"]}), "funnel_id=crypto-1&funnel_id=crypto-2".to_owned()),
        (
            json!({"condition": "or", "step_id": ["crypto-3"], "user_id": ["crypto-2"]}),
            "condition=or&step_id=crypto-3&user_id=crypto-2".to_owned(),
        ),
        (json!({"group_id": ["crypto-1"], "having": "goods"}), "group_id=crypto-1&having=goods".to_owned()),
        (json!({"having": "checklists_expired"}), "having=checklists_expired".to_owned()),
        (json!({"price": price}), format!("price={}", text(&price))),
        (json!({"currency_id": ["crypto-1"]}), "currency_id=crypto-1".to_owned()),
        (
            json!({"participant_user_id": ["crypto-2"], "participant_group_id": ["crypto-1"]}),
            "participant_user_id=crypto-2&participant_group_id=crypto-1".to_owned(),
        ),
        (
            json!({"action_type_id": ["crypto-2"], "good_id": ["crypto-10", "crypto-11"]}),
            "action_type_id=crypto-2&good_id=crypto-10&good_id=crypto-11".to_owned(),
        ),
        (
            json!({"created_from": created, "created_to": "2026-01-01"}),
            format!("created_from={created}&created_to=2026-01-01"),
        ),
        (json!({"fields": {"client_id": [1, "2"]}}), "field[client_id]=1&field[client_id]=2".to_owned()),
        (json!({"fields": {"client_id": 3}}), "field[client_id]=3".to_owned()),
        (json!({"fields": {"contract_number": contract}}), format!("field[contract_number]={encoded}")),
        (json!({"branch_id": ["alfa-1"]}), "branch_id=alfa-1".to_owned()),
    ] {
        let (searched, listed) =
            (search(&app, &body).await, app.owner().get(&format!("/projects?{query}")).await);
        assert_eq!(searched.status, 200, "{body}: {}", searched.text);
        assert_eq!(searched.json, listed.json, "{body}");
        assert_eq!(searched.header("etag"), listed.header("etag"), "{body}");
        assert!(searched.header("link").is_empty(), "a link cannot carry the question");
        assert!(searched.header("cache-status").contains("crm-gateway"), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_page_is_asked_for_in_the_same_body() {
    let app = school();
    let mut body = json!({"sort": "-id", "limit": 6});
    let mut seen = Vec::new();
    loop {
        let page = search(&app, &body).await;
        assert_eq!(page.status, 200, "{}", page.text);
        seen.extend(ids(&page.items()));
        match page.next_cursor() {
            Some(cursor) => body["cursor"] = cursor.into(),
            None => break,
        }
    }
    assert_eq!(seen, ids(&app.owner().walk("/projects?sort=-id").await));
    let other = json!({"sort": "id", "cursor": search(&app, &json!({"limit": 6})).await.next_cursor(), "deleted": true});
    let answer = search(&app, &other).await;
    assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn how_records_are_shown_is_said_in_the_query() {
    let app = school();
    let ask = async |query: &str| {
        let body = json!({"limit": 2});
        app.owner().send(Method::POST, &format!("/projects/search?{query}"), Some(&body)).await
    };
    let first = ask("fields=id,name").await.json["items"][0].clone();
    assert_eq!(first.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "name"]);
    assert!(ask("include=raw").await.json["items"][0]["raw"]["sales_funnel_id"].is_number());
    assert!(ask("expand=student").await.json["items"][0].get("student").is_some());
    let wrong = ask("funnel_id=crypto-1").await;
    assert_eq!(wrong.json["errors"][0]["pointer"], "/query/funnel_id", "{}", wrong.text);
}

#[tokio::test(start_paused = true)]
async fn all_that_is_wrong_with_the_body_is_told_at_its_place() {
    let app = school();
    let body = json!({"limit": 0, "step_id": ["x"], "funnel_id": "crypto-1", "fields": {"a": null}, "colour": 1,
        "deleted": "true", "price": 5, "having": "nothing"});
    let answer = search(&app, &body).await;
    assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{}", answer.text);
    let errors = answer.json["errors"].as_array().unwrap();
    let mut pointers: Vec<&str> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        ["/colour", "/deleted", "/fields/a", "/funnel_id", "/having", "/limit", "/price", "/step_id/0"]
    );
    let both = json!({"condition": "or", "having": "goods", "good_id": ["crypto-10"]});
    assert_eq!(search(&app, &both).await.json["errors"][0]["pointer"], "/having");
    assert_eq!(search(&app, &json!([1])).await.status, 400);
    assert_eq!(app.owner().send(Method::POST, "/projects/search", None).await.status, 415);
    assert_eq!(app.calls(), 0, "a mistake costs no quota");
}

#[tokio::test(start_paused = true)]
async fn it_is_a_read_and_keeps_hidden_what_is_hidden() {
    let setup = crate::support::Setup::new().projects(10).in_no_hurry();
    let app = setup.set("consumers.reader.scopes", "[\"projects:read\"]").start();
    let ask = async |asker: crate::support::Asker, body: Value| {
        asker.send(Method::POST, "/projects/search", Some(&body)).await
    };
    assert_eq!(ask(app.reader(), json!({})).await.status, 200);
    for body in [json!({"price": "5"}), json!({"sort": "-price"}), json!({"fields": {"client_id": [3]}})] {
        let answer = ask(app.masked(), body.clone()).await;
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{body}: {}", answer.text);
    }
    assert!(ask(app.masked(), json!({"limit": 1})).await.json["items"][0].get("price").is_none());
}

#[test]
fn the_body_takes_what_the_query_takes() {
    let document: Value = serde_json::from_str(&crm_gateway::http::openapi::document()).unwrap();
    let operation = &document["paths"]["/projects/search"]["post"];
    assert_eq!(operation["x-required-scope"], "projects:read");
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(schema["additionalProperties"], false);
    let mut names: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    let mut known: Vec<String> = parameters("/projects")
        .into_iter()
        .filter(|name| !["fields", "include", "expand"].contains(&name.as_str()))
        .map(|name| if name == "field" { "fields".to_owned() } else { name })
        .collect();
    names.sort();
    known.sort();
    assert_eq!(names, known);
}
