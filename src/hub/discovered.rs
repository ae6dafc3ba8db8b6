//! The CRMs' own fields as they were met: their names and what kind of values they hold, never the values. Each school
//! makes such fields for itself and no CRM lists them, so what was read is all there is to tell them from.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::model::{Entity, Record, RecordId, Source};

/// Names that are kept of one resource.
const MOST_NAMES: usize = 500;
/// The longest name that is kept, in bytes.
const LONGEST_NAME: usize = 200;
/// Records that are counted of one resource. Later ones still show new names and kinds of values.
const MOST_RECORDS: usize = 2000;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// A text.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A text that is a day or a time: `25.02.2026`, `2026-02-25`, `2026-02-25 17:00:00`.
    Date,
    /// A list.
    List,
    /// An object.
    Object,
    /// Nothing: null, an empty text, an empty list.
    Empty,
}

/// One of a CRM's own fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DiscoveredField)]
pub struct Field {
    /// Its name in `custom_fields`.
    #[schema(example = "custom_klass")]
    pub name: String,
    /// What it was seen to hold.
    pub types: Vec<FieldType>,
    /// How many of the records had it.
    pub seen: u64,
    /// How many of them had a value in it.
    pub filled: u64,
    /// The CRM it belongs to.
    pub source: Source,
}

/// What is known about the fields of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    /// The fields, by CRM and name.
    pub fields: Vec<Field>,
    /// How many different records were counted.
    pub records: usize,
}

/// The fields of all resources.
#[derive(Debug, Default)]
pub(super) struct Discovered(Mutex<HashMap<&'static str, Seen>>);

#[derive(Debug, Default)]
struct Seen {
    records: HashSet<RecordId>,
    fields: BTreeMap<(Source, String), Held>,
}

#[derive(Debug, Default)]
struct Held {
    types: BTreeSet<FieldType>,
    seen: u64,
    filled: u64,
}

impl Discovered {
    /// Notes the fields of records that a CRM just gave. A record that comes again is not counted again.
    pub(super) fn note<E: Entity>(&self, records: &[Arc<Record<E>>]) {
        if records.is_empty() {
            return;
        }
        let mut resources = self.lock();
        let seen = resources.entry(E::RESOURCE).or_default();
        for record in records {
            let counts = seen.records.len() < MOST_RECORDS && seen.records.insert(record.id.clone());
            for (name, value) in &record.custom_fields {
                seen.field(record.source, name, value, counts);
            }
        }
    }

    /// What is known about a resource.
    pub(super) fn of(&self, resource: &str) -> Discovery {
        let resources = self.lock();
        let Some(seen) = resources.get(resource) else { return Discovery::default() };
        let field = |((source, name), held): (&(Source, String), &Held)| Field {
            name: name.clone(),
            types: held.types.iter().copied().collect(),
            seen: held.seen,
            filled: held.filled,
            source: *source,
        };
        Discovery { fields: seen.fields.iter().map(field).collect(), records: seen.records.len() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, Seen>> {
        self.0.lock().expect("no code panics while it holds the fields")
    }
}

impl Seen {
    fn field(&mut self, source: Source, name: &str, value: &Value, counts: bool) {
        let key = (source, name.to_owned());
        if !self.fields.contains_key(&key) && (self.fields.len() >= MOST_NAMES || name.len() > LONGEST_NAME) {
            return;
        }
        let held = self.fields.entry(key).or_default();
        let kind = type_of(value);
        held.types.insert(kind);
        if counts {
            held.seen += 1;
            held.filled += u64::from(kind != FieldType::Empty);
        }
    }
}

fn type_of(value: &Value) -> FieldType {
    match value {
        Value::Null => FieldType::Empty,
        Value::Bool(_) => FieldType::Boolean,
        Value::Number(_) => FieldType::Number,
        Value::String(text) if text.trim().is_empty() => FieldType::Empty,
        Value::String(text) if is_date(text) => FieldType::Date,
        Value::String(_) => FieldType::Text,
        Value::Array(values) if values.is_empty() => FieldType::Empty,
        Value::Array(_) => FieldType::List,
        Value::Object(map) if map.is_empty() => FieldType::Empty,
        Value::Object(_) => FieldType::Object,
    }
}

/// `dd.mm.yyyy`, or a day or time as ISO 8601 writes it.
fn is_date(text: &str) -> bool {
    let Some((day, rest)) = text.split_at_checked(10) else { return false };
    let exact = |form: &str| Date::strptime(form, day).is_ok();
    let digits = |at: &[usize]| at.iter().all(|at| day.as_bytes()[*at].is_ascii_digit());
    if digits(&[0, 1, 3, 4, 6, 7, 8, 9]) && rest.is_empty() {
        return exact("%d.%m.%Y");
    }
    digits(&[0, 1, 2, 3, 5, 6, 8, 9])
        && exact("%Y-%m-%d")
        && (rest.is_empty()
            || rest
                .strip_prefix([' ', 'T'])
                .is_some_and(|time| time.starts_with(|c: char| c.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Raw;
    use crate::model::reference::ReferenceEntry;
    use serde_json::{Map, json};

    fn record(number: u64, custom: Value) -> Arc<Record<ReferenceEntry>> {
        let data = ReferenceEntry { name: None, active: None, weight: None, branch_ids: Vec::new() };
        let Value::Object(custom_fields) = custom else { unreachable!("fields are an object") };
        let (source, source_id) = (Source::AlfaCrm, number.to_string());
        let id = RecordId::new(source, number);
        let raw = Raw::of(&Value::Null);
        Arc::new(Record {
            id,
            source,
            source_id,
            data,
            custom_fields,
            created_at: None,
            updated_at: None,
            raw,
        })
    }

    #[test]
    fn each_value_has_a_type_and_only_days_are_dates() {
        for (value, kind) in [
            (json!("5"), FieldType::Text),
            (json!("25.02.2026"), FieldType::Date),
            (json!("2026-02-25"), FieldType::Date),
            (json!("2026-02-25T17:00:00+03:00"), FieldType::Date),
            (json!("2026-02-25 17:00:00"), FieldType::Date),
            (json!("2026-02-25-7"), FieldType::Text),
            (json!("2026-13-25"), FieldType::Text),
            (json!("99.99.2026"), FieldType::Text),
            (json!("25.02.2026 и позже"), FieldType::Text),
            (json!("первый раз"), FieldType::Text),
            (json!(" "), FieldType::Empty),
            (json!(null), FieldType::Empty),
            (json!([]), FieldType::Empty),
            (json!({}), FieldType::Empty),
            (json!([1]), FieldType::List),
            (json!({"a": 1}), FieldType::Object),
            (json!(7), FieldType::Number),
            (json!(false), FieldType::Boolean),
        ] {
            assert_eq!(type_of(&value), kind, "{value}");
        }
    }

    #[test]
    fn a_record_that_is_read_again_is_counted_once_and_shows_what_is_new() {
        let discovered = Discovered::default();
        discovered.note(&[record(1, json!({"custom_klass": ""})), record(2, json!({"custom_klass": "5"}))]);
        discovered.note(&[record(1, json!({"custom_klass": 6, "custom_new": null}))]);
        let known = discovered.of("reference");
        assert_eq!(known.records, 2);
        let klass = &known.fields[0];
        assert_eq!((klass.name.as_str(), klass.seen, klass.filled), ("custom_klass", 2, 1));
        assert_eq!(klass.types, [FieldType::Text, FieldType::Number, FieldType::Empty]);
        assert_eq!((known.fields[1].name.as_str(), known.fields[1].seen), ("custom_new", 0));
        assert_eq!(discovered.of("students"), Discovery::default());
    }

    #[test]
    fn names_are_bounded() {
        let discovered = Discovered::default();
        let many: Map<String, Value> =
            (0..2 * MOST_NAMES).map(|n| (format!("custom_{n}"), json!(n))).collect();
        discovered.note(&[record(1, Value::Object(many)), record(2, json!({"x".repeat(1000): 1}))]);
        assert_eq!(discovered.of("reference").fields.len(), MOST_NAMES);
    }
}
