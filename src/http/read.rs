//! What all reads have in common: a list, one record, the only record.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use http::header::{HeaderValue, LINK};
use serde_json::Value;

use super::Front;
use super::codes::Code;
use super::freshness;
use super::memo::{Asked, Memo};
use super::problem::{Problem, internal, no_such_path, not_found};
use super::query::{self, ListQuery};
use super::rendered::Rendered;
use super::resource::{Call, Filter, Resource};
use super::shortcut::Recall;
use super::view::{View, fields_of};
use super::write::read_body;
use crate::consumers::{Access, Consumer};
use crate::hub::{Answer, Hub, PageRequest, Provenance, Scope, Witness};
use crate::model::expand::Kin;
use crate::model::{Ctx, Entity, Page, RecordId};

/// `GET` of a list.
pub(super) async fn list<R: Resource>(call: Call, _: Body) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let uri = &call.head.uri;
    let text = uri.query().unwrap_or_default();
    let key = Memo::key(uri.path(), text, &caller.0.view);
    let read = || query::read_list::<R::Record>(text, &call.fields, &consumer.mask, R::filter);
    let link = |cursor: &str| next_link(uri.path(), text, cursor);
    page::<R>(&call, consumer, &key, read, Some(&link)).await
}

/// `POST` of a list's question: the same list. Its next page is told in the body alone, because a link cannot carry the
/// question.
pub(super) async fn search<R: Resource>(call: Call, body: Body) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let text = call.head.uri.query().unwrap_or_default();
    // So that a mistake in the query is told whatever the body is.
    query::read_one::<R::Record>(text, &call.fields, &consumer.mask)?;
    let asked = read_body(&call.head.headers, body, call.offer).await?;
    // A query holds no space, so no other question has this key.
    let question = format!("{text} {}", serde_json::to_string(&asked).map_err(unwritable)?);
    let key = Memo::key(call.head.uri.path(), &question, &caller.0.view);
    let read = || query::read_search::<R::Record>(text, &asked, &call.fields, &consumer.mask, R::filter);
    page::<R>(&call, consumer, &key, read, None).await
}

/// One page of a list; `link` says where the next one is.
async fn page<R: Resource>(
    call: &Call,
    consumer: &Consumer,
    key: &str,
    read: impl FnOnce() -> Result<ListQuery<Filter<R>>, Problem>,
    link: Option<&(dyn Fn(&str) -> HeaderValue + Sync)>,
) -> Result<Response, Problem> {
    let mut known = remembered(call, key, || {
        let (path, _) = call.segments().ok_or_else(no_such_path)?;
        let mut asked = read()?;
        if R::narrow(&mut asked.filter, &path) { Ok(asked) } else { Err(no_such_path()) }
    })?;
    let asked = Arc::clone(&known.question);
    may_expand(&asked.view, consumer)?;
    let ctx = call.circumstances(&call.caller()?.0);
    let (scope, before) = call.scope::<R>(&ctx, consumer, asked.branches.clone()).await?;
    let answer = R::shelf(&call.front.api.hub).list(&ctx, &scope, &asked.filter, &asked.page).await?;
    let Answer { value, provenance, witness } = behind(before, answer);
    let link = link.and_then(|link| value.next_cursor.as_deref().map(link));
    let incomplete = !value.incomplete.is_empty();
    let told = Told { view: &asked.view, page: value, list: true, provenance, witness, link };
    let mut response = tell::<R, _>(call, &ctx, consumer, (key, &mut known), told).await?;
    if incomplete {
        freshness::soon_old(&mut response);
    }
    Ok(response)
}

/// What the hub answered, on its way to the caller.
struct Told<'a, E> {
    view: &'a View,
    page: Page<E>,
    /// Whether it is shown as a list, or as its only record.
    list: bool,
    provenance: Provenance,
    witness: Option<Witness>,
    link: Option<HeaderValue>,
}

/// Writes an answer, or finds it written, and remembers how to give it again.
async fn tell<R: Resource, Q: Send + Sync + 'static>(
    call: &Call,
    ctx: &Ctx,
    consumer: &Consumer,
    (key, known): (&str, &mut Asked<Q>),
    told: Told<'_, R::Record>,
) -> Result<Response, Problem> {
    let Told { view, page, list, provenance, witness, link } = told;
    if !view.expand().is_empty() {
        let seen = Scope::of(&consumer.sight);
        let (body, names) = expanded(&call.front.api.hub, ctx, &seen, view, &page, list).await?;
        let provenance = provenance.and(names);
        counted::<R::Record>(&call.front, ctx, &provenance);
        let body = Arc::new(Rendered::once(body));
        return Ok(linked(freshness::reply(&call.head.headers, &body, &provenance), link));
    }
    if ctx.rehearsal.is_some() {
        return Ok(Response::default());
    }
    let write = |page: &Page<_>| if list { view.page(page) } else { view.one(&page.items[0]) };
    let rendered = call.front.memo.write(key, known, &page, write).map_err(unwritable)?;
    if call.head.method == Method::GET
        && let Some(witness) = witness
        && let Some(recall) =
            Recall::new(call, R::Record::RESOURCE, (Arc::clone(&rendered), link.clone()), witness)
    {
        call.front.memo.shorten(key, known, recall);
    }
    counted::<R::Record>(&call.front, ctx, &provenance);
    Ok(linked(freshness::reply(&call.head.headers, &rendered, &provenance), link))
}

fn linked(mut response: Response, link: Option<HeaderValue>) -> Response {
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// An answer with the history of the record that its path hangs on.
fn behind<T>(before: Option<Answer<()>>, answer: Answer<T>) -> Answer<T> {
    let Some(before) = before else { return answer };
    let witness = before.witness.zip(answer.witness).map(|(before, own)| before.and(&own));
    Answer { value: answer.value, provenance: before.provenance.and(answer.provenance), witness }
}

/// The first page of a list as a part of another answer: read, limited and shown as at its own path.
pub(super) async fn part<R: Resource>(
    front: &Front,
    (ctx, consumer): (&Ctx, &Consumer),
    scope: &Scope,
    path: &[&str],
    text: &str,
) -> Result<(Value, Provenance), Problem> {
    let mut asked =
        query::read_list::<R::Record>(text, &fields_of::<R::Record>(), &consumer.mask, R::filter)?;
    if !R::narrow(&mut asked.filter, path) {
        return Err(no_such_path());
    }
    let Answer { value, provenance, .. } =
        R::shelf(&front.api.hub).list(ctx, scope, &asked.filter, &asked.page).await?;
    counted::<R::Record>(front, ctx, &provenance);
    let written = asked.view.page(&value).and_then(|page| serde_json::from_slice(&page));
    Ok((written.map_err(unwritable)?, provenance))
}

/// `GET` of one record: that of the id in the path, or the only one there is.
pub(super) async fn one<R: Resource>(call: Call, _: Body) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let text = call.head.uri.query().unwrap_or_default();
    let key = Memo::key(call.head.uri.path(), text, &caller.0.view);
    let mut known = remembered(&call, &key, || {
        let view = query::read_one::<R::Record>(text, &call.fields, &consumer.mask)?;
        let (path, id) = call.segments().ok_or_else(not_found)?;
        let mut filter = Filter::<R>::default();
        if R::narrow(&mut filter, &path) { Ok((filter, id, view)) } else { Err(not_found()) }
    })?;
    let asked = Arc::clone(&known.question);
    let (filter, id, view) = &*asked;
    may_expand(view, consumer)?;
    let ctx = call.circumstances(&caller.0);
    let (scope, before) = call.scope::<R>(&ctx, consumer, Vec::new()).await?;
    let shelf = R::shelf(&call.front.api.hub);
    let answer = match id {
        Some(id) => shelf.get(&ctx, &scope, filter, id).await?,
        None => {
            let first = PageRequest { limit: 1, cursor: None };
            let Answer { mut value, provenance, witness } = shelf.list(&ctx, &scope, filter, &first).await?;
            Answer { value: value.items.pop().ok_or_else(not_found)?, provenance, witness }
        }
    };
    let Answer { value, provenance, witness } = behind(before, answer);
    let page = Page { items: vec![value], next_cursor: None, total: None, incomplete: Vec::new() };
    let told = Told { view, page, list: false, provenance, witness, link: None };
    tell::<R, _>(&call, &ctx, consumer, (&key, &mut known), told).await
}

/// The question as it was read, now or before; now, if the request is only gone through.
fn remembered<Q, X>(call: &Call, key: &str, read: impl FnOnce() -> Result<Q, X>) -> Result<Asked<Q>, X>
where
    Q: Send + Sync + 'static,
{
    match call.rehearsal() {
        Some(_) => Ok(Asked::new(read()?)),
        None => call.front.memo.read(key, read),
    }
}

/// Counts how memory took part in an answer. What is only gone through is none.
pub(super) fn counted<E: Entity>(front: &Front, ctx: &Ctx, provenance: &Provenance) {
    if ctx.rehearsal.is_none() {
        front.api.metrics.cache(E::RESOURCE, freshness::result(provenance.cache));
    }
}

/// The names of other records are theirs: who may not read those may not read the names.
fn may_expand(view: &View, consumer: &Consumer) -> Result<(), Problem> {
    let needed = view.expand().iter().map(|expand| (expand.name, expand.to.resource()));
    for (name, resource) in needed {
        if !consumer.scopes.allow(resource, Access::Read) {
            let detail =
                format!("This key may not use `expand={name}`: it lacks the scope `{resource}:read`.");
            return Err(Problem::new(Code::Forbidden, detail));
        }
    }
    Ok(())
}

/// Records with the names of what they refer to, each kind asked for once.
async fn expanded<E: Entity>(
    hub: &Hub,
    ctx: &Ctx,
    scope: &Scope,
    view: &View,
    page: &Page<E>,
    list: bool,
) -> Result<(Bytes, Provenance), Problem> {
    if let Some(rehearsal) = &ctx.rehearsal {
        rehearsal.goes_by_answers();
    }
    let mut records = view.open(&page.items).map_err(unwritable)?;
    let mut wanted: Vec<(Kin, Vec<RecordId>)> = Vec::new();
    for expand in view.expand() {
        let found = records.iter().flat_map(|record| expand.ids(record));
        let at = wanted.iter().position(|(kin, _)| *kin == expand.to).unwrap_or_else(|| {
            wanted.push((expand.to, Vec::new()));
            wanted.len() - 1
        });
        let ids = &mut wanted[at].1;
        let mut known: std::collections::HashSet<RecordId> = ids.iter().cloned().collect();
        ids.extend(found.filter(|id| known.insert(id.clone())));
    }
    let asked = wanted.iter().map(|(kin, ids)| hub.names(ctx, scope, *kin, ids));
    let answers = futures_util::future::join_all(asked).await;
    let provenance = Provenance::of_all(answers.iter().map(|answer| answer.provenance));
    for expand in view.expand() {
        let at = wanted.iter().position(|(kin, _)| *kin == expand.to);
        let Some(names) = at.map(|at| &answers[at].value) else { continue };
        let name = |id: &RecordId| names.get(id).cloned();
        records.iter_mut().for_each(|record| expand.apply(record, &name));
    }
    let body = view.close(records, list.then_some(page)).map_err(unwritable)?;
    Ok((body.into(), provenance))
}

pub(super) fn unwritable(error: serde_json::Error) -> Problem {
    internal(format!("a record cannot be written as JSON: {error}"))
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
