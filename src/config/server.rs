//! `[server]`: where the gateway listens and how long and how much it puts up with from a caller.

use std::net::SocketAddr;
use std::time::Duration;

use super::kind::{self, Kind};
use super::reader::Reader;
use super::upstream;
use super::writer::Writer;

/// The listeners and their limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// The API, `/docs` and `/openapi.json`.
    pub listen: SocketAddr,
    /// Health, metrics and the operators' pages; they ask for no credential.
    pub admin_listen: SocketAddr,
    /// Empty or `/x`: with a slash in front and none at the end.
    pub base_path: String,
    /// Longest time a request may take from its head to its answer.
    pub request_timeout: Duration,
    /// Largest request body, in bytes.
    pub max_body: u64,
    /// How long running requests may take to end after SIGTERM.
    pub drain_timeout: Duration,
    /// Origins (`https://app.example`, no slash at the end) whose pages may call the API, or `*`.
    pub cors_origins: Vec<String>,
    /// Whether `/docs` and `/openapi.json` are served.
    pub docs: bool,
}

impl Server {
    pub(super) fn read(r: &Reader<'_>) -> Option<Self> {
        let listen = r.get("listen", &kind::socket("0.0.0.0:8080"));
        let admin_listen = r.get("admin_listen", &kind::socket("127.0.0.1:9090"));
        let base_path = r.optional("base_path", &base_path());
        let request_timeout = r.get("request_timeout", &kind::duration("100ms", "10m", "30s"));
        let max_body = r.get("max_body", &kind::size("1KiB", "1GiB", "1MiB"));
        let drain_timeout = r.get("drain_timeout", &kind::duration("0s", "10m", "20s"));
        let cors_origins = r.list("cors_origins", &cors_origin());
        let docs = r.get("docs", &kind::boolean());
        let (listen, admin_listen) = (listen?, admin_listen?);
        if collide(listen, admin_listen) {
            r.problem(
                "admin_listen",
                format!("it must not meet `listen` ({listen}): its pages ask for no key"),
            );
            return None;
        }
        if !admin_listen.ip().is_loopback() {
            r.warn("admin_listen", "its pages ask for no key; keep this address away from the public");
        }
        let cors_origins = cors_origins?;
        if cors_origins.iter().any(|origin| origin == "*") {
            r.warn("cors_origins", "\"*\" lets the pages of every site call the API");
        }
        Some(Self {
            listen,
            admin_listen,
            base_path: base_path?.unwrap_or_default(),
            request_timeout: request_timeout?,
            max_body: max_body?,
            drain_timeout: drain_timeout?,
            cors_origins,
            docs: docs?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.section(&["server"]);
        w.text("listen", &self.listen.to_string());
        w.text("admin_listen", &self.admin_listen.to_string());
        w.text("base_path", &self.base_path);
        w.duration("request_timeout", self.request_timeout);
        w.size("max_body", self.max_body);
        w.duration("drain_timeout", self.drain_timeout);
        w.texts("cors_origins", &self.cors_origins);
        w.plain("docs", self.docs);
    }
}

/// Whether binding the one would take the other's port. Port 0 is a new one each time.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same_ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && same_ip
}

/// A path below which something is mounted: normalised to `/x`, or empty for `/`.
pub(super) fn base_path() -> Kind<String> {
    Kind::text("a path such as \"/crm\"", |text| {
        let path = text.trim_matches('/');
        if path.is_empty() {
            return Ok(String::new());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        let good = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain);
        match path.split('/').all(good) {
            true => Ok(format!("/{path}")),
            false => Err("its parts may hold letters, digits and -._~".into()),
        }
    })
}

fn cors_origin() -> Kind<String> {
    Kind::text("an origin such as \"https://app.example\", or \"*\"", |text| match text {
        "*" => Ok(text.to_owned()),
        _ => upstream::check_origin(text),
    })
}
