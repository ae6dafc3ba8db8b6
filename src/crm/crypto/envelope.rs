//! Finding the records in an answer whose shape is not documented (section 11.2 of the reference). A declared JSON
//! pointer is used and nothing else; without one the shape is recognised.

use serde_json::{Map, Value};

use super::error::{CRM, message};
use crate::config::Shape;
use crate::crm::error::passed_on;
use crate::crm::{Error, Kind};

/// Keys an envelope may have, in the order to try.
const KEYS: [&str; 10] =
    ["payload", "data", "items", "result", "results", "rows", "list", "records", "item", "response"];
/// Envelopes within envelopes.
const DEPTH: usize = 4;

/// The records of a list. A record that is no object is kept as it is, for the caller to count.
pub(super) fn list(value: Value, shape: &Shape) -> Result<Vec<Value>, Error> {
    match shape {
        Shape::Pointer(pointer) => match value.pointer(pointer) {
            Some(Value::Array(rows)) => Ok(rows.clone()),
            Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Object(map)) => Ok(map.values().cloned().collect()),
            _ => Err(unrecognised(&value)),
        },
        Shape::Auto => find_list(value, DEPTH),
    }
}

fn find_list(value: Value, depth: usize) -> Result<Vec<Value>, Error> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(rows) => Ok(rows),
        Value::Object(mut map) => {
            if is_entity(&map) {
                return Ok(vec![Value::Object(map)]);
            }
            if let Some(inner) = open(&mut map, depth)? {
                return find_list(inner, depth - 1);
            }
            if is_map_by_id(&map) {
                return Ok(map.into_iter().map(|(_, row)| row).collect());
            }
            Err(unrecognised(&Value::Object(map)))
        }
        other => Err(unrecognised(&other)),
    }
}

/// One record, if there is one.
pub(super) fn object(value: Value, shape: &Shape) -> Result<Option<Value>, Error> {
    match shape {
        Shape::Pointer(pointer) => match value.pointer(pointer) {
            Some(found @ Value::Object(_)) => Ok(Some(found.clone())),
            Some(Value::Null) => Ok(None),
            Some(Value::Array(rows)) if rows.is_empty() => Ok(None),
            _ => Err(unrecognised(&value)),
        },
        Shape::Auto => find_object(value, DEPTH),
    }
}

fn find_object(value: Value, depth: usize) -> Result<Option<Value>, Error> {
    match value {
        Value::Null => Ok(None),
        Value::Array(mut rows) => match rows.len() {
            0 => Ok(None),
            1 => Ok(rows.pop()),
            _ => Err(Error::new(
                CRM,
                Kind::Unreadable,
                "the Crypto CRM answers with several records where one was asked for",
            )),
        },
        Value::Object(mut map) => {
            if is_entity(&map) {
                return Ok(Some(Value::Object(map)));
            }
            if let Some(inner) = open(&mut map, depth)? {
                return find_object(inner, depth - 1);
            }
            if is_map_by_id(&map) && map.len() == 1 {
                return Ok(map.into_iter().next().map(|(_, row)| row));
            }
            Err(unrecognised(&Value::Object(map)))
        }
        other => Err(unrecognised(&other)),
    }
}

/// Where in an answer that is found for which `fits` holds, as a JSON pointer: down the envelopes that are recognised. The
/// root has none.
pub(super) fn place(answer: &Value, fits: impl Fn(&Value) -> bool) -> Option<String> {
    let (mut at, mut pointer) = (answer, String::new());
    for _ in 0..=DEPTH {
        if fits(at) {
            return (!pointer.is_empty()).then_some(pointer);
        }
        let map = at.as_object().filter(|map| !is_entity(map))?;
        let key = KEYS.iter().find(|key| map.contains_key(**key))?;
        pointer = format!("{pointer}/{key}");
        at = &map[*key];
    }
    None
}

/// A record has an id at its root. Told before envelope keys are looked at: a project owns a key `data`.
fn is_entity(map: &Map<String, Value>) -> bool {
    map.get("id").is_some_and(|id| id.is_number() || id.is_string())
}

fn is_map_by_id(map: &Map<String, Value>) -> bool {
    !map.is_empty() && map.iter().all(|(key, row)| key.bytes().all(|b| b.is_ascii_digit()) && row.is_object())
}

/// What is inside an envelope; an error of the CRM inside one is an error.
fn open(map: &mut Map<String, Value>, depth: usize) -> Result<Option<Value>, Error> {
    let key = KEYS.iter().find(|key| map.contains_key(**key));
    let refusal = key.is_none_or(|key| {
        *key == "response" && map[*key].get("message").is_some_and(|_| !holds_list(&map[*key]))
    });
    if refusal {
        let body = Value::Object(map.clone());
        let says = ["error", "errors", "message", "response"].iter().any(|key| map.contains_key(*key));
        if says {
            let detail = message(&body).map_or_else(String::new, |message| format!(": {message}"));
            return Err(Error::new(
                CRM,
                Kind::Failed,
                format!("the Crypto CRM answers with an error inside a success{detail}"),
            ));
        }
    }
    match key {
        Some(key) if depth > 0 => Ok(map.swap_remove(*key)),
        Some(_) => Err(unrecognised(&Value::Object(map.clone()))),
        None => Ok(None),
    }
}

fn holds_list(value: &Value) -> bool {
    value.as_object().is_some_and(|map| KEYS.iter().any(|key| map.contains_key(*key)))
}

/// Names keys and types, never values. A map's keys can be somebody's words as well as field names.
fn unrecognised(value: &Value) -> Error {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    let shape = match value {
        Value::Object(map) => {
            let keys: Vec<String> = map
                .iter()
                .take(12)
                .map(|(key, value)| format!("{}: {}", passed_on(key), kind(value)))
                .collect();
            format!("{{{}}}", keys.join(", "))
        }
        other => kind(other).to_owned(),
    };
    Error::new(
        CRM,
        Kind::Unreadable,
        format!("the Crypto CRM's answer has a shape that is not recognised: {shape}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_list_is_found_in_every_envelope() {
        let rows = json!([{"id": 1, "data": {}}, {"id": 2, "data": {}}]);
        for shape in [
            rows.clone(),
            json!({"payload": rows}),
            json!({"data": rows}),
            json!({"items": rows, "total": 2}),
            json!({"response": {"status": 200, "items": rows}}),
            json!({"payload": {"1": rows[0], "2": rows[1]}}),
        ] {
            assert_eq!(list(shape.clone(), &Shape::Auto).unwrap().len(), 2, "{shape}");
        }
        assert!(list(json!(null), &Shape::Auto).unwrap().is_empty());
        assert!(list(json!({"payload": null}), &Shape::Auto).unwrap().is_empty());
    }

    #[test]
    fn a_project_is_not_taken_for_an_envelope() {
        let project = json!({"id": 7, "data": {"client_id": 3}});
        assert_eq!(object(project.clone(), &Shape::Auto).unwrap(), Some(project.clone()));
        assert_eq!(object(json!({"payload": [project]}), &Shape::Auto).unwrap(), Some(project));
        for missing in [json!(null), json!([]), json!({"payload": []}), json!({"payload": null})] {
            assert_eq!(object(missing, &Shape::Auto).unwrap(), None);
        }
    }

    #[test]
    fn an_error_inside_a_success_is_an_error() {
        for body in [
            json!({"error": "no"}),
            json!({"message": "no"}),
            json!({"response": {"status": 4005, "message": "no"}}),
        ] {
            assert_eq!(list(body.clone(), &Shape::Auto).unwrap_err().kind, Kind::Failed, "{body}");
        }
    }

    #[test]
    fn an_unknown_shape_is_described_without_values() {
        let error = list(json!({"secret": "hunter2", "n": 5}), &Shape::Auto).unwrap_err();
        assert!(error.detail.ends_with("{secret: text, n: number}"));
        let error = list(json!({"pa\u{7f}y": [], "+79001234567": {}}), &Shape::Auto).unwrap_err();
        assert!(error.detail.ends_with("{pay: list, ***: object}"), "{}", error.detail);
    }

    #[test]
    fn a_declared_pointer_is_used_and_nothing_else() {
        let pointer = Shape::Pointer("/a/b".to_owned());
        assert_eq!(list(json!({"a": {"b": [{"id": 1}]}}), &pointer).unwrap().len(), 1);
        assert!(list(json!({"payload": [{"id": 1}]}), &pointer).is_err());
    }

    proptest! {
        #[test]
        fn no_json_panics(text in "[\\[\\]{}\":,a-z0-9]{0,40}") {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let _ = list(value.clone(), &Shape::Auto);
                let _ = object(value, &Shape::Auto);
            }
        }
    }
}
