//! `GET /schema/{resource}`: the CRMs' own fields of a resource, as they were met while records were read.

use axum::response::Response;
use axum::routing::get;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::schema::Type;

use crate::http::codes::Code;
use crate::http::describe::{self, Reading};
use crate::http::problem::{Problem, no_such_path};
use crate::http::read::unwritable;
use crate::http::resource::Call;
use crate::http::routes::Routes;
use crate::http::view::hidden;
use crate::http::{freshness, resource};
use crate::hub::discovered::Field;
use crate::hub::{Hub, PageRequest, Provenance, Scope};
use crate::model::group::Group;
use crate::model::lesson::Lesson;
use crate::model::payment::Payment;
use crate::model::project::Project;
use crate::model::student::Student;
use crate::model::teacher::Teacher;
use crate::model::{Ctx, Entity, Query, Sight};

const PATH: &str = "/schema/{resource}";

/// Records that are read when none was read before: one page of a list.
const FIRST: PageRequest = PageRequest { limit: 50, cursor: None };

/// The resources whose records have fields of the CRMs' own, one line each.
const PARTS: &[Part] = &[
    Part::of::<Student>(),
    Part::of::<Group>(),
    Part::of::<Teacher>(),
    Part::of::<Lesson>(),
    Part::of::<Payment>(),
    Part::of::<Project>(),
];

/// What was found out about the CRM's own fields of a resource.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResourceSchema)]
struct Answer {
    /// The resource.
    #[schema(value_type = String)]
    resource: &'static str,
    /// Its fields in `custom_fields`, by CRM and name.
    fields: Vec<Field>,
    /// How many different records this was found out from; those beyond the first 2000 are not counted.
    discovered_from: usize,
}

/// A resource with fields of the CRMs' own.
struct Part {
    resource: &'static str,
    is_hidden: fn(&[String]) -> bool,
    first: for<'a> fn(&'a Hub, &'a Ctx, &'a Scope) -> BoxFuture<'a, Result<Provenance, Problem>>,
}

impl Part {
    const fn of<E: Entity>() -> Self {
        Self {
            resource: E::RESOURCE,
            is_hidden: |mask| hidden::<E>(mask).contains(&"custom_fields"),
            first: |hub, ctx, scope| first::<E>(hub, ctx, scope).boxed(),
        }
    }
}

async fn first<E: Entity>(hub: &Hub, ctx: &Ctx, scope: &Scope) -> Result<Provenance, Problem> {
    let page = hub.shelf::<E>().list(ctx, scope, &E::Filter::default(), &FIRST).await?;
    Ok(page.provenance)
}

/// Adds the path.
pub(super) fn mount(routes: &mut Routes) {
    routes.tag("schema", "What fields of its own a CRM has, as far as they were met.");
    describe::plain_schemas::<Answer>(routes);
    let known = PARTS.iter().map(|part| part.resource);
    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(known));
    let reading = Reading {
        names: ("get_schema", "schema", "Read which own fields a CRM has"),
        about: "The names of the CRM's own fields under `custom_fields`, with the kinds of values they were seen to hold, \
                found out from the records that the gateway has read since it started. If it has read none yet, it reads \
                the first page of the resource's list. Values are never told."
            .to_owned(),
        parameters: vec![describe::in_path("resource", "Which resource.", schema, "students")],
        answer: (
            "The fields.",
            "ResourceSchema",
            json!({
                "resource": "students",
                "fields": [
                    {"name": "custom_klass", "types": ["text", "empty"], "seen": 500, "filled": 320, "source": "alfacrm"}
                ],
                "discovered_from": 500,
            }),
        ),
        once: false,
    };
    let handler = get(resource::plain(|call| read(call).boxed()));
    routes.add(PATH.to_owned(), HttpMethod::Get, handler, reading.operation());
}

async fn read(call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let (path, _) = call.segments().ok_or_else(no_such_path)?;
    let part = PARTS.iter().find(|part| path == [part.resource]).ok_or_else(no_such_path)?;
    let query = Query::parse(call.head.uri.query().unwrap_or_default());
    query.finish().map_err(Problem::bad_query)?;
    // How many records there are, and what staff keep of them, is the school's own. It is counted over all branches.
    if *consumer.sight != Sight::all() {
        return Err(Problem::new(
            Code::Forbidden,
            "This key sees some branches or some students only; the schema is that of the whole school.",
        ));
    }
    if (part.is_hidden)(&consumer.mask) {
        return Err(Problem::new(Code::Forbidden, "This key may not see `custom_fields`."));
    }
    let hub = &call.front.api.hub;
    let mut provenance = Provenance::default();
    let mut known = hub.discovered(part.resource);
    if known.records == 0 {
        let scope = Scope::of(&consumer.sight);
        provenance = (part.first)(hub, &call.circumstances(&caller.0), &scope).await?;
        known = hub.discovered(part.resource);
    }
    let answer = Answer { resource: part.resource, fields: known.fields, discovered_from: known.records };
    freshness::reply_with(&call.head.headers, &answer, &provenance, false).map_err(unwritable)
}
