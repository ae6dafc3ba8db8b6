//! A resource's declaration as a part of the API document: its operations and its schemas.

use serde_json::{Value, json};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{
    Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, ParameterStyle,
};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Schema};
use utoipa::{PartialSchema as _, ToSchema};

use super::auth::Needed;
use super::codes::Code;
use super::query;
use super::resource::{PathValues, Resource};
use super::routes::Routes;
use crate::model::query::Param;
use crate::model::{Entity, Incomplete, Moment, RecordId, Source};

/// What every record has, whatever it is of.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: records write these fields themselves")]
struct Common {
    /// The gateway's id. Opaque; it names the CRM the record lives in.
    id: RecordId,
    /// The CRM it lives in.
    source: Source,
    /// The CRM's own id.
    source_id: String,
    /// The CRM's own fields, verbatim.
    #[schema(value_type = Object)]
    custom_fields: Value,
    /// When the CRM says it was made.
    #[schema(required)]
    created_at: Option<Moment>,
    /// When the CRM says it was last changed.
    #[schema(required)]
    updated_at: Option<Moment>,
}

/// Adds the schemas of a kind of record: the record, a page of it, and what they are made of.
pub(super) fn schemas<E: Entity>(routes: &mut Routes) {
    let mut parts = Vec::new();
    E::schemas(&mut parts);
    Common::schemas(&mut parts);
    Incomplete::schemas(&mut parts);
    parts.push((Incomplete::name().into_owned(), Incomplete::schema()));
    for (name, schema) in parts {
        routes.schema(name, schema);
    }
    let name = E::name();
    routes.schema(name.clone(), record::<E>());
    routes.schema(format!("{name}Page"), page(&name));
}

fn record<E: Entity>() -> RefOr<Schema> {
    let (RefOr::T(Schema::Object(common)), RefOr::T(Schema::Object(own))) = (Common::schema(), E::schema())
    else {
        unreachable!("records are structs, and the schemas of structs are objects");
    };
    // Every field but the id may be pruned by `fields` or hidden by a mask.
    let mut record = ObjectBuilder::new().description(own.description.clone()).required("id");
    for (name, schema) in common.properties.into_iter().chain(own.properties) {
        record = record.property(name, schema);
    }
    let raw = ObjectBuilder::new()
        .description(Some("The CRM's own record, untouched; only with `include=raw`."))
        .build();
    record.property("raw", raw).examples([E::example()]).into()
}

fn page(name: &str) -> RefOr<Schema> {
    let nullable = |kind, about: &'static str| {
        ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null])).description(Some(about))
    };
    ObjectBuilder::new()
        .description(Some("One page of a list."))
        .property("items", ArrayBuilder::new().items(Ref::from_schema_name(name)))
        .required("items")
        .property(
            "next_cursor",
            nullable(Type::String, "Where the next page starts; `null` is the only sign of the end."),
        )
        .required("next_cursor")
        .property(
            "total",
            nullable(
                Type::Integer,
                "How many records match in all, where the CRMs tell and it can be believed.",
            ),
        )
        .required("total")
        .property(
            "incomplete",
            ArrayBuilder::new().items(Ref::from_schema_name("Incomplete")).description(Some(
                "Who could not be asked and is missing from the list; empty when nobody is.",
            )),
        )
        .required("incomplete")
        .into()
}

/// `GET` of a list.
pub(super) fn list<R: Resource>(fields: &[String]) -> Operation {
    let many = R::NAMES.1.replace('_', " ");
    let example = json!({
        "items": [R::Record::example()],
        "next_cursor": "eyJ2IjoxLCJhIjo1MH0",
        "total": 887,
        "incomplete": [],
    });
    let answer = answer("One page of the list.", &format!("{}Page", R::Record::name()), example)
        .header_ref("Link", Ref::new("#/components/headers/Link"))
        .build();
    operation::<R>(format!("list_{}", R::NAMES.1), format!("List {many}"), answer)
        .parameters(Some(params(query::list_params::<R::Record>(fields), fields)))
        .build()
}

/// `GET` of one record.
pub(super) fn one<R: Resource>(fields: &[String]) -> Operation {
    let name = R::NAMES.0.replace('_', " ");
    let answer = answer("The record.", &R::Record::name(), R::Record::example()).build();
    let id = ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The id, as a list or another record gives it."))
        .schema(Some(Ref::from_schema_name("RecordId")))
        .example(R::Record::example().get("id").cloned())
        .build();
    operation::<R>(format!("get_{}", R::NAMES.0), format!("Read one {name}"), answer)
        .parameter(id)
        .parameters(Some(params(query::one_params(fields), fields)))
        .build()
}

/// Adds the scopes an operation needs, for people and for programs.
pub(super) fn with_scopes(mut operation: Operation, needed: &Needed) -> Operation {
    let names: Vec<String> = needed.names().collect();
    let scopes = names.join("` and `");
    let about = operation.description.take().unwrap_or_default();
    operation.description = Some(format!("{about}\n\nNeeds the scope `{scopes}`."));
    operation.extensions = Some(ExtensionsBuilder::new().add("x-required-scope", names.join(" ")).build());
    operation
}

fn operation<R: Resource>(id: String, summary: String, answer: Response) -> OperationBuilder {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(id))
        .tag(R::Record::RESOURCE)
        .summary(Some(summary))
        .description(Some(R::ABOUT))
        .response("200", answer)
        .response("304", Ref::new("#/components/responses/NotModified"));
    for PathValues { name, about, values } in R::path_values() {
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values()));
        let parameter = ParameterBuilder::new()
            .name(*name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(*about))
            .schema(Some(schema))
            .example(values().first().map(|value| json!(value)));
        operation = operation.parameter(parameter);
    }
    for status in statuses_of_reads() {
        operation = operation
            .response(status.to_string(), Ref::new(format!("#/components/responses/Problem{status}")));
    }
    operation
}

fn statuses_of_reads() -> Vec<u16> {
    let mut statuses: Vec<u16> = Code::ALL
        .into_iter()
        .filter(|code| code.answers_reads())
        .map(|code| code.entry().status.as_u16())
        .collect();
    statuses.dedup();
    statuses
}

fn answer(about: &str, schema: &str, example: Value) -> ResponseBuilder {
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).example(Some(example)).build();
    let mut answer = ResponseBuilder::new().description(about).content("application/json", content);
    for name in [
        "ETag",
        "Age",
        "Cache-Control",
        "Cache-Status",
        "Server-Timing",
        "RateLimit",
        "RateLimit-Policy",
        "X-Request-Id",
    ] {
        answer = answer.header_ref(name, Ref::new(format!("#/components/headers/{name}")));
    }
    answer
}

fn params(known: Vec<Param>, fields: &[String]) -> Vec<Parameter> {
    known.into_iter().map(|param| parameter(param, fields)).collect()
}

fn parameter(param: Param, fields: &[String]) -> Parameter {
    let about = match param.mask {
        Some(mask) => format!("{} Not with a key under the mask `{mask}`.", param.about),
        None => param.about.to_owned(),
    };
    let is_map =
        matches!(&param.schema, RefOr::T(Schema::Object(object)) if object.additional_properties.is_some());
    let listed = |values: &[String]| -> RefOr<Schema> {
        let item = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values.iter().cloned()));
        ArrayBuilder::new().items(item).min_items(Some(1)).into()
    };
    // Lists are repeated parameters, but for these two, which are separated by commas.
    let (schema, style, explode) = match param.name {
        "fields" => (listed(fields), ParameterStyle::Form, false),
        "include" => (listed(&["raw".to_owned()]), ParameterStyle::Form, false),
        _ if is_map => (param.schema, ParameterStyle::DeepObject, true),
        _ => (param.schema, ParameterStyle::Form, true),
    };
    let parameter = ParameterBuilder::new()
        .name(param.name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        // In the schema: an example of the parameter itself would be filled in and sent by forms made from the document.
        .schema(Some(with_example(schema, param.example)))
        .example(is_map.then(|| json!({})));
    if param.repeatable {
        parameter.style(Some(style)).explode(Some(explode)).build()
    } else {
        parameter.build()
    }
}

fn with_example(mut schema: RefOr<Schema>, example: Option<Value>) -> RefOr<Schema> {
    if let (RefOr::T(Schema::Object(object)), Some(example)) = (&mut schema, example) {
        object.examples = vec![example];
    }
    schema
}
