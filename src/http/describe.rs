//! A resource's declaration as a part of the API document: its operations and its schemas.

use serde_json::{Map, Value, json};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{
    Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, ParameterStyle,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Schema};
use utoipa::{PartialSchema as _, ToSchema};

use super::auth::Needed;
use super::codes::Code;
use super::query;
use super::resource::{Offer, PathValues, Resource, tag};
use super::routes::Routes;
use crate::model::draft::schema_of;
use crate::model::query::{Param, body_schema};
use crate::model::{Entity, Fields, Incomplete, Moment, Query, RecordId, Source};

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

/// The operation that an offer of a resource makes.
pub(super) fn operation_of<R: Resource>(offer: Offer, fields: &[String]) -> Operation {
    let (one, many) = R::NAMES;
    let (name, names) = (one.replace('_', " "), many.replace('_', " "));
    let (id, summary) = match offer {
        Offer::List => (format!("list_{many}"), format!("List {names}")),
        Offer::Get => (format!("get_{one}"), format!("Read one {name}")),
        Offer::Only => (format!("get_{one}"), format!("Read the {name}")),
        Offer::Create => (format!("create_{one}"), format!("Create a {name}")),
        Offer::Update => (format!("update_{one}"), format!("Change a {name}")),
        Offer::Delete => (format!("delete_{one}"), format!("Delete a {name}")),
        Offer::Search => (format!("search_{many}"), format!("Search {names}")),
        Offer::Act => (one.to_owned(), uppercase_first(&name)),
    };
    let record = R::Record::name();
    let example = R::Record::example();
    let mut operation = OperationBuilder::new()
        .operation_id(Some(id))
        .tag(tag::<R>())
        .summary(Some(summary))
        .description(Some(R::ABOUT));
    for parameter in path_parameters::<R>(offer) {
        operation = operation.parameter(parameter);
    }
    let reads = matches!(offer, Offer::List | Offer::Search | Offer::Get | Offer::Only);
    operation = match offer {
        Offer::List | Offer::Search => {
            let page = json!({
                "items": [example],
                "next_cursor": "eyJ2IjoxLCJhIjo1MH0",
                "total": 887,
                "incomplete": [],
            });
            let answer = answer("One page of the list.", &format!("{record}Page"), page);
            if offer == Offer::Search {
                operation
                    .parameters(Some(params(query::one_params::<R::Record>(fields), fields)))
                    .request_body(Some(question::<R>()))
                    .response("200", answer.build())
            } else {
                let answer = answer.header_ref("Link", Ref::new("#/components/headers/Link"));
                operation
                    .parameters(Some(params(query::list_params::<R::Record>(fields, R::filter), fields)))
                    .response("200", answer.build())
            }
        }
        Offer::Get | Offer::Only => operation
            .parameters(Some(params(query::one_params::<R::Record>(fields), fields)))
            .response("200", answer("The record.", &record, example).build()),
        Offer::Create => operation.response("201", written("The new record.", &record, example)),
        Offer::Update | Offer::Act => {
            operation.response("200", written("The record as it is now.", &record, example))
        }
        Offer::Delete => operation,
    };
    operation = operation.parameter(prefer());
    if reads {
        operation = operation
            .parameter(cache_control())
            .response("304", Ref::new("#/components/responses/NotModified"));
    } else {
        let about = match offer {
            Offer::Delete => {
                "It is gone; with `validate_only=true`: nothing is wrong with the request as far as can be told without asking the CRM."
            }
            _ => {
                "With `validate_only=true`: nothing is wrong with the request as far as can be told without asking the CRM, and nothing was written."
            }
        };
        operation = operation
            .parameters(Some(parameters_of_writes::<R>(offer)))
            .response("202", undecided())
            .response("204", checked(about));
    }
    if matches!(offer, Offer::Create | Offer::Update | Offer::Act) {
        operation = operation.request_body(Some(body::<R>(offer)));
    }
    for status in statuses(offer, reads) {
        operation = operation
            .response(status.to_string(), Ref::new(format!("#/components/responses/Problem{status}")));
    }
    operation.build()
}

fn uppercase_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(char::to_uppercase).into_iter().flatten().chain(letters).collect()
}

/// The parameters in an offer's path.
fn path_parameters<R: Resource>(offer: Offer) -> Vec<Parameter> {
    let path = offer.path::<R>();
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let own = matches!(offer, Offer::Get | Offer::Update | Offer::Delete).then_some(R::ID);
    let one = |name: &str| {
        let parameter =
            ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        if let Some(PathValues { about, values, .. }) =
            R::path_values().iter().find(|known| known.name == name)
        {
            let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values()));
            let first = values().first().map(|value| json!(value));
            return parameter.description(Some(*about)).schema(Some(schema)).example(first).build();
        }
        let schema = Some(Ref::from_schema_name("RecordId"));
        let (about, example) = if own == Some(name) || (offer == Offer::Act && R::PARENT.is_none()) {
            let example = R::EXAMPLE_ID.map(Value::from).or_else(|| R::Record::example().get("id").cloned());
            ("The id, as a list or another record gives it.", example)
        } else {
            ("The id of the record that this belongs to.", R::PARENT.map(|kin| json!(kin.example())))
        };
        parameter.description(Some(about)).schema(schema).example(example).build()
    };
    names.map(one).collect()
}

/// What every write may be sent with.
fn parameters_of_writes<R: Resource>(offer: Offer) -> Vec<Parameter> {
    let mut query = Query::default();
    super::write::declare(&mut query);
    let mut all = params(query.known().to_vec(), &[]);
    let header = |name: &str, about: &str, needed: bool, schema: ObjectBuilder| {
        let required = if needed { Required::True } else { Required::False };
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(required)
            .description(Some(about.to_owned()))
            .schema(Some(schema.schema_type(Type::String).min_length(Some(1))))
    };
    let needed = R::KEYED && offer == Offer::Create;
    let key = "A text of your own that is new for each new request and the same for a repeated one. It is remembered for 72 \
               hours: the same request under the same key gets the first one's answer, with `Idempotency-Replayed: true`.";
    let visible = ObjectBuilder::new().pattern(Some("^[!-~]+$")).max_length(Some(255));
    let key = header("Idempotency-Key", key, needed, visible);
    all.push(if needed { key.example(Some(json!("4f9c1f0e-invoice-17"))).build() } else { key.build() });
    if matches!(offer, Offer::Update | Offer::Delete | Offer::Act) {
        let about = "The `ETag` of the record as you read it; 412 when it has changed since.";
        all.push(header("If-Match", about, false, ObjectBuilder::new()).build());
    }
    all
}

/// How long a call may wait and how urgent it is.
pub(super) fn prefer() -> Parameter {
    of_circumstances(
        "Prefer",
        "Preferences after RFC 7240, separated by commas; others are ignored. `wait=SECONDS`: the longest wait for a turn at \
         a CRM, a whole number; what would wait longer is refused at once. `priority=CLASS`: how urgent the request is, \
         `interactive`, `partner` or `batch`; it can be less urgent than its key, never more.",
        "wait=5, priority=batch",
    )
}

/// How old an answer may be.
pub(super) fn cache_control() -> Parameter {
    of_circumstances(
        "Cache-Control",
        "Directives after RFC 9111, separated by commas; others are ignored. `no-cache`: ask the CRM now. `max-age=SECONDS`: \
         nothing older than that, a whole number. `only-if-cached`: 504 rather than a call to a CRM.",
        "max-age=30",
    )
}

fn of_circumstances(name: &str, about: &str, example: &str) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).examples([json!(example)]);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        // In the schema, as in `parameter`.
        .schema(Some(schema))
        .build()
}

/// The body that an offer takes.
fn body<R: Resource>(offer: Offer) -> RequestBody {
    let new = offer == Offer::Create;
    let mut fields = if new { Fields::of_new(Map::new()) } else { Fields::of_change(Map::new()) };
    R::draft(&mut fields);
    let schema = schema_of(fields.known(), new);
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(R::example(offer))).build();
    let required = if offer == Offer::Act { Required::False } else { Required::True };
    RequestBodyBuilder::new().content("application/json", content).required(Some(required)).build()
}

/// The operation that makes several records at once: what it is called and answers, what it is, how many there may be, and
/// examples of the body and the answer.
pub(super) fn batch<R: Resource>(
    (id, summary, answers): (&str, &str, &str),
    about: String,
    most: usize,
    body: Value,
    answer: Value,
) -> Operation {
    let mut fields = Fields::of_new(Map::new());
    R::draft(&mut fields);
    let items =
        ArrayBuilder::new().items(schema_of(fields.known(), true)).min_items(Some(1)).max_items(Some(most));
    let schema = ObjectBuilder::new().property("items", items).required("items");
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(body)).build();
    let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
    let headers = ["Cache-Control", "RateLimit", "RateLimit-Policy", "X-Request-Id"];
    let mut operation = OperationBuilder::new()
        .operation_id(Some(id))
        .tag(tag::<R>())
        .summary(Some(summary))
        .description(Some(about))
        .parameter(prefer())
        .parameters(Some(parameters_of_writes::<R>(Offer::Create)))
        .request_body(Some(body.build()))
        .response("200", answer_with("What became of each.", answers, answer, &headers).build())
        .response(
            "204",
            checked("With `validate_only=true`: nothing is wrong with the request as far as can be told without asking the CRM, and nothing was written."),
        );
    for status in statuses(Offer::Create, false) {
        operation = operation
            .response(status.to_string(), Ref::new(format!("#/components/responses/Problem{status}")));
    }
    operation.build()
}

/// The body that holds a list's question: what its query may hold but for how records are shown.
fn question<R: Resource>() -> RequestBody {
    let schema = body_schema(&query::search_params::<R::Record>(R::filter));
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(R::example(Offer::Search))).build();
    RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build()
}

/// The record after a write.
fn written(about: &str, schema: &str, example: Value) -> Response {
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).example(Some(example)).build();
    let mut answer = ResponseBuilder::new().description(about).content("application/json", content);
    for name in ["ETag", "Server-Timing", "RateLimit", "RateLimit-Policy", "X-Request-Id"] {
        answer = answer.header_ref(name, Ref::new(format!("#/components/headers/{name}")));
    }
    answer.build()
}

/// What is answered to a write that is only checked.
fn checked(about: &str) -> Response {
    ResponseBuilder::new().description(about).build()
}

/// What is answered to a write as long as nobody knows what became of it.
pub(super) fn undecided() -> Response {
    let about = "Nobody knows yet what became of it, or `Prefer: respond-async` was sent: `Location` says where to ask. The \
                 gateway finds out; do not repeat it under another key.";
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Operation"))).build();
    let mut answer = ResponseBuilder::new().description(about).content("application/json", content);
    for name in ["Location", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id"] {
        answer = answer.header_ref(name, Ref::new(format!("#/components/headers/{name}")));
    }
    answer.build()
}

/// Adds the scopes an operation needs, for people and for programs.
pub(super) fn with_scopes(mut operation: Operation, needed: &Needed) -> Operation {
    let names: Vec<String> = needed.names().collect();
    if names.is_empty() {
        return operation;
    }
    let scopes = names.join("` and `");
    let about = operation.description.take().unwrap_or_default();
    operation.description = Some(format!("{about}\n\nNeeds the scope `{scopes}`."));
    operation.extensions = Some(ExtensionsBuilder::new().add("x-required-scope", names.join(" ")).build());
    operation
}

/// A read that is no resource: what it is called, what it takes and what it answers.
pub(super) struct Reading {
    /// The operation's id, its group, and what it does in a few words.
    pub(super) names: (&'static str, &'static str, &'static str),
    /// What it is, in a sentence or two.
    pub(super) about: String,
    /// What it takes.
    pub(super) parameters: Vec<Parameter>,
    /// What is answered: in words, the name of its schema, and an example.
    pub(super) answer: (&'static str, &'static str, Value),
    /// Whether the answer is of this very moment: it is not kept and not compared.
    pub(super) once: bool,
}

impl Reading {
    /// Its part of the document.
    pub(super) fn operation(self) -> Operation {
        let ((id, tag, summary), (words, schema, example)) = (self.names, self.answer);
        let mut operation = OperationBuilder::new()
            .operation_id(Some(id))
            .tag(tag)
            .summary(Some(summary))
            .description(Some(self.about))
            .parameters(Some(self.parameters));
        operation = if self.once {
            let headers = ["Cache-Control", "RateLimit", "RateLimit-Policy", "X-Request-Id"];
            operation.response("200", answer_with(words, schema, example, &headers).build())
        } else {
            operation
                .parameter(prefer())
                .parameter(cache_control())
                .response("200", answer(words, schema, example).build())
                .response("304", Ref::new("#/components/responses/NotModified"))
        };
        for status in statuses(Offer::Get, true) {
            operation = operation
                .response(status.to_string(), Ref::new(format!("#/components/responses/Problem{status}")));
        }
        operation.build()
    }
}

/// Adds the body that a question takes.
pub(super) fn with_body<T: ToSchema>(mut operation: Operation, example: Value) -> Operation {
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name()))).example(Some(example)).build();
    let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
    operation.request_body = Some(RefOr::T(body.build()));
    for status in statuses(Offer::Search, true) {
        let problem = Ref::new(format!("#/components/responses/Problem{status}"));
        operation.responses.responses.insert(status.to_string(), problem.into());
    }
    operation
}

/// A parameter of a path.
pub(super) fn in_path(name: &str, about: &str, schema: impl Into<RefOr<Schema>>, example: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(about))
        .schema(Some(schema))
        .example(Some(json!(example)))
        .build()
}

/// Adds the schemas of what is answered besides records, and what they are made of.
pub(super) fn plain_schemas<T: ToSchema>(routes: &mut Routes) {
    let mut parts = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut parts);
    for (name, schema) in parts {
        routes.schema(name, schema);
    }
}

fn statuses(offer: Offer, reads: bool) -> Vec<u16> {
    let of_bodies = |code: &Code| matches!(code, Code::PayloadTooLarge | Code::UnsupportedMediaType);
    let mut statuses: Vec<u16> = Code::ALL
        .into_iter()
        .filter(|code| if reads { code.answers_reads() } else { code.answers_writes() })
        .chain(Code::ALL.into_iter().filter(|code| offer == Offer::Search && of_bodies(code)))
        .map(|code| code.entry().status.as_u16())
        .collect();
    statuses.dedup();
    statuses
}

fn answer(about: &str, schema: &str, example: Value) -> ResponseBuilder {
    let headers = [
        "ETag",
        "Age",
        "Cache-Control",
        "Cache-Status",
        "Server-Timing",
        "RateLimit",
        "RateLimit-Policy",
        "X-Request-Id",
    ];
    answer_with(about, schema, example, &headers)
}

fn answer_with(about: &str, schema: &str, example: Value, headers: &[&str]) -> ResponseBuilder {
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).example(Some(example)).build();
    let mut answer = ResponseBuilder::new().description(about).content("application/json", content);
    for name in headers {
        answer = answer.header_ref(*name, Ref::new(format!("#/components/headers/{name}")));
    }
    answer
}

pub(super) fn params(known: Vec<Param>, fields: &[String]) -> Vec<Parameter> {
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
        .required(if param.required { Required::True } else { Required::False })
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
