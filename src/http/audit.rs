//! `GET /admin/audit`: who wrote what, when, and what came of it, the newest first. For operators.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use jiff::Timestamp;
use serde_json::json;

use super::problem::{Problem, not_read};
use super::query::Limit;
use crate::idempotency::audit::{Entry, Place};
use crate::idempotency::{Journal, StoreError};
use crate::model::Query;

/// Entries on a page, unless asked for another number, and at most.
const LIMIT: usize = 50;
const MOST: usize = 200;

/// What becomes of writes.
const OUTCOMES: [&str; 3] = ["SUCCEEDED", "FAILED", "NEEDS_REVIEW"];

/// What is looked for.
#[derive(Debug, Default)]
struct Wanted {
    consumer: Option<String>,
    resource: Option<String>,
    record: Option<String>,
    operation: Option<String>,
    outcome: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl Wanted {
    fn fits(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        is(&self.consumer, Some(&entry.consumer))
            && is(&self.resource, Some(&entry.resource))
            && is(&self.record, entry.record.as_deref())
            && is(&self.operation, Some(&entry.operation.to_string()))
            && is(&self.outcome, Some(&entry.outcome))
            && self.to.is_none_or(|to| entry.at <= to)
    }
}

/// A page of the log.
pub(super) async fn read(State(journal): State<Arc<Journal>>, uri: Uri) -> Response {
    let mut query = Query::parse(uri.query().unwrap_or_default());
    let wanted = Wanted {
        consumer: query.one("consumer", "Writes of this consumer."),
        resource: query.one("resource", "Writes of this kind of record: `payments`."),
        record: query.one("record", "Writes of this record: `alfa-901`."),
        operation: query.one("operation", "This write."),
        outcome: query.one("outcome", "`SUCCEEDED`, `FAILED` or `NEEDS_REVIEW`."),
        from: query.one("from", "Decided at this time or later."),
        to: query.one("to", "Decided at this time or earlier."),
    };
    if wanted.outcome.as_deref().is_some_and(|outcome| !OUTCOMES.contains(&outcome)) {
        query.refuse("outcome", "is none of `SUCCEEDED`, `FAILED` and `NEEDS_REVIEW`");
    }
    let limit: Option<Limit<LIMIT, MOST>> = query.one("limit", "Entries on a page.");
    let cursor: Option<String> = query.one("cursor", "Where the page before ended.");
    let cursor = cursor.map(|text| text.parse::<Place>());
    if let Some(Err(_)) = cursor {
        query.refuse("cursor", "is none of this log; begin without one");
    }
    if let Err(bad) = query.finish() {
        return Problem::bad_query(bad).into_response();
    }
    let (limit, cursor) = (limit.map_or(LIMIT, |limit| limit.0), cursor.and_then(Result::ok));
    let page = tokio::task::spawn_blocking(move || page(&journal, &wanted, cursor, limit)).await;
    match page {
        Ok(Ok((items, next))) => {
            let next = next.map(|place| place.to_string());
            let body = json!({"items": items, "next_cursor": next}).to_string();
            let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
            (headers, body).into_response()
        }
        Ok(Err(_)) | Err(_) => not_read("the log").into_response(),
    }
}

fn page(
    journal: &Journal,
    wanted: &Wanted,
    before: Option<Place>,
    limit: usize,
) -> Result<(Vec<Entry>, Option<Place>), StoreError> {
    let mut items = Vec::new();
    let mut last = None;
    let mut more = false;
    journal.audit().look(before, |place, entry| {
        if wanted.from.is_some_and(|from| entry.at < from) {
            return false;
        }
        if !wanted.fits(&entry) {
            return true;
        }
        if items.len() == limit {
            more = true;
            return false;
        }
        items.push(entry);
        last = Some(place);
        true
    })?;
    Ok((items, last.filter(|_| more)))
}
