//! Why the CRM says no, and how that looks in each error shape. No status is documented; these are assumption A27.

use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::answer::Answer;
use super::switches::ErrorShape;

/// A reason to refuse a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 400 with what was wrong.
    BadRequest(String),
    /// 401: a header is missing.
    Unauthorized,
    /// 403 with a reason.
    Forbidden(&'static str),
    /// 404
    NotFound,
    /// 405 with the method that would work.
    MethodNotAllowed(&'static str),
    /// 413
    TooLarge,
    /// 429: too many calls within a second.
    TooManyRequests,
    /// Any other status, for faults.
    Status(StatusCode),
}

/// Shorthand for the most frequent refusal.
pub(super) fn bad(name: &str, expected: &str) -> Refusal {
    Refusal::BadRequest(format!("{name} must be {expected}"))
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Status(status) => *status,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::BadRequest(what) => format!("Invalid or forbidden values passed: {what}"),
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::Forbidden(why) => (*why).to_owned(),
            Self::NotFound => "Not found".to_owned(),
            Self::MethodNotAllowed(_) => "Method not allowed".to_owned(),
            Self::TooLarge => "Request too large".to_owned(),
            Self::TooManyRequests => "Too many requests".to_owned(),
            Self::Status(status) => status.canonical_reason().unwrap_or("Error").to_owned(),
        }
    }

    /// The refusal as an answer.
    pub(super) fn answer(&self, shape: ErrorShape) -> Answer {
        let status = self.status();
        let code = status.as_u16();
        let message = self.message();
        let mut answer = match shape {
            ErrorShape::StatusMessage => Answer::json(status, &json!({ "status": code, "message": message })),
            ErrorShape::ErrorObject => {
                Answer::json(status, &json!({ "error": { "code": code, "message": message } }))
            }
            ErrorShape::ResponseObject => {
                let inner = if code == 400 { 4005 } else { code };
                Answer::json(status, &json!({ "response": { "status": inner, "message": message } }))
            }
            ErrorShape::Html => {
                let message = message.replace('&', "&amp;").replace('<', "&lt;");
                let page = format!(
                    "<!DOCTYPE html>\n<html><head><title>{code}</title></head><body><h1>{message}</h1></body></html>\n"
                );
                Answer::html(status, page)
            }
            ErrorShape::In200 => {
                let kept = matches!(self, Self::TooManyRequests | Self::Status(_));
                let status = if kept { status } else { StatusCode::OK };
                Answer::json(status, &json!({ "error": message }))
            }
        };
        match self {
            Self::TooManyRequests => answer.header(header::RETRY_AFTER, HeaderValue::from_static("1")),
            Self::MethodNotAllowed(method) => answer.header(header::ALLOW, HeaderValue::from_static(method)),
            _ => {}
        }
        answer
    }
}
