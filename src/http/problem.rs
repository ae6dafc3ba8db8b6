//! The error document (RFC 9457), and the only mapping from failures to HTTP statuses.
//!
//! Whoever finds a problem answers with a [`Problem`]; what only the edge knows (request id, path) is filled in by
//! [`render`], which writes the document. So there is no other way for an error to look.

use std::borrow::Cow;
use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use utoipa::ToSchema;

use super::codes::Code;
use super::request_id::RequestId;
use crate::crm::{self, Kind};
use crate::hub::Failure;
use crate::model::{Source, query::BadParam};

/// An error on its way to the consumer.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Facts>);

#[derive(Debug, Clone)]
struct Facts {
    code: Code,
    detail: Cow<'static, str>,
    source: Option<Source>,
    retryable: bool,
    errors: Vec<Invalid>,
    retry_after: Option<Duration>,
    header: Option<(HeaderName, HeaderValue)>,
    /// What lies behind it; only the log shows it.
    cause: Option<String>,
}

/// One thing that is wrong with the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Invalid {
    /// Where: `/query/NAME` for a parameter, a JSON pointer into the body otherwise.
    #[schema(example = "/query/limit")]
    pub(crate) pointer: String,
    /// What is wrong, as a sentence without its subject.
    #[schema(example = "is `ten`; use a whole number from 1 to 200")]
    pub(crate) detail: String,
}

/// What every error looks like.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// A page that explains the code.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    pub(crate) kind: String,
    /// The kind of problem in a few words.
    pub(crate) title: &'a str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What happened to this request and what to do.
    pub(crate) detail: &'a str,
    /// The path that was asked for.
    pub(crate) instance: &'a str,
    /// The kind of problem for programs; never renamed.
    pub(crate) code: &'a str,
    /// The id under which the operator finds the request.
    pub(crate) request_id: &'a str,
    /// Who found the problem: `gateway`, `alfacrm` or `cryptocrm`.
    pub(crate) source: &'a str,
    /// Whether the same request may succeed later.
    pub(crate) retryable: bool,
    /// When it may, in milliseconds from now: what `Retry-After` says in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) retry_after_ms: Option<u64>,
    /// Each single thing that is wrong with the request; empty unless the request is at fault.
    pub(crate) errors: &'a [Invalid],
}

impl Problem {
    /// A problem found by the gateway.
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Facts {
            code,
            detail: detail.into(),
            source: None,
            retryable: code.entry().retryable,
            errors: Vec::new(),
            retry_after: None,
            header: None,
            cause: None,
        }))
    }

    /// What went wrong, for programs.
    pub(super) fn code(&self) -> Code {
        self.0.code
    }

    /// When to ask again, in whole seconds.
    pub(super) fn asks_again_after(&self) -> Option<u64> {
        self.0.retry_after.map(whole_seconds)
    }

    /// What happened, for people.
    pub(super) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Who found it.
    pub(super) fn source(&self) -> &'static str {
        self.0.source.map_or("gateway", Source::name)
    }

    /// What lies behind it, for the log.
    pub(super) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Everything wrong with the query.
    pub(crate) fn bad_query(bad: Vec<BadParam>) -> Self {
        let mut problem = Self::new(Code::InvalidRequest, "");
        problem.0.errors = bad
            .into_iter()
            .map(|bad| Invalid {
                pointer: format!("/query/{}", bad.name.replace('~', "~0").replace('/', "~1")),
                detail: bad.detail,
            })
            .collect();
        problem.0.detail = match problem.0.errors.as_slice() {
            [one] => format!("`{}` {}.", one.pointer.trim_start_matches("/query/"), one.detail).into(),
            many => format!("{} things are wrong with the query; see `errors`.", many.len()).into(),
        };
        problem
    }

    /// Everything wrong with a question in a body: pointers into it.
    pub(crate) fn bad_body(bad: Vec<BadParam>) -> Self {
        let mut problem = Self::new(Code::InvalidRequest, "");
        let invalid = |bad: BadParam| Invalid { pointer: bad.name, detail: bad.detail };
        problem.0.errors = bad.into_iter().map(invalid).collect();
        problem.0.detail = match problem.0.errors.as_slice() {
            [one] => format!("`{}` {}.", one.pointer.trim_start_matches('/'), one.detail).into(),
            many => format!("{} things are wrong with the body; see `errors`.", many.len()).into(),
        };
        problem
    }

    /// What is wrong with a header.
    pub(crate) fn bad_header(name: &str, detail: String) -> Self {
        let mut problem = Self::new(Code::InvalidRequest, format!("`{name}` {detail}."));
        problem.0.errors = vec![Invalid { pointer: format!("/headers/{name}"), detail }];
        problem
    }

    /// Everything wrong with the fields of a body.
    pub(crate) fn bad_fields(bad: Vec<(String, String)>) -> Self {
        let mut problem = Self::new(Code::ValidationFailed, "");
        problem.0.detail = match bad.as_slice() {
            [(pointer, detail)] if pointer.is_empty() => format!("The body {detail}.").into(),
            [(pointer, detail)] => format!("`{}` {detail}.", pointer.trim_start_matches('/')).into(),
            many => format!("{} things are wrong with the body; see `errors`.", many.len()).into(),
        };
        problem.0.errors = bad.into_iter().map(|(pointer, detail)| Invalid { pointer, detail }).collect();
        problem
    }

    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.0.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// The document, with what only the edge knows.
    pub(super) fn document<'a>(
        &'a self,
        base_path: &str,
        instance: &'a str,
        request_id: &'a str,
    ) -> Document<'a> {
        let entry = self.0.code.entry();
        Document {
            kind: format!("{base_path}/docs/errors/{}", entry.name),
            title: entry.title,
            status: entry.status.as_u16(),
            detail: &self.0.detail,
            instance,
            code: entry.name,
            request_id,
            source: self.source(),
            retryable: self.0.retryable,
            retry_after_ms: self
                .0
                .retry_after
                .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            errors: &self.0.errors,
        }
    }

    /// The document of a problem as an example in the API document.
    pub(super) fn example(&self) -> serde_json::Value {
        let document = self.document("", "/students", "5f2c81d0-7");
        serde_json::to_value(document).expect("an error document is plain data")
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Crm(error) => error.into(),
            Failure::NotFound => not_found(),
            Failure::BadCursor(detail) => {
                Self::bad_query(vec![BadParam { name: "cursor".to_owned(), detail: detail.to_owned() }])
            }
            Failure::NotTheirs(detail) => Self::new(Code::Forbidden, detail),
            Failure::ForbiddenBranch(_) => Self::new(Code::Forbidden, format!("The {failure}.")),
            Failure::Invalid(pointer, detail) => Self::bad_fields(vec![(pointer.to_owned(), detail)]),
            Failure::Stale => Self::new(
                Code::StaleWrite,
                "The record is not the one that `If-Match` names. Nothing was written.",
            ),
            Failure::NotKept => not_kept("the write"),
            Failure::Partial(_) => Self::new(Code::UpstreamError, "A part of the CRM could not be asked.")
                .because(failure.to_string()),
            Failure::NotSupported => Self::new(Code::NotSupported, "No configured CRM has such records."),
        }
    }
}

impl From<crm::Error> for Problem {
    fn from(error: crm::Error) -> Self {
        let retryable = error.retryable();
        let code = Code::named(error.code())
            .expect("every failure of a CRM has a code; a test goes through all kinds");
        let mut cause = error.status.map(|status| format!("status {status}")).unwrap_or_default();
        let mut link = error.source();
        while let Some(inner) = link {
            let _ = write!(cause, "{}{inner}", if cause.is_empty() { "" } else { ": " });
            link = inner.source();
        }
        let mut problem = Self::new(code, error.sentence());
        let invalid = |(pointer, detail): &(String, String)| Invalid {
            pointer: pointer.clone(),
            detail: detail.clone(),
        };
        problem.0.errors = error.fields.iter().map(invalid).collect();
        // That memory has no answer, or that a consumer has spent what it may, says nothing about the CRM.
        let ours = matches!(error.kind, Kind::NotCached | Kind::Exhausted);
        problem.0.source = (!ours).then_some(error.crm);
        problem.0.retryable = retryable;
        problem.0.retry_after = error.retry_after;
        problem.0.cause = (!cause.is_empty()).then_some(cause);
        problem
    }
}

/// There is no such record.
pub(crate) fn not_found() -> Problem {
    Problem::new(Code::NotFound, "There is no such record, or this key may not see it.")
}

/// The store does not keep or give what a write needs.
pub(super) fn not_kept(what: &str) -> Problem {
    let detail = format!("The gateway cannot note {what} at the moment, so nothing was sent. Reads go on.");
    Problem::new(Code::StorageUnavailable, detail).retry_after(Duration::from_secs(5))
}

/// The store does not give what became of a write.
pub(super) fn not_read(what: &str) -> Problem {
    let detail = format!(
        "The gateway cannot look up {what} at the moment. What was done stays done: ask again, and do not repeat it."
    );
    Problem::new(Code::StorageUnavailable, detail).retry_after(Duration::from_secs(5))
}

/// There is nothing at that path.
pub(super) fn no_such_path() -> Problem {
    Problem::new(Code::NotFound, "There is no such path; `/openapi.json` lists those there are.")
}

/// The path does not know the method.
pub(super) fn no_such_method() -> Problem {
    Problem::new(Code::MethodNotAllowed, "This path does not know the method; `Allow` lists those it knows.")
}

/// We made a mistake; `cause` is for the log.
pub(super) fn internal(cause: impl Into<String>) -> Problem {
    Problem::new(Code::Internal, "The gateway made a mistake. Tell its operator the request id.")
        .because(cause)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.code.entry().status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.0.retry_after {
            headers.insert(RETRY_AFTER, whole_seconds(after).into());
        }
        if let Some((name, value)) = self.0.header.clone() {
            headers.insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Whole seconds, rounded up and never none: a caller who waits as long as told must not come too early.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Writes the document of every problem found further inside.
pub(super) async fn render(State(base_path): State<Arc<str>>, request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions().get::<Problem>() {
        let id = id.as_ref().map_or("", RequestId::as_str);
        let body = serde_json::to_vec(&problem.document(&base_path, uri.path(), id))
            .expect("an error document is plain data");
        *response.body_mut() = Body::from(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind) -> Problem {
        crm::Error::new(Source::AlfaCrm, kind, "It did not work.").into()
    }

    #[test]
    fn each_kind_of_failure_has_the_code_of_the_contract() {
        for (kind, code, retryable) in [
            (Kind::NotFound, "not_found", false),
            (Kind::Invalid, "validation_failed", false),
            (Kind::Unauthorized, "upstream_error", false),
            (Kind::Denied, "upstream_error", false),
            (Kind::Failed, "upstream_error", true),
            (Kind::Unsupported, "not_supported", false),
            (Kind::Overloaded, "overloaded", true),
            (Kind::Abandoned, "overloaded", true),
            (Kind::Unavailable, "upstream_unavailable", true),
            (Kind::Timeout, "upstream_timeout", true),
            (Kind::Unreadable, "upstream_invalid", false),
            (Kind::NotCached, "not_cached", false),
        ] {
            let example = of(kind).example();
            assert_eq!(example["code"], code, "{kind:?}");
            assert_eq!(example["retryable"], retryable, "{kind:?}");
            assert_eq!(example["source"], if kind == Kind::NotCached { "gateway" } else { "alfacrm" });
            assert_eq!(example["type"], format!("/docs/errors/{code}"));
        }
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_rounded_up() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (2500, 3)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
        let response = of(Kind::Overloaded).retry_after(Duration::from_millis(1200)).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }

    #[test]
    fn what_lies_behind_a_failure_is_not_in_the_document() {
        let mut error = crm::Error::new(Source::AlfaCrm, Kind::Failed, "It did not work.");
        error.cause = Some(std::sync::Arc::new(std::io::Error::other("10.0.0.7 refused")));
        error.status = Some(500);
        let problem = Problem::from(error);
        assert_eq!(problem.cause(), Some("status 500: 10.0.0.7 refused"));
        assert!(!problem.example().to_string().contains("10.0.0.7"));
    }

    #[test]
    fn a_forbidden_branch_and_a_bad_cursor_say_what_is_wrong() {
        let branch = Problem::from(Failure::ForbiddenBranch("alfa-3".parse().unwrap()));
        assert_eq!(branch.example()["code"], "forbidden");
        assert!(branch.example()["detail"].as_str().unwrap().contains("alfa-3"));
        let cursor = Problem::from(Failure::BadCursor("belongs to other filters"));
        assert_eq!(cursor.example()["errors"][0]["pointer"], "/query/cursor");
    }
}
