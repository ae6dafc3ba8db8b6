//! Serves a router on a socket. Unlike `axum::serve` it gives up on callers who do not finish the head of a request, and
//! when it ends it closes at once what carries no request.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tower::util::MapResponse;
use tower::{Service, ServiceExt as _};

use super::auth::Peer;

/// How long a caller may take to send the head of a request, and to begin the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// The pause after a connection could not be accepted: there are too many, and trying again at once helps nobody.
const NO_MORE: Duration = Duration::from_millis(100);

/// The largest head of a request, in bytes, the longest target and headers together: cookies and tokens are far smaller.
const LARGEST_HEAD: usize = 64 * 1024;

/// Connections that may wait to be accepted. With the library's 128 a burst of new ones overflows: whoever is turned away so
/// tries again a second later. The system bounds it by its own limit (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// Listens on an address; from now on connections wait to be served.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for what the process before it has left behind.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

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
                // Without it small answers wait for the caller's acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
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

async fn connection<I, S>(stream: I, peer: IpAddr, router: S, watcher: Watcher)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<hyper::Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let service =
        TowerToHyperService::new(router.map_request(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            request.map(Body::new)
        }));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // A caller that goes away or talks nonsense is no news.
    let _ = watcher.watch(connection).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    use axum::middleware::from_fn_with_state;
    use axum::response::IntoResponse as _;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{Instant, sleep};

    use crate::http::{body, guard};

    /// The far end of a connection to somewhere that reads bodies whole, and what must live as long.
    fn connect() -> (DuplexStream, GracefulShutdown) {
        let read = async |given: Body| body::whole(given).await.map(drop).into_response();
        let bounds = (1000, Duration::from_secs(30));
        let router = Router::new().route("/", post(read)).layer(from_fn_with_state(bounds, guard::size));
        let (near, far) = duplex(1000);
        let connections = GracefulShutdown::new();
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        tokio::spawn(connection(near, peer, router, connections.watcher()));
        (far, connections)
    }

    /// Sends `begin`, then a byte each second; how long until the other side hung up, and what it had said.
    async fn dribble(begin: &str, byte: u8) -> (Duration, String) {
        let (far, _connections) = connect();
        let (mut read, mut write) = tokio::io::split(far);
        let start = Instant::now();
        write.write_all(begin.as_bytes()).await.unwrap();
        let dribbling = tokio::spawn(async move {
            while write.write_all(&[byte]).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        let mut said = String::new();
        let _ = read.read_to_string(&mut said).await;
        let took = start.elapsed();
        dribbling.abort();
        (took, said)
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_dribbles_is_cut_off() {
        let (took, said) = dribble("POST / HTTP/1.1\r\nx-slow: ", b'x').await;
        assert_eq!((took.as_secs(), said.as_str()), (HEAD_TIMEOUT.as_secs(), ""));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_large_is_refused() {
        let (mut far, _connections) = connect();
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx-large: {}", "x".repeat(2 * LARGEST_HEAD));
        let (mut read, mut write) = tokio::io::split(&mut far);
        let mut said = String::new();
        let sent = async { write.write_all(head.as_bytes()).await };
        let (_, _) = tokio::join!(sent, read.read_to_string(&mut said));
        assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_at_all_is_cut_off_too() {
        let start = Instant::now();
        let (mut far, _connections) = connect();
        let mut said = String::new();
        far.read_to_string(&mut said).await.unwrap();
        assert_eq!((start.elapsed().as_secs(), said.as_str()), (HEAD_TIMEOUT.as_secs(), ""));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_dribbles_is_answered_408_and_cut_off() {
        for framing in ["content-length: 900\r\n\r\n", "transfer-encoding: chunked\r\n\r\n384\r\n"] {
            let (took, said) = dribble(&format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}"), b'x').await;
            assert_eq!(took.as_secs(), 20, "{framing}: {said}");
            assert!(said.starts_with("HTTP/1.1 408 "), "{framing}: {said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_a_length_is_cut_off_at_the_same_size() {
        let (mut far, _connections) = connect();
        let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        let body = format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001));
        let (mut read, mut write) = tokio::io::split(&mut far);
        let mut said = String::new();
        let sent = async { write.write_all(format!("{head}{body}").as_bytes()).await };
        let (_, told) = tokio::join!(sent, read.read_to_string(&mut said));
        told.unwrap();
        assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    }
}
