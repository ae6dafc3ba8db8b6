//! Reading query parameters strictly, by declarations that are also their documentation.
//!
//! A filter asks for each parameter by name; what it asked for is what the API document lists and what an unknown
//! name is answered with. So the three cannot disagree.

mod body;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as ChoiceError, StrDeserializer};
use serde_json::Value;
use utoipa::PartialSchema;
use utoipa::openapi::schema::{ArrayBuilder, ArrayItems, Type};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat};

use super::RecordId;
pub use body::body_schema;
use body::{Form, name_in_body};

/// The longest value of a parameter, in characters.
const MAX_VALUE: usize = 2000;
/// The longest name a consumer may choose, in bytes.
const MAX_NAME: usize = 200;
/// The most problems that are told of one query.
const MAX_PROBLEMS: usize = 20;
/// No control characters, as a pattern.
const PRINTABLE: &str = r"^[^\u0000-\u001F\u007F-\u009F]+$";
const EMPTY: &str = "is empty; leave it out instead";

/// One declared parameter.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name as written in the query.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Whether it may be given more than once.
    pub repeatable: bool,
    /// Whether it must be given.
    pub required: bool,
    /// The schema of one value.
    pub schema: RefOr<Schema>,
    /// An example value.
    pub example: Option<Value>,
    /// The mask under which it may not be used, because it would tell a hidden field.
    pub mask: Option<&'static str>,
}

/// Something wrong with one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadParam {
    /// Its name as given.
    pub name: String,
    /// What is wrong and what to do.
    pub detail: String,
}

/// The parameters of one request while they are read.
#[derive(Debug, Default)]
pub struct Query {
    given: Vec<Given>,
    known: Vec<Param>,
    bad: Vec<BadParam>,
    open: Option<&'static str>,
    /// Whether they stand in a body.
    body: bool,
}

/// One value as it was given.
#[derive(Debug)]
struct Given {
    name: String,
    value: String,
    /// Where a problem with it points: its name in a query, a JSON pointer in a body.
    at: String,
    form: Form,
    /// Whether it was read.
    taken: bool,
}

impl Query {
    /// Takes the text behind `?` apart.
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        if !is_well_escaped(text) {
            query.refuse("", "holds a `%` that is not followed by two hexadecimal digits of UTF-8 text");
        }
        let given = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            let (name, value) = (name.into_owned(), value.into_owned());
            Given { at: name.clone(), name, value, form: Form::Query, taken: false }
        };
        query.given = form_urlencoded::parse(text.as_bytes()).map(given).collect();
        query
    }

    /// What was declared so far.
    pub fn known(&self) -> &[Param] {
        &self.known
    }

    /// A parameter that may be given once.
    pub fn one<T: Text>(&mut self, name: &'static str, about: &'static str) -> Option<T> {
        self.declare(name, about, false, <T as Text>::schema(), T::example());
        self.single(name, T::LONGEST, |text| T::parse(text))
    }

    /// A parameter that must be given, once.
    pub fn required<T: Text>(
        &mut self,
        name: &'static str,
        about: &'static str,
        example: impl Into<Value>,
    ) -> Option<T> {
        self.declare(name, about, false, <T as Text>::schema(), Some(example.into()));
        if let Some(param) = self.known.last_mut() {
            param.required = true;
        }
        if !self.given_names().any(|given| given == name) {
            self.refuse(name, "is missing; this list needs it");
        }
        self.single(name, T::LONGEST, |text| T::parse(text))
    }

    /// A parameter that may be repeated.
    pub fn many<T: Text>(&mut self, name: &'static str, about: &'static str) -> Vec<T> {
        self.declare(name, about, true, <T as Text>::schema(), T::example());
        self.values(name, T::LONGEST, |text| T::parse(text))
    }

    /// One of the words of an enum.
    pub fn choice<T: DeserializeOwned + PartialSchema>(
        &mut self,
        name: &'static str,
        about: &'static str,
    ) -> Option<T> {
        self.declare(name, about, false, T::schema(), None);
        self.single(name, MAX_VALUE, choose)
    }

    /// Any of the words of an enum.
    pub fn choices<T: DeserializeOwned + PartialSchema>(
        &mut self,
        name: &'static str,
        about: &'static str,
    ) -> Vec<T> {
        self.declare(name, about, true, T::schema(), None);
        self.values(name, MAX_VALUE, choose)
    }

    /// Parameters of the form `prefix[NAME]=VALUE`, whose names the consumer chooses.
    pub fn open(&mut self, prefix: &'static str, about: &'static str) -> BTreeMap<String, Vec<String>> {
        let schema = open_names().additional_properties(Some(<String as Text>::schema())).build();
        self.declare(prefix, about, true, schema.into(), None);
        self.open = Some(prefix);
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for Given { name, value, at, form, taken } in &mut self.given {
            if self.body && name.strip_suffix('s') == Some(prefix) {
                *taken = true;
                let detail = "is no object; name the fields in one".to_owned();
                self.bad.push(BadParam { name: at.clone(), detail });
            }
            let inner = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']'));
            let inner = inner.filter(|_| form.may_be_open());
            let Some(inner) = inner.filter(|inner| !inner.is_empty()) else { continue };
            *taken = true;
            let name_is_bad = is_longer(inner, MAX_NAME) || inner.chars().any(char::is_control);
            let detail = match <String as Text>::parse(value) {
                _ if name_is_bad => {
                    format!("names a field with control characters or more than {MAX_NAME} characters")
                }
                _ if form.complaint_of_open().is_some() => {
                    form.complaint_of_open().unwrap_or_default().to_owned()
                }
                _ if value.is_empty() => EMPTY.to_owned(),
                _ if is_longer(value, MAX_VALUE) => format!("is longer than {MAX_VALUE} characters"),
                Err(detail) => detail,
                Ok(value) => {
                    found.entry(inner.to_owned()).or_default().push(value);
                    continue;
                }
            };
            self.bad.push(BadParam { name: shown(at), detail });
        }
        found
    }

    /// Declares that the parameter read last may not be used by consumers under `mask`.
    pub fn masked_by(&mut self, mask: &'static str) {
        if let Some(param) = self.known.last_mut() {
            param.mask = Some(mask);
        }
    }

    /// Declares that the values of the parameter read last are some of these words.
    pub fn words<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        self.items(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)));
    }

    /// Declares what the values of the parameter read last look like, where that is narrower than their type says.
    pub fn shape(&mut self, pattern: &str) {
        self.items(ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)));
    }

    fn items(&mut self, item: ObjectBuilder) {
        if let Some(Param { schema: RefOr::T(Schema::Array(list)), .. }) = self.known.last_mut() {
            list.items = ArrayItems::RefOrSchema(Box::new(RefOr::T(item.into())));
        }
    }

    /// Notes a problem that concerns more than one value.
    pub fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        let at = if self.body && !name.starts_with('/') { format!("/{name}") } else { name.to_owned() };
        self.bad.push(BadParam { name: at, detail: detail.into() });
    }

    /// What was given, by name, for checks against masks.
    pub fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().map(|given| (given.name.as_str(), given.value.as_str()))
    }

    /// The names that were given.
    pub fn given_names(&self) -> impl Iterator<Item = &str> {
        self.given.iter().map(|given| given.name.as_str())
    }

    /// Everything that is wrong, unknown names included; of very much, the first part.
    pub fn finish(mut self) -> Result<Vec<Param>, Vec<BadParam>> {
        let known =
            |name: &str| self.known.iter().any(|param| param.name == name && Some(param.name) != self.open);
        let mut unknown: Vec<&str> = Vec::new();
        for Given { name, at, taken, .. } in &self.given {
            if !taken && !known(name) && !unknown.contains(&at.as_str()) && unknown.len() < MAX_PROBLEMS {
                unknown.push(at);
            }
        }
        for (i, name) in unknown.iter().enumerate() {
            let mut detail = String::from("is not a parameter of this resource");
            // Once is enough to read them.
            if i == 0 {
                let name = |param: &Param| match self.body {
                    true => format!("`{}`", name_in_body(param)),
                    false => format!("`{}`", param.name),
                };
                let names: Vec<String> = self.known.iter().map(name).collect();
                let _ = match names.is_empty() {
                    true => write!(detail, "; it takes none"),
                    false => write!(detail, "; known are {}", names.join(", ")),
                };
            }
            self.bad.push(BadParam { name: shown(name), detail });
        }
        self.bad.truncate(MAX_PROBLEMS);
        if self.bad.is_empty() { Ok(self.known) } else { Err(self.bad) }
    }

    fn declare(
        &mut self,
        name: &'static str,
        about: &'static str,
        repeatable: bool,
        schema: RefOr<Schema>,
        example: Option<Value>,
    ) {
        let schema = if repeatable
            && self.open.is_none()
            && !matches!(&schema, RefOr::T(Schema::Object(object)) if object.additional_properties.is_some())
        {
            ArrayBuilder::new().items(schema).into()
        } else {
            schema
        };
        self.known.push(Param { name, about, repeatable, required: false, schema, example, mask: None });
    }

    fn values<T>(&mut self, name: &str, longest: usize, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut read = Vec::new();
        let param = self.known.iter().rfind(|param| param.name == name);
        for Given { value, at, form, taken, .. } in self.given.iter_mut().filter(|given| given.name == name) {
            *taken = true;
            let complaint = param.and_then(|param| form.complaint(param));
            let parsed = if let Some(complaint) = complaint {
                Err(complaint.to_owned())
            } else if value.is_empty() {
                Err(EMPTY.to_owned())
            } else if is_longer(value, longest) {
                Err(format!("is longer than {longest} characters"))
            } else {
                parse(value)
            };
            match parsed {
                Ok(value) => read.push(value),
                Err(detail) => self.bad.push(BadParam { name: at.clone(), detail }),
            }
        }
        read
    }

    fn single<T>(
        &mut self,
        name: &str,
        longest: usize,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        // In a body a list is told as such.
        if !self.body && self.given.iter().filter(|given| given.name == name).count() > 1 {
            self.refuse(name, "may be given only once");
        }
        self.values(name, longest, parse).into_iter().next()
    }
}

pub(super) fn choose<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(StrDeserializer::<ChoiceError>::new(text)).map_err(|error| {
        // serde's own sentence lists the words behind what was given: "unknown variant `x`, expected one of `A`, `B`".
        let error = error.to_string();
        let words = error.rsplit_once("expected ").map_or("another word", |(_, words)| words);
        format!("is `{}`; use {words}", shown(text))
    })
}

/// An object whose names the consumer chooses.
fn open_names() -> ObjectBuilder {
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PRINTABLE));
    let name = name.min_length(Some(1)).max_length(Some(MAX_NAME)).build();
    ObjectBuilder::new().property_names(Some(name))
}

/// Whether a text has more characters than that.
fn is_longer(text: &str, longest: usize) -> bool {
    // Characters are counted only where there may be too many: no text has more of them than bytes.
    text.len() > longest && text.chars().count() > longest
}

/// A value that can be read from a parameter.
pub trait Text: Sized {
    /// The longest value, in characters.
    const LONGEST: usize = MAX_VALUE;
    /// Reads it; the error is a sentence without subject.
    fn parse(text: &str) -> Result<Self, String>;
    /// Its schema.
    fn schema() -> RefOr<Schema>;
    /// An example.
    fn example() -> Option<Value>;
}

fn of_type(kind: Type, format: Option<KnownFormat>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(kind).format(format.map(SchemaFormat::KnownFormat)).into()
}

impl Text for String {
    fn parse(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            Err("holds control characters".to_owned())
        } else {
            Ok(text.to_owned())
        }
    }
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(PRINTABLE))
            .min_length(Some(1))
            .max_length(Some(MAX_VALUE))
            .into()
    }
    fn example() -> Option<Value> {
        None
    }
}

impl Text for bool {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("is `{}`; use `true` or `false`", shown(text)))
    }
    fn schema() -> RefOr<Schema> {
        of_type(Type::Boolean, None)
    }
    fn example() -> Option<Value> {
        None
    }
}

impl Text for Date {
    fn parse(text: &str) -> Result<Self, String> {
        // jiff reads more (times, week dates) than a day should be.
        let exact = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let day = if exact { text.parse().ok() } else { None };
        day.ok_or_else(|| format!("is `{}`; use a day such as `2026-02-25`", shown(text)))
    }
    fn schema() -> RefOr<Schema> {
        of_type(Type::String, Some(KnownFormat::Date))
    }
    fn example() -> Option<Value> {
        Some("2026-02-25".into())
    }
}

impl Text for Timestamp {
    fn parse(text: &str) -> Result<Self, String> {
        // A `+` that was not escaped arrives as a space.
        let repaired = text.replace(' ', "+");
        repaired.parse().map_err(|_| {
            format!("is `{}`; use a time with its offset such as `2026-02-25T17:00:00+03:00`", shown(text))
        })
    }
    fn schema() -> RefOr<Schema> {
        of_type(Type::String, Some(KnownFormat::DateTime))
    }
    fn example() -> Option<Value> {
        Some("2026-02-25T17:00:00+03:00".into())
    }
}

impl Text for Decimal {
    fn parse(text: &str) -> Result<Self, String> {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
        let number = if plain { text.parse().ok() } else { None };
        number.ok_or_else(|| format!("is `{}`; use a decimal number such as `1250.00`", shown(text)))
    }
    fn schema() -> RefOr<Schema> {
        // What an exact number holds, whatever its digits.
        let pattern = r"^-?[0-9]{1,20}(\.[0-9]{1,8})?$";
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).into()
    }
    fn example() -> Option<Value> {
        Some("1250.00".into())
    }
}

impl Text for RecordId {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| format!("is `{}`, which {error}", shown(text)))
    }
    fn schema() -> RefOr<Schema> {
        <Self as PartialSchema>::schema()
    }
    fn example() -> Option<Value> {
        None
    }
}

/// Whether every escape stands for a byte, and all of them together for text.
fn is_well_escaped(text: &str) -> bool {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let pair =
            tail.get(..2).and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let signed = tail.first() == Some(&b'+');
        match pair.filter(|_| !signed) {
            Some(byte) => bytes.push(byte),
            None => return false,
        }
        rest = &tail[2..];
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// A consumer's text as it may be quoted back: short and printable.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_unknown_parameter_is_answered_with_the_known_ones() {
        let mut query = Query::parse("colour=red");
        let _: Option<String> = query.one("color", "");
        let bad = query.finish().unwrap_err();
        assert_eq!(bad[0].name, "colour");
        assert!(bad[0].detail.ends_with("known are `color`"));
    }

    #[test]
    fn a_parameter_that_is_no_list_may_be_given_once() {
        let mut query = Query::parse("q=a&q=b");
        let _: Option<String> = query.one("q", "");
        assert_eq!(query.finish().unwrap_err()[0].detail, "may be given only once");
    }

    #[test]
    fn a_parameter_that_must_be_given_says_so_when_it_is_not() {
        let mut query = Query::parse("to=2026-02-25");
        assert_eq!(query.required::<Date>("from", "", "2026-02-20"), None);
        assert!(query.required::<Date>("to", "", "2026-02-20").is_some());
        assert!(query.known().iter().all(|param| param.required));
        let bad = query.finish().unwrap_err();
        assert_eq!((bad.len(), bad[0].name.as_str()), (1, "from"));
        assert!(bad[0].detail.contains("missing"), "{}", bad[0].detail);
    }

    #[test]
    fn dynamic_fields_are_taken_by_their_brackets() {
        let mut query = Query::parse("field[client_id]=1&field%5Bclient_id%5D=2&field=3");
        let fields = query.open("field", "");
        assert_eq!(fields["client_id"], ["1", "2"]);
        assert_eq!(query.finish().unwrap_err()[0].name, "field");
    }

    #[test]
    fn a_query_of_nonsense_is_answered_briefly() {
        let query = Query::parse(&(0..4000).map(|n| format!("{n}&")).collect::<String>());
        let bad = query.finish().unwrap_err();
        assert!(bad.iter().map(|bad| bad.name.len() + bad.detail.len()).sum::<usize>() < 4000);
    }

    #[test]
    fn escapes_that_are_no_text_are_refused() {
        for text in ["q=%ff%fe", "q=%", "q=%zz", "q=%C0%AF", "q=%+1"] {
            let mut query = Query::parse(text);
            let _: Option<String> = query.one("q", "");
            assert!(query.finish().is_err(), "{text}");
        }
        let mut query = Query::parse("q=%D0%9F%D1%91%D1%82%D1%80&field[a]=");
        assert_eq!(query.one::<String>("q", "").unwrap(), "Пётр");
        query.open("field", "");
        assert_eq!(query.finish().unwrap_err()[0].name, "field[a]");
    }

    #[test]
    fn a_plus_that_was_not_escaped_is_still_an_offset() {
        let mut query = Query::parse("updated_since=2026-02-25T17:00:00+03:00");
        assert_eq!(query.one::<Timestamp>("updated_since", "").unwrap().to_string(), "2026-02-25T14:00:00Z");
    }

    proptest! {
        #[test]
        fn no_query_panics(text in "\\PC{0,80}") {
            let mut query = Query::parse(&text);
            let _: Vec<RecordId> = query.many("id", "");
            let _: Option<Decimal> = query.one("amount", "");
            let _: Option<Date> = query.one("day", "");
            let _: Option<Timestamp> = query.one("since", "");
            let _ = query.open("field", "");
            let _ = query.finish();
        }
    }
}
