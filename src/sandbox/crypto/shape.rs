//! How one record is written: the switches turn the canonical form of section 6 into one of the shapes the CRM might
//! really have. Nothing here knows about lists and envelopes.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::conditions::decimal;
use super::store::Record;
use super::switches::{DynamicFields, EmptyData, Flags, IdLists, Numbers, Switches};
use super::table::Table;

/// What a field holds, as far as the switches care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Flag,
    /// A payment's direction: written like a flag, except as a boolean.
    Direction,
    Ids,
    /// A person wrote it.
    Text,
    /// Dates and whatever else stays as it is.
    AsIs,
}

fn kind(table: Table, field: &str) -> Kind {
    match (table, field) {
        (Table::Payments, "type") => Kind::Direction,
        (_, "deleted" | "done") => Kind::Flag,
        (_, "participants_user_id" | "participants_group_id") => Kind::Ids,
        (_, "price" | "count" | "discount" | "sum" | "amount") => Kind::Number,
        (_, "name" | "comment") => Kind::Text,
        (_, field) if field == "id" || field.ends_with("_id") => Kind::Number,
        _ => Kind::AsIs,
    }
}

/// Writes a record the way the switches want it.
pub(super) fn shaped(table: Table, record: &Record, switches: &Switches) -> Value {
    let id = record.get("id").and_then(uint_of);
    let mut built_in = Map::new();
    let mut dynamic = None;
    for (field, value) in record {
        let value = match (table, field.as_str(), value) {
            _ if is_spoilt(table, id, field, switches) => switches.quirks.wrong_value(),
            (Table::Projects, "data", Value::Object(data)) => {
                dynamic = Some(data.clone());
                continue;
            }
            (Table::Checklists, "items", Value::Array(items)) => items
                .iter()
                .filter_map(Value::as_object)
                .map(|item| Value::Object(shaped_item(item, switches)))
                .collect(),
            _ => written(kind(table, field), value, switches),
        };
        built_in.insert(name(table, field, switches), value);
    }
    let mut whole = match dynamic {
        Some(data) => with_dynamic(built_in, data, switches),
        None => built_in,
    };
    odd_fields(&mut whole, switches);
    Value::Object(whole)
}

/// Writes a checklist as one row per item.
pub(super) fn flat_items(checklist: &Record, switches: &Switches) -> Vec<Value> {
    let items = checklist.get("items").and_then(Value::as_array);
    let rows = items.into_iter().flatten().filter_map(Value::as_object).map(|item| {
        let mut row = Map::new();
        for (field, value) in shaped_item(item, switches) {
            let is_id = row.is_empty();
            row.insert(field, value);
            if is_id {
                for (field, of) in
                    [("project_id", "project_id"), ("checklist_id", "id"), ("checklist_name", "name")]
                {
                    let value = checklist.get(of).unwrap_or(&Value::Null);
                    let value = written(kind(Table::Checklists, of), value, switches);
                    row.insert(name(Table::Checklists, field, switches), value);
                }
            }
        }
        Value::Object(row)
    });
    rows.collect()
}

fn shaped_item(item: &Record, switches: &Switches) -> Map<String, Value> {
    let mut shaped = Map::new();
    for (field, value) in item {
        let name = switches.names.of(Table::Checklists, &format!("items.{field}")).unwrap_or(field);
        shaped.insert(name.to_owned(), written(kind(Table::Checklists, field), value, switches));
    }
    odd_fields(&mut shaped, switches);
    shaped
}

fn name(table: Table, canonical: &str, switches: &Switches) -> String {
    switches.names.of(table, canonical).unwrap_or(canonical).to_owned()
}

fn with_dynamic(
    built_in: Map<String, Value>,
    data: Map<String, Value>,
    switches: &Switches,
) -> Map<String, Value> {
    let data_name = name(Table::Projects, "data", switches);
    let nested = |data: Map<String, Value>| match switches.empty_data {
        EmptyData::List if data.is_empty() => json!([]),
        EmptyData::Null if data.is_empty() => Value::Null,
        _ => Value::Object(data),
    };
    match switches.dynamic {
        DynamicFields::NestedData => {
            let mut whole = built_in;
            whole.insert(data_name, nested(data));
            whole
        }
        DynamicFields::FlatRoot => {
            let mut whole = built_in;
            whole.extend(data);
            whole
        }
        DynamicFields::BuildinSplit => {
            let id_name = name(Table::Projects, "id", switches);
            let mut whole = Map::new();
            let mut rest = built_in;
            if let Some(id) = rest.shift_remove(&id_name) {
                whole.insert(id_name, id);
            }
            whole.insert("buildin_data".to_owned(), Value::Object(rest));
            whole.insert(data_name, nested(data));
            whole
        }
    }
}

fn written(kind: Kind, value: &Value, switches: &Switches) -> Value {
    match kind {
        Kind::Number => number(value, switches.numbers),
        Kind::Ids => id_list(value, switches),
        Kind::Flag => match switches.flags {
            Flags::Text01 => value.clone(),
            Flags::Number => json!(u8::from(text_of(value) == "1")),
            Flags::Bool => Value::Bool(text_of(value) == "1"),
        },
        Kind::Direction => match switches.flags {
            Flags::Number => json!(u8::from(text_of(value) == "1")),
            Flags::Text01 | Flags::Bool => value.clone(),
        },
        Kind::Text => free_text(value, switches),
        Kind::AsIs => value.clone(),
    }
}

fn number(value: &Value, numbers: Numbers) -> Value {
    match (numbers, value) {
        (Numbers::Text, Value::Number(number)) => {
            let text = number.to_string();
            // An SQL driver prints money and quantities with the digits of their column.
            let padded = decimal(&text).filter(|number| !number.fract().is_zero() && number.scale() < 2);
            Value::String(padded.map_or(text, |number| format!("{number:.2}")))
        }
        _ => value.clone(),
    }
}

fn id_list(value: &Value, switches: &Switches) -> Value {
    let Value::Array(ids) = value else {
        return value.clone();
    };
    let joined = |by: &str| Value::String(ids.iter().map(text_of).collect::<Vec<_>>().join(by));
    match switches.id_lists {
        IdLists::Array => ids.iter().map(|id| number(id, switches.numbers)).collect(),
        IdLists::Csv => joined(","),
        IdLists::Underscore => joined("_"),
    }
}

/// Text that breaks careless readers: quotes, markup, an emoji outside the basic plane, right-to-left override and mark.
const HOSTILE: &str =
    " \"quoted\" 'single' <script>alert(1)</script> & \\ \u{1F6A7} \u{202E}עברית\u{202C}\u{200F}";

fn free_text(value: &Value, switches: &Switches) -> Value {
    let Value::String(text) = value else {
        return value.clone();
    };
    let mut text = text.clone();
    if switches.quirks.hostile_text {
        text.push_str(HOSTILE);
    }
    if let Some(length) = switches.quirks.long_text {
        let missing = length.saturating_sub(text.chars().count());
        text.extend("длинный текст ".chars().cycle().take(missing));
    }
    Value::String(text)
}

fn is_spoilt(table: Table, id: Option<u64>, field: &str, switches: &Switches) -> bool {
    let wrong = switches.quirks.wrong_type.as_ref();
    wrong.is_some_and(|wrong| wrong.table == table && Some(wrong.id) == id && wrong.field == field)
}

fn odd_fields(record: &mut Map<String, Value>, switches: &Switches) {
    if switches.quirks.extra_fields {
        record.insert("x_rev".to_owned(), json!("7f3"));
        record.insert("x_meta".to_owned(), json!({ "source": null, "scores": [1, 2.5] }));
    }
}

/// A `uint`, also when a test has stored it as text.
pub(super) fn uint_of(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => super::params::uint(text),
        _ => None,
    }
}

/// An exact decimal, also when a test has stored it as text.
pub(super) fn decimal_of(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => decimal(&number.to_string()),
        Value::String(text) => decimal(text),
        _ => None,
    }
}

/// A scalar as the text a database would compare it by; nothing for `null`, lists and objects.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => u8::from(*flag).to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}
