//! The API document is what is served: every answer fits it, and nothing in it is left without words or examples.

use std::collections::BTreeSet;

use crm_gateway::sandbox::fault::Fault;
use serde_json::{Map, Value, json};

use crate::support::{Answer, Asker, Setup, TestApp};

/// The document with a validator for its schemas.
pub(crate) struct Document(pub(crate) Value);

impl Document {
    pub(crate) fn current() -> Self {
        Self(serde_json::from_str(&crm_gateway::http::openapi::document()).expect("the document is JSON"))
    }

    /// All operations: path, method, and the operation.
    pub(crate) fn operations(&self) -> Vec<(String, String, &Value)> {
        let paths = self.0["paths"].as_object().expect("there are paths");
        let of_path = |(path, item): (&String, &'_ Value)| {
            let methods: Vec<String> =
                item.as_object().expect("a path has methods").keys().cloned().collect();
            methods.into_iter().map(|method| (path.clone(), method)).collect::<Vec<_>>()
        };
        let names: Vec<(String, String)> = paths.iter().flat_map(of_path).collect();
        names
            .into_iter()
            .map(|(path, method)| {
                let operation = &self.0["paths"][&path][&method];
                (path, method, operation)
            })
            .collect()
    }

    /// What a `$ref` leads to, or the value itself.
    pub(crate) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(target) => {
                self.0.pointer(target.trim_start_matches('#')).expect("a reference leads somewhere")
            }
            None => value,
        }
    }

    /// The operation a request is for.
    fn operation(&self, path: &str) -> Option<&Value> {
        let path = path.split('?').next()?;
        let segments: Vec<&str> = path.split('/').collect();
        self.0["paths"].as_object()?.iter().find_map(|(template, item)| {
            let template: Vec<&str> = template.split('/').collect();
            let fits = template.len() == segments.len()
                && template.iter().zip(&segments).all(|(a, b)| a.starts_with('{') || a == b);
            fits.then_some(&item["get"])
        })
    }

    /// Checks status, content type, headers and body of an answer.
    fn check(&self, path: &str, answer: &Answer) {
        let operation = self.operation(path).unwrap_or_else(|| panic!("{path} is not in the document"));
        let status = answer.status.to_string();
        let response = &operation["responses"][&status];
        assert!(!response.is_null(), "{path} answers {status}, which is not in the document");
        let response = self.resolve(response);
        if let Some(headers) = response["headers"].as_object() {
            for name in headers.keys() {
                let optional = ["link", "retry-after"].contains(&name.to_lowercase().as_str());
                assert!(
                    optional || answer.headers.contains_key(name.as_str()),
                    "{path}: {status} without {name}"
                );
            }
        }
        let Some(content) = response["content"].as_object() else {
            assert_eq!(answer.text, "", "{path}: {status} has no body");
            return;
        };
        let kind = answer.header("content-type");
        let schema = &content.get(kind).unwrap_or_else(|| panic!("{path}: {status} as {kind}"))["schema"];
        self.validate(schema, &answer.json, &format!("{path} {status}"));
    }

    pub(crate) fn validate(&self, schema: &Value, instance: &Value, at: &str) {
        let mut whole = schema.as_object().cloned().unwrap_or_default();
        whole.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        whole.insert("components".to_owned(), self.0["components"].clone());
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&Value::Object(whole))
            .unwrap_or_else(|error| panic!("{at}: {error}"));
        let problems: Vec<String> = validator
            .iter_errors(instance)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{at}: {problems:#?}");
    }
}

fn school() -> TestApp {
    Setup::new().students(60).projects(40).in_no_hurry().start()
}

async fn ask(document: &Document, asker: &Asker, path: &str) -> Answer {
    let answer = asker.get(path).await;
    document.check(path, &answer);
    answer
}

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let committed = include_str!("../../openapi/openapi.json");
    assert!(
        committed == crm_gateway::http::openapi::document(),
        "openapi/openapi.json differs; look at the difference and commit it: cargo run -- openapi > openapi/openapi.json"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_served_is_the_document() {
    let app = school();
    let served = app.nobody().get("/openapi.json").await;
    assert_eq!((served.status, served.header("content-type")), (200, "application/json"));
    assert_eq!(served.text, crm_gateway::http::openapi::document());
    assert!(matches!(app.nobody().get("/docs").await.status, 200 | 301..=308));
}

#[tokio::test(start_paused = true)]
async fn every_good_answer_fits_the_document() {
    let document = Document::current();
    let app = school();
    let owner = app.owner();
    for list in [
        "/students?limit=200&stage=ALL&archived=all",
        "/students?limit=200&stage=ALL&archived=all&include=raw",
        "/students?q=%D0%90",
        "/lessons?limit=200",
        "/lessons?limit=200&status=PLANNED",
        "/lessons?limit=20&status=CANCELLED&include=raw",
        "/payments?limit=200&source=alfacrm",
        "/payments?limit=200&source=cryptocrm&include=raw",
        "/projects?limit=200",
        "/projects?deleted=true&include=raw",
        "/projects?having=payments&sort=-created",
        "/reference/branches",
    ] {
        let mut page = ask(&document, &owner, list).await;
        assert_eq!(page.status, 200, "{list}: {}", page.text);
        assert!(!page.items().is_empty(), "{list}");
        for record in page.items().iter().take(4).filter(|_| !list.starts_with("/reference")) {
            let path = format!("{}/{}", list.split('?').next().unwrap(), record["id"].as_str().unwrap());
            let one = ask(&document, &owner, &path).await;
            assert_eq!(one.status, 200);
            let again = ask(&document, &owner.clone().with("if-none-match", one.header("etag")), &path).await;
            assert_eq!(again.status, 304);
        }
        let mut pages = 1;
        while let Some(cursor) = page.next_cursor().filter(|_| pages < 4) {
            page = ask(&document, &owner, &format!("{list}&cursor={cursor}")).await;
            pages += 1;
        }
        // Under masks fields are missing, and still the answer fits.
        ask(&document, &app.masked(), list.split('?').next().unwrap()).await;
        ask(&document, &app.branch_one(), list.split('?').next().unwrap()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_fits_the_document() {
    let document = Document::current();
    let app = school();
    let mut seen = BTreeSet::new();
    for path in [
        "/students",
        "/lessons",
        "/payments",
        "/projects",
        "/reference/branches",
        "/students/alfa-1",
        "/projects/crypto-1",
    ] {
        let mut see = |answer: &Answer| {
            seen.insert(answer.code().to_owned());
        };
        see(&ask(&document, &app.nobody(), path).await);
        see(&ask(&document, &app.stranger(), path).await);
        see(&ask(&document, &app.owner(), &format!("{path}?shoe=1")).await);
        see(&ask(&document, &app.owner().with("accept", "text/html"), path).await);
        see(&ask(&document, &app.owner(), &format!("{path}?q={}", "x".repeat(40_000))).await);
        see(&ask(&document, &app.owner().with("cache-control", "only-if-cached, no-cache"), path).await);
        if !path.starts_with("/students") {
            see(&ask(&document, &app.reader(), path).await);
        }
    }
    see_faults(&document, &mut seen).await;
    let app = Setup::new().students(20).without("cryptocrm").set("consumers.reader.rate_limit", "1").start();
    seen.insert(ask(&document, &app.owner(), "/projects").await.code().to_owned());
    seen.insert(ask(&document, &app.owner(), "/students/alfa-999999").await.code().to_owned());
    ask(&document, &app.reader(), "/students").await;
    seen.insert(ask(&document, &app.reader(), "/students").await.code().to_owned());
    // All that a read can be answered with, but for what only our own mistakes and a value the CRM refuses lead to.
    let expected = [
        "forbidden",
        "invalid_request",
        "not_acceptable",
        "not_cached",
        "not_found",
        "not_supported",
        "overloaded",
        "rate_limited",
        "unauthenticated",
        "upstream_error",
        "upstream_invalid",
        "upstream_timeout",
        "upstream_unavailable",
        "uri_too_long",
    ];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

async fn see_faults(document: &Document, seen: &mut BTreeSet<String>) {
    let status = |code| Fault::Status {
        code,
        body: String::new(),
        content_type: "text/html",
        retry_after: Some("7".to_owned()),
    };
    for fault in [status(500), status(429), Fault::LoginPage, Fault::Hang] {
        let app = Setup::new().students(20).projects(10).start();
        app.alfa.faults().next(Some("customer/index"), usize::MAX, fault);
        seen.insert(ask(document, &app.owner(), "/students").await.code().to_owned());
    }
    let app = Setup::new().students(20).projects(10).set("alfacrm.quota.rate", "0.1").start();
    seen.insert(ask(document, &app.owner().with("prefer", "wait=1"), "/students").await.code().to_owned());
}

#[test]
fn every_operation_is_described_has_an_example_and_tells_its_errors() {
    let document = Document::current();
    let operations = document.operations();
    assert!(operations.len() >= 9, "{} operations", operations.len());
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations {
        let at = format!("{method} {path}");
        for name in ["summary", "description", "operationId"] {
            assert!(operation[name].as_str().is_some_and(|text| text.len() > 3), "{at} has no {name}");
        }
        assert!(ids.insert(operation["operationId"].to_string()), "{at}: the id is taken");
        let responses = operation["responses"].as_object().unwrap();
        let mut examples = 0;
        for (status, response) in responses {
            let response = document.resolve(response);
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{at} {status}");
            for (kind, content) in response["content"].as_object().unwrap_or(&Map::new()) {
                let single = content.get("example").into_iter();
                let many = content["examples"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(_, example)| &example["value"]);
                for example in single.chain(many) {
                    document.validate(&content["schema"], example, &format!("{at} {status} {kind}"));
                    examples += 1;
                }
            }
        }
        assert!(responses.keys().any(|status| status.starts_with('2')), "{at} has no good answer");
        for status in ["400", "401", "403", "404", "429", "500", "502", "503", "504"] {
            assert!(responses.contains_key(status), "{at} does not tell {status}");
        }
        assert!(examples > 10, "{at} has {examples} examples");
        for parameter in operation["parameters"].as_array().unwrap_or(&Vec::new()) {
            assert!(
                parameter["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{at}: {}",
                parameter["name"]
            );
            assert!(!parameter["schema"].is_null(), "{at}: {}", parameter["name"]);
        }
    }
}
