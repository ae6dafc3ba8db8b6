//! What a consumer is answered to a write, put into words while its request waits or long after.

use std::marker::PhantomData;
use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use super::problem::Problem;
use super::rendered::etag;
use super::resource::{Offer, Resource, tag};
use super::view::{self, View};
use crate::consumers::{Access, Consumer, Member};
use crate::crm;
use crate::hub::Clerk;
use crate::idempotency::Answer;
use crate::model::{Entity, Record};

/// Answers a write of a resource.
pub(super) struct Reply<R> {
    base_path: Arc<str>,
    /// Who asked; nobody any more where it is not configured any more.
    member: Option<Arc<Member>>,
    offer: Offer,
    path: String,
    request_id: String,
    resource: PhantomData<fn() -> R>,
}

impl<R: Resource> Reply<R> {
    /// To a request for `path`, below the base path.
    pub(super) fn new(
        base_path: &Arc<str>,
        member: Option<Arc<Member>>,
        offer: Offer,
        path: &str,
        request_id: &str,
    ) -> Self {
        Self {
            base_path: Arc::clone(base_path),
            member,
            offer,
            path: path.trim_end_matches('/').to_owned(),
            request_id: request_id.to_owned(),
            resource: PhantomData,
        }
    }

    /// What of the record is shown.
    fn view(&self) -> Option<View> {
        let reads = |member: &&Arc<Member>| member.consumer.scopes.allow(tag::<R>(), Access::Read);
        match self.member.as_ref().filter(reads) {
            Some(member) => view_of::<R::Record>(&member.consumer).ok(),
            // Who may only write learns which record it was, and nothing of what is in it.
            None => {
                let only = ["id", "source", "source_id"].map(Arc::from).to_vec();
                View::new(Some(only), false, Vec::new(), Vec::new()).ok()
            }
        }
    }
}

impl<R: Resource> Clerk<R::Record> for Reply<R> {
    fn done(&self, record: Option<&Record<R::Record>>) -> Answer {
        let header = |name: &str, value: String| (name.to_owned(), value);
        let Some(record) = record else {
            let status = StatusCode::NO_CONTENT.as_u16();
            return Answer { status, headers: Vec::new(), body: String::new() };
        };
        let body = self.view().and_then(|view| view.one(record).ok()).unwrap_or_default();
        let mut headers = vec![header("content-type", "application/json".to_owned())];
        if let Ok(tag) = etag(&body).to_str() {
            headers.push(header("etag", tag.to_owned()));
        }
        let mut status = StatusCode::OK;
        if self.offer == Offer::Create {
            status = StatusCode::CREATED;
            // Where the record can be read again.
            if R::OFFERS.contains(&Offer::Get) {
                headers.push(header("location", format!("{}{}/{}", self.base_path, self.path, record.id)));
            }
        }
        let body = String::from_utf8(body).unwrap_or_default();
        Answer { status: status.as_u16(), headers, body }
    }

    fn failed(&self, error: &crm::Error) -> Value {
        let problem = Problem::from(error.clone());
        let path = format!("{}{}", self.base_path, self.path);
        let document = problem.document(&self.base_path, &path, &self.request_id);
        serde_json::to_value(document).unwrap_or_default()
    }
}

/// What a consumer sees of a whole record.
pub(super) fn view_of<E: Entity>(consumer: &Consumer) -> Result<View, Problem> {
    View::new(None, false, view::hidden::<E>(&consumer.mask), Vec::new())
}
