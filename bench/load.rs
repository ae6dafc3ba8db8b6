//! The load: connections that send one request after the other and read just enough of each answer to know where it
//! ends, so that it is the server that is busy.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
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
    pub(crate) body: Vec<u8>,
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
        Some(Self { status, headers, body: answer[end_of_head..].to_vec() })
    }

    /// A header of it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Asks once and keeps the answer.
pub(crate) async fn capture(address: SocketAddr, request: &str) -> io::Result<Captured> {
    let mut connection = Connection::open(address).await?;
    let end = connection.exchange(request.as_bytes()).await?;
    let answer = Captured::read(&connection.buffer[..end.answer], end.head);
    answer.ok_or_else(|| io::Error::other("an answer cannot be read"))
}

/// A request with these lines in its head.
pub(crate) fn request(target: &str, more: &[(&str, &str)]) -> String {
    let more: String = more.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {target} HTTP/1.1\r\nhost: gateway.example\r\n{more}\r\n")
}

/// What a server is asked.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// One after the other, over and over, far apart, so that none is hotter than the others.
    pub(crate) requests: Arc<[String]>,
    /// What each must be answered with: one of these.
    pub(crate) statuses: Vec<u16>,
    pub(crate) connections: usize,
}

/// The distance of requests that follow each other.
const STRIDE: usize = 7919;

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
        let next = Cell::new(0);
        let asking = connections.into_iter().map(async |mut connection| {
            let mut requests = 0_u32;
            while start.elapsed() < window {
                self.ask(&mut connection, &next).await?;
                requests += 1;
            }
            Ok::<_, io::Error>(requests)
        });
        let requests: u32 = try_join_all(asking).await?.into_iter().sum();
        Ok(Outcome { requests: f64::from(requests), took: start.elapsed() })
    }

    /// Asks for everything once.
    pub(crate) async fn warm(&self) -> io::Result<()> {
        let mut connection = Connection::open(self.address).await?;
        let next = Cell::new(0);
        for _ in 0..self.requests.len() {
            self.ask(&mut connection, &next).await?;
        }
        Ok(())
    }

    /// Sends so many requests a second, whether the ones before were answered or not, and tells how long each took from
    /// when it was due, in order.
    pub(crate) async fn paced(&self, per_second: u32, window: Duration) -> io::Result<Vec<Duration>> {
        let connections = try_join_all((0..self.connections).map(|_| Connection::open(self.address))).await?;
        let (start, all) = (Instant::now(), (window.as_secs_f64() * f64::from(per_second)) as u32);
        let (due, next) = (Cell::new(0), Cell::new(0));
        let asking = connections.into_iter().map(async |mut connection| {
            let mut took = Vec::new();
            loop {
                let number = due.get();
                if number >= all {
                    return Ok::<_, io::Error>(took);
                }
                due.set(number + 1);
                let at = start + Duration::from_secs(1) / per_second * number;
                // A timer is too coarse; this processor has nothing else to do.
                while Instant::now() < at {
                    tokio::task::yield_now().await;
                }
                self.ask(&mut connection, &next).await?;
                took.push(at.elapsed());
            }
        });
        let mut took: Vec<Duration> = try_join_all(asking).await?.into_iter().flatten().collect();
        took.sort_unstable();
        Ok(took)
    }

    async fn ask(&self, connection: &mut Connection, next: &Cell<usize>) -> io::Result<()> {
        let request = &self.requests[next.get()];
        next.set((next.get() + STRIDE) % self.requests.len());
        connection.exchange(request.as_bytes()).await?;
        let digits = connection.buffer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        let status = digits.and_then(|digits| digits.parse().ok());
        if status.is_some_and(|status| self.statuses.contains(&status)) {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "an answer to `{}` is {status:?}, not one of {:?}",
            request.lines().next().unwrap_or(""),
            self.statuses
        )))
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
    if answer.starts_with(b"HTTP/1.1 304 ") {
        return Some(End { head, answer: head });
    }
    let length = answer[..head]
        .windows(LENGTH.len())
        .position(|text| text.eq_ignore_ascii_case(LENGTH))
        .map_or(0, |at| {
            let digits = answer[at + LENGTH.len()..head].iter().take_while(|byte| byte.is_ascii_digit());
            digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
        });
    Some(End { head, answer: head + length })
}
