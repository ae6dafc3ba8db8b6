//! The stable codes of errors: one table that the error documents, the API document and the pages under `/docs/errors`
//! are all made from.

use http::StatusCode;

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Code {
    InvalidRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    InProgress,
    StaleWrite,
    PayloadTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    ValidationFailed,
    IdempotencyMismatch,
    RateLimited,
    Internal,
    NotSupported,
    UpstreamError,
    UpstreamInvalid,
    Overloaded,
    UpstreamUnavailable,
    StorageUnavailable,
    UpstreamTimeout,
    NotCached,
}

/// What is known about a code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The name in documents.
    pub(crate) name: &'static str,
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// A few words for people.
    pub(crate) title: &'static str,
    /// Whether the same request may succeed later, unless the circumstances say otherwise.
    pub(crate) retryable: bool,
    /// When it is answered.
    pub(crate) when: &'static str,
    /// What to do.
    pub(crate) remedy: &'static str,
}

impl Code {
    /// All codes, by status.
    pub(crate) const ALL: [Self; 24] = [
        Self::InvalidRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::InProgress,
        Self::StaleWrite,
        Self::PayloadTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::IdempotencyMismatch,
        Self::RateLimited,
        Self::Internal,
        Self::NotSupported,
        Self::UpstreamError,
        Self::UpstreamInvalid,
        Self::Overloaded,
        Self::UpstreamUnavailable,
        Self::StorageUnavailable,
        Self::UpstreamTimeout,
        Self::NotCached,
    ];

    /// The code of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.entry().name == name)
    }

    /// Whether a read may be answered with it.
    pub(crate) fn answers_reads(self) -> bool {
        match self {
            Self::MethodNotAllowed
            | Self::RequestTimeout
            | Self::InProgress
            | Self::StaleWrite
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::IdempotencyMismatch
            | Self::StorageUnavailable => false,
            Self::InvalidRequest
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::NotAcceptable
            | Self::UriTooLong
            | Self::ValidationFailed
            | Self::RateLimited
            | Self::Internal
            | Self::NotSupported
            | Self::UpstreamError
            | Self::UpstreamInvalid
            | Self::Overloaded
            | Self::UpstreamUnavailable
            | Self::UpstreamTimeout
            | Self::NotCached => true,
        }
    }

    /// Whether a write may be answered with it.
    pub(crate) fn answers_writes(self) -> bool {
        !matches!(self, Self::MethodNotAllowed | Self::NotCached)
    }

    /// What is known about it.
    pub(crate) fn entry(self) -> Entry {
        match self {
            Self::InvalidRequest => never(
                "invalid_request",
                StatusCode::BAD_REQUEST,
                "The request is malformed",
                "A parameter is unknown or has a value it cannot have, a cursor belongs to another question, or a body is not JSON.",
                "Read `errors`: each entry points at one problem. All of them are listed at once.",
            ),
            Self::Unauthenticated => never(
                "unauthenticated",
                StatusCode::UNAUTHORIZED,
                "Who are you?",
                "The request carries no key, or one that is not known (any more).",
                "Send `Authorization: Bearer KEY` or `X-Api-Key: KEY` with a key from the operator of the gateway.",
            ),
            Self::Forbidden => never(
                "forbidden",
                StatusCode::FORBIDDEN,
                "Not with this key",
                "The key is good but lacks the scope, the branch or the field that was asked for.",
                "Ask the operator of the gateway to extend the key, or ask for less.",
            ),
            Self::NotFound => never(
                "not_found",
                StatusCode::NOT_FOUND,
                "There is no such thing",
                "The path or the record does not exist, or this key may not see it.",
                "Check the path against `/openapi.json`, and the id against the list it came from.",
            ),
            Self::MethodNotAllowed => never(
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "The path does not know this method",
                "The path exists, but not with this method.",
                "Use one of the methods in the `Allow` header.",
            ),
            Self::NotAcceptable => never(
                "not_acceptable",
                StatusCode::NOT_ACCEPTABLE,
                "Only JSON is spoken here",
                "The `Accept` header excludes `application/json`.",
                "Leave `Accept` out, or allow `application/json`.",
            ),
            Self::RequestTimeout => later(
                "request_timeout",
                StatusCode::REQUEST_TIMEOUT,
                "The body did not arrive in time",
                "The body of the request took longer to arrive than 20 seconds, or than a request may take.",
                "Send the request again, whole.",
            ),
            Self::InProgress => later(
                "in_progress",
                StatusCode::CONFLICT,
                "The first request is still running",
                "A request with the same `Idempotency-Key` has not been answered yet.",
                "Repeat the same request after `Retry-After`; you will get the first one's answer.",
            ),
            Self::StaleWrite => never(
                "stale_write",
                StatusCode::PRECONDITION_FAILED,
                "The record has changed",
                "`If-Match` names a version of the record that is no longer the current one. Nothing was written.",
                "Read the record again, decide again, and send the new `ETag`.",
            ),
            Self::PayloadTooLarge => never(
                "payload_too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is too large",
                "The body of the request is larger than the gateway takes.",
                "Send less at once.",
            ),
            Self::UriTooLong => never(
                "uri_too_long",
                StatusCode::URI_TOO_LONG,
                "The URL is too long",
                "Path and query together are longer than 32 KiB.",
                "Ask for fewer values at once.",
            ),
            Self::UnsupportedMediaType => never(
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body is not JSON",
                "The `Content-Type` of the request is not JSON.",
                "Send `Content-Type: application/json`; for `PATCH`, `application/merge-patch+json` is understood too.",
            ),
            Self::ValidationFailed => never(
                "validation_failed",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The values are not valid",
                "The request can be read, but its values cannot be accepted by the gateway or by the CRM.",
                "Read `errors`: each entry points at one field. Nothing was written.",
            ),
            Self::IdempotencyMismatch => never(
                "idempotency_mismatch",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The key was used for another request",
                "The `Idempotency-Key` was used before with another request, which may have been carried out.",
                "Find out what became of the first (`GET /operations/{id}`, or the record itself) before you send this one under a new key.",
            ),
            Self::RateLimited => later(
                "rate_limited",
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests with this key",
                "The key has used up its own requests per second, or the calls of the CRMs that it may cause in a day. These are the gateway's limits, not the CRM's.",
                "Wait for `Retry-After`; `RateLimit` on every answer shows what is left of the first, `/quota` of the second. What is remembered is answered also without calls.",
            ),
            Self::Internal => later(
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "A mistake of the gateway",
                "The gateway met a situation it was not written for.",
                "Tell the operator the `request_id`.",
            ),
            Self::NotSupported => never(
                "not_supported",
                StatusCode::NOT_IMPLEMENTED,
                "The CRM cannot do this",
                "No configured CRM has such an operation.",
                "Use what the CRM offers; `/openapi.json` lists it.",
            ),
            Self::UpstreamError => later(
                "upstream_error",
                StatusCode::BAD_GATEWAY,
                "The CRM failed",
                "The CRM could not be reached, answered with an error of its own, or refuses the gateway's credentials.",
                "Repeat a read later; if `retryable` is false, tell the operator.",
            ),
            Self::UpstreamInvalid => never(
                "upstream_invalid",
                StatusCode::BAD_GATEWAY,
                "The CRM's answer cannot be read",
                "The CRM answered something that is not what its documents say.",
                "Tell the operator the `request_id`.",
            ),
            Self::Overloaded => later(
                "overloaded",
                StatusCode::SERVICE_UNAVAILABLE,
                "The wait would be too long",
                "The CRM takes only so many calls a second. The turn of this one would come too late, or too many wait already. Nothing was sent.",
                "Wait for `Retry-After`, or accept older answers with `Cache-Control: max-age=N`. A larger N in `Prefer: wait=N` helps only up to the longest wait that the gateway allows, which also holds without the header.",
            ),
            Self::UpstreamUnavailable => later(
                "upstream_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The CRM takes no calls at the moment",
                "The CRM has failed repeatedly or has ordered a pause, so it is left alone for a while.",
                "Wait for `Retry-After`.",
            ),
            Self::StorageUnavailable => later(
                "storage_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The gateway cannot note writes",
                "The disk is full, read-only or broken. What a write is about to do must be noted before it is sent, so nothing was sent.",
                "Wait for `Retry-After`; if it stays, tell the operator of the gateway. Reads go on.",
            ),
            Self::UpstreamTimeout => later(
                "upstream_timeout",
                StatusCode::GATEWAY_TIMEOUT,
                "The CRM did not answer in time",
                "A read was sent to the CRM and no answer came in time.",
                "Repeat the read.",
            ),
            Self::NotCached => never(
                "not_cached",
                StatusCode::GATEWAY_TIMEOUT,
                "The answer is not in memory",
                "`Cache-Control: only-if-cached` was sent and the answer would need a call to the CRM.",
                "Leave `only-if-cached` out.",
            ),
        }
    }
}

fn never(
    name: &'static str,
    status: StatusCode,
    title: &'static str,
    when: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry { name, status, title, retryable: false, when, remedy }
}

fn later(
    name: &'static str,
    status: StatusCode,
    title: &'static str,
    when: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry { retryable: true, ..never(name, status, title, when, remedy) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_name_and_is_found_by_it() {
        for (i, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, i, "{code:?} is out of order in the list");
            assert_eq!(Code::named(code.entry().name), Some(code));
            assert!(code.entry().status.as_u16() >= 400);
        }
    }
}
