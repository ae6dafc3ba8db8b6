//! What each injected fault does to a call. The answer itself is made elsewhere; here it is delayed, cut, dressed up or
//! thrown away.

use std::convert::Infallible;
use std::io;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderValue, StatusCode, header};

use super::answer::Answer;
use super::refusal::Refusal;
use super::switches::ErrorShape;
use crate::sandbox::fault::Fault;
use crate::sandbox::server::HangUp;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const WARNING: &[u8] = b"Warning: Undefined array key \"step_id\" in projects.php on line 42\n";
const LOGIN_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\
    <body><form method=\"post\" action=\"/login\"><input name=\"login\"><input name=\"password\" type=\"password\">\
    </form></body></html>\n";

/// Answers a call under `fault`. `carry_out` makes the right answer and has the call's effects.
pub(super) async fn answer(
    fault: Option<Fault>,
    shape: ErrorShape,
    carry_out: impl FnOnce() -> Answer,
) -> Response {
    let Some(fault) = fault else {
        return carry_out().send();
    };
    match fault {
        // All its calls read, so it is the same whether one goes on when nobody waits.
        Fault::Latency(latency) | Fault::Late(latency) => {
            tokio::time::sleep(latency).await;
            carry_out().send()
        }
        Fault::Hang => std::future::pending().await,
        Fault::HangAfter => {
            carry_out();
            std::future::pending().await
        }
        Fault::DropBefore => hang_up(),
        Fault::DropAfter => {
            carry_out();
            hang_up()
        }
        Fault::Status { code, body, content_type, retry_after } => {
            let mut answer = Answer::new(status(code), content_type, body.into_bytes());
            if let Some(after) = retry_after.and_then(|text| HeaderValue::try_from(text).ok()) {
                answer.header(header::RETRY_AFTER, after);
            }
            answer.send()
        }
        Fault::StatusAfter { code } => {
            carry_out();
            Refusal::Status(status(code)).answer(shape).send()
        }
        Fault::DropMidBody => broken_off(carry_out()),
        Fault::Truncated => {
            let mut answer = carry_out();
            answer.body.truncate(answer.body.len() / 2);
            answer.send()
        }
        Fault::LoginPage => Answer::html(StatusCode::OK, LOGIN_PAGE.to_owned()).send(),
        Fault::Redirect(to) => {
            let mut answer = Answer::html(StatusCode::FOUND, String::new());
            if let Ok(to) = HeaderValue::try_from(to) {
                answer.header(header::LOCATION, to);
            }
            answer.send()
        }
        Fault::ByteOrderMark => behind(BYTE_ORDER_MARK, carry_out()),
        Fault::WarningText => behind(WARNING, carry_out()),
        Fault::Endless => endless(carry_out()),
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn hang_up() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(HangUp);
    response
}

fn behind(prefix: &[u8], mut answer: Answer) -> Response {
    answer.body.splice(0..0, prefix.iter().copied());
    answer.send()
}

/// Announces the whole body and sends half of it.
fn broken_off(mut answer: Answer) -> Response {
    answer.header(header::CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
    let half = Bytes::copy_from_slice(&answer.body[..answer.body.len() / 2]);
    let broken = stream::once(async {
        // Without a pause the server would meet the end before it has sent the half.
        tokio::task::yield_now().await;
        Err(io::Error::other("the simulator breaks off"))
    });
    answer.send_with(Body::from_stream(stream::iter([Ok(half)]).chain(broken)))
}

/// A list that goes on and on. The reader's own back pressure is the only brake.
fn endless(answer: Answer) -> Response {
    let head = stream::iter([Bytes::from_static(b"{\"payload\":[{\"id\":1}")]);
    let pieces = head.chain(stream::repeat(Bytes::from_static(b",{\"id\":1,\"name\":\"again\"}")));
    answer.send_with(Body::from_stream(pieces.map(Ok::<_, Infallible>)))
}
