//! A resource is a declaration; the handlers are the same for all. [`mount`] makes the routes and their part of the API
//! document from the same constants, so that the two cannot disagree.

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, HeaderValue, LINK};
use tokio::time::Instant;

use super::Shared;
use super::auth::Caller;
use super::guard::Deadline;
use super::memo::Memo;
use super::problem::{Problem, internal, no_such_path, not_found};
use super::routes::Routes;
use super::view::fields_of;
use super::{describe, freshness, query};
use crate::consumers::Consumer;
use crate::hub::{Answer, Hub, Scope, Shelf};
use crate::model::context::{Interest, Reason};
use crate::model::{Ctx, Entity, Page, RecordId};

/// What a resource offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// `GET path`: a list.
    List,
    /// `GET path/{id}`: one record.
    Get,
}

/// A parameter of a path that has a name for each of its values.
#[derive(Debug)]
pub(super) struct PathValues {
    /// Its name in the path.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) about: &'static str,
    /// The values there are.
    pub(super) values: fn() -> Vec<&'static str>,
}

/// One kind of record under one path.
pub(super) trait Resource: 'static {
    /// What it serves.
    type Record: Entity;
    /// Where: `/students`. Parameters in it are given to [`Resource::narrow`].
    const PATH: &'static str;
    /// One of it, and many, in operation ids: `get_student`, `list_students`.
    const NAMES: (&'static str, &'static str);
    /// What it is, in a sentence or two.
    const ABOUT: &'static str;
    /// What can be done with it.
    const OFFERS: &'static [Offer] = &[Offer::List, Offer::Get];

    /// Where its records come from.
    fn shelf(hub: &Hub) -> &Shelf<Self::Record>;

    /// Puts what the path says into the filter; `false` when there is nothing at that path.
    fn narrow(_filter: &mut <Self::Record as Entity>::Filter, _path: &[&str]) -> bool {
        true
    }

    /// The parameters of the path.
    fn path_values() -> &'static [PathValues] {
        &[]
    }
}

/// Adds a resource to the routes.
pub(super) fn mount<R: Resource>(routes: &mut Routes) {
    routes.tag(R::Record::RESOURCE, R::ABOUT);
    describe::schemas::<R::Record>(routes);
    let fields: Arc<[String]> = fields_of::<R::Record>().into();
    for offer in R::OFFERS {
        let known = Arc::clone(&fields);
        match offer {
            Offer::List => routes.get(
                R::PATH.to_owned(),
                get(move |State(front): State<Shared>, path: PathParams, request: Request| {
                    list::<R>(front, path, request, Arc::clone(&known))
                }),
                describe::list::<R>(&fields),
            ),
            Offer::Get => routes.get(
                format!("{}/{{id}}", R::PATH),
                get(move |State(front): State<Shared>, path: PathParams, request: Request| {
                    one::<R>(front, path, request, Arc::clone(&known))
                }),
                describe::one::<R>(&fields),
            ),
        }
    }
}

type PathParams = Result<RawPathParams, RawPathParamsRejection>;

async fn list<R: Resource>(
    front: Shared,
    path: PathParams,
    request: Request,
    fields: Arc<[String]>,
) -> Result<Response, Problem> {
    let caller = caller(&request)?;
    let consumer = &caller.0.consumer;
    let text = request.uri().query().unwrap_or_default();
    let key = Memo::key(request.uri().path(), text, &consumer.mask);
    let entry = front.memo.read(&key, || {
        let path = segments(&path).ok_or_else(no_such_path)?;
        let mut asked = query::read_list::<R::Record>(text, &fields, &consumer.mask)?;
        if R::narrow(&mut asked.filter, &path) { Ok(asked) } else { Err(no_such_path()) }
    })?;
    let asked = &entry.asked;
    let scope = Scope { visible: consumer.branches.clone(), wanted: asked.branches.clone() };
    let ctx = circumstances(&front, &request, consumer);
    let Answer { value, provenance } =
        R::shelf(&front.api.hub).list(&ctx, &scope, &asked.filter, &asked.page).await?;
    let written = front.memo.write(&key, &entry, &value, |page| asked.view.page(page)).map_err(unwritable)?;
    front.api.metrics.cache(R::Record::RESOURCE, freshness::result(provenance.cache));
    let mut response = freshness::reply(request.headers(), &written.body, &written.etag, &provenance);
    if !value.incomplete.is_empty() {
        // What is missing may be there the next moment.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=0"));
    }
    if let Some(cursor) = &value.next_cursor {
        response.headers_mut().insert(LINK, next_link(request.uri().path(), text, cursor));
    }
    Ok(response)
}

async fn one<R: Resource>(
    front: Shared,
    path: PathParams,
    request: Request,
    fields: Arc<[String]>,
) -> Result<Response, Problem> {
    let caller = caller(&request)?;
    let consumer = &caller.0.consumer;
    let text = request.uri().query().unwrap_or_default();
    let key = Memo::key(request.uri().path(), text, &consumer.mask);
    let entry = front.memo.read(&key, || {
        let path = segments(&path).ok_or_else(no_such_path)?;
        let view = query::read_one::<R::Record>(text, &fields, &consumer.mask)?;
        // What is no id of ours is the id of nothing.
        let id: RecordId = path.last().and_then(|id| id.parse().ok()).ok_or_else(not_found)?;
        Ok::<_, Problem>((id, view))
    })?;
    let (id, view) = &entry.asked;
    let scope = Scope { visible: consumer.branches.clone(), wanted: Vec::new() };
    let ctx = circumstances(&front, &request, consumer);
    let Answer { value, provenance } = R::shelf(&front.api.hub).get(&ctx, &scope, id).await?;
    let page = Page { items: vec![value], next_cursor: None, total: None, incomplete: Vec::new() };
    let written =
        front.memo.write(&key, &entry, &page, |page| view.one(&page.items[0])).map_err(unwritable)?;
    front.api.metrics.cache(R::Record::RESOURCE, freshness::result(provenance.cache));
    Ok(freshness::reply(request.headers(), &written.body, &written.etag, &provenance))
}

fn caller(request: &Request) -> Result<Caller, Problem> {
    let caller = request.extensions().get().cloned();
    caller.ok_or_else(|| internal("a resource is mounted outside authentication"))
}

fn unwritable(error: serde_json::Error) -> Problem {
    internal(format!("a record cannot be written as JSON: {error}"))
}

fn segments(path: &PathParams) -> Option<Vec<&str>> {
    path.as_ref().ok().map(|params| params.iter().map(|(_, value)| value).collect())
}

/// Who asks, how urgent it is, and until when.
fn circumstances(front: &Shared, request: &Request, consumer: &Consumer) -> Ctx {
    let headers: &HeaderMap = request.headers();
    let deadline = request.extensions().get::<Deadline>().map(|deadline| deadline.0);
    Ctx {
        consumer: Arc::clone(&consumer.name),
        class: consumer.class,
        reason: Reason::Miss,
        deadline: deadline.unwrap_or_else(|| Instant::now() + front.api.settings.request_timeout),
        max_wait: freshness::wait(headers),
        freshness: freshness::accepted(headers),
        interest: Interest::default(),
    }
}

/// The same question with the next cursor (RFC 8288).
fn next_link(path: &str, query: &str, cursor: &str) -> HeaderValue {
    let start = format!("<{path}?");
    let length = start.len();
    let mut next = form_urlencoded::Serializer::for_suffix(start, length);
    for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "cursor") {
        next.append_pair(&name, &value);
    }
    next.append_pair("cursor", cursor);
    let text = format!("{}>; rel=\"next\"", next.finish());
    HeaderValue::try_from(text).expect("paths and encoded queries are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_the_same_question_with_the_new_cursor() {
        let link = next_link("/crm/students", "q=%D0%90+b&cursor=old&limit=2", "new/1");
        assert_eq!(link, "</crm/students?q=%D0%90+b&limit=2&cursor=new%2F1>; rel=\"next\"");
        assert_eq!(next_link("/students", "", "c"), "</students?cursor=c>; rel=\"next\"");
    }
}
