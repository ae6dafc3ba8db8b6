//! From AlfaCRM's status and body to what it means: the only such table for this CRM (sections 2.3 and 6 of the
//! reference). It never assumes JSON on a status other than 200, and never takes an error for an empty list.

use serde_json::Value;

use crate::crm::error::{passed_on, retry_after};
use crate::crm::{Error, Kind};
use crate::model::Source;
use crate::upstream::Answer;

const CRM: Source = Source::AlfaCrm;

/// The body of a successful answer, or what went wrong.
pub(super) fn read(answer: &Answer) -> Result<Value, Error> {
    let (kind, detail) = match answer.status {
        200..=299 => return body(answer),
        300..=399 => (Kind::Failed, "AlfaCRM answers with a redirect; check `alfacrm.base_url`"),
        400 => (Kind::Failed, "AlfaCRM misses a parameter"),
        401 => (Kind::Unauthorized, "AlfaCRM refuses our token"),
        403 => (Kind::Denied, "the CRM user of the gateway lacks a right in AlfaCRM"),
        404 => (
            Kind::Failed,
            "AlfaCRM does not know this call; check `alfacrm.base_url` and the rights of the CRM user",
        ),
        405 => (Kind::Failed, "AlfaCRM does not take this method; check `alfacrm.base_url`"),
        422 => (Kind::Invalid, "AlfaCRM refuses the values"),
        429 => (
            Kind::Unavailable,
            "AlfaCRM limits us although the quota was kept; does somebody else use the same address?",
        ),
        500..=599 => (Kind::Failed, "AlfaCRM failed"),
        _ => (Kind::Failed, "AlfaCRM answers with an unexpected status"),
    };
    let retry_after = retry_after(answer);
    Err(Error { status: Some(answer.status), retry_after, ..Error::new(CRM, kind, detail) })
}

fn body(answer: &Answer) -> Result<Value, Error> {
    let text = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
    // Checked once for the whole, which is faster than text by text.
    let read = std::str::from_utf8(text).ok().and_then(|text| serde_json::from_str(text).ok());
    let value: Value = read.ok_or_else(|| {
        let html = text.trim_ascii_start().starts_with(b"<");
        let detail = if html {
            "AlfaCRM answers with a web page instead of JSON; check `alfacrm.base_url`"
        } else {
            "AlfaCRM's answer is no JSON"
        };
        Error::new(CRM, Kind::Unreadable, detail)
    })?;
    // Up to 2022 a refused value came with status 200.
    if value.get("success").and_then(Value::as_bool) == Some(false) {
        return Err(Error {
            status: Some(answer.status),
            ..Error::new(CRM, Kind::Invalid, "AlfaCRM refuses the values")
        });
    }
    let list_like = value.get("items").is_some() || value.is_array();
    let refused = ["error", "message", "msg"].iter().find_map(|key| value.get(key)?.as_str());
    match refused {
        Some(message) if !list_like => {
            let detail = format!("AlfaCRM answers with an error: {}", passed_on(message));
            Err(Error { status: Some(answer.status), ..Error::new(CRM, Kind::Failed, detail) })
        }
        _ => Ok(value),
    }
}

/// The body of a successful write, or what went wrong; `names` leads from the CRM's names of fields to the consumer's.
pub(super) fn read_write(answer: &Answer, names: &[(&'static str, &'static str)]) -> Result<Value, Error> {
    // A delete may be answered with nothing at all (section 6.3).
    if answer.status / 100 == 2 && answer.body.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    read(answer).map_err(|error| match (error.kind, serde_json::from_slice::<Value>(&answer.body)) {
        (Kind::Invalid, Ok(body)) => Error { fields: complaints(&body, names), ..error },
        // An absent record, as far as the documents tell.
        (Kind::Failed, _) if answer.status == 404 => Error { kind: Kind::NotFound, ..error },
        _ => error,
    })
}

/// What the CRM says is wrong: `errors` maps its fields to sentences, or is a list of sentences; some answers say it in
/// `error`, `message` or `msg` (section 6.2).
fn complaints(body: &Value, names: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
    let pointer = |key: &str| {
        let name = names.iter().find(|(known, _)| *known == key).map(|(_, name)| *name);
        // The CRM's own fields keep their keys.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.starts_with("custom_") && key.chars().all(plain) {
            return format!("/custom_fields/{key}");
        }
        // What we did not send is a matter of the whole record; the CRM's own name tells at least which.
        name.map_or_else(String::new, |name| format!("/{name}"))
    };
    let sentences = |value: &Value| -> Vec<String> {
        match value {
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(passed_on).collect(),
            Value::String(text) => vec![passed_on(text)],
            _ => Vec::new(),
        }
    };
    let mut told: Vec<(String, String)> = match body.get("errors") {
        Some(Value::Object(map)) => map
            .iter()
            .flat_map(|(key, value)| {
                let pointer = pointer(key);
                let prefix = if pointer.is_empty() { format!("{key}: ") } else { String::new() };
                sentences(value).into_iter().map(move |text| (pointer.clone(), format!("{prefix}{text}")))
            })
            .collect(),
        Some(list) => sentences(list).into_iter().map(|text| (String::new(), text)).collect(),
        None => Vec::new(),
    };
    if told.is_empty() {
        let message = ["error", "message", "msg"].iter().find_map(|key| body.get(key)?.as_str());
        told.extend(message.map(|text| (String::new(), passed_on(text))));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            retry_after: None,
            body: body.to_owned().into(),
            queued: Duration::ZERO,
            took: Duration::ZERO,
            signed: 0,
            closed_for: None,
        }
    }

    fn kind(status: u16, body: &str) -> Option<Kind> {
        read(&answer(status, body)).err().map(|error| error.kind)
    }

    #[test]
    fn every_status_and_body_has_one_meaning() {
        let yii = |status| format!(r#"{{"name":"x","message":"y","code":0,"status":{status}}}"#);
        for (status, body, expected) in [
            (200, r#"{"total":0,"count":0,"page":0,"items":[]}"#.to_owned(), None),
            (200, "\u{feff}{\"items\":[]}".to_owned(), None),
            (200, r#"{"success":false,"errors":{"dob":["bad"]}}"#.to_owned(), Some(Kind::Invalid)),
            (200, yii(500), Some(Kind::Failed)),
            (200, "<html>".to_owned(), Some(Kind::Unreadable)),
            (200, r#"{"items":[{"id":1}"#.to_owned(), Some(Kind::Unreadable)),
            (302, String::new(), Some(Kind::Failed)),
            (400, yii(400), Some(Kind::Failed)),
            (401, yii(401), Some(Kind::Unauthorized)),
            (403, yii(403), Some(Kind::Denied)),
            (404, yii(404), Some(Kind::Failed)),
            (405, yii(405), Some(Kind::Failed)),
            (422, r#"{"success":false}"#.to_owned(), Some(Kind::Invalid)),
            (429, "<html>".to_owned(), Some(Kind::Unavailable)),
            (502, "<html>".to_owned(), Some(Kind::Failed)),
        ] {
            assert_eq!(kind(status, &body), expected, "{status} {body}");
        }
    }
}
