//! `GET /students/{id}/overview`: a student and what hangs on it in one answer. Each part is the first page of a list
//! that has a path of its own, read, limited and shown as there; all are asked at once, and one that fails is named.

use axum::response::Response;
use axum::routing::get;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema as _, ToSchema};

use super::{bonus, calendars, communications, discounts, groups, payments, projects, subscriptions};
use crate::consumers::{Access, Consumer};
use crate::http::auth::{Needed, lacks};
use crate::http::describe::{self, Reading};
use crate::http::problem::{Problem, not_found};
use crate::http::read::{self, unwritable};
use crate::http::resource::{self, Call, Resource};
use crate::http::routes::Routes;
use crate::http::view::fields_of;
use crate::http::{Front, freshness, query};
use crate::hub::{Provenance, Scope};
use crate::model::filter::{Between, between};
use crate::model::student::{Student, StudentFilter};
use crate::model::{Ctx, Entity, Query, RecordId};

const PATH: &str = "/students/{id}/overview";

/// Days before and after today that are shown when none are asked for.
const AROUND: i64 = 30;

/// What an overview shows besides the student, one line each.
fn parts() -> Vec<Part> {
    vec![
        Part::of::<calendars::OfStudent>("calendar").of_days(),
        Part::of::<groups::StudentGroups>("groups"),
        Part::of::<subscriptions::Subscriptions>("subscriptions"),
        Part::of::<discounts::Discounts>("discounts"),
        Part::of::<bonus::BonusPoints>("bonus"),
        Part::of::<communications::OfStudents>("communications"),
        Part::of::<payments::Payments>("payments"),
        Part::of::<projects::StudentProjects>("projects"),
    ]
}

/// One part: a list with a path of its own.
struct Part {
    name: &'static str,
    /// Where that is.
    path: &'static str,
    /// The name of its page's schema, and an example of one of its records.
    page: String,
    example: Value,
    /// Whether the list is narrowed to days.
    of_days: bool,
    read: for<'a> fn(&'a Asking<'a>, &'a Part) -> BoxFuture<'a, Piece>,
}

impl Part {
    /// The list of a resource: the one below the student where its path goes through one (`/students/{id}/…`), else the
    /// list of all, narrowed to this student with `student_id`.
    fn of<R: Resource>(name: &'static str) -> Self {
        let page = format!("{}Page", R::Record::name());
        let example = R::Record::example();
        Self {
            name,
            path: R::PATH,
            page,
            example,
            of_days: false,
            read: |asking, part| first_page::<R>(asking, part).boxed(),
        }
    }

    /// Only of the days that the overview is about.
    fn of_days(self) -> Self {
        Self { of_days: true, ..self }
    }
}

async fn first_page<'a, R: Resource>(asking: &'a Asking<'a>, part: &'a Part) -> Piece {
    let below = R::PARENT.is_some();
    let (path, scope) = if below { (&[asking.id][..], &asking.below) } else { (&[][..], &asking.beside) };
    let text = asking.text(!below, part.of_days);
    read::part::<R>(asking.front, asking.who, scope, path, &text).await
}

/// A part as it is shown, and how it came about.
type Piece = Result<(Value, Provenance), Problem>;

/// Who asks for which student.
struct Asking<'a> {
    front: &'a Front,
    who: (&'a Ctx, &'a Consumer),
    id: &'a str,
    /// The branches of lists below the student, and of all others.
    below: Scope,
    beside: Scope,
    /// The days that the overview is about, both included.
    days: (Date, Date),
}

impl Asking<'_> {
    /// The query of a part's list.
    fn text(&self, narrowed: bool, of_days: bool) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        if narrowed {
            text.append_pair("student_id", self.id);
        }
        if of_days {
            text.append_pair("from", &self.days.0.to_string()).append_pair("to", &self.days.1.to_string());
        }
        text.finish()
    }
}

/// A part of an overview that could not be read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OverviewFailure)]
struct Failed {
    /// Which part.
    #[schema(value_type = String)]
    part: &'static str,
    /// A stable code, one of those of errors: `forbidden`, `upstream_unavailable` …
    #[schema(value_type = String)]
    reason: &'static str,
    /// One sentence for people.
    detail: String,
    /// Who found it: `gateway`, `alfacrm` or `cryptocrm`.
    #[schema(value_type = String)]
    source: &'static str,
}

impl Failed {
    fn of(part: &Part, problem: &Problem) -> Self {
        Self {
            part: part.name,
            reason: problem.code().entry().name,
            detail: problem.detail().to_owned(),
            source: problem.source(),
        }
    }
}

/// Adds the path. All resources must have been added before.
pub(super) fn mount(routes: &mut Routes) {
    describe::plain_schemas::<Failed>(routes);
    let parts = parts();
    routes.schema("StudentOverview", schema(&parts));
    let mut query = Query::default();
    days(&mut query);
    let id = RecordId::schema();
    let mut parameters = vec![describe::in_path(
        "id",
        "The id of the student.",
        id,
        crate::model::expand::Kin::Student.example(),
    )];
    parameters.extend(describe::params(query.known().to_vec(), &[]));
    let names: Vec<&str> = parts.iter().map(|part| part.name).collect();
    let reading = Reading {
        names: ("get_student_overview", "students", "Read a student with all that hangs on it"),
        about: format!(
            "The student, and beside it the first page of each of these lists: `{}`. Each is what its own path answers, \
             and its `next_cursor` goes on there, with the same `from` and `to` where it is a list of days. A part that \
             could not be read is `null` and named in `failed`, as is one whose own scope the key lacks.",
            names.join("`, `")
        ),
        parameters,
        answer: ("The student and its parts.", "StudentOverview", example(&parts)),
        once: false,
    };
    let known = routes.firsts();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let needed: Vec<Needed> = parts.iter().map(|part| Needed::of(part.path, Access::Read, &known)).collect();
    let parts: std::sync::Arc<[(Part, Needed)]> = parts.into_iter().zip(needed).collect();
    let handler = get(resource::plain(move |call| {
        let parts = std::sync::Arc::clone(&parts);
        async move { overview(&call, &parts).await }.boxed()
    }));
    routes.add(PATH.to_owned(), HttpMethod::Get, handler, reading.operation());
}

fn days(query: &mut Query) -> Between<Date> {
    between(
        query,
        ("from", "The first day of lists of days; 30 days ago by default."),
        ("to", "The last day of lists of days; in 30 days by default."),
        None,
    )
}

/// The days that are meant: those around today, where the question does not say.
fn filled(asked: Between<Date>, today: Date) -> (Date, Date) {
    let around = AROUND.days();
    let from =
        asked.from.unwrap_or_else(|| asked.to.map_or(today, |to| to.min(today)).saturating_sub(around));
    let to = asked.to.unwrap_or_else(|| from.max(today).saturating_add(around));
    (from, to)
}

async fn overview(call: &Call, parts: &[(Part, Needed)]) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let mut query = Query::parse(call.head.uri.query().unwrap_or_default());
    let asked = days(&mut query);
    query.finish().map_err(Problem::bad_query)?;
    let (path, _) = call.segments().ok_or_else(not_found)?;
    let id: RecordId = path.first().and_then(|id| id.parse().ok()).ok_or_else(not_found)?;
    let ctx = call.circumstances(&caller.0);
    let api = &call.front.api;
    let beside = Scope::of(&consumer.sight);
    let found = api.hub.shelf::<Student>().get(&ctx, &beside, &StudentFilter::default(), &id).await?;
    read::counted::<Student>(&call.front, &ctx, &found.provenance);

    let branches = found.value.data.branch_ids.iter().map(RecordId::number).collect();
    let asking = Asking {
        front: &call.front,
        who: (&ctx, consumer),
        id: path[0],
        below: Scope { within: branches, ..beside.clone() },
        beside,
        days: filled(asked, api.hub.day_at(id.source(), Timestamp::now())),
    };
    let read = parts.iter().map(|(part, needed)| {
        let asking = &asking;
        async move {
            match needed.missing(&consumer.scopes) {
                Some(scope) => Err(lacks(&scope)),
                None => (part.read)(asking, part).await,
            }
        }
    });
    let read = join_all(read).await;

    let view = query::read_one::<Student>("", &fields_of::<Student>(), &consumer.mask)?;
    let student: Value =
        view.one(&found.value).and_then(|one| serde_json::from_slice(&one)).map_err(unwritable)?;
    let mut answer = Map::from_iter([("student".to_owned(), student)]);
    let mut ways = vec![found.provenance];
    let mut failed = Vec::new();
    let mut incomplete = false;
    for ((part, _), outcome) in parts.iter().zip(read) {
        let page = match outcome {
            Ok((page, provenance)) => {
                ways.push(provenance);
                incomplete |= page["incomplete"].as_array().is_some_and(|gaps| !gaps.is_empty());
                page
            }
            Err(problem) => {
                failed.push(Failed::of(part, &problem));
                Value::Null
            }
        };
        answer.insert(part.name.to_owned(), page);
    }
    incomplete |= !failed.is_empty();
    answer.insert("failed".to_owned(), serde_json::to_value(failed).map_err(unwritable)?);
    freshness::reply_with(&call.head.headers, &answer, &Provenance::of_all(ways), incomplete)
        .map_err(unwritable)
}

fn schema(parts: &[Part]) -> RefOr<Schema> {
    let mut schema = ObjectBuilder::new()
        .description(Some("A student with the first page of each list that hangs on it."))
        .property("student", Ref::from_schema_name(Student::name()))
        .required("student");
    for part in parts {
        let nothing = ObjectBuilder::new().schema_type(Type::Null);
        let page = OneOfBuilder::new().item(Ref::from_schema_name(&part.page)).item(nothing);
        schema = schema.property(part.name, page).required(part.name);
    }
    let failed = ArrayBuilder::new()
        .items(Ref::from_schema_name(Failed::name()))
        .description(Some("The parts that could not be read; empty when none is missing."));
    schema.property("failed", failed).required("failed").into()
}

fn example(parts: &[Part]) -> Value {
    let mut example = Map::from_iter([("student".to_owned(), Student::example())]);
    for part in parts {
        let page = json!({"items": [part.example], "next_cursor": null, "total": 1, "incomplete": []});
        example.insert(part.name.to_owned(), page);
    }
    example.insert("failed".to_owned(), json!([]));
    example.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_days_are_those_around_today_where_nothing_is_said() {
        let today = date(2026, 2, 20);
        for (from, to, meant) in [
            (None, None, (date(2026, 1, 21), date(2026, 3, 22))),
            (Some(date(2026, 2, 1)), None, (date(2026, 2, 1), date(2026, 3, 22))),
            (None, Some(date(2026, 2, 1)), (date(2026, 1, 2), date(2026, 2, 1))),
            (Some(date(2027, 1, 1)), None, (date(2027, 1, 1), date(2027, 1, 31))),
            (None, Some(date(2027, 1, 1)), (date(2026, 1, 21), date(2027, 1, 1))),
            (Some(Date::MIN), Some(Date::MAX), (Date::MIN, Date::MAX)),
        ] {
            assert_eq!(filled(Between { from, to }, today), meant);
        }
    }
}
