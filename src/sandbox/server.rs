//! Serves a simulator's router on a socket. Unlike `axum::serve` it can hang up without an answer, which is what a CRM
//! does when it dies halfway.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tower::ServiceExt;

/// Put into a response's extensions: no answer is sent, the connection is closed.
#[derive(Debug, Clone, Copy)]
pub struct HangUp;

/// A simulator that listens. Dropping it closes the socket and all its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: AbortHandle,
}

impl Server {
    /// Serves `router` on `listener` until dropped.
    pub fn start(listener: TcpListener, router: Router) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, router)).abort_handle();
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, router: Router) {
    // Connections live in a set of this task, so that ending it ends them.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let router = router.clone();
                connections.spawn(async move {
                    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                        answer(router.clone(), request.map(Body::new))
                    });
                    // A client that goes away is no news.
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(router: Router, request: Request) -> Result<Response, io::Error> {
    let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    if response.extensions().get::<HangUp>().is_some() {
        return Err(io::Error::other("the simulator hangs up"));
    }
    Ok(response)
}
