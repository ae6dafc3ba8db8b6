//! The program that is shipped, as a child process that is killed without a warning and started again over the same store.

use std::cell::{Cell, RefCell};
use std::fs::{self, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream as Stream;
use tokio::time::{Instant, sleep, timeout};

use super::client::{Answer, Door, Request};

/// How long a payer waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it may take to be ready.
const START: Duration = Duration::from_secs(30);
/// The payers' key.
const KEY: &str = "key-of-the-payers";

/// A gateway that lives several lives.
#[derive(Debug)]
pub(crate) struct Gateway {
    public: SocketAddr,
    admin: SocketAddr,
    folder: PathBuf,
    process: RefCell<Option<Child>>,
    pub(crate) kills: Cell<usize>,
    /// Whether the folder stays for somebody to look at.
    keep: Cell<bool>,
}

impl Gateway {
    /// Starts it with these lines for the CRM in its configuration.
    pub(crate) fn start(name: &str, crm: &str) -> io::Result<Self> {
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let (public, admin) = (free()?, free()?);
        let store = serde_json::to_string(&folder.join("store"))?;
        let hash = crm_gateway::consumers::hash(KEY);
        let config = format!(
            "[server]\nlisten = \"{public}\"\nadmin_listen = \"{admin}\"\nrequest_timeout = \"10s\"\n\n\
             [store]\npath = {store}\n\n{crm}\n\
             [consumers.payers]\nkey_hashes = [\"{hash}\"]\nscopes = [\"*\"]\nrate_limit = 1000000\n"
        );
        fs::write(folder.join("config.toml"), config)?;
        let process = RefCell::default();
        let gateway = Self { public, admin, folder, process, kills: Cell::new(0), keep: Cell::new(false) };
        gateway.run()?;
        Ok(gateway)
    }

    /// Starts the next life. Nobody waits until it listens.
    pub(crate) fn run(&self) -> io::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let child = Command::new(env!("CARGO_BIN_EXE_crm-gateway"))
            .args(["serve", "--config"])
            .arg(self.folder.join("config.toml"))
            .env_clear()
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        *self.process.borrow_mut() = Some(child);
        Ok(())
    }

    /// Ends this life at once. One that has ended by itself is an error: it should not have.
    pub(crate) fn kill(&self) -> io::Result<()> {
        let Some(mut child) = self.process.borrow_mut().take() else { return Ok(()) };
        if let Some(status) = child.try_wait()? {
            self.keep.set(true);
            let log = last_lines(&self.log_file());
            return Err(io::Error::other(format!("the gateway ended by itself ({status}):\n{log}")));
        }
        // SIGKILL: it learns nothing of it.
        child.kill()?;
        child.wait()?;
        self.kills.set(self.kills.get() + 1);
        Ok(())
    }

    /// Waits until it is ready, and tells how long that took.
    pub(crate) async fn ready(&self) -> io::Result<Duration> {
        let begin = Instant::now();
        while !self.is_ready().await {
            let ended = self.process.borrow_mut().as_mut().map(Child::try_wait);
            let ended = matches!(ended, Some(Ok(Some(_))));
            if ended || begin.elapsed() > START {
                self.keep.set(true);
                let log = last_lines(&self.log_file());
                return Err(io::Error::other(format!("the gateway does not get ready:\n{log}")));
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(begin.elapsed())
    }

    async fn is_ready(&self) -> bool {
        let request = http::Request::get("/readyz").body(Full::default()).expect("a path");
        exchange(self.admin, request).await.is_some_and(|(parts, _)| parts.status == 200)
    }

    /// Its metrics, as the admin listener tells them.
    #[allow(dead_code, reason = "the soak asks for them")]
    pub(crate) async fn metrics(&self) -> Option<String> {
        let request = http::Request::get("/metrics").body(Full::default()).expect("a path");
        let (parts, body) = timeout(PATIENCE, exchange(self.admin, request)).await.ok()??;
        String::from_utf8(body.to_vec()).ok().filter(|_| parts.status == 200)
    }

    /// The process of this life.
    #[allow(dead_code, reason = "the soak looks at it")]
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.borrow().as_ref().map(Child::id)
    }

    /// Its store and its log stay.
    pub(crate) fn keep(&self) -> &Path {
        self.keep.set(true);
        &self.folder
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("gateway.log")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.borrow_mut().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if !self.keep.get() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Door for Gateway {
    async fn send(&self, request: Request<'_>) -> Option<Answer> {
        let mut to_send = http::Request::builder().method(request.method).uri(request.path);
        to_send = to_send.header("x-api-key", KEY).header("content-type", "application/json");
        if let Some(key) = request.key {
            to_send = to_send.header("idempotency-key", key);
        }
        let body = request.body.map(Value::to_string).unwrap_or_default();
        let to_send = to_send.body(Full::from(body)).expect("a request");
        let (parts, body) = timeout(PATIENCE, exchange(self.public, to_send)).await.ok()??;
        Some(Answer::read(&parts, &body))
    }
}

impl Answer {
    pub(crate) fn read(parts: &http::response::Parts, body: &[u8]) -> Self {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            status: parts.status.as_u16(),
            retry_after: header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs),
            location: header("location").map(str::to_owned),
            replayed: header("idempotency-replayed") == Some("true"),
            json: serde_json::from_slice(body).unwrap_or_default(),
        }
    }
}

/// One request on a connection of its own, which is closed when whoever asks is gone.
async fn exchange(
    to: SocketAddr,
    mut request: http::Request<Full<Bytes>>,
) -> Option<(http::response::Parts, Bytes)> {
    let stream = Stream::connect(to).await.ok()?;
    request.headers_mut().insert("host", http::HeaderValue::from_static("gateway.example"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let asking = async {
        let (parts, body) = sender.send_request(request).await.ok()?.map(Body::new).into_parts();
        Some((parts, body.collect().await.ok()?.to_bytes()))
    };
    let connection = async {
        let _ = connection.await;
        // The answer decides; it ends with an error when the connection does.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = asking => answer,
        () = connection => None,
    }
}

/// An address where nobody listens.
fn free() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

fn last_lines(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
