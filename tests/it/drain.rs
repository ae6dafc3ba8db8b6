//! The end of a gateway under load, and what readiness depends on. The callers here do as a load balancer does: they ask
//! `/readyz`, keep their connections open, and go elsewhere when they are told to.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crm_gateway::sandbox::fault::Fault;

use super::program::{between, get, start};
use super::support::Setup;

/// A connection that stays open from request to request, unless the answer says that it ends.
struct Caller {
    address: String,
    key: String,
    open: Option<BufReader<TcpStream>>,
}

impl Caller {
    /// The status of the answer, or how there was none.
    fn ask(&mut self, path: &str, more: &str) -> io::Result<u16> {
        if self.open.is_none() {
            let stream = TcpStream::connect(&self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(60)))?;
            self.open = Some(BufReader::new(stream));
        }
        let reader = self.open.as_mut().expect("it was just opened");
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\n{more}\r\n", self.address, self.key);
        reader.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length, mut last) = (None, 0, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            status = status.or_else(|| between(&line, "http/1.1 ", " ")?.parse().ok());
            length = line.strip_prefix("content-length: ").map_or(length, |text| text.parse().unwrap());
            last |= line == "connection: close";
        }
        reader.read_exact(&mut vec![0; length])?;
        if last {
            self.open = None;
        }
        Ok(status.expect("an answer has a status"))
    }
}

#[test]
fn no_request_is_lost_when_a_gateway_under_load_is_told_to_end() {
    let mut demo = start(&["demo", "--listen", "127.0.0.1:0", "--upstream-latency", "300"], &[]);
    let public = demo.line(|line| line.strip_prefix("The gateway: http://").map(str::to_owned));
    let admin = demo.line(|line| between(line, "Operators:   http://", "/metrics").map(str::to_owned));
    let key = demo.line(|line| line.trim().strip_prefix("web-app").map(|key| key.trim().to_owned()));

    let welcome = Arc::new(AtomicBool::new(true));
    let (answered, late) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|number| {
            let (welcome, answered, late) = (Arc::clone(&welcome), Arc::clone(&answered), Arc::clone(&late));
            let mut caller = Caller { address: public.clone(), key: key.clone(), open: None };
            std::thread::spawn(move || {
                let mut lost = Vec::new();
                let mut at = 0;
                while welcome.load(Ordering::SeqCst) {
                    at += 1;
                    // Half of them out of memory as fast as they can, half wait for turns and for the CRM.
                    let (path, more) = match number % 2 {
                        0 => ("/students?limit=5".to_owned(), ""),
                        _ => (format!("/students?limit=5&q={number}x{at}"), "cache-control: no-cache\r\n"),
                    };
                    match caller.ask(&path, more) {
                        Ok(200) if welcome.load(Ordering::SeqCst) => {
                            answered.fetch_add(1, Ordering::SeqCst);
                        }
                        // It was under way when the end began.
                        Ok(200) => {
                            late.fetch_add(1, Ordering::SeqCst);
                        }
                        other => lost.push(format!("{path}: {other:?}")),
                    }
                }
                lost
            })
        })
        .collect();
    while answered.load(Ordering::SeqCst) < 500 {
        std::thread::yield_now();
    }
    demo.signal("TERM");
    while get(&admin, "/readyz", &[]).0 == 200 {}
    let before = answered.load(Ordering::SeqCst);
    // The word has to spread: for a while requests still come, and are answered.
    while answered.load(Ordering::SeqCst) < before + 50 {
        std::thread::yield_now();
    }
    welcome.store(false, Ordering::SeqCst);
    let lost: Vec<String> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    assert_eq!(lost, Vec::<String>::new());
    assert!(late.load(Ordering::SeqCst) >= 4, "those that waited for a CRM were answered too");
    let outcome = demo.end();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(!outcome.err.contains("cut off"), "{}", outcome.err);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_whose_crms_are_gone_is_ready_all_the_same() {
    let app = Setup::new().students(10).projects(5).in_no_hurry().start();
    // Signed in, so that it is reads that fail.
    assert_eq!(app.owner().get("/teachers").await.status, 200);
    app.alfa.faults().next(None, usize::MAX, Fault::DropBefore);
    app.crypto.faults().next(None, usize::MAX, Fault::DropBefore);
    for _ in 0..8 {
        assert!(app.owner().get("/students").await.status >= 500);
        assert!(app.owner().get("/projects").await.status >= 500);
    }
    let state = app.operator().get("/admin/state").await.json;
    assert_eq!(
        (&state["crms"][0]["breaker"], &state["crms"][1]["breaker"]),
        (&"open".into(), &"open".into())
    );
    assert_eq!(app.operator().get("/readyz").await.status, 200);
    assert_eq!(app.operator().get("/livez").await.status, 200);
}
