//! `GET /search?q=`: one text looked for in several kinds of records at once. Each kind is one call to its CRM in the
//! usual case, and all are asked at the same time; one that cannot be asked is named and the others are there.

mod answer;
mod find;
mod question;

use axum::response::Response;
use axum::routing::get;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use utoipa::openapi::Required;
use utoipa::openapi::path::HttpMethod;

use crate::consumers::{Access, Consumer};
use crate::http::codes::Code;
use crate::http::describe::{self, Reading};
use crate::http::freshness;
use crate::http::problem::Problem;
use crate::http::read::unwritable;
use crate::http::resource::{self, Call};
use crate::http::routes::Routes;
use crate::hub::{Failure, Provenance, Scope};
use crate::model::Query;
use crate::model::group::{Group, GroupFilter};
use crate::model::project::{Project, ProjectFilter, Sort};
use crate::model::student::{Stage, StageFilter, Student, StudentFilter};
use crate::model::teacher::{Teacher, TeacherFilter};
use answer::{Answer, Kind, Status};
use find::{Asking, Finder, Found, by_name, looking_through};
use question::Question;

/// Projects that are looked through: the CRM cannot be asked for a part of a name. They are three pages of it.
const NEWEST: usize = 150;

/// What is searched, one line each: its kinds, the kind of a record (none when it is not to be found), and how it is
/// asked for.
fn parts() -> Vec<Box<dyn Finder>> {
    vec![
        by_name::<Student>(&[Kind::Student, Kind::Lead], student, students),
        by_name::<Group>(
            &[Kind::Group],
            |_| Some(Kind::Group),
            |question| GroupFilter { q: Some(question.text().to_owned()), ..GroupFilter::default() },
        ),
        by_name::<Teacher>(
            &[Kind::Teacher],
            |_| Some(Kind::Teacher),
            |question| TeacherFilter {
                q: question.name(),
                contact: question.contact(),
                ..TeacherFilter::default()
            },
        ),
        looking_through::<Project>(NEWEST, &[Kind::Project], project, newest_projects),
    ]
}

// Lists leave out the archive; what is asked for by its id is shown wherever it is.

fn student(student: &Student) -> Option<Kind> {
    Some(if student.stage == Stage::Lead { Kind::Lead } else { Kind::Student })
}

fn students(question: &Question) -> StudentFilter {
    let stage = match (question.wants(Kind::Student), question.wants(Kind::Lead)) {
        (true, false) => StageFilter::Student,
        (false, true) => StageFilter::Lead,
        _ => StageFilter::All,
    };
    StudentFilter { stage, q: question.name(), contact: question.contact(), ..StudentFilter::default() }
}

fn project(_: &Project) -> Option<Kind> {
    Some(Kind::Project)
}

fn newest_projects(_: &Question) -> ProjectFilter {
    ProjectFilter { sort: Sort::IdDown, ..ProjectFilter::default() }
}

/// Adds the path.
pub(super) fn mount(routes: &mut Routes) {
    routes.tag("search", "One text looked for in several kinds of records at once.");
    describe::plain_schemas::<Answer>(routes);
    let mut query = Query::default();
    Question::read(&mut query);
    let mut parameters = describe::params(query.known().to_vec(), &[]);
    parameters.iter_mut().filter(|one| one.name == "q").for_each(|q| q.required = Required::True);
    let reading = Reading {
        names: ("search", "search", "Search everything"),
        about: format!(
            "Students and leads that are not archived, groups, teachers and projects at once. A text that looks like a \
             telephone number (in any spelling) or an e-mail address is looked for in the contacts of people, any other \
             in names. A number or an id finds the record of that id as well. Projects cannot be searched by name in \
             their CRM, so the newest {NEWEST} are looked through.\n\nOnly kinds whose own `:read` scope the key has are \
             searched; `sources` says what became of each kind, and `more` whether there may be others than those \
             shown. Narrow the text or the kinds then: there are no further pages."
        ),
        parameters,
        answer: ("What was found, ids first.", "SearchAnswer", answer::example()),
        once: false,
    };
    let handler = get(resource::plain(|call| search(call).boxed()));
    routes.add("/search".to_owned(), HttpMethod::Get, handler, reading.operation());
}

async fn search(call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let mut query = Query::parse(call.head.uri.query().unwrap_or_default());
    let question = Question::read(&mut query);
    query.finish().map_err(Problem::bad_query)?;
    let question = question.unwrap_or_default();
    let parts = parts();
    let wanted = parts.iter().filter(|part| part.kinds().iter().any(|kind| question.wants(*kind)));
    let (open, closed): (Vec<_>, Vec<_>) = wanted.partition(|part| may_read(consumer, part.resource()));
    if let (true, Some(part)) = (open.is_empty(), closed.first()) {
        let missing = part.resource();
        let detail = format!("`search:read` alone finds nothing: this key lacks the scope `{missing}:read`.");
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let by_contact = question.contact().is_some();
    if by_contact && open.iter().any(|part| part.is_masked(&consumer.mask)) {
        let detail = "This key may not search by contact: it would tell what a hidden field holds.";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let ctx = call.circumstances(&caller.0);
    let scope = Scope { wanted: question.branches.clone(), ..Scope::of(&consumer.sight) };
    let api = &call.front.api;
    let asking = Asking { hub: &api.hub, ctx: &ctx, scope: &scope, question: &question };
    let found: Vec<Found> = join_all(open.iter().map(|part| part.find(&asking))).await;
    if let Some(failure) = nothing_asked(&found) {
        return Err(failure.into());
    }
    for (part, found) in open.iter().zip(&found).filter(|_| ctx.rehearsal.is_none()) {
        api.metrics.cache(part.resource(), freshness::result(found.provenance.cache));
    }
    let provenance = Provenance::of_all(found.iter().map(|found| found.provenance));
    let mut answer = Answer::of(found);
    for part in closed {
        let kinds = part.kinds().iter().filter(|kind| question.wants(**kind));
        let detail = format!("This key lacks the scope `{}:read`.", part.resource());
        answer.sources.extend(kinds.map(|kind| Status::of_none(*kind, Code::Forbidden, detail.clone())));
    }
    for kind in question.kinds.iter().filter(|kind| !parts.iter().any(|part| part.kinds().contains(kind))) {
        answer.sources.push(Status::of_nobody(*kind));
    }
    let incomplete = !answer.incomplete.is_empty();
    freshness::reply_with(&call.head.headers, &answer, &provenance, incomplete).map_err(unwritable)
}

fn may_read(consumer: &Consumer, resource: &str) -> bool {
    consumer.scopes.allow(resource, Access::Read)
}

/// Why there is no answer, if nothing at all could be asked, or what was asked for is refused.
fn nothing_asked(found: &[Found]) -> Option<Failure> {
    let refused = |failure: &&Failure| matches!(failure, Failure::ForbiddenBranch(_));
    let mut failures = found.iter().filter_map(|found| found.failure.as_ref());
    if let Some(refused) = failures.clone().find(refused) {
        return Some(refused.clone());
    }
    let all = found.iter().all(|found| found.failure.is_some() && found.hits.is_empty());
    let said = |failure: &&Failure| matches!(failure, Failure::Crm(_));
    if all { failures.clone().find(said).or_else(|| failures.next()).cloned() } else { None }
        .or_else(|| found.is_empty().then_some(Failure::NotSupported))
}
