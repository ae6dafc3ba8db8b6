//! The load: connections that send one request after the other and read just enough of each answer to know where it
//! ends, so that it is the server that is busy.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// More than any answer here has.
const BUFFER: usize = 128 * 1024;

/// An answer as the gateway gave it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Captured {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Captured {
    fn read(answer: &[u8], end_of_head: usize) -> Option<Self> {
        let head = std::str::from_utf8(&answer[..end_of_head]).ok()?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Some(Self { status, headers, body: String::from_utf8(answer[end_of_head..].to_vec()).ok()? })
    }

    /// The tag that a caller sends who has the answer already.
    pub(crate) fn known_tag(&self, known: bool) -> Option<&str> {
        let tag = self.headers.iter().find(|(name, _)| name == "etag");
        tag.filter(|_| known).map(|(_, tag)| tag.as_str())
    }
}

/// Asks once and keeps the answer; when it is `known`, asks again as somebody who has it.
pub(crate) async fn capture(
    address: SocketAddr,
    target: &str,
    key: &str,
    known: bool,
) -> io::Result<Captured> {
    let mut connection = Connection::open(address).await?;
    let mut ask = async |tag: Option<&str>| {
        let end = connection.exchange(request(target, key, tag).as_bytes()).await?;
        let answer = Captured::read(&connection.buffer[..end.answer], end.head);
        answer.ok_or_else(|| io::Error::other("an answer cannot be read"))
    };
    let answer = ask(None).await?;
    if known { ask(answer.known_tag(true)).await } else { Ok(answer) }
}

/// What is asked for, and the status it must be answered with.
pub(crate) struct Path {
    request: String,
    status: String,
}

impl Path {
    pub(crate) fn new(target: &str, key: &str, tag: Option<&str>, answer: &Captured) -> Self {
        Self { request: request(target, key, tag), status: format!("HTTP/1.1 {} ", answer.status) }
    }
}

fn request(target: &str, key: &str, tag: Option<&str>) -> String {
    let condition = tag.map(|tag| format!("if-none-match: {tag}\r\n")).unwrap_or_default();
    format!("GET {target} HTTP/1.1\r\nhost: gateway.example\r\nx-api-key: {key}\r\n{condition}\r\n")
}

/// What a server is asked.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) path: Path,
    pub(crate) connections: usize,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) requests: f64,
    pub(crate) took: Duration,
}

impl Load {
    /// Asks for as long as `window`.
    pub(crate) async fn run(&self, window: Duration) -> io::Result<Outcome> {
        let connections = try_join_all((0..self.connections).map(|_| Connection::open(self.address))).await?;
        let start = Instant::now();
        let asking = connections.into_iter().map(async |mut connection| {
            let mut requests = 0_u32;
            while start.elapsed() < window {
                connection.exchange(self.path.request.as_bytes()).await?;
                if !connection.buffer.starts_with(self.path.status.as_bytes()) {
                    return Err(io::Error::other(format!("an answer is not `{}`", self.path.status)));
                }
                requests += 1;
            }
            Ok(requests)
        });
        let requests: u32 = try_join_all(asking).await?.into_iter().sum();
        Ok(Outcome { requests: f64::from(requests), took: start.elapsed() })
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// Where an answer's head and the answer end.
struct End {
    head: usize,
    answer: usize,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER] })
    }

    /// Sends a request and reads its whole answer.
    async fn exchange(&mut self, request: &[u8]) -> io::Result<End> {
        // Far less than the socket's buffer, so it leaves in one piece.
        self.stream.writable().await?;
        if self.stream.try_write(request)? != request.len() {
            return Err(io::Error::other("a request did not leave in one piece"));
        }
        let mut filled = 0;
        let mut end = None;
        loop {
            if end.is_none() {
                end = find_end(&self.buffer[..filled]);
            }
            match end {
                Some(End { head, answer }) if filled >= answer => return Ok(End { head, answer }),
                _ => {}
            }
            self.stream.readable().await?;
            match self.stream.try_read(&mut self.buffer[filled..]) {
                Ok(0) => return Err(io::Error::other("a server hung up")),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn find_end(answer: &[u8]) -> Option<End> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    const LENGTH: &[u8] = b"\r\ncontent-length: ";
    let length = answer[..head].windows(LENGTH.len()).position(|text| text == LENGTH).map_or(0, |at| {
        let digits = answer[at + LENGTH.len()..head].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
    });
    Some(End { head, answer: head + length })
}
