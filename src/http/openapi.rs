//! The API document (OpenAPI 3.1): what all operations share, around what the resources declare. It needs no CRM and no
//! configuration, and is the same each time it is made.

use serde_json::json;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::info::{InfoBuilder, LicenseBuilder};
use utoipa::openapi::path::{PathItemBuilder, PathsBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::server::ServerBuilder;
use utoipa::openapi::{ContentBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, SecurityRequirement};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::codes::Code;
use super::problem::{Document, Invalid, Problem};
use super::resources;
use super::routes::{Documents, Stage};

const ABOUT: &str = "\
One REST API in front of AlfaCRM and the Crypto CRM.

**Keys.** Send `Authorization: Bearer KEY` or `X-Api-Key: KEY`; where both are sent, `Authorization` alone counts. Each operation names the scope it needs. End users send a token (JWT) of the school's identity provider as `Authorization: Bearer TOKEN`, and see the students that it lists and what hangs on them alone.

**Ids** are opaque and name their CRM: `alfa-101`, `crypto-7`, `crypto-101-3001`. What a list gives, a read by id finds.

**Lists** end when `next_cursor` is `null`, and only then. `incomplete` names whoever could not be asked. `fields` \
prunes records, so with it only the fields named are there; `include=raw` adds the CRM's own record.

**Money** is an amount as decimal text with a currency. **Times** are RFC 3339 with the offset of the CRM's zone. \
**Enums** may grow; an unknown value of a CRM is `UNKNOWN` and stays visible in `raw`.

**Freshness.** Answers come from memory where they may: `Age` and `Cache-Status` tell. `Cache-Control: no-cache`, \
`max-age=N` and `only-if-cached` of a request are honoured, `If-None-Match` is answered with 304, and `HEAD` works \
wherever `GET` does.

**Waiting.** The CRMs take only so many calls a second. A call that needs one waits for its turn; `Prefer: wait=N` bounds \
the wait in seconds, and what cannot be served in time is refused at once with a true `Retry-After`. How urgent a key's \
calls are is configured; `Prefer: priority=batch` (or `partner`) makes one less urgent, never more.

**Errors** are problem documents (RFC 9457). `code` never changes its meaning; `type` leads to a page that explains it.";

/// The document as it is committed.
pub fn document() -> String {
    let (_, documents) = resources::all().finish("", |_| Stage(axum::Router::new()));
    text(documents, "")
}

/// The document of a gateway below `base_path`.
pub(super) fn text(documents: Documents, base_path: &str) -> String {
    let mut text = build(documents, base_path).to_pretty_json().expect("an API document is plain data");
    text.push('\n');
    text
}

fn build(documents: Documents, base_path: &str) -> OpenApi {
    let mut paths = PathsBuilder::new();
    for (path, method, operation) in documents.operations {
        paths = paths.path(path, PathItemBuilder::new().operation(method, operation).build());
    }
    let mut components = ComponentsBuilder::new()
        .schemas_from_iter(documents.schemas)
        .schema(Document::name(), Document::schema())
        .schema(Invalid::name(), Invalid::schema())
        .response("NotModified", not_modified())
        .security_scheme(
            "bearer",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some("A key of the gateway."))
                    .build(),
            ),
        )
        .security_scheme(
            "apiKey",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "X-Api-Key",
                "A key of the gateway.",
            ))),
        );
    for status in statuses() {
        components = components.response(format!("Problem{status}"), problem(status));
    }
    for (name, kind, about, example) in HEADERS {
        let header = HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(kind.clone()).build()))
            .description(Some(*about))
            .example(Some(match kind {
                Type::Integer => json!(example.parse::<u64>().unwrap_or_default()),
                _ => json!(example),
            }))
            .build();
        components = components.header(*name, header);
    }
    let server = if base_path.is_empty() { "/" } else { base_path };
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("crm-gateway")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .license(Some(LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build()))
                .build(),
        )
        .servers(Some([ServerBuilder::new().url(server).description(Some("This gateway")).build()]))
        .tags(Some(documents.tags))
        .paths(paths)
        .components(Some(components.build()))
        .security(Some([
            SecurityRequirement::new("bearer", [] as [&str; 0]),
            SecurityRequirement::new("apiKey", [] as [&str; 0]),
        ]))
        .build()
}

const HEADERS: &[(&str, Type, &str, &str)] = &[
    ("Age", Type::Integer, "Seconds since the CRM gave the oldest part of the answer.", "12"),
    (
        "Cache-Control",
        Type::String,
        "How long the answer may be kept, counted from when the CRM gave it.",
        "private, max-age=60",
    ),
    (
        "Cache-Status",
        Type::String,
        "How the gateway's memory took part (RFC 9211).",
        "crm-gateway; hit; ttl=48",
    ),
    ("ETag", Type::String, "Strong tag of the answer, for `If-None-Match`.", "\"mYx2nO0R4vJc9QkzS1bWdw\""),
    (
        "Link",
        Type::String,
        "The next page (RFC 8288); not there on the last one.",
        "</students?cursor=eyJ2IjoxLCJhIjo1MH0>; rel=\"next\"",
    ),
    ("RateLimit", Type::String, "What is left of the key's own limit now.", "\"consumer\";r=99;t=1"),
    ("RateLimit-Policy", Type::String, "The key's own limit: requests in seconds.", "\"consumer\";q=100;w=1"),
    ("Location", Type::String, "Where to ask what became of the write.", "/operations/01kj5yv8000000007"),
    ("Retry-After", Type::Integer, "Seconds after which repeating may help.", "2"),
    (
        "Server-Timing",
        Type::String,
        "Milliseconds spent waiting for a turn, and in the CRM.",
        "queue;dur=200.0, upstream;dur=81.4",
    ),
    ("X-Request-Id", Type::String, "The request's id: the caller's if it sent a sane one.", "5f2c81d0-7"),
];

fn not_modified() -> Response {
    let mut response = ResponseBuilder::new()
        .description("What `If-None-Match` names is still the answer; there is no body.");
    for name in ["ETag", "Age", "Cache-Control", "Cache-Status", "X-Request-Id"] {
        response = response.header_ref(name, Ref::new(format!("#/components/headers/{name}")));
    }
    response.build()
}

fn statuses() -> Vec<u16> {
    // A path that is not there with this method is answered by no operation.
    let codes = Code::ALL.into_iter().filter(|code| !matches!(code, Code::MethodNotAllowed));
    let mut statuses: Vec<u16> = codes.map(|code| code.entry().status.as_u16()).collect();
    statuses.dedup();
    statuses
}

fn problem(status: u16) -> Response {
    let codes: Vec<Code> = Code::ALL.into_iter().filter(|code| code.entry().status == status).collect();
    let names: Vec<String> = codes.iter().map(|code| format!("`{}`", code.entry().name)).collect();
    let about: Vec<&str> = codes.iter().map(|code| code.entry().when).collect();
    let examples = codes.iter().map(|code| {
        let entry = code.entry();
        let example =
            ExampleBuilder::new().summary(entry.title).value(Some(Problem::new(*code, entry.when).example()));
        (entry.name, RefOr::T(example.build()))
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Document::name())))
        .examples_from_iter(examples)
        .build();
    let mut response = ResponseBuilder::new()
        .description(format!("{}: {}", names.join(" or "), about.join(" Or: ")))
        .content("application/problem+json", content)
        .header_ref("X-Request-Id", Ref::new("#/components/headers/X-Request-Id"));
    if codes.iter().any(|code| code.entry().retryable) {
        response = response.header_ref("Retry-After", Ref::new("#/components/headers/Retry-After"));
    }
    response.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn parsed() -> Value {
        serde_json::from_str(&document()).unwrap()
    }

    /// Every object in the document, with where it is.
    fn walk<'a>(value: &'a Value, at: &str, see: &mut dyn FnMut(&str, &'a serde_json::Map<String, Value>)) {
        match value {
            Value::Object(object) => {
                see(at, object);
                for (name, inner) in object {
                    walk(inner, &format!("{at}/{name}"), see);
                }
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, inner)| walk(inner, &format!("{at}/{i}"), see))
            }
            _ => {}
        }
    }

    fn validate(document: &Value, schema: &Value, example: &Value, at: &str) {
        let mut whole = schema.as_object().unwrap().clone();
        whole.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        whole.insert("components".to_owned(), document["components"].clone());
        let validator =
            jsonschema::options().should_validate_formats(true).build(&Value::Object(whole)).unwrap();
        let problems: Vec<String> =
            validator.iter_errors(example).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(problems.is_empty(), "{at}: {problems:#?}");
    }

    #[test]
    fn the_committed_document_is_the_one_the_code_makes() {
        let committed = include_str!("../../openapi/openapi.json");
        assert!(
            committed == document(),
            "openapi/openapi.json is not what the code makes; run `crm-gateway openapi > openapi/openapi.json` and look at the difference"
        );
    }

    #[test]
    fn the_document_is_the_same_each_time() {
        assert_eq!(document(), document());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = parsed();
        walk(&document, "", &mut |at, object| {
            if let Some(Value::String(target)) = object.get("$ref") {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{at} leads to {target}");
            }
        });
    }

    #[test]
    fn every_example_fits_its_schema() {
        let document = parsed();
        let mut seen = 0;
        walk(&document, "", &mut |at, object| {
            let Some(schema) = object.get("schema") else {
                return;
            };
            let named = object.get("examples").and_then(Value::as_object);
            let named =
                named.into_iter().flat_map(|examples| examples.values().map(|example| &example["value"]));
            for example in object.get("example").into_iter().chain(named) {
                validate(&document, schema, example, at);
                seen += 1;
            }
        });
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            for example in schema.get("examples").and_then(Value::as_array).into_iter().flatten() {
                validate(&document, schema, example, name);
                seen += 1;
            }
        }
        assert!(seen > 40, "only {seen} examples");
    }

    #[test]
    fn every_operation_has_an_id_of_its_own_a_scope_an_example_and_its_errors() {
        let document = parsed();
        let mut ids = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let at = format!("{method} {path}");
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(!ids.contains(&id), "{id} is there twice");
                ids.push(id);
                // What each sees his own of alone needs none.
                let scope = match operation["x-required-scope"].as_str() {
                    Some(scope) => scope,
                    None if path == "/operations/{id}" => "operations:read",
                    None => panic!("{at} needs no scope"),
                };
                let first = path.split('/').nth(1).unwrap();
                let named = scope == "{resource}:read" && path.contains("{resource}");
                assert!(named || scope.starts_with(&format!("{first}:")), "{at} needs {scope}");
                let about = operation["description"].as_str().unwrap();
                let told = scope.split(' ').all(|scope| about.contains(scope));
                assert!(told || path == "/operations/{id}", "{at}");
                let responses = operation["responses"].as_object().unwrap();
                // Of a write nobody may know yet what became of it, and 204 is for writes that are only checked.
                let is_good = |status: &&String| {
                    status.starts_with('2') && *status != "202" && (method == "delete" || *status != "204")
                };
                let good: Vec<&String> = responses.keys().filter(is_good).collect();
                let expected: &[&str] = match method.as_str() {
                    "get" => &["200"],
                    "post" => &["200", "201"],
                    "patch" => &["200"],
                    "delete" => &["204"],
                    other => panic!("{at}: no operation is a {other}"),
                };
                let [good] = good[..] else { panic!("{at} has {} good answers", good.len()) };
                assert!(expected.contains(&good.as_str()), "{at} answers {good}");
                let example = &responses[good]["content"]["application/json"]["example"];
                assert_eq!(example.is_object(), good != "204", "{at}");
                assert_eq!(responses.contains_key("204"), !scope.ends_with(":read"), "{at}");
                let writes = ["409", "412", "413", "415", "422", "501"];
                let common = ["400", "401", "403", "404", "406", "429", "500", "502", "503", "504"];
                let asks = scope.ends_with(":read");
                let own: &[&str] = match (method.as_str(), asks) {
                    ("get", _) => &["422", "501"],
                    // A question in a body.
                    (_, true) => &["413", "415", "422", "501"],
                    _ => &writes,
                };
                for status in common.iter().chain(own) {
                    assert!(responses.get(*status).is_some_and(Value::is_object), "{at} lacks {status}");
                }
                // What is of this very moment has no tag that a consumer could have already.
                let of_the_moment = path.starts_with("/quota") || path.starts_with("/operations");
                assert_eq!(responses.contains_key("304"), asks && !of_the_moment, "{at}");
                let parameters = operation["parameters"].as_array().unwrap();
                let in_path = parameters.iter().filter(|p| p["in"] == "path").count();
                assert_eq!(in_path, path.matches('{').count(), "{at}");
            }
        }
        for id in ["list_students", "get_student", "list_payments", "get_project", "list_reference"] {
            assert!(ids.iter().any(|known| known == id), "{id} is missing");
        }
    }

    #[test]
    fn what_may_be_null_says_so_and_only_the_id_is_always_there() {
        let student = &parsed()["components"]["schemas"]["Student"];
        assert_eq!(student["required"], serde_json::json!(["id"]), "`fields` prunes all others");
        let document = parsed();
        let mut example = document["components"]["schemas"]["Student"]["examples"][0].clone();
        for field in ["name", "birth_date", "color", "payer", "status_id", "created_at", "balance"] {
            example[field] = Value::Null;
        }
        validate(&document, student, &example, "Student with nulls");
    }

    #[test]
    fn the_schemas_refuse_what_is_not_a_record() {
        let document = parsed();
        let student = &document["components"]["schemas"]["Student"];
        let mut whole = student.as_object().unwrap().clone();
        whole.insert("components".to_owned(), document["components"].clone());
        let validator = jsonschema::validator_for(&Value::Object(whole)).unwrap();
        let good = student["examples"][0].clone();
        for (field, bad) in [
            ("id", json!("101")),
            ("stage", json!("PUPIL")),
            ("archived", Value::Null),
            ("balance", json!(5)),
            ("contacts", Value::Null),
        ] {
            let mut example = good.clone();
            example[field] = bad;
            assert!(!validator.is_valid(&example), "{field}");
        }
    }
}
