//! `[cryptocrm.fields]` and `[cryptocrm.dictionary]`: where in a record of the Crypto CRM a field is found
//! and how it is read, and which names its bare ids have. The vendor documents neither, so both are the
//! school's to say. A rule replaces the built-in one of its field; nothing here knows the built-in ones.

use std::collections::BTreeMap;

use super::kind::{self, Kind, word};
use super::reader::Reader;
use super::tree::Value;
use super::writer::{Writer, quoted_list};

/// Where a field is found and how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRule {
    /// Names to try in this order; a dot reaches inside (`data.client_id`).
    pub from: Vec<String>,
    /// How the value is read.
    pub kind: FieldKind,
    /// Values that mean income, for [`FieldKind::Direction`] (key `in`).
    pub income: Vec<String>,
    /// Values that mean expense, for [`FieldKind::Direction`] (key `out`).
    pub expense: Vec<String>,
}

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A text; a number is taken as its digits.
    Text,
    /// A whole number that is not negative.
    Uint,
    /// An exact decimal number.
    Decimal,
    /// Yes or no.
    Flag,
    /// A day or a moment.
    Date,
    /// A list of record numbers.
    Ids,
    /// Income or expense.
    Direction,
}

const FIELD_KINDS: [(&str, FieldKind); 7] = [
    ("text", FieldKind::Text),
    ("uint", FieldKind::Uint),
    ("decimal", FieldKind::Decimal),
    ("flag", FieldKind::Flag),
    ("date", FieldKind::Date),
    ("ids", FieldKind::Ids),
    ("direction", FieldKind::Direction),
];

/// Records of the Crypto CRM whose fields can be mapped.
const RECORDS: [&str; 7] = ["project", "step", "action", "checklist", "item", "good", "payment"];

impl FieldRule {
    fn read(r: &Reader<'_>) -> Option<Self> {
        let from = r.list("from", &path());
        let kind = r.get("type", &kind::choice(&FIELD_KINDS));
        let income = r.optional_list("in", &raw_value());
        let expense = r.optional_list("out", &raw_value());
        let (from, kind, income, expense) = (from?, kind?, income?, expense?);
        if from.is_empty() {
            r.problem("from", "required: the names to try, such as [\"name\", \"data.title\"]");
            return None;
        }
        let direction = kind == FieldKind::Direction;
        if let (false, Some(key)) =
            (direction, [("in", &income), ("out", &expense)].iter().find(|(_, v)| v.is_some()))
        {
            r.problem(key.0, "it belongs to fields of type \"direction\" only");
            return None;
        }
        // The payment types of the vendor's own request page.
        let or = |given: Option<Vec<String>>, value: &str| match given {
            None if direction => vec![value.to_owned()],
            given => given.unwrap_or_default(),
        };
        Some(Self { from, kind, income: or(income, "1"), expense: or(expense, "0") })
    }

    fn show(&self) -> String {
        let from = quoted_list(&self.from);
        let sides = match self.kind {
            FieldKind::Direction => {
                format!(", in = {}, out = {}", quoted_list(&self.income), quoted_list(&self.expense))
            }
            _ => String::new(),
        };
        format!("{{ from = {from}, type = \"{}\"{sides} }}", word(&FIELD_KINDS, &self.kind))
    }
}

pub(super) fn read_fields(r: &Reader<'_>) -> Option<BTreeMap<String, BTreeMap<String, FieldRule>>> {
    let one = |record: &str| {
        let rules = r.optional_section(record, |fields| fields.named(|_, rule| FieldRule::read(rule)));
        rules.map(|rules| (record.to_owned(), rules.unwrap_or_default().into_iter().collect()))
    };
    let all: Vec<Option<(String, BTreeMap<_, _>)>> = RECORDS.into_iter().map(one).collect();
    let mut fields: BTreeMap<_, _> = all.into_iter().collect::<Option<_>>()?;
    fields.retain(|_, rules| !rules.is_empty());
    Some(fields)
}

pub(super) fn read_dictionary(r: &Reader<'_>) -> Option<BTreeMap<String, BTreeMap<u64, String>>> {
    let one = |name: &str, from_env: bool| {
        let names = r.numbered(name, &kind::text("Enquiry"));
        // A variable's name cannot hold the dash of `action-types`.
        let kebab = if from_env { name.replace('_', "-") } else { name.to_owned() };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !kebab.chars().all(plain) || kebab.trim_matches('-') != kebab || kebab.is_empty() {
            r.problem(
                name,
                "a dictionary is named in small letters, digits and dashes, such as action-types",
            );
            return None;
        }
        names.map(|names| (kebab, names))
    };
    let all: Vec<_> = r.names().into_iter().map(|(name, from_env)| one(name, from_env)).collect();
    all.into_iter().collect()
}

pub(super) fn write(
    fields: &BTreeMap<String, BTreeMap<String, FieldRule>>,
    dictionary: &BTreeMap<String, BTreeMap<u64, String>>,
    w: &mut Writer,
) {
    for (record, rules) in fields {
        w.section(&["cryptocrm", "fields", record]);
        for (field, rule) in rules {
            w.plain(field, rule.show());
        }
    }
    if !dictionary.is_empty() {
        w.section(&["cryptocrm", "dictionary"]);
        for (name, names) in dictionary {
            w.numbered(name, names);
        }
    }
}

fn path() -> Kind<String> {
    Kind::text("the name of a field such as \"data.client_id\"", |text| {
        match text.split('.').all(|part| !part.trim().is_empty()) {
            true => Ok(text.to_owned()),
            false => Err("a part of it is empty".into()),
        }
    })
}

/// A value as the CRM sends it: `"1"` and `1` are the same to its PHP.
fn raw_value() -> Kind<String> {
    Kind::new("a value such as \"1\"", |value| match value {
        Value::Text(text) | Value::Env(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        _ => Err(String::new()),
    })
}
