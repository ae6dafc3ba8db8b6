//! From the Crypto CRM's status and body to what it means: the only such table for this CRM (section 8 of the
//! reference; nothing of it is documented by the vendor).

use serde_json::Value;

use crate::crm::error::{passed_on, retry_after};
use crate::crm::{Error, Kind};
use crate::model::Source;
use crate::upstream::Answer;

pub(super) const CRM: Source = Source::CryptoCrm;

/// Where a human message may be, in the order to look.
const MESSAGES: [&str; 7] = [
    "/message",
    "/error/message",
    "/error",
    "/errors/0/message",
    "/errors/0",
    "/response/message",
    "/payload/message",
];

/// The JSON of a successful answer; none when the record asked for is not there.
pub(super) fn read(answer: &Answer) -> Result<Option<Value>, Error> {
    let (kind, detail) = match answer.status {
        200..=299 => return body(answer).map(Some),
        300..=399 => (
            Kind::Failed,
            "the Crypto CRM answers with a redirect; check `cryptocrm.base_url` and the credentials",
        ),
        401 | 403 => (Kind::Unauthorized, "the Crypto CRM refuses the configured token and secret"),
        404 => return Ok(None),
        408 => (Kind::Timeout, "the Crypto CRM gave up waiting for the request"),
        429 => (Kind::Unavailable, "the Crypto CRM limits us"),
        400..=499 => (Kind::Failed, "the Crypto CRM refuses the request"),
        500..=599 => (Kind::Failed, "the Crypto CRM failed"),
        _ => (Kind::Failed, "the Crypto CRM answers with an unexpected status"),
    };
    let said = serde_json::from_slice(&answer.body)
        .ok()
        .and_then(|body| message(&body))
        .filter(|_| answer.status < 500);
    let detail = said.map_or_else(|| detail.to_owned(), |message| format!("{detail}: {message}"));
    Err(Error {
        status: Some(answer.status),
        retry_after: retry_after(answer),
        ..Error::new(CRM, kind, detail)
    })
}

fn body(answer: &Answer) -> Result<Value, Error> {
    let text = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
    serde_json::from_slice(text).map_err(|_| {
        let html = text.trim_ascii_start().starts_with(b"<");
        let detail = if html {
            "the Crypto CRM answers with a web page instead of JSON; check `cryptocrm.base_url`"
        } else {
            "the Crypto CRM's answer is no JSON"
        };
        Error::new(CRM, Kind::Unreadable, detail)
    })
}

/// The CRM's own words about a failure, short and printable.
pub(super) fn message(body: &Value) -> Option<String> {
    let said = MESSAGES.iter().find_map(|pointer| body.pointer(pointer)?.as_str())?;
    Some(passed_on(said))
}
