//! Each fault, as the caller sees it and as the ledger notes it.

use std::time::Duration;

use axum::body::to_bytes;
use futures_util::StreamExt;
use http::{Method, Request};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::super::access::{SECRET_HEADER, TOKEN_HEADER};
use super::super::{Crm, ErrorShape};
use super::{crm, get, raw, request};
use crate::sandbox::fault::{Fault, Rule};
use crate::sandbox::server::{HangUp, Server};

const INFO: &str = "/projects/info?id=101";

fn faulty(fault: Fault) -> Crm {
    let crm = crm();
    crm.faults().next(Some("projects/info"), 1, fault);
    crm
}

fn info(crm: &Crm) -> Request<axum::body::Body> {
    request(Method::GET, INFO, &crm.access().credentials, None)
}

#[tokio::test(start_paused = true)]
async fn latency_delays_the_right_answer() {
    let crm = faulty(Fault::Latency(Duration::from_secs(7)));
    let start = Instant::now();
    assert_eq!(get(&crm, INFO).await.status, 200);
    assert_eq!(start.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_call_never_ends() {
    let crm = faulty(Fault::Hang);
    let waited = tokio::time::timeout(Duration::from_secs(3_600), get(&crm, INFO)).await;
    assert!(waited.is_err());
    assert_eq!(crm.ledger().entries()[0].status, 0);
}

#[tokio::test]
async fn drops_hang_up() {
    for fault in [Fault::DropBefore, Fault::DropAfter] {
        let crm = faulty(fault);
        let response = raw(&crm, info(&crm)).await;
        assert!(response.extensions().get::<HangUp>().is_some());
        assert_eq!(crm.ledger().entries()[0].status, 0);
    }
}

#[tokio::test]
async fn any_status_can_be_answered() {
    for code in [429, 500, 502, 504, 408] {
        let crm = faulty(Fault::Status {
            code,
            body: "busy".to_owned(),
            content_type: "text/plain",
            retry_after: (code == 429).then(|| "Mon, 31 May 2021 09:00:00 GMT".to_owned()),
        });
        let reply = get(&crm, INFO).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (code, "busy"));
        assert_eq!(reply.header("content-type"), "text/plain");
        assert_eq!(reply.header("retry-after").is_empty(), code != 429);
        assert_eq!(crm.ledger().count_status(code), 1);
    }
    let crm = faulty(Fault::StatusAfter { code: 502 });
    crm.switches(|switches| switches.error_shape = ErrorShape::In200);
    assert_eq!(get(&crm, INFO).await.status, 502, "a gateway's status is never hidden");
}

#[tokio::test]
async fn a_body_can_break_off() {
    let crm = faulty(Fault::DropMidBody);
    let response = raw(&crm, info(&crm)).await;
    assert_eq!(response.status(), 200);
    let announced = response.headers()["content-length"].to_str().unwrap().to_owned();
    let mut pieces = response.into_body().into_data_stream();
    let half = pieces.next().await.unwrap().unwrap();
    assert_eq!(announced.parse::<usize>().unwrap() / 2, half.len());
    assert!(pieces.next().await.unwrap().is_err());
}

#[tokio::test]
async fn a_truncated_body_ends_as_if_whole() {
    let crm = faulty(Fault::Truncated);
    let reply = get(&crm, INFO).await;
    assert_eq!(reply.status, 200);
    assert!(serde_json::from_slice::<Value>(&reply.bytes).is_err());
    let whole = get(&crm, INFO).await;
    assert!(whole.bytes.starts_with(&reply.bytes));
}

#[tokio::test]
async fn pages_and_redirects_instead_of_an_answer() {
    let reply = get(&faulty(Fault::LoginPage), INFO).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().starts_with('<') && reply.header("content-type").starts_with("text/html"));
    let reply = get(&faulty(Fault::Redirect("https://other.example/login".to_owned())), INFO).await;
    assert_eq!(reply.status, 302);
    assert_eq!(reply.header("location"), "https://other.example/login");
}

#[tokio::test]
async fn noise_before_the_right_answer() {
    let right = get(&crm(), INFO).await.bytes;
    let marked = get(&faulty(Fault::ByteOrderMark), INFO).await.bytes;
    assert_eq!(marked, [&b"\xEF\xBB\xBF"[..], &right[..]].concat());
    let warned = get(&faulty(Fault::WarningText), INFO).await.bytes;
    assert!(warned.starts_with(b"Warning: ") && warned.ends_with(&right));
}

#[tokio::test]
async fn an_endless_body_goes_on_beyond_any_limit() {
    let crm = faulty(Fault::Endless);
    let response = raw(&crm, info(&crm)).await;
    assert!(to_bytes(response.into_body(), 1024 * 1024).await.is_err());
}

#[tokio::test]
async fn a_rule_waits_for_its_call_of_its_operation() {
    let crm = crm();
    crm.faults().inject(Rule {
        operation: Some("projects/info".to_owned()),
        after: 1,
        times: 1,
        fault: Fault::LoginPage,
    });
    let mut pages = Vec::new();
    for target in ["/projects", INFO, INFO, INFO] {
        pages.push(get(&crm, target).await.text().starts_with('<'));
    }
    assert_eq!(pages, [false, false, true, false]);
}

/// Sends a call over a real connection and returns all that comes back.
async fn over_a_socket(crm: &Crm) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start(listener, crm.router()).unwrap();
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let right = &crm.access().credentials;
    let asked = format!(
        "GET /backend/public{INFO} HTTP/1.1\r\nhost: crm.example\r\nconnection: close\r\n\
         {TOKEN_HEADER}: {}\r\n{SECRET_HEADER}: {}\r\n\r\n",
        right.token, right.secret
    );
    stream.writable().await.unwrap();
    assert_eq!(stream.try_write(asked.as_bytes()).unwrap(), asked.len());
    let mut received = Vec::new();
    loop {
        stream.readable().await.unwrap();
        match stream.try_read_buf(&mut received) {
            Ok(0) => return received,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return received,
        }
    }
}

#[tokio::test]
async fn on_a_real_connection() {
    let whole = over_a_socket(&crm()).await;
    assert!(whole.starts_with(b"HTTP/1.1 200 OK") && whole.ends_with(b"}}}"));
    assert!(over_a_socket(&faulty(Fault::DropBefore)).await.is_empty());
    assert!(over_a_socket(&faulty(Fault::DropAfter)).await.is_empty());
    let half = over_a_socket(&faulty(Fault::DropMidBody)).await;
    assert!(half.starts_with(b"HTTP/1.1 200 OK") && half.len() < whole.len() && !half.ends_with(b"}}}"));
}
