//! The body of a request: how large it may be, how long it may take to arrive, and what is answered when it does not.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::{LengthLimitError, Limited};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::codes::Code;
use super::problem::Problem;

/// How long a body may take, as long as the head before it ([`super::listen`]): who sends one byte now and then ties up a
/// request, and nobody who means it is so slow.
const LONGEST: Duration = Duration::from_secs(20);

/// A body that is cut off at a size and at a time.
struct Bounded {
    body: Limited<Body>,
    late: Pin<Box<Sleep>>,
}

/// A body did not arrive in time.
#[derive(Debug)]
struct Late;

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body did not arrive in time")
    }
}

impl Error for Late {}

/// Cuts a body off that is larger than so many bytes, or has not arrived whole after `patience` and 20 s at most.
pub(super) fn bounded(body: Body, max_bytes: usize, patience: Duration) -> Body {
    let late = Box::pin(sleep(patience.min(LONGEST)));
    Body::new(Bounded { body: Limited::new(body, max_bytes), late })
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // What has arrived counts, however late it is looked at.
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => self.late.as_mut().poll(context).map(|()| Some(Err(Late.into()))),
            ready => ready,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The whole of a bounded body.
pub(super) async fn whole(body: Body) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, usize::MAX).await.map_err(|error| {
        let mut link: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(cause) = link {
            if cause.is::<LengthLimitError>() {
                return Problem::new(Code::PayloadTooLarge, "The body is larger than the gateway takes.");
            }
            if cause.is::<Late>() {
                return Problem::new(
                    Code::RequestTimeout,
                    "The body did not arrive in time. Nothing was done.",
                );
            }
            link = cause.source();
        }
        Problem::new(Code::InvalidRequest, "The body did not arrive whole.")
    })
}
