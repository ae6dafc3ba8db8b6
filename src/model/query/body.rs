//! The parameters of a list as a JSON body instead of a query: lists are arrays, and what is `field[NAME]=VALUE` in a
//! query is `{"fields": {NAME: VALUE}}`. The declarations are those of the query, so nothing is declared twice; problems
//! point into the body.

use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema};

use super::{EMPTY, Given, MAX_NAME, Param, Query, Text, open_names, shown};

/// How a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As text in a query, where everything is text.
    Query,
    /// As a value in a body.
    Json {
        /// What JSON says it is.
        kind: Kind,
        /// Whether it stands in a list.
        listed: bool,
        /// Whether it stands in an object.
        below: bool,
    },
}

/// What JSON says a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Other,
}

impl Form {
    /// What is wrong with a value written so for this parameter, if anything is.
    pub(super) fn complaint(self, param: &Param) -> Option<&'static str> {
        let Self::Json { kind, listed, .. } = self else { return None };
        if listed != param.repeatable {
            let (one, list) = ("is a list; give one value", "is no list; put the value into one");
            return Some(if listed { one } else { list });
        }
        let (wanted, words) = match of(&param.schema) {
            Type::Boolean => (Kind::Flag, "is not `true` or `false`"),
            Type::Integer | Type::Number => (Kind::Number, "is no number"),
            _ => (Kind::Text, "is no text"),
        };
        (kind != wanted).then_some(words)
    }

    /// What is wrong with a value written so for a field that the consumer names, whose type nobody knows.
    pub(super) fn complaint_of_open(self) -> Option<&'static str> {
        let Self::Json { kind, .. } = self else { return None };
        (!matches!(kind, Kind::Text | Kind::Number)).then_some("is neither a text nor a number")
    }

    /// Whether it may be one of the fields that the consumer names.
    pub(super) fn may_be_open(self) -> bool {
        matches!(self, Self::Query | Self::Json { below: true, .. })
    }
}

/// The type of one value of a parameter.
fn of(schema: &RefOr<Schema>) -> Type {
    let kind = |kind: &SchemaType| match kind {
        SchemaType::Type(kind) => kind.clone(),
        _ => Type::String,
    };
    match schema {
        RefOr::T(Schema::Array(list)) => match &list.items {
            utoipa::openapi::schema::ArrayItems::RefOrSchema(item) => of(item),
            utoipa::openapi::schema::ArrayItems::False => Type::String,
        },
        RefOr::T(Schema::Object(object)) => kind(&object.schema_type),
        _ => Type::String,
    }
}

impl Query {
    /// Takes a body apart.
    pub fn of_body(body: &Map<String, Value>) -> Self {
        let mut query = Self { body: true, ..Self::default() };
        for (name, value) in body {
            let at = format!("/{}", token(name));
            match value {
                // `fields` holds what is `field[…]` in a query.
                Value::Object(inner) if name.ends_with('s') => {
                    let prefix = name.strip_suffix('s').unwrap_or(name);
                    for (inner, value) in inner {
                        let at = format!("{at}/{}", token(inner));
                        query.take(&format!("{prefix}[{inner}]"), value, &at, true);
                    }
                }
                value => query.take(name, value, &at, false),
            }
        }
        query
    }

    fn take(&mut self, name: &str, value: &Value, at: &str, below: bool) {
        match value {
            Value::Array(values) if values.is_empty() => self.refuse(at, EMPTY),
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.give(name, value, format!("{at}/{index}"), true, below);
                }
            }
            value => self.give(name, value, at.to_owned(), false, below),
        }
    }

    fn give(&mut self, name: &str, value: &Value, at: String, listed: bool, below: bool) {
        let (kind, value) = match value {
            Value::String(text) => (Kind::Text, text.clone()),
            Value::Number(number) => (Kind::Number, number.to_string()),
            Value::Bool(flag) => (Kind::Flag, flag.to_string()),
            _ => (Kind::Other, String::new()),
        };
        let form = Form::Json { kind, listed, below };
        self.given.push(Given { name: name.to_owned(), value, at, form, taken: false });
    }
}

/// A name as a part of a JSON pointer, short and printable.
fn token(name: &str) -> String {
    let mut name = name.to_owned();
    if name.len() > MAX_NAME {
        name = shown(&name);
    }
    name.replace('~', "~0").replace('/', "~1")
}

/// The name that a parameter has in a body: those whose names the consumer chooses stand in an object of their own.
pub(super) fn name_in_body(param: &Param) -> String {
    if is_open(param) { format!("{}s", param.name) } else { param.name.to_owned() }
}

fn is_open(param: &Param) -> bool {
    matches!(&param.schema, RefOr::T(Schema::Object(object)) if object.additional_properties.is_some())
}

/// The schema of a body that takes these parameters.
pub fn body_schema(params: &[Param]) -> RefOr<Schema> {
    let mut body = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)));
    for param in params {
        let mut schema = if is_open(param) { open_schema() } else { param.schema.clone() };
        let about = match param.mask {
            Some(mask) => format!("{} Not with a key under the mask `{mask}`.", param.about),
            None => param.about.to_owned(),
        };
        match &mut schema {
            RefOr::T(Schema::Object(object)) => object.description = Some(about),
            RefOr::T(Schema::Array(list)) => {
                list.description = Some(about);
                list.min_items = Some(1);
            }
            _ => {}
        }
        body = body.property(name_in_body(param), schema);
    }
    body.into()
}

/// A value, or a list of any of several.
fn open_schema() -> RefOr<Schema> {
    let text = <String as Text>::schema;
    let whole = || ObjectBuilder::new().schema_type(Type::Number);
    let one = OneOfBuilder::new().item(text()).item(whole());
    let any = ArrayBuilder::new().items(one).min_items(Some(1));
    let value = OneOfBuilder::new().item(text()).item(whole()).item(any);
    open_names().additional_properties(Some(RefOr::T(Schema::from(value)))).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RecordId;
    use proptest::prelude::*;
    use serde_json::json;

    type Read = (Vec<RecordId>, Option<bool>, Vec<String>);

    fn read(body: &Value) -> Result<Read, Vec<(String, String)>> {
        let mut query = Query::of_body(body.as_object().unwrap());
        let steps = query.many("step_id", "");
        let deleted = query.one("deleted", "");
        let fields = query.open("field", "");
        let shown = fields.iter().map(|(name, values)| format!("{name}={}", values.join("|"))).collect();
        match query.finish() {
            Ok(_) => Ok((steps, deleted, shown)),
            Err(bad) => Err(bad.into_iter().map(|bad| (bad.name, bad.detail)).collect()),
        }
    }

    #[test]
    fn a_body_says_what_a_query_says() {
        let body = json!({"step_id": ["crypto-1", "crypto-2"], "deleted": true, "fields": {"a": "x", "b": [3, "4"]}});
        let (steps, deleted, fields) = read(&body).unwrap();
        assert_eq!(steps.iter().map(RecordId::number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(deleted, Some(true));
        assert_eq!(fields, ["a=x", "b=3|4"]);
    }

    #[test]
    fn problems_point_into_the_body() {
        for (body, pointer, detail) in [
            (json!({"step_id": ["crypto-1", "five"]}), "/step_id/1", "is `five`"),
            (json!({"step_id": "crypto-1"}), "/step_id", "is no list"),
            (json!({"step_id": []}), "/step_id", "is empty"),
            (json!({"step_id": [5]}), "/step_id/0", "is no text"),
            (json!({"step_id": [null]}), "/step_id/0", "is no text"),
            (json!({"deleted": "true"}), "/deleted", "is not `true` or `false`"),
            (json!({"deleted": [true]}), "/deleted/0", "is a list"),
            (json!({"deleted": null}), "/deleted", "is not `true` or `false`"),
            (json!({"fields": {"a": true}}), "/fields/a", "is neither"),
            (json!({"fields": {"a/b": [1, {}]}}), "/fields/a~1b/1", "is neither"),
            (json!({"fields": "x"}), "/fields", "is no object"),
            (json!({"field": {"a": "x"}}), "/field", "known are `step_id`, `deleted`, `fields`"),
            (json!({"field[a]": "x"}), "/field[a]", "is not a parameter"),
            (json!({"colour": "red"}), "/colour", "is not a parameter"),
            (json!({"colours": {"a": 1}}), "/colours/a", "is not a parameter"),
        ] {
            let bad = read(&body).unwrap_err();
            assert_eq!(bad[0].0, pointer, "{body}: {bad:?}");
            assert!(bad[0].1.contains(detail), "{body}: {bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(name in "step_id|deleted|fields|\\PC{0,6}", text in "\\PC{0,12}", below: bool) {
            let value = if below { json!({text.clone(): [text, 1, null]}) } else { json!(text) };
            let _ = read(&json!({name: value}));
        }
    }
}
