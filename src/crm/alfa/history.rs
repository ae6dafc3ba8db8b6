//! The log (section 9.21 of the reference): newest first, of the whole account. Its rows do not tell a branch.

use serde_json::{Map, Value};

use super::filter::{Body, dotted};
use super::model::{Branching, Calls, Model, Scene};
use crate::crm::wire::Row;
use crate::model::history::{HistoryEntry, HistoryEvent, HistoryFilter};

/// The log.
pub(super) struct History;

impl Model for History {
    type Record = HistoryEntry;
    const CALLS: Calls = Calls::reads("log/index");
    const TELLS_BRANCHES: bool = false;

    fn branching(_: &HistoryFilter) -> Branching {
        Branching::Never
    }

    fn ask(filter: &HistoryFilter, body: &mut Body) {
        body.wish("entity", filter.entity.as_deref());
        body.id("entity_id", filter.entity_id.as_ref());
        body.id("user_id", filter.user_id.as_ref());
        let number = filter.event.and_then(|event| match event {
            HistoryEvent::Added => Some(1),
            HistoryEvent::Changed => Some(2),
            HistoryEvent::Deleted => Some(3),
            HistoryEvent::Unknown => None,
        });
        body.wish("event", number);
        body.inexact_if(filter.event == Some(HistoryEvent::Unknown));
        body.days("date", &filter.days, dotted);
    }

    fn read(row: &Row<'_>, _: &Scene) -> HistoryEntry {
        HistoryEntry {
            entity: row.text("entity"),
            entity_id: row.id("entity_id"),
            user_id: row.id("user_id"),
            event: match row.number("event") {
                Some(1) => HistoryEvent::Added,
                Some(2) => HistoryEvent::Changed,
                Some(3) => HistoryEvent::Deleted,
                _ => HistoryEvent::Unknown,
            },
            old: fields(row, "fields_old"),
            new: fields(row, "fields_new"),
            at: row.moment("date_time"),
        }
    }
}

/// The fields of one side of a change.
fn fields(row: &Row<'_>, name: &'static str) -> Map<String, Value> {
    let Some(value) = row.value(name) else { return Map::new() };
    object(value).unwrap_or_else(|| {
        row.note(name);
        Map::new()
    })
}

/// An object as it is; an empty list, an empty text; JSON in a text; a list of objects, which become one unless two of
/// them have a field in common: then each stands under its place.
fn object(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map.clone()),
        Value::String(text) if text.trim().is_empty() => Some(Map::new()),
        Value::String(text) => match serde_json::from_str(text).ok()? {
            Value::String(_) => None,
            inner => object(&inner),
        },
        Value::Array(list) => {
            let maps: Vec<&Map<String, Value>> = list.iter().map(Value::as_object).collect::<Option<_>>()?;
            let mut all = Map::new();
            for (field, value) in maps.iter().flat_map(|map| map.iter()) {
                if all.insert(field.clone(), value.clone()).is_some() {
                    let by_place = list.iter().enumerate();
                    return Some(by_place.map(|(at, part)| (at.to_string(), part.clone())).collect());
                }
            }
            Some(all)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_read_in_every_spelling() {
        for (value, expected) in [
            (json!({"a": 1}), Some(json!({"a": 1}))),
            (json!([]), Some(json!({}))),
            (json!(""), Some(json!({}))),
            (json!("{\"a\": [1]}"), Some(json!({"a": [1]}))),
            (json!("[]"), Some(json!({}))),
            (json!([{"a": 1}, {"b": 2}]), Some(json!({"a": 1, "b": 2}))),
            (json!([{"a": 1}, {"a": 2}]), Some(json!({"0": {"a": 1}, "1": {"a": 2}}))),
            (json!("[{\"a\": 1}]"), Some(json!({"a": 1}))),
            (json!("half a {"), None),
            (json!("\"text\""), None),
            (json!([1, 2]), None),
            (json!(7), None),
        ] {
            assert_eq!(object(&value).map(Value::Object), expected, "{value}");
        }
    }
}
