//! Reading the body of a write strictly, by declarations that are also its documentation.
//!
//! A draft asks for each field by name; what it asked for is what the API document lists and what an unknown name is
//! answered with. Absent means unchanged and `null` means cleared (RFC 7396), so a field has three states.

use std::collections::BTreeMap;
use std::fmt::Debug;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::PartialSchema;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};

use super::expand::Kin;
use super::query::{Text, shown};
use super::{RecordId, Source, time};

/// The longest text of a field, in characters, where nothing shorter is declared.
const MAX_TEXT: usize = 10_000;
/// A text with something besides space, without control characters other than those of lines.
const SAYS_SOMETHING: &str = r"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]*$";
/// The most entries of a list.
const MAX_ENTRIES: usize = 500;
/// The most problems that are told of one body.
const MAX_PROBLEMS: usize = 50;

/// What can be written of a kind of record.
pub trait Draft: Debug + Clone + Default + PartialEq + Send + Sync + 'static {
    /// Reads itself from the fields of a body; the names and descriptions given there are its documentation.
    fn read(fields: &mut Fields) -> Self;

    /// The branches the record shall belong to, where the body says so.
    fn branches(&self) -> &[RecordId] {
        &[]
    }

    /// The student whose branch a new record gets when the body names none.
    fn student(&self) -> Option<&RecordId> {
        None
    }

    /// Records of branches that it refers to, with the fields: who may not see them may not write to them.
    fn refers(&self) -> Vec<(Kin, &'static str, &RecordId)> {
        self.student().map(|student| (Kin::Student, "/student_id", student)).into_iter().collect()
    }

    /// The subscription of its student that it names.
    fn subscription(&self) -> Option<&RecordId> {
        None
    }

    /// The field that names the branches of a new record, where it must have some: when the body names none, the only
    /// branch there is is meant.
    fn branch_field(&self) -> Option<&'static str> {
        None
    }
}

/// What a list of references refers to.
pub fn listed<'a>(
    kin: Kin,
    field: &'static str,
    ids: &'a Change<Vec<RecordId>>,
) -> impl Iterator<Item = (Kin, &'static str, &'a RecordId)> {
    ids.value().into_iter().flatten().map(move |id| (kin, field, id))
}

/// Nothing can be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOnly;

impl Draft for ReadOnly {
    fn read(_: &mut Fields) -> Self {
        Self
    }
}

/// What becomes of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays as it is: the body does not name it.
    #[default]
    Keep,
    /// It is emptied: the body says `null`.
    Clear,
    /// It gets this value.
    Set(T),
}

impl<T> Change<T> {
    /// The new value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// The same, but a value that says nothing changes nothing: `{}`.
    #[must_use]
    pub fn unless_empty(self) -> Self
    where
        T: Default + PartialEq,
    {
        if self.value().is_some_and(|value| *value == T::default()) { Self::Keep } else { self }
    }

    /// Whether the field stays as it is.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

/// One declared field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// The schema of its value.
    pub schema: RefOr<Schema>,
    /// Whether a new record must have it.
    pub required: bool,
    /// Whether `null` empties it.
    pub nullable: bool,
    /// Whether it can be given when the record is made, and not changed later.
    pub fixed: bool,
}

/// Something wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadField {
    /// JSON pointer into the body.
    pub pointer: String,
    /// What is wrong and what to do, a sentence without subject.
    pub detail: String,
}

/// The fields of one body while they are read.
#[derive(Debug, Default)]
pub struct Fields {
    given: Map<String, Value>,
    creating: bool,
    known: Vec<Field>,
    hints: Vec<(&'static str, &'static str)>,
    bad: Vec<BadField>,
}

impl Fields {
    /// The fields of a new record.
    pub fn of_new(given: Map<String, Value>) -> Self {
        Self { given, creating: true, ..Self::default() }
    }

    /// The fields to change of a record there is.
    pub fn of_change(given: Map<String, Value>) -> Self {
        Self { given, ..Self::default() }
    }

    /// Whether a new record is made.
    pub fn creating(&self) -> bool {
        self.creating
    }

    /// What was declared so far.
    pub fn known(&self) -> &[Field] {
        &self.known
    }

    /// A field that every record has: a new one must name it, and it cannot be emptied.
    pub fn required<T: Json>(&mut self, name: &'static str, about: &'static str) -> Change<T> {
        self.declare::<T>(name, about, (true, false, false))
    }

    /// A field that may be empty: `null` empties it.
    pub fn one<T: Json>(&mut self, name: &'static str, about: &'static str) -> Change<T> {
        self.declare::<T>(name, about, (false, true, false))
    }

    /// A field that always has some value, so it cannot be emptied.
    pub fn always<T: Json>(&mut self, name: &'static str, about: &'static str) -> Change<T> {
        self.declare::<T>(name, about, (false, false, false))
    }

    /// A field that a new record may have and that stays for ever.
    pub fn fixed<T: Json>(&mut self, name: &'static str, about: &'static str) -> Change<T> {
        self.declare::<T>(name, about, (false, false, true))
    }

    /// A field that a new record must have and that stays for ever.
    pub fn required_fixed<T: Json>(&mut self, name: &'static str, about: &'static str) -> Change<T> {
        self.declare::<T>(name, about, (true, false, true))
    }

    /// The CRM's own fields, which every kind of record may have.
    pub fn custom(&mut self) -> Change<Custom> {
        let about = "The CRM's own fields by their keys, as `custom_fields` of the record shows them; `null` empties \
                     one, and those that are not named stay as they are.";
        self.always::<Custom>("custom_fields", about).unless_empty()
    }

    /// The branches a record belongs to; at least one.
    pub fn branches(&mut self) -> Change<Vec<RecordId>> {
        let about = "The branches it belongs to, all of them: the list replaces the one there is. A new record that \
                     names none gets the only branch there is.";
        let branches: Change<Vec<RecordId>> = self.always("branch_ids", about);
        self.never_empty("branch_ids", &branches, "name at least one branch");
        self.are_branches("branch_ids", branches.value().into_iter().flatten());
        branches
    }

    /// The branch that a new record belongs to for ever.
    pub fn branch(&mut self, about: &'static str) -> Change<RecordId> {
        let branch = self.fixed("branch_id", about);
        self.are_branches("branch_id", branch.value());
        branch
    }

    /// Refuses ids that name no branch, before anybody asks whether this key may see it.
    pub fn are_branches<'a>(&mut self, name: &str, ids: impl IntoIterator<Item = &'a RecordId>) {
        let is_branch = |id: &RecordId| id.source() == Source::AlfaCrm && id.parent().is_none();
        if let Some(id) = ids.into_iter().find(|id| !is_branch(id)) {
            self.refuse(name, format!("holds `{id}`, which names no branch; branches look like `alfa-1`"));
        }
    }

    /// Why a field of the record cannot be written, and what to do instead.
    pub fn read_only(&mut self, name: &'static str, hint: &'static str) {
        self.hints.push((name, hint));
    }

    /// A word that records may show and nobody can write; `used` tells whether somebody does.
    pub fn never(&mut self, name: &'static str, word: &str, used: bool, instead: &str) {
        if let Some(Schema::Object(object)) = self.schema_of(name)
            && let Some(words) = &mut object.enum_values
        {
            words.retain(|known| known != word);
        }
        if used {
            self.refuse(name, format!("is `{word}`; {instead}"));
        }
    }

    /// A list that may be left out, but that has entries where it is there.
    pub fn never_empty<T>(&mut self, name: &'static str, list: &Change<Vec<T>>, instead: &str) {
        if let Some(Schema::Array(array)) = self.schema_of(name) {
            array.min_items = Some(1);
        }
        if list.value().is_some_and(Vec::is_empty) {
            self.refuse(name, format!("is empty; {instead}"));
        }
    }

    fn schema_of(&mut self, name: &str) -> Option<&mut Schema> {
        let field = self.known.iter_mut().find(|field| field.name == name)?;
        match &mut field.schema {
            RefOr::T(schema) => Some(schema),
            RefOr::Ref(_) => None,
        }
    }

    /// Notes a problem that more than one value makes.
    pub fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        self.bad.push(BadField { pointer: format!("/{name}"), detail: detail.into() });
    }

    /// Everything that is wrong. `record` are the fields that the record has when it is read.
    pub fn finish(mut self, record: &[String]) -> Result<Vec<Field>, Vec<BadField>> {
        let mut listed = false;
        for name in self.given.keys() {
            let pointer = format!("/{}", shown(name).replace('~', "~0").replace('/', "~1"));
            let hint = self.hints.iter().find(|(known, _)| known == name).map(|(_, hint)| *hint);
            let detail = match hint {
                Some(hint) => format!("cannot be written; {hint}"),
                None if record.iter().any(|known| known == name) => "is read-only; leave it out".to_owned(),
                None => {
                    let names: Vec<String> =
                        self.known.iter().map(|field| format!("`{}`", field.name)).collect();
                    // Once is enough to read them.
                    let list =
                        if listed { String::new() } else { format!("; known are {}", names.join(", ")) };
                    listed = true;
                    format!("is not a field that can be written{list}")
                }
            };
            self.bad.push(BadField { pointer, detail });
        }
        self.bad.truncate(MAX_PROBLEMS);
        if self.bad.is_empty() { Ok(self.known) } else { Err(self.bad) }
    }

    fn declare<T: Json>(
        &mut self,
        name: &'static str,
        about: &'static str,
        (required, nullable, fixed): (bool, bool, bool),
    ) -> Change<T> {
        self.known.push(Field { name, about, schema: T::schema(), required, nullable, fixed });
        let Some(value) = self.given.remove(name) else {
            if required && self.creating {
                self.refuse(name, "is missing; a new record must have it");
            }
            return Change::Keep;
        };
        if fixed && !self.creating {
            self.refuse(name, "can be given only when the record is made");
            return Change::Keep;
        }
        if value.is_null() {
            if nullable {
                return Change::Clear;
            }
            self.refuse(name, "cannot be empty");
            return Change::Keep;
        }
        match T::parse(&value) {
            Ok(value) => Change::Set(value),
            Err(Bad { below, detail }) => {
                self.bad.push(BadField { pointer: format!("/{name}{below}"), detail });
                Change::Keep
            }
        }
    }
}

/// Why a value cannot be read, and where below it.
#[derive(Debug, PartialEq, Eq)]
pub struct Bad {
    /// JSON pointer below the value; empty for the value itself.
    pub below: String,
    /// A sentence without subject.
    pub detail: String,
}

impl From<String> for Bad {
    fn from(detail: String) -> Self {
        Self { below: String::new(), detail }
    }
}

impl From<&str> for Bad {
    fn from(detail: &str) -> Self {
        detail.to_owned().into()
    }
}

/// A value that can be read from JSON strictly.
pub trait Json: Sized {
    /// Reads it.
    fn parse(value: &Value) -> Result<Self, Bad>;
    /// Its schema.
    fn schema() -> RefOr<Schema>;
}

fn text_of(value: &Value) -> Result<&str, Bad> {
    value.as_str().ok_or_else(|| "is not a text".into())
}

/// A text of at most `N` characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Short<const N: usize>(pub String);

impl<const N: usize> Json for Short<N> {
    fn parse(value: &Value) -> Result<Self, Bad> {
        let text = text_of(value)?;
        let length = text.chars().count();
        if text.trim().is_empty() {
            return Err("is empty; use `null` to empty a field, where that is possible".into());
        }
        if length > N {
            return Err(format!("has {length} characters; {N} are taken").into());
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err("holds control characters".into());
        }
        Ok(Self(text.trim().to_owned()))
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(SAYS_SOMETHING))
            .min_length(Some(1))
            .max_length(Some(N))
            .into()
    }
}

impl Json for String {
    fn parse(value: &Value) -> Result<Self, Bad> {
        Short::<MAX_TEXT>::parse(value).map(|text| text.0)
    }

    fn schema() -> RefOr<Schema> {
        <Short<MAX_TEXT> as Json>::schema()
    }
}

impl Json for bool {
    fn parse(value: &Value) -> Result<Self, Bad> {
        value.as_bool().ok_or_else(|| "is neither `true` nor `false`".into())
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).into()
    }
}

impl Json for i64 {
    fn parse(value: &Value) -> Result<Self, Bad> {
        value.as_i64().ok_or_else(|| "is not a whole number".into())
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .into()
    }
}

/// A whole number that is at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Positive(pub i64);

impl Json for Positive {
    fn parse(value: &Value) -> Result<Self, Bad> {
        let number = i64::parse(value)?;
        if (1..=1_000_000).contains(&number) {
            Ok(Self(number))
        } else {
            Err("is not a positive number".into())
        }
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(1_000_000)).into()
    }
}

impl Json for Date {
    fn parse(value: &Value) -> Result<Self, Bad> {
        <Self as Text>::parse(text_of(value)?).map_err(Bad::from)
    }

    fn schema() -> RefOr<Schema> {
        <Self as Text>::schema()
    }
}

/// A point in time with its offset.
impl Json for Timestamp {
    fn parse(value: &Value) -> Result<Self, Bad> {
        <Self as Text>::parse(text_of(value)?).map_err(Bad::from)
    }

    fn schema() -> RefOr<Schema> {
        <Self as Text>::schema()
    }
}

/// A time of day, `HH:MM`.
impl Json for Time {
    fn parse(value: &Value) -> Result<Self, Bad> {
        let text = text_of(value)?;
        time::clock(text).ok_or_else(|| format!("is `{}`; use a time such as `17:00`", shown(text)).into())
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some("^([01][0-9]|2[0-3]):[0-5][0-9]$")).into()
    }
}

impl Json for RecordId {
    fn parse(value: &Value) -> Result<Self, Bad> {
        <Self as Text>::parse(text_of(value)?).map_err(Bad::from)
    }

    fn schema() -> RefOr<Schema> {
        <Self as PartialSchema>::schema()
    }
}

/// An amount to be written, never negative: `{"amount": "1250.00", "currency": "RUB"}`, or its text alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// How much; at most two places.
    pub amount: Decimal,
    /// In which currency, where the body says so.
    pub currency: Option<String>,
}

impl Json for Sum {
    fn parse(value: &Value) -> Result<Self, Bad> {
        let (value, currency, below) = match value {
            Value::Object(map) => {
                if let Some(name) = map.keys().find(|name| !matches!(name.as_str(), "amount" | "currency")) {
                    let detail = "is no part of an amount; known are `amount`, `currency`".to_owned();
                    return Err(Bad { below: format!("/{}", shown(name)), detail });
                }
                let currency = map.get("currency").filter(|currency| !currency.is_null());
                let currency = currency.map(|currency| {
                    currency
                        .as_str()
                        .map(str::to_owned)
                        .ok_or(Bad { below: "/currency".to_owned(), detail: "is not a text".to_owned() })
                });
                (map.get("amount").unwrap_or(&Value::Null), currency.transpose()?, "/amount")
            }
            other => (other, None, ""),
        };
        let bad = |detail: String| Bad { below: below.to_owned(), detail };
        let Some(text) = value.as_str() else {
            return Err(bad(
                "is not a decimal text such as \"1250.00\"; numbers lose cents on the way".to_owned()
            ));
        };
        let amount = <Decimal as Text>::parse(text).map_err(bad)?.normalize();
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err(bad("is negative; the sign belongs to another field".to_owned()));
        }
        if amount.scale() > 2 {
            return Err(bad("has more than two places".to_owned()));
        }
        if amount >= Decimal::from(1_000_000_000_000_u64) {
            return Err(bad("is larger than any amount the CRM takes".to_owned()));
        }
        Ok(Self { amount, currency })
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .property(
                "amount",
                ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[0-9]{1,12}(\.[0-9]{1,2})?$")),
            )
            .required("amount")
            .property(
                "currency",
                ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null])),
            )
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .examples([serde_json::json!({"amount": "1250.00", "currency": "RUB"})])
            .into()
    }
}

/// One of the words of an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<T>(pub T);

impl<T: DeserializeOwned + PartialSchema> Json for Word<T> {
    fn parse(value: &Value) -> Result<Self, Bad> {
        let text = text_of(value)?;
        super::query::choose(text).map(Self).map_err(Bad::from)
    }

    fn schema() -> RefOr<Schema> {
        T::schema()
    }
}

/// The most fields of a CRM's own in one body.
const MAX_CUSTOM: usize = 200;
/// The longest key of such a field.
const MAX_CUSTOM_KEY: usize = 100;
/// How the keys begin.
const CUSTOM: &str = "custom_";

/// Fields of the CRM's own by their keys: a text, or `None` to empty the field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Custom(pub BTreeMap<String, Option<String>>);

impl Json for Custom {
    fn parse(value: &Value) -> Result<Self, Bad> {
        let Some(map) = value.as_object() else { return Err("is not an object".into()) };
        if map.len() > MAX_CUSTOM {
            return Err(format!("has {} entries; {MAX_CUSTOM} are taken", map.len()).into());
        }
        let mut read = BTreeMap::new();
        for (key, value) in map {
            let bad = |detail: String| {
                let key = shown(key).replace('~', "~0").replace('/', "~1");
                Bad { below: format!("/{key}"), detail }
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let known = key.strip_prefix(CUSTOM).is_some_and(|rest| !rest.is_empty());
            if !known || key.len() > MAX_CUSTOM_KEY || !key.chars().all(plain) {
                return Err(bad(format!("is no field of the CRM's own; their keys begin with `{CUSTOM}`")));
            }
            let text = match value {
                Value::Null => None,
                value => Some(<String as Json>::parse(value).map_err(|inner| bad(inner.detail))?),
            };
            read.insert(key.clone(), text);
        }
        Ok(Self(read))
    }

    fn schema() -> RefOr<Schema> {
        let mut text = <String as Json>::schema();
        if let RefOr::T(Schema::Object(text)) = &mut text {
            text.schema_type = nullable(&text.schema_type);
        }
        let keys = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^custom_[A-Za-z0-9_]+$"))
            .max_length(Some(MAX_CUSTOM_KEY));
        ObjectBuilder::new()
            .additional_properties(Some(text))
            .property_names(Some(keys))
            .max_properties(Some(MAX_CUSTOM))
            .into()
    }
}

impl<T: Json> Json for Vec<T> {
    fn parse(value: &Value) -> Result<Self, Bad> {
        let Some(values) = value.as_array() else { return Err("is not a list".into()) };
        if values.len() > MAX_ENTRIES {
            return Err(format!("has {} entries; {MAX_ENTRIES} are taken", values.len()).into());
        }
        let one = |(index, value): (usize, &Value)| {
            T::parse(value).map_err(|bad| Bad { below: format!("/{index}{}", bad.below), detail: bad.detail })
        };
        values.iter().enumerate().map(one).collect()
    }

    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new().items(T::schema()).max_items(Some(MAX_ENTRIES)).into()
    }
}

/// An object whose fields are declared like those of the body.
pub trait Part: Sized {
    /// Reads itself; every part is whole, so what is required must be there.
    fn read(fields: &mut Fields) -> Self;
}

/// A [`Part`] as a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object<P>(pub P);

impl<P: Part> Json for Object<P> {
    fn parse(value: &Value) -> Result<Self, Bad> {
        let Some(map) = value.as_object() else { return Err("is not an object".into()) };
        let mut fields = Fields::of_new(map.clone());
        let part = P::read(&mut fields);
        match fields.finish(&[]) {
            Ok(_) => Ok(Self(part)),
            Err(mut bad) => {
                let first = bad.remove(0);
                Err(Bad { below: first.pointer, detail: first.detail })
            }
        }
    }

    fn schema() -> RefOr<Schema> {
        let mut fields = Fields::of_new(Map::new());
        P::read(&mut fields);
        schema_of(fields.known(), true)
    }
}

/// The schema of a body with these fields; `new` tells whether a record is made by it.
pub fn schema_of(fields: &[Field], new: bool) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)));
    for field in fields.iter().filter(|field| new || !field.fixed) {
        object = object.property(field.name, described(field));
        if new && field.required {
            object = object.required(field.name);
        }
    }
    object.into()
}

fn described(field: &Field) -> RefOr<Schema> {
    let mut schema = field.schema.clone();
    match &mut schema {
        RefOr::T(Schema::Object(object)) => {
            object.description = Some(field.about.to_owned());
            if field.nullable {
                object.schema_type = nullable(&object.schema_type);
                if let Some(values) = &mut object.enum_values {
                    values.push(Value::Null);
                }
            }
        }
        RefOr::T(Schema::Array(array)) => {
            array.description = Some(field.about.to_owned());
            if field.nullable {
                array.schema_type = nullable(&array.schema_type);
            }
        }
        _ => {}
    }
    schema
}

fn nullable(kind: &SchemaType) -> SchemaType {
    match kind {
        SchemaType::Type(kind) => SchemaType::from_iter([kind.clone(), Type::Null]),
        SchemaType::Array(kinds) => SchemaType::from_iter(kinds.iter().cloned().chain([Type::Null])),
        SchemaType::AnyValue => SchemaType::AnyValue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[derive(Debug, Clone, Default, PartialEq)]
    struct Note {
        name: Change<Short<5>>,
        note: Change<String>,
        price: Change<Sum>,
        ids: Change<Vec<RecordId>>,
    }

    impl Draft for Note {
        fn read(fields: &mut Fields) -> Self {
            fields.read_only("balance", "a payment changes it");
            Self {
                name: fields.required("name", "Its name."),
                note: fields.one("note", "Free text."),
                price: fields.fixed("price", "What it costs."),
                ids: fields.always("ids", "Others."),
            }
        }
    }

    fn read(new: bool, body: Value) -> Result<Note, Vec<(String, String)>> {
        let map = body.as_object().unwrap().clone();
        let mut fields = if new { Fields::of_new(map) } else { Fields::of_change(map) };
        let note = Note::read(&mut fields);
        let record = ["id".to_owned(), "name".to_owned()];
        fields
            .finish(&record)
            .map(|_| note)
            .map_err(|bad| bad.into_iter().map(|bad| (bad.pointer, bad.detail)).collect())
    }

    #[test]
    fn absent_is_unchanged_and_null_is_cleared() {
        let note = read(false, json!({"note": null})).unwrap();
        assert_eq!(note, Note { note: Change::Clear, ..Note::default() });
        assert_eq!(read(false, json!({})).unwrap(), Note::default());
        assert_eq!(read(false, json!({"name": " x "})).unwrap().name, Change::Set(Short("x".to_owned())));
    }

    #[test]
    fn what_cannot_be_written_is_refused_by_its_pointer_and_says_what_to_do() {
        let bad = read(
            true,
            json!({"balance": "1", "id": "alfa-1", "colour": 1, "note": 5, "price": {"amount": 10.5}, "ids": ["alfa-1", "x"]}),
        );
        let bad = bad.unwrap_err();
        let detail = |pointer: &str| {
            let found = bad.iter().find(|(at, _)| at == pointer);
            found.unwrap_or_else(|| panic!("{pointer} in {bad:?}")).1.clone()
        };
        assert_eq!(detail("/balance"), "cannot be written; a payment changes it");
        assert_eq!(detail("/id"), "is read-only; leave it out");
        assert!(detail("/colour").ends_with("known are `name`, `note`, `price`, `ids`"));
        assert!(detail("/name").contains("missing"));
        assert_eq!(detail("/note"), "is not a text");
        assert!(detail("/price/amount").contains("decimal text"));
        assert!(detail("/ids/1").contains("is no"), "{}", detail("/ids/1"));
    }

    #[test]
    fn what_is_fixed_cannot_be_changed_later() {
        assert!(read(true, json!({"name": "x", "price": "10"})).is_ok());
        assert_eq!(read(false, json!({"price": "10"})).unwrap_err()[0].0, "/price");
    }

    #[test]
    fn amounts_are_texts_with_at_most_two_places() {
        for good in [json!("1250.00"), json!({"amount": "0.5", "currency": "RUB"}), json!({"amount": "7"})] {
            assert!(Sum::parse(&good).is_ok(), "{good}");
        }
        for bad in [
            json!(10),
            json!("1.005"),
            json!("-1"),
            json!("1e3"),
            json!({"sum": "1"}),
            json!("1000000000000"),
        ] {
            assert!(Sum::parse(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(name in "\\PC{0,8}", text in "\\PC{0,12}", number: i64) {
            let _ = read(true, json!({name.clone(): text, "name": number, "ids": [text], "price": text}));
            let _ = read(false, json!({"name": text, name: number, "price": {"amount": text}}));
        }
    }
}
