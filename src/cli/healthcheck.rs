//! `healthcheck`: is the gateway ready? Exit code 0 says yes; containers ask so.

use std::time::Duration;

use super::{Failure, block_on};

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(url: &str) -> Result<(), Failure> {
    let url: http::Uri = url.parse().map_err(|_| Failure::wrong(format!("`{url}` is no URL")))?;
    let (Some("http"), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err(Failure::wrong("the URL must start with http:// and name a host"));
    };
    let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
    let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    block_on(async {
        let asking = ask(&address, authority.as_str(), &path);
        let status =
            tokio::time::timeout(PATIENCE, asking).await.map_err(|_| Failure::failed("no answer in time"))?;
        match status.map_err(Failure::failed)? {
            200..=299 => Ok(()),
            status => Err(Failure::failed(format!("not ready: status {status}"))),
        }
    })
}

/// One GET on a connection of its own.
async fn ask(address: &str, host: &str, path: &str) -> std::io::Result<u16> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(std::io::Error::other)?;
    let connection = tokio::spawn(connection);
    let request = http::Request::get(path).header(http::header::HOST, host);
    let request =
        request.body(http_body_util::Empty::<bytes::Bytes>::new()).map_err(std::io::Error::other)?;
    let answer = sender.send_request(request).await.map_err(std::io::Error::other)?;
    connection.abort();
    Ok(answer.status().as_u16())
}
