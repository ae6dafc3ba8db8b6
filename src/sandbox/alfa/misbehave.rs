//! Carries a fault out: some stand in for the answer, some spoil it.

use std::future::pending;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::stream;
use http::{HeaderValue, header};
use tokio::time::sleep;

use super::dispatch::{JSON, respond};
use super::errors::body as error_body;
use crate::sandbox::fault::Fault;
use crate::sandbox::server::HangUp;

/// How long the pieces of an endless body are apart.
const DRIP: Duration = Duration::from_millis(20);

/// What is left to do after the first half of a fault.
#[derive(Debug)]
pub(super) enum Course {
    /// Answer this; the operation is not carried out.
    Instead(Box<Response>),
    /// Carry the operation out, then spoil the answer so.
    Through(Option<Fault>),
    /// Carry the operation out after this long, whoever waits for it.
    Late(Duration),
}

/// The half of a fault that comes before the operation.
pub(super) async fn before(fault: Option<Fault>) -> Course {
    let response = match fault {
        None => return Course::Through(None),
        Some(Fault::Latency(time)) => {
            sleep(time).await;
            return Course::Through(None);
        }
        Some(Fault::Late(time)) => return Course::Late(time),
        Some(Fault::Hang) => pending().await,
        Some(Fault::DropBefore) => hang_up(),
        Some(Fault::Status { code, body, content_type, retry_after }) => {
            let mut response = respond(code, content_type, Body::from(body));
            if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            response
        }
        Some(Fault::LoginPage) => respond(
            200,
            "text/html; charset=UTF-8",
            Body::from(
                "<!DOCTYPE html>\n<html><head><title>Вход</title></head><body><form method=\"post\" action=\"/login\"><input name=\"LoginForm[login]\"><input type=\"password\" name=\"LoginForm[password]\"></form></body></html>\n",
            ),
        ),
        Some(Fault::Redirect(address)) => {
            let mut response = respond(302, "text/html; charset=UTF-8", Body::empty());
            if let Ok(value) = HeaderValue::from_str(&address) {
                response.headers_mut().insert(header::LOCATION, value);
            }
            response
        }
        Some(Fault::Endless) => respond(200, JSON, endless()),
        Some(
            after @ (Fault::DropAfter
            | Fault::HangAfter
            | Fault::StatusAfter { .. }
            | Fault::DropMidBody
            | Fault::Truncated
            | Fault::ByteOrderMark
            | Fault::WarningText),
        ) => return Course::Through(Some(after)),
    };
    Course::Instead(Box::new(response))
}

/// The half that comes after it.
pub(super) async fn after(fault: Option<Fault>, status: u16, text: String) -> Response {
    let half = text.len() / 2;
    match fault {
        Some(Fault::HangAfter) => pending().await,
        Some(Fault::DropAfter) => hang_up(),
        Some(Fault::StatusAfter { code }) => respond(
            code,
            JSON,
            Body::from(error_body(code, "An internal server error occurred.").to_string()),
        ),
        Some(Fault::DropMidBody) => {
            let part = Bytes::copy_from_slice(&text.as_bytes()[..half]);
            let pieces = [Ok(part), Err(io::Error::other("the simulator drops the connection"))];
            respond(status, JSON, Body::from_stream(stream::iter(pieces)))
        }
        Some(Fault::Truncated) => respond(status, JSON, Body::from(text.into_bytes()[..half].to_vec())),
        Some(Fault::ByteOrderMark) => respond(status, JSON, Body::from(format!("\u{feff}{text}"))),
        Some(Fault::WarningText) => respond(
            status,
            JSON,
            Body::from(format!(
                "\nWarning: Undefined array key \"name\" in /var/www/app/models/Row.php on line 84\n{text}"
            )),
        ),
        _ => respond(status, JSON, Body::from(text)),
    }
}

/// Whether a response closes the connection instead of being sent.
pub(super) fn hangs_up(response: &Response) -> bool {
    response.extensions().get::<HangUp>().is_some()
}

fn hang_up() -> Response {
    let mut response = respond(500, JSON, Body::empty());
    response.extensions_mut().insert(HangUp);
    response
}

fn endless() -> Body {
    Body::from_stream(stream::unfold(0_u64, |piece| async move {
        let bytes = if piece == 0 {
            Bytes::from_static(b"{\"total\":1,\"count\":1,\"page\":0,\"items\":[")
        } else {
            sleep(DRIP).await;
            Bytes::from_static(b"{\"id\":1},")
        };
        Some((Ok::<_, io::Error>(bytes), piece + 1))
    }))
}
