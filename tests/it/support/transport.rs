//! Ways to a CRM without sockets: to a simulator's router, or to a function that answers with what was recorded. A
//! connection that breaks is a transport error, as over a socket; an answer is cut off at a size, as by the client.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use crm_gateway::sandbox::server::HangUp;
use crm_gateway::upstream::Error;
use crm_gateway::upstream::wire::Transport;
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

/// Largest answer that is read.
pub(crate) const MAX_RESPONSE: usize = 4 << 20;

/// To `router`, below `base_path`.
pub(crate) fn to_router(router: Router, base_path: &str) -> Transport {
    let base_path: Arc<str> = base_path.into();
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
        carry(router.clone(), Arc::clone(&base_path), request)
    }))
}

/// To a function that knows the answer to every call.
pub(crate) fn to_answers(
    answer: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
) -> Transport {
    let answer = Arc::new(answer);
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
        let answer = Arc::clone(&answer);
        async move { Ok(answer(&request)) }
    }))
}

/// As `inner`, with `change` applied to the JSON of every good answer on its way; it is told the operation's path.
pub(crate) fn altered(
    inner: Transport,
    change: impl Fn(&str, &mut Value) + Send + Sync + 'static,
) -> Transport {
    let change = Arc::new(change);
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
        let (inner, change) = (inner.clone(), Arc::clone(&change));
        async move {
            let path = request.uri().path().to_owned();
            let (parts, body) = inner.oneshot(request).await?.into_parts();
            let changed = match serde_json::from_slice(&body) {
                Ok(mut json) if parts.status == 200 => {
                    change(&path, &mut json);
                    json.to_string().into()
                }
                _ => body,
            };
            Ok(Response::from_parts(parts, changed))
        }
    }))
}

async fn carry(
    router: Router,
    base_path: Arc<str>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, Error> {
    let (mut parts, body) = request.into_parts();
    parts.uri = format!("{base_path}{}", parts.uri).parse().expect("a base path and a target make a URI");
    parts.headers.insert(header::HOST, header::HeaderValue::from_static("crm.example"));
    parts.headers.insert(header::USER_AGENT, header::HeaderValue::from_static("crm-gateway/test"));
    let answered = router.oneshot(Request::from_parts(parts, Body::from(body))).await;
    let response = answered.unwrap_or_else(|never| match never {});
    if response.extensions().get::<HangUp>().is_some() {
        return Err(broken(std::io::Error::other("the connection was closed without an answer")));
    }
    let (parts, mut body) = response.into_parts();
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if read.len() + data.len() > MAX_RESPONSE {
            return Err(Error::TooLarge(MAX_RESPONSE as u64));
        }
        read.extend_from_slice(&data);
    }
    Ok(Response::from_parts(parts, read.freeze()))
}

fn broken(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Transport { sent: true, cause: Arc::new(cause) }
}
