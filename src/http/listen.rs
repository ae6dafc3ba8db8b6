//! Serves a router on a socket. Unlike `axum::serve` it gives up on callers who do not finish the head of a request, and
//! when it ends it closes at once what carries no request.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower::util::MapResponse;
use tower::{Service, ServiceExt as _};

use super::auth::Peer;

/// How long a caller may take to send the head of a request, and to begin the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// The pause after a connection could not be accepted: there are too many, and trying again at once helps nobody.
const NO_MORE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop` completes, then waits until all requests under way are answered. While
/// `leaving` says so, each answer is the last one on its connection: a caller who keeps one open for long goes elsewhere by
/// itself, and none sends a request into a connection that is just being closed.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    leaving: impl Fn() -> bool + Clone + Send + 'static,
    stop: impl Future<Output = ()>,
) {
    let router = MapResponse::new(router, move |mut answer: Response| {
        if leaving() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    });
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                tokio::spawn(connection(stream, peer.ip(), router.clone(), connections.watcher()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(NO_MORE).await;
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn connection<S>(stream: TcpStream, peer: IpAddr, router: S, watcher: Watcher)
where
    S: Service<hyper::Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    // Without it small answers wait for the caller's acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service =
        TowerToHyperService::new(router.map_request(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            request.map(Body::new)
        }));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // A caller that goes away or talks nonsense is no news.
    let _ = watcher.watch(connection).await;
}
