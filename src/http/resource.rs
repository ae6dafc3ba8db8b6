//! A resource is a declaration; the handlers are the same for all. [`mount`] makes the routes and their part of the API
//! document from the same constants, so that the two cannot disagree.

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::{delete, get, patch, post};
use futures_util::future::BoxFuture;
use http::request::Parts;
use tokio::time::Instant;
use utoipa::openapi::path::HttpMethod;

use super::Shared;
use super::auth::Caller;
use super::guard::Deadline;
use super::operations::resume;
use super::problem::{Problem, internal, not_found};
use super::routes::Routes;
use super::view::fields_of;
use super::{describe, freshness, read, write};
use crate::consumers::{Consumer, Member};
use crate::hub::{Answer, Hub, Scope, Shelf};
use crate::idempotency::Claimed;
use crate::model::context::Reason;
use crate::model::expand::Kin;
use crate::model::rehearsal::Rehearsal;
use crate::model::{Ctx, Draft as _, Entity, Fields, Query, RecordId};

/// What a resource offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// `GET path`: a list.
    List,
    /// `GET path/{id}`: one record.
    Get,
    /// `GET path`: the only record there is.
    Only,
    /// `POST path`: a new record.
    Create,
    /// `PATCH path/{id}`: changes of a record.
    Update,
    /// `DELETE path/{id}`: the end of a record.
    Delete,
    /// `POST path`: a list whose question stands in the body. It only reads.
    Search,
    /// `POST path`, where the path ends in what is done with the record whose id stands before.
    Act,
}

impl Offer {
    /// Whether the last parameter of the path is the record's own id.
    pub(super) fn has_id(self) -> bool {
        matches!(self, Self::Get | Self::Update | Self::Delete | Self::Act)
    }

    /// The path below the resource's own.
    pub(super) fn path<R: Resource>(self) -> String {
        match self {
            Self::Get | Self::Update | Self::Delete => format!("{}/{{{}}}", R::PATH, R::ID),
            Self::List | Self::Only | Self::Create | Self::Search | Self::Act => R::PATH.to_owned(),
        }
    }
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
    /// What the path hangs on: its `{id}`. Who may not see that sees nothing below it.
    const PARENT: Option<Kin> = None;
    /// The name of the record's own id in the path.
    const ID: &'static str = "id";
    /// The record's own id in the example of a path, where the one of the record's example is not found there.
    const EXAMPLE_ID: Option<&'static str> = None;
    /// Whether a write must carry an `Idempotency-Key`.
    const KEYED: bool = false;

    /// Where its records come from.
    fn shelf(hub: &Hub) -> &Shelf<Self::Record> {
        hub.shelf()
    }

    /// Puts what the path says, but the record's own id, into the filter; `false` when there is nothing at that path.
    fn narrow(_filter: &mut Filter<Self>, _path: &[&str]) -> bool {
        true
    }

    /// Reads what its lists may be narrowed by; less than all where the path says the rest.
    fn filter(query: &mut Query) -> Filter<Self> {
        <Filter<Self> as crate::model::Filter<Self::Record>>::read(query)
    }

    /// The parameters of the path.
    fn path_values() -> &'static [PathValues] {
        &[]
    }

    /// Reads the body of a write.
    fn draft(fields: &mut Fields) -> Draft<Self> {
        Draft::<Self>::read(fields)
    }

    /// The body of a write as an example in the API document.
    fn example(_offer: Offer) -> serde_json::Value {
        serde_json::json!({})
    }
}

/// What a resource's lists may be narrowed by.
pub(super) type Filter<R> = <<R as Resource>::Record as Entity>::Filter;
/// What can be written of a resource's records.
pub(super) type Draft<R> = <<R as Resource>::Record as Entity>::Draft;

/// The id of what the path hangs on.
pub(super) fn parent(path: &[&str]) -> Option<RecordId> {
    path.first()?.parse().ok()
}

/// Adds a resource to the routes.
pub(super) fn mount<R: Resource>(routes: &mut Routes) {
    routes.tag(tag::<R>(), R::ABOUT);
    describe::schemas::<R::Record>(routes);
    let fields: Arc<[String]> = fields_of::<R::Record>().into();
    for offer in R::OFFERS {
        let known = Arc::clone(&fields);
        macro_rules! handler {
            ($method:ident, $handler:path) => {
                $method(move |State(front): State<Shared>, path: PathParams, request: Request| {
                    let (head, body) = request.into_parts();
                    let call = Call { front, path, head, fields: Arc::clone(&known), offer: *offer };
                    $handler(call, body)
                })
            };
        }
        let (method, handler) = match offer {
            Offer::List => (HttpMethod::Get, handler!(get, read::list::<R>)),
            Offer::Get => (HttpMethod::Get, handler!(get, read::one::<R>)),
            Offer::Only => (HttpMethod::Get, handler!(get, read::one::<R>)),
            Offer::Create => (HttpMethod::Post, handler!(post, write::create::<R>)),
            Offer::Search => (HttpMethod::Post, handler!(post, read::search::<R>)),
            Offer::Act => (HttpMethod::Post, handler!(post, write::change::<R>)),
            Offer::Update => (HttpMethod::Patch, handler!(patch, write::change::<R>)),
            Offer::Delete => (HttpMethod::Delete, handler!(delete, write::delete::<R>)),
        };
        let operation = describe::operation_of::<R>(*offer, &fields);
        if matches!(offer, Offer::Create | Offer::Update | Offer::Delete | Offer::Act) {
            routes.follow_up(method.clone(), offer.path::<R>(), resume::<R>(*offer));
        }
        match offer {
            Offer::Search => routes.add_question(offer.path::<R>(), handler, operation),
            _ => routes.add(offer.path::<R>(), method, handler, operation),
        }
    }
}

/// A handler of a path that is no resource: it gets the same call, without fields.
pub(super) fn plain<H>(
    handle: H,
) -> impl Fn(State<Shared>, PathParams, Request) -> BoxFuture<'static, Answered> + Clone + Send + Sync + 'static
where
    H: Fn(Call) -> BoxFuture<'static, Answered> + Clone + Send + Sync + 'static,
{
    move |State(front), path, request| {
        let (head, _) = request.into_parts();
        handle(Call { front, path, head, fields: Arc::from([]), offer: Offer::Only })
    }
}

/// What a handler ends with.
pub(super) type Answered = Result<Response, Problem>;

/// The group of operations in the document: the first segment of the path.
pub(super) fn tag<R: Resource>() -> &'static str {
    R::PATH.trim_start_matches('/').split('/').next().unwrap_or_default()
}

pub(super) type PathParams = Result<RawPathParams, RawPathParamsRejection>;

/// One request to a resource.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) front: Shared,
    pub(super) path: PathParams,
    pub(super) head: Parts,
    /// The fields that the records have.
    pub(super) fields: Arc<[String]>,
    pub(super) offer: Offer,
}

impl Call {
    /// Who asks.
    pub(super) fn caller(&self) -> Result<Caller, Problem> {
        self.head
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| internal("a resource is mounted outside authentication"))
    }

    /// The parameters of the path, and the record's own id where it is one of them.
    pub(super) fn segments(&self) -> Option<(Vec<&str>, Option<RecordId>)> {
        let mut path: Vec<&str> = self.path.as_ref().ok()?.iter().map(|(_, value)| value).collect();
        // What is no id of ours is the id of nothing.
        let id = if self.offer.has_id() { Some(path.pop()?.parse().ok()?) } else { None };
        Some((path, id))
    }

    /// Where the answer may come from: the consumer's branches, and those of what the path hangs on, which must be there.
    pub(super) async fn scope<R: Resource>(
        &self,
        ctx: &Ctx,
        consumer: &Consumer,
        wanted: Vec<RecordId>,
    ) -> Result<(Scope, Option<Answer<()>>), Problem> {
        let mut scope = Scope::of(&consumer.sight);
        let mut before = None;
        if let Some(kin) = R::PARENT {
            let path: Vec<&str> =
                self.path.iter().flat_map(RawPathParams::iter).map(|(_, value)| value).collect();
            let id = parent(&path).ok_or_else(not_found)?;
            let found = self.front.api.hub.branches_of(ctx, &scope, kin, &id).await?;
            scope.within = found.value;
            before = Some(Answer { value: (), provenance: found.provenance, witness: found.witness });
        }
        scope.wanted = wanted;
        Ok((scope, before))
    }

    /// Who asks, how urgent it is, and until when.
    pub(super) fn circumstances(&self, member: &Member) -> Ctx {
        let deadline = self.head.extensions.get::<Deadline>().map(|deadline| deadline.0);
        Ctx {
            payer: member.payer(freshness::class(&self.head.headers, member.consumer.class)),
            reason: Reason::Miss,
            deadline: deadline.unwrap_or_else(|| Instant::now() + self.front.api.settings.request_timeout),
            max_wait: freshness::wait(&self.head.headers),
            freshness: freshness::accepted(&self.head.headers),
            interest: self.head.extensions.get().cloned().unwrap_or_default(),
            rehearsal: self.rehearsal().cloned(),
        }
    }

    /// The right to carry it out, for writes.
    pub(super) fn claimed(&self) -> Option<Arc<Claimed>> {
        self.head.extensions.get().cloned()
    }

    /// Where to note what would be done, when the request is only gone through.
    pub(super) fn rehearsal(&self) -> Option<&Arc<Rehearsal>> {
        self.head.extensions.get()
    }
}
