//! Where the fields of a record are (section 11.3 of the reference): built-in alias lists, replaced field by field by
//! the configuration. The result is a record under our own names, which is then read like any other.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::config::{DynamicAt, FieldKind, FieldRule};
use crate::crm::wire;

/// A field's own name and the names it may have in the CRM, in the order to try.
pub(super) type Fields = &'static [(&'static str, &'static [&'static str])];

/// How the records of one kind are laid out.
#[derive(Debug, Clone)]
pub(super) struct Mapping {
    fields: Fields,
    rules: BTreeMap<String, FieldRule>,
    dynamic_at: Option<DynamicAt>,
}

/// A record taken apart.
#[derive(Debug)]
pub(super) struct Laid {
    /// The fields under our names.
    pub(super) fields: Map<String, Value>,
    /// The tenant's own fields, verbatim, and those the configuration adds.
    pub(super) dynamic: Map<String, Value>,
}

impl Mapping {
    /// `dynamic_at` is given for records that have fields of the tenant's own.
    pub(super) fn new(
        fields: Fields,
        rules: Option<&BTreeMap<String, FieldRule>>,
        dynamic_at: Option<DynamicAt>,
    ) -> Self {
        Self { fields, rules: rules.cloned().unwrap_or_default(), dynamic_at }
    }

    /// The rule for a field that the configuration gives.
    pub(super) fn rule(&self, field: &str) -> Option<&FieldRule> {
        self.rules.get(field)
    }

    /// Takes a record apart.
    pub(super) fn lay_out(&self, record: &Map<String, Value>) -> Laid {
        let mut fields = Map::new();
        let mut used: Vec<&str> = Vec::new();
        for (name, aliases) in self.fields {
            let found = match self.rules.get(*name) {
                Some(rule) => first(record, rule.from.iter().map(String::as_str)),
                None => first(record, aliases.iter().copied()),
            };
            if let Some((path, value)) = found {
                used.push(path.split('.').next().unwrap_or(path));
                fields.insert((*name).to_owned(), value.clone());
            }
        }
        let mut dynamic = self.dynamic(record, &used);
        let own = |name: &str| self.fields.iter().any(|(known, _)| *known == name);
        for (name, rule) in self.rules.iter().filter(|(name, _)| !own(name)) {
            if let Some((_, value)) = first(record, rule.from.iter().map(String::as_str)) {
                dynamic.insert(name.clone(), converted(value, rule.kind));
            }
        }
        Laid { fields, dynamic }
    }

    /// Takes records apart; one that is no object cannot be.
    pub(super) fn lay_out_all(&self, records: Vec<Value>) -> Vec<(Value, Option<Laid>)> {
        let lay_out = |raw: Value| {
            let laid = raw.as_object().map(|record| self.lay_out(record));
            (raw, laid)
        };
        records.into_iter().map(lay_out).collect()
    }

    fn dynamic(&self, record: &Map<String, Value>, used: &[&str]) -> Map<String, Value> {
        let Some(at) = self.dynamic_at else { return Map::new() };
        let below_data = match at {
            DynamicAt::Data | DynamicAt::BuildinSplit => true,
            DynamicAt::Root => false,
            DynamicAt::Auto => record.contains_key("data"),
        };
        if below_data {
            // An empty map arrives as a list, or as null.
            return record.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
        }
        let known = |name: &str| {
            let built_in = used.contains(&name) || name == "buildin_data" || self.is_alias(name);
            built_in && !self.is_dynamic(name)
        };
        record
            .iter()
            .filter(|(name, _)| !known(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Whether a field that we know is one of the tenant's own all the same: it has a name below `data` too.
    fn is_dynamic(&self, name: &str) -> bool {
        let names = self.fields.iter().flat_map(|(_, aliases)| aliases.iter());
        names.filter_map(|alias| alias.strip_prefix("data.")).any(|below| below == name)
    }

    fn is_alias(&self, name: &str) -> bool {
        self.fields.iter().any(|(_, aliases)| aliases.contains(&name))
    }
}

/// The first name that is present: at the root, inside `buildin_data`, or down a dotted path.
fn first<'a, 'n>(
    record: &'a Map<String, Value>,
    names: impl Iterator<Item = &'n str>,
) -> Option<(&'n str, &'a Value)> {
    let built_in = record.get("buildin_data").and_then(Value::as_object);
    names.into_iter().find_map(|name| {
        let direct = record.get(name).or_else(|| built_in?.get(name));
        let found = direct.or_else(|| {
            let mut steps = name.split('.');
            let mut at = record.get(steps.next()?)?;
            for step in steps {
                at = at.get(step)?;
            }
            Some(at)
        });
        found.map(|value| (name, value))
    })
}

/// A field that only the configuration knows, in the form it asks for; verbatim if it cannot be read so.
fn converted(value: &Value, kind: FieldKind) -> Value {
    let read = match kind {
        FieldKind::Text | FieldKind::Direction => wire::text(value).map(|text| text.map(Value::from)),
        FieldKind::Uint => wire::number(value).map(|number| number.map(Value::from)),
        FieldKind::Decimal => {
            wire::decimal(value).map(|number| number.map(|number| Value::from(number.to_string())))
        }
        FieldKind::Flag => wire::flag(value).map(|flag| flag.map(Value::from)),
        FieldKind::Ids => {
            let (ids, whole) = wire::numbers(value);
            if whole { Ok(Some(Value::from(ids))) } else { Err(wire::Unread) }
        }
        FieldKind::Date => wire::point(value).map(|point| {
            point.map(|point| match point {
                wire::Point::Local(at) if at.time() == jiff::civil::Time::midnight() => {
                    at.date().to_string().into()
                }
                wire::Point::Local(at) => at.to_string().into(),
                wire::Point::Absolute(at) => at.to_string().into(),
            })
        }),
    };
    read.map_or_else(|wire::Unread| value.clone(), |read| read.unwrap_or(Value::Null))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FIELDS: Fields =
        &[("id", &["id"]), ("name", &["name", "title"]), ("step_id", &["step_id", "project_step_id"])];

    fn lay_out(record: Value) -> (Value, Value) {
        let laid = Mapping::new(FIELDS, None, Some(DynamicAt::Auto)).lay_out(record.as_object().unwrap());
        (laid.fields.into(), laid.dynamic.into())
    }

    #[test]
    fn fields_are_found_in_every_layout() {
        let expected = (json!({"id": 1, "name": "x", "step_id": 5}), json!({"client_id": 3}));
        for record in [
            json!({"id": 1, "name": "x", "step_id": 5, "data": {"client_id": 3}}),
            json!({"id": 1, "title": "x", "project_step_id": 5, "client_id": 3}),
            json!({"id": 1, "buildin_data": {"name": "x", "step_id": 5}, "data": {"client_id": 3}}),
        ] {
            assert_eq!(lay_out(record.clone()), expected, "{record}");
        }
        assert_eq!(lay_out(json!({"id": 1, "data": []})).1, json!({}));
    }

    #[test]
    fn the_configuration_replaces_the_built_in_names_and_may_add_fields() {
        let rule = |from: &[&str], kind| FieldRule {
            from: from.iter().map(|name| (*name).to_owned()).collect(),
            kind,
            income: Vec::new(),
            expense: Vec::new(),
        };
        let rules = BTreeMap::from([
            ("name".to_owned(), rule(&["data.contract_number"], FieldKind::Text)),
            ("contract_date".to_owned(), rule(&["data.contract_date"], FieldKind::Date)),
        ]);
        let record = json!({"id": 1, "name": "ignored", "data": {"contract_number": "17", "contract_date": "2026-01-02 00:00:00"}});
        let laid =
            Mapping::new(FIELDS, Some(&rules), Some(DynamicAt::Auto)).lay_out(record.as_object().unwrap());
        assert_eq!(laid.fields["name"], "17");
        assert_eq!(laid.dynamic["contract_date"], "2026-01-02");
    }
}
