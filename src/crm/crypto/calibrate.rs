//! For the probe: how the adapter would understand an answer, and what it would find in it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::Value;

use super::client::OVERLAP;
use super::mapping::{Fields, Mapping};
use super::{actions, checklists, envelope, goods, payments, projects, steps};
use crate::config::{CryptoCrm, Shape};
use crate::crm::wire;

/// The kinds of records that the configuration can map, and where their fields are looked for.
const KINDS: [(&str, Fields); 7] = [
    ("project", projects::FIELDS),
    ("step", steps::FIELDS),
    ("action", actions::FIELDS),
    ("checklist", checklists::FIELDS),
    ("item", checklists::ITEM),
    ("good", goods::FIELDS),
    ("payment", payments::FIELDS),
];

/// The largest page that is asked for in calls of at most so many rows, those included that are read again.
pub fn page_within(most: u64) -> u64 {
    (1..=most).rev().find(|page| page + OVERLAP.min(page / 2) <= most).unwrap_or(1)
}

/// The rows of a list, recognised from the answer itself.
pub fn rows(answer: &Value) -> Option<Vec<Value>> {
    envelope::list(answer.clone(), &Shape::Auto).ok()
}

/// The record of an answer that holds one, recognised from the answer itself. `Some(None)`: it says that there is none.
pub fn object(answer: &Value) -> Option<Option<Value>> {
    envelope::object(answer.clone(), &Shape::Auto).ok()
}

/// Where in an answer its list is, as a JSON pointer; `None` where that is the answer itself or cannot be told.
pub fn place_of_list(answer: &Value) -> Option<String> {
    envelope::place(answer, Value::is_array)
}

/// Where in an answer its record is.
pub fn place_of_object(answer: &Value) -> Option<String> {
    envelope::place(answer, |value| value.get("id").is_some())
}

/// Whether a list is where `pointer` says, and the same as is recognised.
pub fn list_is_at(answer: &Value, pointer: &str) -> bool {
    envelope::list(answer.clone(), &Shape::Pointer(pointer.to_owned())).ok() == rows(answer)
}

/// The same for one record.
pub fn object_is_at(answer: &Value, pointer: &str) -> bool {
    envelope::object(answer.clone(), &Shape::Pointer(pointer.to_owned())).ok() == object(answer)
}

/// How records of one kind are read by a configuration.
#[derive(Debug)]
pub struct Lens {
    mapping: Mapping,
    fields: Fields,
}

impl Lens {
    /// For `project`, `step`, `action`, `checklist`, `item`, `good` or `payment`.
    ///
    /// # Panics
    /// For any other kind.
    pub fn of(config: &CryptoCrm, kind: &str) -> Self {
        let (_, fields) = KINDS.into_iter().find(|(known, _)| *known == kind).expect("a kind of record");
        Self { mapping: Mapping::new(fields, config.fields.get(kind), None), fields }
    }

    /// In how many rows each field was found and says something.
    pub fn hits(&self, rows: &[Value]) -> Vec<(&'static str, usize)> {
        let mut hits: BTreeMap<String, usize> = BTreeMap::new();
        for row in rows.iter().filter_map(Value::as_object) {
            for (name, value) in self.mapping.lay_out(row).fields {
                *hits.entry(name).or_default() += usize::from(!value.is_null() && value != "");
            }
        }
        self.fields.iter().map(|(name, _)| (*name, hits.get(*name).copied().unwrap_or_default())).collect()
    }

    fn field(&self, row: &Value, name: &str) -> Option<Value> {
        self.mapping.lay_out(row.as_object()?).fields.get(name).cloned()
    }

    /// The day that a field names.
    pub fn day(&self, row: &Value, name: &str) -> Option<Date> {
        match wire::point(&self.field(row, name)?).ok()?? {
            wire::Point::Local(at) => Some(at.date()),
            // The day is another one elsewhere, and which zone the CRM thinks in is a question of its own.
            wire::Point::Absolute(_) => None,
        }
    }

    /// The number in a field.
    pub fn number(&self, row: &Value, name: &str) -> Option<u64> {
        wire::number(&self.field(row, name)?).ok()?
    }

    /// A field as it is.
    pub fn raw(&self, row: &Value, name: &str) -> Option<Value> {
        self.field(row, name)
    }
}
