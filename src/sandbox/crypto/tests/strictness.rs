//! A strict CRM refuses what the document does not know; a lenient one shrugs.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::super::access::{SECRET_HEADER, TOKEN_HEADER};
use super::{Reply, crm, filter, get, send, switched};
use crate::sandbox::crypto::Crm;

const ALL: [u64; 5] = [101, 102, 103, 104, 106];

#[tokio::test]
async fn malformed_query_values_are_refused_or_ignored() {
    let strict = crm();
    let lenient = switched(|switches| switches.strict = false);
    for (target, ids) in [
        ("/projects?count=ten", ALL.to_vec()),
        ("/projects?count=-1", ALL.to_vec()),
        ("/projects?count=", ALL.to_vec()),
        ("/projects?offset=1.5", ALL.to_vec()),
        ("/projects?order_by=updated", ALL.to_vec()),
        ("/projects?reverse=true", ALL.to_vec()),
        ("/projects?deleted=2", ALL.to_vec()),
        ("/projects?page=2", ALL.to_vec()),
        ("/projects/steps?id=101&filter_date=21.05.2021", vec![1001, 1002, 1003]),
        ("/projects/steps?id=101&filter_date=2021-02-30", vec![1001, 1002, 1003]),
        ("/projects/steps?id=101&filter_steps=1,2", vec![1001, 1002, 1003]),
        ("/projects/steps?id=101&filter_steps=1__2", vec![1001, 1002, 1003]),
        ("/projects/steps?id=101&count=1", vec![1001, 1002, 1003]),
        ("/projects/actions?id=101&filter_actions=", vec![2001, 2002, 2003, 2004]),
        ("/projects/actions?id=101&filter_id=x", vec![2001, 2002, 2003, 2004]),
        ("/projects/payments?id=101&filter_type=in", vec![5001, 5002, 5003]),
    ] {
        assert_eq!(get(&strict, target).await.status, 400, "{target}");
        assert_eq!(get(&lenient, target).await.ids(), ids, "{target}");
    }
}

#[tokio::test]
async fn malformed_filters_are_refused_or_ignored() {
    let strict = crm();
    let lenient = switched(|switches| switches.strict = false);
    for body in [
        json!({ "condition": "xor" }),
        json!({ "having": "checklists" }),
        json!({ "having": "no_checklists_expired" }),
        json!({ "having": ["goods"] }),
        json!({ "order_by": "updated" }),
        json!({ "page": 2 }),
        json!({ "buildin_data": { "price": [100] } }),
        json!({ "buildin_data": { "price": "100;200" } }),
        json!({ "buildin_data": { "created": "2020" } }),
        json!({ "buildin_data": { "created": ";2020-12-31" } }),
        json!({ "buildin_data": { "created": ["2020-01-01", "2020-12-31"] } }),
        json!({ "buildin_data": { "step_id": "1_2" } }),
        json!({ "buildin_data": { "step_id": ["1"] } }),
        json!({ "buildin_data": { "step_id": 1 } }),
        json!({ "buildin_data": { "updated": "2020-01-01" } }),
        json!({ "buildin_data": "none" }),
        json!({ "data": { "client_id": null } }),
        json!({ "data": { "client_id": { "from": 1 } } }),
        json!({ "builtin_data": { "step_id": [1] } }),
    ] {
        assert_eq!(filter(&strict, body.clone()).await.status, 400, "{body}");
        assert_eq!(filter(&lenient, body.clone()).await.ids(), ALL, "{body}");
    }
}

#[tokio::test]
async fn json_types_of_the_body_matter_only_to_a_strict_one() {
    let strict = crm();
    let lenient = switched(|switches| switches.strict = false);
    for (body, ids) in [
        (json!({ "count": "2" }), vec![101, 102]),
        (json!({ "reverse": 1 }), vec![106, 104, 103, 102, 101]),
        (json!({ "deleted": true }), vec![105]),
    ] {
        assert_eq!(filter(&strict, body.clone()).await.status, 400, "{body}");
        assert_eq!(filter(&lenient, body.clone()).await.ids(), ids, "{body}");
    }
}

#[tokio::test]
async fn an_id_is_wanted_by_both() {
    for crm in [crm(), switched(|switches| switches.strict = false)] {
        for path in ["info", "steps", "actions", "actions/info", "checklists", "goods", "payments"] {
            for query in ["", "?id=", "?id=x", "?id=-1", "?id=1.0", "?id=99999999999999999999"] {
                let target = format!("/projects/{path}{query}");
                assert_eq!(get(&crm, &target).await.status, 400, "{target}");
            }
        }
    }
}

async fn post(crm: &Crm, content_type: Option<&str>, body: &str) -> Reply {
    let right = &crm.access().credentials;
    let mut asked = Request::post("/backend/public/projects/filter")
        .header(TOKEN_HEADER, &right.token)
        .header(SECRET_HEADER, &right.secret);
    if let Some(content_type) = content_type {
        asked = asked.header("content-type", content_type);
    }
    send(crm, asked.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_filter_is_a_json_object() {
    let strict = crm();
    let lenient = switched(|switches| switches.strict = false);
    let json = Some("application/json; charset=utf-8");
    for body in ["", "{", "[]", "null", "count=1"] {
        assert_eq!(post(&strict, json, body).await.status, 400, "{body}");
        assert_eq!(post(&lenient, json, body).await.status, 400, "{body}");
    }
    assert_eq!(post(&strict, json, "{}").await.ids(), ALL);
    for content_type in [None, Some("text/plain")] {
        assert_eq!(post(&strict, content_type, "{}").await.status, 400);
        assert_eq!(post(&lenient, content_type, "{}").await.ids(), ALL);
    }
    assert_eq!(strict.ledger().entries()[0].body, Value::Null);
}

#[tokio::test]
async fn values_may_be_percent_encoded() {
    let crm = crm();
    assert_eq!(get(&crm, "/projects/steps?id=%31%30%31&filter%5Fsteps=1%5f2").await.ids(), [1001, 1002]);
    assert_eq!(get(&crm, "/projects/steps?id=%3").await.status, 400);
    assert_eq!(get(&crm, "/projects?count=1&count=2").await.ids(), [101, 102]);
}
