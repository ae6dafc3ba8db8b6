//! The only way to a protected path: what is added here gets its scope from its path and its method, and its place in
//! the API document. So no handler can forget to ask for a scope, and nothing is served that is not documented.

use std::collections::BTreeMap;

use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use axum::{Extension, Router};
use http::Method;
use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::tag::Tag;
use utoipa::openapi::{RefOr, Schema, tag::TagBuilder};

use super::Shared;
use super::auth::{Needed, permit};
use super::describe;
use super::operations::{Resume, Resumes};
use crate::consumers::Access;

/// Routes with their documents.
#[derive(Default)]
pub(super) struct Routes {
    entries: Vec<Entry>,
    tags: Vec<Tag>,
    schemas: BTreeMap<String, RefOr<Schema>>,
    resumes: Resumes,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").field("entries", &self.entries).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Entry {
    path: String,
    method: HttpMethod,
    handler: MethodRouter<Shared>,
    operation: Operation,
    /// Whether it reads although its method is one of writes: its path ends in a word for that.
    question: bool,
    /// Whether it is about another request, and so needs a way to go through that.
    rehearses: bool,
    /// Whether everybody with a key may ask, because nobody is told of anything but his own.
    own: bool,
}

/// What serves all paths but those that are about other requests: the way on which those are gone through.
#[derive(Debug, Clone)]
pub(super) struct Stage(pub(super) Router);

/// What the API document needs to know.
#[derive(Debug)]
pub(super) struct Documents {
    pub(super) operations: Vec<(String, HttpMethod, Operation)>,
    pub(super) tags: Vec<Tag>,
    pub(super) schemas: BTreeMap<String, RefOr<Schema>>,
}

impl Routes {
    /// Adds something that is read or written.
    pub(super) fn add(
        &mut self,
        path: String,
        method: HttpMethod,
        handler: MethodRouter<Shared>,
        operation: Operation,
    ) {
        self.entries.push(Entry {
            path,
            method,
            handler,
            operation,
            question: false,
            rehearses: false,
            own: false,
        });
    }

    /// Adds something of which each sees his own alone: it needs no scope.
    pub(super) fn add_own(
        &mut self,
        path: String,
        method: HttpMethod,
        handler: MethodRouter<Shared>,
        operation: Operation,
    ) {
        self.entries.push(Entry {
            path,
            method,
            handler,
            operation,
            question: false,
            rehearses: false,
            own: true,
        });
    }

    /// Says how a kind of write is followed up that an earlier process left open.
    pub(super) fn follow_up(&mut self, method: HttpMethod, path: String, resume: Resume) {
        self.resumes.insert((method_of(&method), path), resume);
    }

    /// How writes are followed up.
    pub(super) fn take_resumes(&mut self) -> Resumes {
        std::mem::take(&mut self.resumes)
    }

    /// Adds a read whose question is too long for a query: a `POST` at a path that ends in a word for it.
    pub(super) fn add_question(&mut self, path: String, handler: MethodRouter<Shared>, operation: Operation) {
        let method = HttpMethod::Post;
        self.entries.push(Entry {
            path,
            method,
            handler,
            operation,
            question: true,
            rehearses: false,
            own: false,
        });
    }

    /// Adds a question about another request. Its handler finds the [`Stage`] among the extensions of its own.
    pub(super) fn add_rehearsal(
        &mut self,
        path: String,
        handler: MethodRouter<Shared>,
        operation: Operation,
    ) {
        let method = HttpMethod::Post;
        self.entries.push(Entry {
            path,
            method,
            handler,
            operation,
            question: true,
            rehearses: true,
            own: false,
        });
    }

    /// Names a group of operations.
    pub(super) fn tag(&mut self, name: &str, about: &str) {
        if !self.tags.iter().any(|tag| tag.name == name) {
            self.tags.push(TagBuilder::new().name(name).description(Some(about)).build());
        }
    }

    /// Adds a schema under its name.
    pub(super) fn schema(&mut self, name: impl Into<String>, schema: RefOr<Schema>) {
        self.schemas.insert(name.into(), schema);
    }

    /// The first segments of the paths there are so far: the names of the resources.
    pub(super) fn firsts(&self) -> Vec<String> {
        self.entries.iter().filter_map(|entry| first(&entry.path)).collect()
    }

    /// The router below `base_path`, and what to document. `stage` makes of all paths but those about other requests
    /// the way on which these are gone through.
    pub(super) fn finish(
        self,
        base_path: &str,
        stage: impl FnOnce(Router<Shared>) -> Stage,
    ) -> (Router<Shared>, Documents) {
        let firsts = self.firsts();
        let resources: Vec<&str> = firsts.iter().map(String::as_str).collect();
        let mut router = Router::new();
        let mut operations = Vec::new();
        let mut rehearsing = Vec::new();
        for entry in self.entries {
            let access = match entry.method {
                _ if entry.question => Access::Read,
                HttpMethod::Get | HttpMethod::Head | HttpMethod::Options | HttpMethod::Trace => Access::Read,
                HttpMethod::Post | HttpMethod::Put | HttpMethod::Patch | HttpMethod::Delete => Access::Write,
            };
            // A word for what is done is no resource, even if one is called so.
            let named = match entry.path.rsplit_once('/') {
                Some((named, _)) if entry.question => named,
                _ => &entry.path,
            };
            let needed = if entry.own { Needed::nothing() } else { Needed::of(named, access, &resources) };
            let operation = describe::with_scopes(entry.operation, &needed);
            let guarded = entry.handler.route_layer(from_fn_with_state(needed, permit));
            let path = format!("{base_path}{}", entry.path);
            if entry.rehearses {
                rehearsing.push((path, guarded));
            } else {
                router = router.route(&path, guarded);
            }
            operations.push((entry.path, entry.method, operation));
        }
        let stage = stage(router.clone());
        for (path, guarded) in rehearsing {
            router = router.route(&path, guarded.layer(Extension(stage.clone())));
        }
        let documents = Documents { operations, tags: self.tags, schemas: self.schemas };
        (router, documents)
    }
}

fn method_of(method: &HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Trace => Method::TRACE,
    }
}

fn first(path: &str) -> Option<String> {
    path.split('/').find(|segment| !segment.is_empty()).map(str::to_owned)
}
