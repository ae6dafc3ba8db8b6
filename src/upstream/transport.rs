//! The HTTP client. The only file that knows reqwest: redirects are off, because they would carry our credentials to
//! another host; proxies are used only when configured; answers are cut off at a size.

use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use tower::Service;

use super::Error;

/// How to reach one CRM.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme, host and base path, without a slash at the end.
    pub base_url: String,
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// A forward proxy, if there is one.
    pub proxy: Option<String>,
    /// A file of additional certificate authorities (PEM).
    pub ca_file: Option<PathBuf>,
    /// Largest answer in bytes.
    pub max_response: u64,
}

/// A client that cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for {base_url} cannot be set up: {detail}")]
pub struct SetupError {
    base_url: String,
    detail: String,
}

/// A client of one CRM.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    base_url: Arc<str>,
    max_response: u64,
}

impl Http {
    /// Builds the client. Nothing is sent yet.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        let fail = |detail: String| SetupError { base_url: settings.base_url.clone(), detail };
        // A second call finds it installed already, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = reqwest::Client::builder()
            .user_agent(&settings.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(50));
        if let Some(proxy) = &settings.proxy {
            client = client.proxy(reqwest::Proxy::all(proxy).map_err(|error| fail(error.to_string()))?);
        }
        if let Some(file) = &settings.ca_file {
            let pem = std::fs::read(file).map_err(|error| fail(format!("{}: {error}", file.display())))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| fail(error.to_string()))?;
            client = client.tls_certs_merge(certificates);
        }
        let client = client.build().map_err(|error| fail(error.to_string()))?;
        Ok(Self { client, base_url: settings.base_url.as_str().into(), max_response: settings.max_response })
    }

    async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let (parts, body) = request.into_parts();
        let url = format!("{}{}", self.base_url, parts.uri);
        let answered = self.client.request(parts.method, url).headers(parts.headers).body(body).send().await;
        let mut answer = answered.map_err(failed)?;
        if answer.content_length().is_some_and(|length| length > self.max_response) {
            return Err(Error::TooLarge(self.max_response));
        }
        let mut body = BytesMut::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            if (body.len() + piece.len()) as u64 > self.max_response {
                return Err(Error::TooLarge(self.max_response));
            }
            body.extend_from_slice(&piece);
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

/// The URL is left out: it may hold what a consumer searched for.
fn failed(error: reqwest::Error) -> Error {
    let sent = !error.is_connect() && !error.is_builder();
    Error::Transport { sent, cause: Arc::new(error.without_url()) }
}

impl Service<Request<Bytes>> for Http {
    type Response = Response<Bytes>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Bytes>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
