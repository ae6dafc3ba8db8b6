//! Every operation of the document is met here without a key, without its scope, with a mistake, and as in its example:
//! the paths and bodies are made from the document's own examples, as Swagger UI fills them in. An operation that is added
//! to the document is tested by being there.

use http::Method;
use serde_json::Value;

use crate::openapi::Document;
use crate::support::{Asker, Setup, TestApp};

/// Operations that are left out, with the reason. The list may only shrink.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// An operation with everything it takes to make it as its examples show.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) template: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    /// The names of its parameters that narrow a list.
    pub(crate) filters: Vec<String>,
    query: String,
    scope: String,
    example: Option<Value>,
    body: Option<Value>,
    schemas: (Option<Value>, Option<Value>),
}

impl Operation {
    /// The fields a write takes, or those a read shows, but for those that every record has.
    pub(crate) fn fields(&self, document: &Document) -> Vec<String> {
        let (body, answer) = &self.schemas;
        let schema = match (body, answer) {
            (Some(body), _) if self.method != Method::GET => document.resolve(body),
            (_, Some(answer)) => {
                let schema = document.resolve(answer);
                match schema["properties"].get("items") {
                    Some(items) => document.resolve(&items["items"]),
                    None => schema,
                }
            }
            (_, None) => return Vec::new(),
        };
        const COMMON: [&str; 7] =
            ["id", "source", "source_id", "custom_fields", "created_at", "updated_at", "raw"];
        let names = schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys());
        names.filter(|name| !COMMON.contains(&name.as_str())).cloned().collect()
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    let document = Document::current();
    let mut operations = Vec::new();
    for (template, method, operation) in document.operations() {
        if EXCEPTIONS.iter().any(|(left_out, _)| *left_out == template) {
            continue;
        }
        let mut path = template.clone();
        let (mut headers, mut names) = (Vec::new(), Vec::new());
        let mut query = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let example = parameter["example"].as_str();
            match parameter["in"].as_str().unwrap() {
                "path" => {
                    let value = example.unwrap_or_else(|| panic!("{template}: `{name}` has no example"));
                    path = path.replace(&format!("{{{name}}}"), value);
                    names.push((format!("{{{name}}}"), value));
                }
                _ if parameter["required"] != true => {}
                "header" => headers.push((name.to_owned(), example.expect("an example").to_owned())),
                _ => {
                    let example = example.or(parameter["schema"]["examples"][0].as_str());
                    let mut pair = form_urlencoded::Serializer::new(String::new());
                    pair.append_pair(name, example.expect("an example"));
                    query.push(pair.finish());
                }
            }
        }
        let of = |status: &str| {
            let answer = document.resolve(&operation["responses"][status]);
            answer["content"]["application/json"].get("example").cloned()
        };
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let filters = parameters.filter(|parameter| parameter["in"] == "query");
        let schema = |value: &Value| value["content"]["application/json"].get("schema").cloned();
        let answer = ["200", "201"]
            .iter()
            .find_map(|status| schema(document.resolve(&operation["responses"][status])));
        operations.push(Operation {
            id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
            template: template.clone(),
            filters: filters.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect(),
            schemas: (schema(&operation["requestBody"]), answer),
            method: method.to_uppercase().parse().unwrap(),
            path,
            headers,
            query: query.join("&"),
            scope: names.iter().fold(
                operation["x-required-scope"].as_str().unwrap_or_default().to_owned(),
                |scope, (name, value)| scope.replace(name, value),
            ),
            example: of("200").or_else(|| of("201")),
            body: operation["requestBody"]["content"]["application/json"].get("example").cloned(),
        });
    }
    // What ends a record comes after what needs it.
    operations.sort_by_key(|operation| operation.method == Method::DELETE);
    operations
}

fn app() -> TestApp {
    Setup::new().in_no_hurry().set("consumers.reader.scopes", "[\"search:read\"]").start()
}

pub(crate) async fn send(asker: &Asker, operation: &Operation, query: &str) -> crate::support::Answer {
    let asker = operation.headers.iter().fold(asker.clone(), |asker, (name, value)| asker.with(name, value));
    let query = [operation.query.as_str(), query].into_iter().filter(|part| !part.is_empty());
    let path = format!("{}?{}", operation.path, query.collect::<Vec<_>>().join("&"));
    asker.send(operation.method.clone(), path.trim_end_matches('?'), operation.body.as_ref()).await
}

#[tokio::test(start_paused = true)]
async fn every_operation_needs_a_key_and_its_scope() {
    let app = app();
    let operations = operations();
    assert!(operations.len() >= 9);
    for operation in operations {
        let at = format!("{} {}", operation.method, operation.path);
        // Of which each sees his own alone.
        let own = operation.template == "/operations/{id}";
        assert_eq!(operation.scope.is_empty(), own, "{at} names no scope");
        for asker in [app.nobody(), app.stranger()] {
            let answer = send(&asker, &operation, "").await;
            assert_eq!((answer.status, answer.code()), (401, "unauthenticated"), "{at}");
        }
        let answer = send(&app.reader(), &operation, "").await;
        if own {
            assert_eq!(answer.status, 404, "{at}");
            continue;
        }
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{at}");
        assert!(operation.scope.split(' ').any(|scope| answer.text.contains(scope)), "{at}: {}", answer.text);
    }
    assert_eq!(app.calls(), 0, "who is refused costs no quota");
}

#[tokio::test(start_paused = true)]
async fn every_operation_refuses_a_mistake() {
    let app = app();
    for operation in operations() {
        let answer = send(&app.owner(), &operation, "no_such_parameter=1").await;
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
    let setup = Setup::new().in_no_hurry().set("consumers.owner.daily_budget", "1000000");
    let app = setup.start();
    let fields = |value: &Value| -> Vec<String> {
        let mut names: Vec<String> =
            value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default();
        names.sort();
        names
    };
    let mut began = String::new();
    let mut operations = operations();
    // What became of a write can be asked once there was one.
    operations.sort_by_key(|operation| operation.template == "/operations/{id}");
    for mut operation in operations {
        if operation.template == "/operations/{id}" {
            operation.path.clone_from(&began);
        }
        let at = format!("{} {}", operation.method, operation.path);
        // The document shows the same key everywhere.
        for (_, key) in
            operation.headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"))
        {
            *key = format!("of{}", operation.template);
        }
        if operation.template == "/tasks" && operation.method == Method::POST {
            let told = send(&app.owner().with("prefer", "respond-async"), &operation, "").await;
            assert_eq!(told.status, 202, "{at}: {}", told.text);
            told.header("location").clone_into(&mut began);
        }
        let answer = send(&app.owner(), &operation, "").await;
        assert!((200..300).contains(&answer.status), "{at}: {}", answer.text);
        if operation.method == Method::DELETE {
            continue;
        }
        let example = operation.example.as_ref().unwrap_or_else(|| panic!("{at} has no example"));
        assert_eq!(fields(&answer.json), fields(example), "{at}");
        if example.get("items").is_some() {
            let first = answer.items().first().cloned().unwrap_or_else(|| panic!("{at} shows nothing"));
            assert_eq!(fields(&first), fields(&example["items"][0]), "{at}");
        }
    }
}
