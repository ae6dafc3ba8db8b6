//! What was released stays: the document of today takes every request and gives every answer that a released one promised.
//! Each file of `openapi/released/` is compared, the newest and those before it. New paths, fields, parameters that may be
//! left out and words in answers are no break; see docs/consumers/changes.md.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

/// Whether a schema describes what is sent or what is answered: what may change differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// Two documents while they are compared.
struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    breaks: Vec<String>,
    /// Pairs that are compared already: schemas may contain themselves.
    seen: BTreeSet<(String, String, bool)>,
}

/// Everything that a client of the old document would stumble over, each as a sentence.
fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison { old, new, breaks: Vec::new(), seen: BTreeSet::new() };
    for (path, item) in entries(&old["paths"]) {
        for (method, operation) in entries(item) {
            let at = format!("{} {path}", method.to_uppercase());
            match new["paths"][path].get(method) {
                Some(now) => comparison.operation(&at, operation, now),
                None => comparison.breaks.push(format!("{at} is gone")),
            }
        }
    }
    comparison.breaks
}

impl Comparison<'_> {
    fn operation(&mut self, at: &str, old: &Value, new: &Value) {
        if old["operationId"] != new["operationId"] {
            self.say(at, "has another operationId");
        }
        self.parameters(at, old, new);
        self.request(at, &old["requestBody"], &new["requestBody"]);
        for (status, answer) in entries(&old["responses"]) {
            let answer = resolve(self.old, answer);
            let Some(now) = new["responses"].get(status).map(|now| resolve(self.new, now)) else {
                self.say(at, &format!("no longer answers {status}"));
                continue;
            };
            let at = format!("{at} {status}");
            for (name, _) in entries(&answer["headers"]) {
                if now["headers"].get(name).is_none() {
                    self.say(&at, &format!("has no header {name} any more"));
                }
            }
            self.content(&at, &answer["content"], &now["content"], Way::Out);
        }
    }

    fn parameters(&mut self, at: &str, old: &Value, new: &Value) {
        let of = |operation: &Value| operation["parameters"].as_array().cloned().unwrap_or_default();
        let (old, new) = (of(old), of(new));
        let find = |all: &[Value], one: &Value| {
            all.iter().find(|other| other["name"] == one["name"] && other["in"] == one["in"]).cloned()
        };
        for one in &old {
            let at = format!("{at} {}", one["name"].as_str().unwrap_or_default());
            let Some(now) = find(&new, one) else {
                self.say(&at, "is no parameter any more");
                continue;
            };
            if now["required"] == true && one["required"] != true {
                self.say(&at, "has become required");
            }
            for how in ["style", "explode"] {
                if one[how] != now[how] {
                    self.say(&at, &format!("is written in another {how}"));
                }
            }
            self.schema(&at, &one["schema"], &now["schema"], Way::In);
        }
        for one in new.iter().filter(|one| one["required"] == true && find(&old, one).is_none()) {
            self.say(at, &format!("has a new parameter that is required: {}", one["name"]));
        }
    }

    fn request(&mut self, at: &str, old: &Value, new: &Value) {
        if new["required"] == true && old["required"] != true {
            self.say(at, "demands a body now");
        }
        self.content(at, &old["content"], &new["content"], Way::In);
    }

    fn content(&mut self, at: &str, old: &Value, new: &Value, way: Way) {
        for (kind, content) in entries(old) {
            match new.get(kind) {
                Some(now) => self.schema(at, &content["schema"], &now["schema"], way),
                None => self.say(at, &format!("knows no {kind} any more")),
            }
        }
    }

    fn schema(&mut self, at: &str, old: &Value, new: &Value, way: Way) {
        if !self.seen.insert((old.to_string(), new.to_string(), way == Way::In)) {
            return;
        }
        let (old, old_null) = plain(self.old, old);
        let (new, new_null) = plain(self.new, new);
        self.kinds(at, (&old, old_null), (&new, new_null), way);
        self.words(at, &old, &new, way);
        self.bounds(at, &old, &new, way);
        let required = |schema: &Value, name: &str| {
            schema["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name))
        };
        for (name, property) in entries(&old["properties"]) {
            let at = format!("{at}/{name}");
            let Some(now) = new["properties"].get(name) else {
                self.say(&at, "is no field any more");
                continue;
            };
            if way == Way::Out && required(&old, name) && !required(&new, name) {
                self.say(&at, "may be missing now");
            }
            self.schema(&at, property, now, way);
        }
        for (name, _) in entries(&new["properties"]) {
            if way == Way::In && required(&new, name) && !required(&old, name) {
                self.say(&format!("{at}/{name}"), "has become required");
            }
        }
        if old["items"].is_object() {
            self.schema(&format!("{at}[]"), &old["items"], &new["items"], way);
        }
        for choice in ["oneOf", "anyOf", "allOf"] {
            let (before, now) = (options(&old[choice]), options(&new[choice]));
            if now.len() < before.len() {
                self.say(at, "has fewer forms");
            }
            for (before, now) in before.iter().zip(&now) {
                self.schema(at, before, now, way);
            }
        }
    }

    /// Who sends may go on sending every kind of value; who reads gets no kind that was not promised.
    fn kinds(&mut self, at: &str, old: (&Value, bool), new: (&Value, bool), way: Way) {
        let ((old, old_null), (new, new_null)) = (old, new);
        let (before, now) = (kinds(old), kinds(new));
        let any = |kinds: &BTreeSet<String>| kinds.is_empty();
        // Every whole number is a number.
        let fits = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
            one.iter().all(|kind| other.contains(kind) || (kind == "integer" && other.contains("number")))
        };
        let keeps = match way {
            Way::In => any(&now) || (!any(&before) && fits(&before, &now)),
            Way::Out => any(&before) || (!any(&now) && fits(&now, &before)),
        };
        if !keeps {
            self.say(at, &format!("was {before:?} and is {now:?}"));
        }
        match way {
            Way::In if old_null && !new_null => self.say(at, "cannot be null any more"),
            Way::Out if new_null && !old_null => self.say(at, "may be null now"),
            _ => {}
        }
        if old["format"].is_string() && old["format"] != new["format"] {
            self.say(at, &format!("was of the format {} and is of {}", old["format"], new["format"]));
        }
    }

    fn words(&mut self, at: &str, old: &Value, new: &Value, way: Way) {
        let now = options(&new["enum"]);
        match options(&old["enum"]) {
            before if before.is_empty() => {
                if way == Way::In && !now.is_empty() {
                    self.say(at, "takes only some words now");
                }
            }
            before => {
                for word in before.iter().filter(|word| !now.contains(word) && !new["enum"].is_null()) {
                    self.say(at, &format!("has lost the word {word}"));
                }
                if way == Way::Out && new["enum"].is_null() {
                    self.say(at, "may be any word now");
                }
            }
        }
    }

    /// What may be sent gets no narrower.
    fn bounds(&mut self, at: &str, old: &Value, new: &Value, way: Way) {
        if way == Way::Out {
            return;
        }
        for (name, upper) in [
            ("maximum", true),
            ("maxLength", true),
            ("maxItems", true),
            ("minimum", false),
            ("minLength", false),
            ("minItems", false),
        ] {
            let Some(now) = new[name].as_f64() else { continue };
            // No text and no list is shorter than nothing; one that is empty never said anything.
            let before = old[name].as_f64().or_else(|| name.starts_with("minL").then_some(1.0));
            let narrower = before.is_none_or(|before| if upper { now < before } else { now > before });
            if narrower && !(name == "minItems" && now <= 1.0) {
                self.say(at, &format!("is narrower: {name} is {now}"));
            }
        }
    }

    fn say(&mut self, at: &str, what: &str) {
        let sentence = format!("{at}: {what}");
        if !self.breaks.contains(&sentence) {
            self.breaks.push(sentence);
        }
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn options(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(target) => document.pointer(target.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => value,
    }
}

/// A schema without its reference and without what says that it may be null, and whether it may.
fn plain(document: &Value, schema: &Value) -> (Value, bool) {
    let mut schema = resolve(document, schema).clone();
    let mut null = kinds(&schema).contains("null");
    for choice in ["oneOf", "anyOf"] {
        let mut rest = options(&schema[choice]);
        let before = rest.len();
        rest.retain(|option| option["type"] != "null");
        null |= rest.len() < before;
        match rest.len() {
            1 if before > 0 => {
                let (inner, inner_null) = plain(document, &rest[0]);
                return (inner, null || inner_null);
            }
            1.. => schema[choice] = Value::Array(rest),
            0 => {}
        }
    }
    if let Value::Array(kinds) = &mut schema["type"] {
        kinds.retain(|kind| kind != "null");
    }
    if let Value::Array(words) = &mut schema["enum"] {
        words.retain(|word| !word.is_null());
    }
    (schema, null)
}

fn kinds(schema: &Value) -> BTreeSet<String> {
    match &schema["type"] {
        Value::String(kind) => [kind.clone()].into(),
        Value::Array(kinds) => kinds.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn nothing_that_was_released_breaks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/released");
    let now: Value = serde_json::from_str(&crm_gateway::http::openapi::document()).unwrap();
    let mut compared = 0;
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let old: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(old["info"]["version"], name.as_str());
        assert!(entries(&old["paths"]).count() >= 9, "{name} is no document of ours");
        let breaks = breaks(&old, &now);
        assert!(breaks.is_empty(), "clients of {name} would stumble:\n{}", breaks.join("\n"));
        compared += 1;
    }
    assert!(compared >= 1, "no released document was found");
}

fn small() -> Value {
    json!({"paths": {"/things": {
        "get": {
            "operationId": "list_things",
            "parameters": [
                {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 200}},
                {"name": "stage", "in": "query", "schema": {"type": "string", "enum": ["OLD", "NEW"]}},
            ],
            "responses": {
                "200": {
                    "headers": {"ETag": {}},
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                },
                "404": {"content": {"application/problem+json": {"schema": {"type": "object"}}}},
            },
        },
        "post": {
            "operationId": "create_thing",
            "requestBody": {"content": {"application/json": {"schema": {
                "type": "object", "required": ["name"],
                "properties": {"name": {"type": "string"}, "size": {"type": ["integer", "null"]}},
            }}}},
            "responses": {"201": {"content": {}}},
        },
    }}, "components": {"schemas": {"Thing": {
        "type": "object", "required": ["id"],
        "properties": {
            "id": {"type": "string"},
            "kind": {"type": "string", "enum": ["A", "B"]},
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
            "parent": {"oneOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "null"}]},
        },
    }}}})
}

/// What becomes of a small document, and what is said of it.
fn after(pointer: &str, value: Option<Value>) -> Vec<String> {
    let old = small();
    let mut new = old.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/");
    match (new.pointer_mut(parent).unwrap(), value) {
        (Value::Object(object), Some(value)) => drop(object.insert(name, value)),
        (Value::Object(object), None) => drop(object.remove(&name).unwrap()),
        (Value::Array(list), Some(value)) => list.push(value),
        (Value::Array(list), None) => drop(list.remove(name.parse().unwrap())),
        other => panic!("{pointer} leads to {other:?}"),
    }
    assert_ne!(old, new, "{pointer} changes nothing");
    breaks(&old, &new)
}

const GET: &str = "/paths/~1things/get";
const POST: &str = "/paths/~1things/post";
const BODY: &str = "/paths/~1things/post/requestBody/content/application~1json/schema";
const THING: &str = "/components/schemas/Thing";

#[test]
fn what_a_client_would_stumble_over_is_a_break() {
    let needed = json!({"name": "shop", "in": "query", "required": true, "schema": {"type": "string"}});
    for (at, value) in [
        ("/paths/~1things".to_owned(), None),
        (POST.to_owned(), None),
        (format!("{GET}/operationId"), Some(json!("things"))),
        (format!("{GET}/parameters/0"), None),
        (format!("{GET}/parameters/-"), Some(needed)),
        (format!("{GET}/parameters/0/required"), Some(json!(true))),
        (format!("{GET}/parameters/0/explode"), Some(json!(false))),
        (format!("{GET}/parameters/0/schema/type"), Some(json!("boolean"))),
        (format!("{GET}/parameters/0/schema/maximum"), Some(json!(100))),
        (format!("{GET}/parameters/1/schema/enum/0"), None),
        (format!("{GET}/responses/404"), None),
        (format!("{GET}/responses/200/headers/ETag"), None),
        (format!("{GET}/responses/200/content/application~1json"), None),
        (format!("{POST}/requestBody/required"), Some(json!(true))),
        (format!("{BODY}/required"), Some(json!(["name", "size"]))),
        (format!("{BODY}/properties/size"), None),
        (format!("{BODY}/properties/size/type"), Some(json!("integer"))),
        (format!("{BODY}/properties/name/maxLength"), Some(json!(5))),
        (format!("{BODY}/properties/name/enum"), Some(json!(["x"]))),
        (format!("{THING}/required"), Some(json!([]))),
        (format!("{THING}/properties/kind"), None),
        (format!("{THING}/properties/kind/enum/1"), None),
        (format!("{THING}/properties/id/type"), Some(json!(["string", "null"]))),
        (format!("{THING}/properties/id/type"), Some(json!("integer"))),
        (format!("{THING}/properties/parts/items"), Some(json!({"type": "string"}))),
    ] {
        assert!(!after(&at, value).is_empty(), "{at} is no break");
    }
}

#[test]
fn what_a_client_does_not_notice_is_no_break() {
    let spare = json!({"name": "shop", "in": "query", "schema": {"type": "string"}});
    for (at, value) in [
        ("/paths/~1others".to_owned(), Some(json!({"get": {}}))),
        (format!("{GET}/parameters/-"), Some(spare)),
        (format!("{GET}/parameters/0/schema/maximum"), Some(json!(500))),
        (format!("{GET}/parameters/0/schema/type"), Some(json!(["integer", "string"]))),
        (format!("{GET}/parameters/1/schema/enum/-"), Some(json!("NEWEST"))),
        (format!("{GET}/responses/410"), Some(json!({}))),
        (format!("{GET}/summary"), Some(json!("Other words"))),
        (format!("{BODY}/properties/colour"), Some(json!({"type": "string"}))),
        (format!("{BODY}/required"), Some(json!([]))),
        (format!("{THING}/properties/colour"), Some(json!({"type": "string"}))),
        (format!("{THING}/properties/kind/enum/-"), Some(json!("C"))),
        (format!("{THING}/required"), Some(json!(["id", "kind"]))),
    ] {
        assert_eq!(after(&at, value), Vec::<String>::new(), "{at}");
    }
}
