//! Every recorded answer comes out of the simulator byte for byte, each variant by its switch.

use http::Method;
use serde_json::Value;

use super::super::{Checklists, Crm, DynamicFields, Envelope, ErrorShape, Missing, Numbers, Switches};
use super::{Reply, crm, get, ids, request, send, switched};
use crate::sandbox::fault::Fault;

macro_rules! fixtures {
    ($($name:literal),+) => {
        [$(($name, include_str!(concat!("../../../../tests/fixtures/cryptocrm/", $name, ".json")))),+]
    };
}

const ENDPOINTS: [(&str, &str); 9] = fixtures!(
    "projects_list",
    "projects_filter",
    "projects_info",
    "projects_steps",
    "projects_actions",
    "projects_actions_info",
    "projects_checklists",
    "projects_goods",
    "projects_payments"
);
const OTHERS: [(&str, &str); 2] = fixtures!("dataset", "errors");

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

async fn ask(crm: &Crm, fixture: &Value, query: &Value, body: &Value) -> Reply {
    let asked = &fixture["request"];
    let pairs: Vec<String> = query
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
        .collect();
    let path = asked["path"].as_str().unwrap().strip_prefix("/backend/public").unwrap();
    let target = format!("{path}?{}", pairs.join("&"));
    let method: Method = asked["method"].as_str().unwrap().parse().unwrap();
    let body = Some(body).filter(|body| !body.is_null());
    send(crm, request(method, &target, &crm.access().credentials, body)).await
}

async fn ask_as_recorded(crm: &Crm, fixture: &Value) -> Reply {
    ask(crm, fixture, &fixture["request"]["query"], &fixture["request"]["body"]).await
}

#[tokio::test]
async fn each_endpoint_answers_as_recorded() {
    for (name, text) in ENDPOINTS {
        let fixture = parse(text);
        let reply = ask_as_recorded(&crm(), &fixture).await;
        let wanted = &fixture["response"];
        assert_eq!(wanted["status"], reply.status.as_u16(), "{name}");
        assert_eq!(wanted["headers"]["Content-Type"], reply.header("content-type"), "{name}");
        assert_eq!(wanted["body"].to_string(), reply.text(), "{name}");
    }
}

fn switch_for(variant: &str, switches: &mut Switches) {
    match variant {
        "bare_array" | "bare_object" => switches.envelope = Envelope::Bare,
        "data_envelope" => switches.envelope = Envelope::Data,
        "items_total" => switches.envelope = Envelope::ItemsTotal,
        "numbers_as_strings" => switches.numbers = Numbers::Text,
        "flat_dynamic" => switches.dynamic = DynamicFields::FlatRoot,
        "flat_items" => switches.checklists = Checklists::Flat,
        "one_element_array" => switches.object_in_list = true,
        other => panic!("no switch makes the variant {other}"),
    }
}

#[tokio::test]
async fn each_variant_has_its_switch() {
    let mut variants = 0;
    for (name, text) in ENDPOINTS {
        let fixture = parse(text);
        for variant in fixture["variants"].as_array().unwrap() {
            let kind = variant["name"].as_str().unwrap();
            let crm = switched(|switches| switch_for(kind, switches));
            let reply = ask_as_recorded(&crm, &fixture).await;
            assert_eq!(variant["status"], reply.status.as_u16(), "{name} {kind}");
            assert_eq!(variant["body"].to_string(), reply.text(), "{name} {kind}");
            variants += 1;
        }
    }
    assert!(variants >= 38, "{variants} variants");
}

#[tokio::test]
async fn the_other_questions_find_the_recorded_ids() {
    let mut cases = 0;
    for (name, text) in ENDPOINTS {
        let fixture = parse(text);
        for case in fixture["more_cases"].as_array().into_iter().flatten() {
            let reply = ask(&crm(), &fixture, &case["query"], &case["body"]).await;
            let wanted: Vec<u64> =
                case["expected_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
            assert_eq!(reply.ids(), wanted, "{name} {}", case["name"]);
            cases += 1;
        }
    }
    assert_eq!(cases, 11);
}

#[tokio::test]
async fn overdue_items_are_those_recorded_for_the_clock() {
    let (_, text) = ENDPOINTS[6];
    let fixture = parse(text);
    let case = &fixture["more_cases"][0];
    let crm = crm();
    assert_eq!(case["clock"], crm.clock().now().to_string().as_str());
    let lists = get(&crm, "/projects/checklists?id=101").await.json();
    let overdue: Vec<&Value> = lists["payload"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|list| list["items"].as_array().unwrap())
        .filter(|item| item["done"] == "0")
        .filter(|item| item["deadline"].as_str().is_some_and(|day| day < "2021-05-30"))
        .map(|item| &item["id"])
        .collect();
    assert_eq!(overdue, case["expired_item_ids"].as_array().unwrap().iter().collect::<Vec<_>>());
}

/// Makes the simulator answer as one case of `errors.json` says.
async fn provoke(case: &Value) -> Reply {
    let crm = crm();
    let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
    match case["name"].as_str().unwrap() {
        "missing_headers" => {
            let mut asked = request(Method::GET, "/projects", &crm.access().credentials, None);
            asked.headers_mut().clear();
            send(&crm, asked).await
        }
        "wrong_secret" => {
            crm.switches(|switches| switches.error_shape = ErrorShape::ErrorObject);
            let mut wrong = crm.access().credentials.clone();
            wrong.secret = "3".repeat(128);
            send(&crm, request(Method::GET, "/projects", &wrong, None)).await
        }
        "redirect_to_login" => {
            let to = case["headers"]["Location"].as_str().unwrap().to_owned();
            crm.faults().next(None, 1, Fault::Redirect(to));
            get(&crm, "/projects").await
        }
        "bad_parameter" => {
            crm.switches(|switches| switches.error_shape = ErrorShape::ResponseObject);
            get(&crm, "/projects?reverse=yes").await
        }
        "unknown_project" => get(&crm, "/projects/info?id=999").await,
        "unknown_project_empty_payload" => {
            crm.switches(|switches| switches.missing = Missing::EmptyList);
            get(&crm, "/projects/info?id=999").await
        }
        "too_many_requests" => {
            let after = case["headers"]["Retry-After"].as_str().unwrap().to_owned();
            crm.faults().next(
                None,
                1,
                Fault::Status {
                    code: status,
                    body: case["body"].to_string(),
                    content_type: "application/json",
                    retry_after: Some(after),
                },
            );
            get(&crm, "/projects").await
        }
        "server_error" => {
            crm.faults().next(
                None,
                1,
                Fault::Status {
                    code: status,
                    body: case["body"].as_str().unwrap().to_owned(),
                    content_type: "text/html",
                    retry_after: None,
                },
            );
            get(&crm, "/projects").await
        }
        "unknown_shape" => {
            crm.faults().next(
                None,
                1,
                Fault::Status {
                    code: status,
                    body: case["body"].to_string(),
                    content_type: "application/json",
                    retry_after: None,
                },
            );
            get(&crm, "/projects").await
        }
        "truncated_json" => {
            crm.faults().next(None, 1, Fault::Truncated);
            get(&crm, "/projects").await
        }
        "bom_prefixed_json" => {
            crm.faults().next(None, 1, Fault::ByteOrderMark);
            get(&crm, "/projects/goods?id=102").await
        }
        other => panic!("nothing provokes {other}"),
    }
}

#[tokio::test]
async fn each_recorded_error_can_be_provoked() {
    let errors = parse(OTHERS[1].1);
    for case in errors["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let reply = provoke(case).await;
        assert_eq!(case["status"], reply.status.as_u16(), "{name}");
        for (header, value) in case["headers"].as_object().into_iter().flatten() {
            assert_eq!(value, reply.header(&header.to_lowercase()), "{name}");
        }
        let media_type = case["content_type"].as_str().unwrap();
        assert!(reply.header("content-type").starts_with(media_type), "{name}");
        match name {
            // The sentence names the parameter too.
            "bad_parameter" => {
                assert_eq!(reply.json()["response"]["status"], 4005);
                let message = reply.json()["response"]["message"].to_string();
                assert!(message.contains("Invalid or forbidden values passed"), "{message}");
            }
            "unknown_project" => assert_eq!(reply.json()["message"], case["body"]["message"]),
            "truncated_json" => {
                assert!(reply.text().starts_with(case["body"].as_str().unwrap()));
                assert!(serde_json::from_slice::<Value>(&reply.bytes).is_err());
            }
            _ => match &case["body"] {
                Value::String(text) => assert_eq!(text, &reply.text(), "{name}"),
                body => assert_eq!(body, &reply.json(), "{name}"),
            },
        }
    }
}

#[tokio::test]
async fn the_embedded_data_set_is_the_recorded_one() {
    let recorded = OTHERS[0].1;
    assert_eq!(recorded, include_str!("../dataset.json"));
    let recorded = parse(recorded);
    let crm = crm();
    assert_eq!(recorded["dictionaries"], *crm.dictionaries());
    assert_eq!(crm.project_ids(), ids(&recorded["projects"]));
    for table in super::super::Table::OF_A_PROJECT {
        assert_eq!(crm.count(table), recorded[table.name()].as_array().unwrap().len());
    }
}
