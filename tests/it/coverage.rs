//! Every operation of the document is met here without a key, without its scope, with a mistake, and as in its example.
//! An operation that is added to the document is tested by being there; one with a path or a body of its own needs a line
//! in [`SAMPLES`].

use http::Method;
use serde_json::{Value, json};

use crate::openapi::Document;
use crate::support::{Asker, Setup, TestApp};

/// Values for the parameters of paths.
const SAMPLES: &[(&str, &str)] = &[
    ("/students/{id}", "alfa-1"),
    ("/lessons/{id}", "alfa-1"),
    ("/payments/{id}", "alfa-1"),
    ("/projects/{id}", "crypto-1001"),
    ("/reference/{book}", "branches"),
];

/// Operations that are left out, with the reason. The list may only shrink.
const EXCEPTIONS: &[(&str, &str)] = &[];

struct Operation {
    method: Method,
    path: String,
    scope: String,
    example: Option<Value>,
    body: Option<Value>,
}

fn operations() -> Vec<Operation> {
    let document = Document::current();
    let mut operations = Vec::new();
    for (template, method, operation) in document.operations() {
        if EXCEPTIONS.iter().any(|(left_out, _)| *left_out == template) {
            continue;
        }
        let path = match template.find('{') {
            None => template.clone(),
            Some(start) => {
                let sample = SAMPLES.iter().find(|(known, _)| *known == template);
                let (_, value) = sample.unwrap_or_else(|| panic!("SAMPLES has no line for {template}"));
                format!("{}{value}", &template[..start])
            }
        };
        let content = &document.resolve(&operation["responses"]["200"])["content"]["application/json"];
        operations.push(Operation {
            method: method.to_uppercase().parse().unwrap(),
            path,
            scope: operation["x-required-scope"].as_str().unwrap_or_default().to_owned(),
            example: content.get("example").cloned(),
            body: operation["requestBody"]["content"]["application/json"].get("example").cloned(),
        });
    }
    operations
}

fn app() -> TestApp {
    Setup::new()
        .students(30)
        .projects(10)
        .in_no_hurry()
        .set("consumers.reader.scopes", "[\"search:read\"]")
        .start()
}

async fn send(asker: &Asker, operation: &Operation, query: &str) -> crate::support::Answer {
    asker.send(operation.method.clone(), &format!("{}{query}", operation.path), operation.body.as_ref()).await
}

#[test]
fn every_sample_is_used() {
    let document = Document::current();
    for (template, _) in SAMPLES {
        assert!(
            document.operations().iter().any(|(path, ..)| path == template),
            "{template} is not in the document any more"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_needs_a_key_and_its_scope() {
    let app = app();
    let operations = operations();
    assert!(operations.len() >= 9);
    for operation in operations {
        let at = format!("{} {}", operation.method, operation.path);
        assert!(!operation.scope.is_empty(), "{at} names no scope");
        for asker in [app.nobody(), app.stranger()] {
            let answer = send(&asker, &operation, "").await;
            assert_eq!((answer.status, answer.code()), (401, "unauthenticated"), "{at}");
        }
        let answer = send(&app.reader(), &operation, "").await;
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{at}");
        assert!(operation.scope.split(' ').any(|scope| answer.text.contains(scope)), "{at}: {}", answer.text);
    }
    assert_eq!(app.calls(), 0, "who is refused costs no quota");
}

#[tokio::test(start_paused = true)]
async fn every_operation_refuses_a_mistake() {
    let app = app();
    for operation in operations() {
        let answer = send(&app.owner(), &operation, "?no_such_parameter=1").await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_request"),
            "{} {}",
            operation.method,
            operation.path
        );
        assert_eq!(answer.json["errors"][0]["pointer"], "/query/no_such_parameter");
        assert_eq!(answer.json["instance"], operation.path);
    }
    assert_eq!(app.calls(), 0, "a mistake costs no quota");
}

/// What is answered has the fields of the example, no more and no fewer.
#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_its_example_shows() {
    let app = app();
    let fields = |value: &Value| -> Vec<String> {
        let mut names: Vec<String> =
            value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default();
        names.sort();
        names
    };
    for operation in operations() {
        let at = format!("{} {}", operation.method, operation.path);
        let example = operation.example.as_ref().unwrap_or_else(|| panic!("{at} has no example"));
        let mut operation =
            Operation { body: operation.body.clone(), example: None, scope: String::new(), ..operation };
        let list =
            operation.path.rsplit_once('/').map(|(list, _)| list.to_owned()).filter(|list| list.len() > 1);
        if let Some(list) = list.filter(|list| list != "/reference") {
            // The sample may not exist; whatever the list holds does.
            let first = app.owner().get(&format!("{list}?limit=1")).await.items().remove(0);
            operation.path = format!("{list}/{}", first["id"].as_str().unwrap());
        }
        let answer = send(&app.owner(), &operation, "").await;
        assert_eq!(answer.status, 200, "{at}: {}", answer.text);
        assert_eq!(fields(&answer.json), fields(example), "{at}");
        if let Some(first) = answer.items().first() {
            assert_eq!(fields(first), fields(&example["items"][0]), "{at}");
        }
        assert_ne!(answer.json, json!(null));
    }
}
