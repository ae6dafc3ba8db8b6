//! A gateway under test, and those who ask it.
//!
//! ```ignore
//! let app = Setup::new().students(60).set("alfacrm.page_size", "20").start();
//! let answer = app.owner().get("/students?limit=2").await;
//! assert_eq!(answer.status, 200);
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use crm_gateway::app::{self, App, Instead, Ledger, Reload};
use crm_gateway::config::Config;
use crm_gateway::consumers::{Provider, hash};
use crm_gateway::hub::{Clock, Hub};
use crm_gateway::sandbox::server::Server;
use crm_gateway::sandbox::{self, Size, alfa, crypto};
use crm_gateway::store::Store;
use crm_gateway::upstream::wire::Transport;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Method, Request, response};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use jiff::civil::{DateTime, date};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::provider::{AUDIENCE, ISSUER, School};
use super::transport;

/// A clock on the wall that goes with the test's own.
pub(crate) fn wall() -> Clock {
    let (at, began) = (jiff::Timestamp::now(), tokio::time::Instant::now());
    Arc::new(move || at + jiff::SignedDuration::try_from(began.elapsed()).unwrap())
}

/// A clock that shows what the CRMs' own show, as it should.
pub(crate) fn same_as_the_crms() -> Clock {
    let at = NOW.in_tz("Europe/Moscow").unwrap().timestamp();
    let began = tokio::time::Instant::now();
    Arc::new(move || at + jiff::SignedDuration::try_from(began.elapsed()).unwrap())
}

/// What the CRMs' clocks show when a test begins.
pub(crate) const NOW: DateTime = date(2026, 2, 20).at(10, 0, 0, 0);

/// Who asks: a name, which is also the key, and rights.
const ACTORS: [(&str, &str); 5] = [
    ("owner", "scopes = [\"*\"]\nclass = \"interactive\""),
    ("reader", "scopes = [\"students:read\"]\nclass = \"partner\""),
    ("branch-one", "scopes = [\"*\"]\nclass = \"partner\"\nbranches = [1]"),
    ("masked", "scopes = [\"*\"]\nclass = \"partner\"\nmask = [\"contacts\", \"balances\", \"notes\"]"),
    ("export", "scopes = [\"*\"]\nclass = \"batch\""),
];

/// A gateway to be.
#[derive(Clone)]
pub(crate) struct Setup {
    size: Size,
    settings: Vec<(String, String)>,
    without: Vec<&'static str>,
    store: Option<Store>,
    clock: Option<Clock>,
    provider: Option<Arc<School>>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let (settings, without) = Default::default();
        Self { size: Size::at(NOW), settings, without, store: None, clock: None, provider: None }
    }

    pub(crate) fn seed(mut self, seed: u64) -> Self {
        self.size.seed = seed;
        self
    }

    /// Begins at another time.
    pub(crate) fn at(mut self, now: DateTime) -> Self {
        self.size.now = now;
        self
    }

    pub(crate) fn students(mut self, students: usize) -> Self {
        self.size.students = students;
        self
    }

    pub(crate) fn projects(mut self, projects: usize) -> Self {
        self.size.projects = projects;
        self
    }

    /// Sets a key of the configuration, `alfacrm.page_size`, to a TOML value.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a section out of the configuration: `cryptocrm`.
    pub(crate) fn without(mut self, section: &'static str) -> Self {
        self.without.push(section);
        self
    }

    /// Keeps what outlives it in `store`, and knows from `clock` how old that is.
    pub(crate) fn kept_in(mut self, store: Store, clock: Clock) -> Self {
        (self.store, self.clock) = (Some(store), Some(clock));
        self
    }

    /// Lets in who has a token of this provider: it may do everything, with the students it lists.
    pub(crate) fn tokens_of(mut self, school: &Arc<School>) -> Self {
        self.provider = Some(Arc::clone(school));
        self.set("auth.jwt.jwks_url", "\"https://id.school.example/keys\"")
            .set("auth.jwt.issuer", &format!("\"{ISSUER}\""))
            .set("auth.jwt.audience", &format!("\"{AUDIENCE}\""))
            .set("auth.jwt.scopes", "[\"*\"]")
            .set("auth.jwt.rate_limit", "1000000")
    }

    /// Quotas so wide that only a test of quotas meets them.
    pub(crate) fn in_no_hurry(self) -> Self {
        let wide = [("rate", "1000.0"), ("burst", "1000"), ("max_wait", "\"10m\""), ("max_queue", "100000")];
        let mut setup = self;
        for crm in ["alfacrm", "cryptocrm"] {
            for (key, value) in wide {
                setup = setup.set(&format!("{crm}.quota.{key}"), value);
            }
        }
        setup.set("server.request_timeout", "\"10m\"")
    }

    /// Gives nothing from memory: every page is asked for.
    pub(crate) fn forgetful(self) -> Self {
        let mut setup = self;
        for resource in crm_gateway::config::RESOURCES {
            for window in ["fresh", "stale", "if_error"] {
                setup = setup.set(&format!("cache.policy.{resource}.{window}"), "\"0s\"");
            }
        }
        setup
    }

    /// The configuration with the CRMs at these addresses.
    pub(crate) fn config(&self, alfa_url: &str, crypto_url: &str) -> Config {
        let mut text = sandbox::configuration(alfa_url, crypto_url);
        for (name, rights) in ACTORS {
            let hash = hash(&key(name));
            text +=
                &format!("\n[consumers.{name}]\nkey_hashes = [\"{hash}\"]\nrate_limit = 1000000\n{rights}\n");
        }
        let mut table: toml::Table = text.parse().expect("the sandbox writes TOML");
        for section in &self.without {
            table.remove(*section);
        }
        for (key, value) in &self.settings {
            let section = key.split('.').next().unwrap_or_default();
            if !self.without.contains(&section) {
                put(&mut table, key, value);
            }
        }
        let text = toml::to_string(&table).expect("a table is TOML");
        Config::from_toml(&text).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Both simulators, not yet reachable.
    pub(crate) fn crms(&self) -> (alfa::Crm, crypto::Crm) {
        let (alfa, crypto) = sandbox::crms(&self.size);
        alfa.set_quota(1_000_000.0);
        (alfa, crypto)
    }

    /// Starts it without sockets.
    pub(crate) fn start(self) -> TestApp {
        let (alfa, crypto) = self.crms();
        self.start_with(alfa, crypto)
    }

    /// Starts it without sockets; `change` is applied to every good answer of a CRM on its way.
    pub(crate) fn start_altered(
        self,
        change: impl Fn(&str, &mut Value) + Send + Sync + Clone + 'static,
    ) -> TestApp {
        let (alfa, crypto) = self.crms();
        let to_alfa = transport::altered(transport::to_router(alfa.router(), ""), change.clone());
        let to_crypto = transport::to_router(crypto.router(), &crypto.access().base_path);
        let to_crypto = transport::altered(to_crypto, change);
        self.start_over(alfa, crypto, to_alfa, to_crypto)
    }

    /// Starts it without sockets in front of these CRMs.
    pub(crate) fn start_with(self, alfa: alfa::Crm, crypto: crypto::Crm) -> TestApp {
        let to_alfa = transport::to_router(alfa.router(), "");
        let to_crypto = transport::to_router(crypto.router(), &crypto.access().base_path);
        self.start_over(alfa, crypto, to_alfa, to_crypto)
    }

    /// Starts it over these transports.
    pub(crate) fn start_over(
        self,
        alfa: alfa::Crm,
        crypto: crypto::Crm,
        to_alfa: Transport,
        to_crypto: Transport,
    ) -> TestApp {
        let config = self.config("http://alfa.example", "http://crypto.example");
        let store = Some(self.store.clone().unwrap_or_else(Store::in_memory));
        let clock = Some(self.clock.clone().unwrap_or_else(wall));
        let (to_alfa, to_crypto) = (Some(to_alfa), Some(to_crypto));
        let provider = self.provider.map(|school| school as Arc<dyn Provider>);
        let instead =
            Instead { alfacrm: to_alfa, cryptocrm: to_crypto, demo_key: None, store, clock, provider };
        let routers = app::build(&config, instead).expect("nothing is listened on");
        routers.readiness.ready();
        tokio::spawn(routers.unfinished.follow_up());
        TestApp {
            alfa,
            crypto,
            public: Door::Router(routers.public),
            admin: Door::Router(routers.admin),
            hub: Some(routers.hub),
            reload: Some(routers.reload),
            ledger: Some(routers.ledger),
            held: None,
        }
    }

    /// Starts everything on real sockets. The clock must run.
    pub(crate) async fn start_on_sockets(self) -> TestApp {
        let (alfa, crypto) = self.crms();
        let listen = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let alfa_server = Server::start(listen().await, alfa.router()).unwrap();
        let crypto_server = Server::start(listen().await, crypto.router()).unwrap();
        let url = |server: &Server| format!("http://{}", server.address());
        let setup =
            self.set("server.listen", "\"127.0.0.1:0\"").set("server.admin_listen", "\"127.0.0.1:0\"");
        let config = setup.config(&url(&alfa_server), &url(&crypto_server));
        let app = App::bind(&config, Instead::of_disk()).await.unwrap();
        let (public, admin) = (app.address().unwrap(), app.admin_address().unwrap());
        let app_reload = app.reload();
        let run = tokio::spawn(async move { app.run(std::future::pending::<Duration>()).await });
        let held = Some(Held { _servers: [alfa_server, crypto_server], run });
        let reload = Some(app_reload);
        let (public, admin) = (Door::Socket(public), Door::Socket(admin));
        TestApp { alfa, crypto, public, admin, hub: None, reload, ledger: None, held }
    }
}

fn put(table: &mut toml::Table, key: &str, value: &str) {
    let parsed: toml::Table = format!("x = {value}").parse().expect("the test gives a TOML value");
    let mut at = table;
    let mut steps = key.split('.').peekable();
    while let Some(step) = steps.next() {
        if steps.peek().is_none() {
            at.insert(step.to_owned(), parsed["x"].clone());
            return;
        }
        let below = at.entry(step).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = below.as_table_mut().expect("a section is a table");
    }
}

/// The key of somebody who is configured by this name.
pub(crate) fn key(actor: &str) -> String {
    format!("key-of-{actor}")
}

/// A gateway in front of both simulators.
#[derive(Debug)]
pub(crate) struct TestApp {
    pub(crate) alfa: alfa::Crm,
    pub(crate) crypto: crypto::Crm,
    public: Door,
    admin: Door,
    hub: Option<Arc<Hub>>,
    reload: Option<Arc<Reload>>,
    ledger: Option<Arc<Ledger>>,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    _servers: [Server; 2],
    run: JoinHandle<std::io::Result<()>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.run.abort();
    }
}

#[derive(Debug, Clone)]
enum Door {
    Router(Router),
    Socket(SocketAddr),
}

impl TestApp {
    /// May do everything.
    pub(crate) fn owner(&self) -> Asker {
        self.actor("owner")
    }

    /// May read students, nothing else.
    pub(crate) fn reader(&self) -> Asker {
        self.actor("reader")
    }

    /// May do everything, sees branch 1 only.
    pub(crate) fn branch_one(&self) -> Asker {
        self.actor("branch-one")
    }

    /// May do everything, sees no contacts, balances and notes.
    pub(crate) fn masked(&self) -> Asker {
        self.actor("masked")
    }

    /// May do everything, in no hurry.
    pub(crate) fn export(&self) -> Asker {
        self.actor("export")
    }

    /// Has a key that nobody knows.
    pub(crate) fn stranger(&self) -> Asker {
        self.actor("stranger")
    }

    /// Has no key.
    pub(crate) fn nobody(&self) -> Asker {
        Asker { door: self.public.clone(), headers: Vec::new() }
    }

    /// Asks the operators' listener.
    pub(crate) fn operator(&self) -> Asker {
        Asker { door: self.admin.clone(), headers: Vec::new() }
    }

    /// What stands behind both doors, of a gateway without sockets.
    pub(crate) fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("it has no sockets")
    }

    /// Takes the configuration of another set-up, as at SIGHUP.
    pub(crate) async fn reload(&self, setup: &Setup) {
        let config = setup.config("http://alfa.example", "http://crypto.example");
        self.reload.as_ref().expect("every gateway can").take(&config).await;
    }

    /// Keeps what is kept of consumers once a minute.
    pub(crate) async fn keep_ledger(&self) {
        self.ledger.as_ref().expect("it has no sockets").save().await.unwrap();
    }

    /// How many calls the CRMs received so far, signing in aside.
    pub(crate) fn calls(&self) -> usize {
        let alfa = self.alfa.ledger();
        alfa.len() - alfa.count_operation("auth/login") + self.crypto.ledger().len()
    }

    /// Has this token.
    pub(crate) fn bearer(&self, token: &str) -> Asker {
        self.nobody().with("authorization", &format!("Bearer {token}"))
    }

    /// Has the key of this name.
    pub(crate) fn actor(&self, name: &str) -> Asker {
        self.nobody().with("authorization", &format!("Bearer {}", key(name)))
    }
}

/// Somebody who asks the gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    door: Door,
    headers: Vec<(String, String)>,
}

/// What the gateway answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// Null where the body is no JSON.
    pub(crate) json: Value,
}

impl Asker {
    /// The same one with a header on every request.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Wants to hear nothing old.
    pub(crate) fn no_cache(self) -> Self {
        self.with("cache-control", "no-cache")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let (parts, bytes) = self.fetch(method, path, body).await;
        let text = String::from_utf8(bytes.to_vec()).expect("the gateway writes UTF-8");
        let json = serde_json::from_str(&text).unwrap_or_default();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text, json }
    }

    /// Sends a text in place of a JSON value.
    pub(crate) async fn send_text(&self, method: Method, path: &str, body: String) -> Answer {
        self.send_body(method, path, Body::from(body)).await
    }

    /// Begins a body and never ends it.
    pub(crate) async fn send_never(&self, method: Method, path: &str) -> Answer {
        let begun = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from_static(b"{"))]);
        self.send_body(method, path, Body::from_stream(begun.chain(stream::pending()))).await
    }

    async fn send_body(&self, method: Method, path: &str, body: Body) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.header("content-type", "application/json").body(body).unwrap();
        let Door::Router(router) = &self.door else { panic!("it has sockets") };
        let response = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("the gateway writes UTF-8");
        let json = serde_json::from_str(&text).unwrap_or_default();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text, json }
    }

    /// The same with the body unread, for those who ask very often.
    pub(crate) async fn fetch(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (response::Parts, Bytes) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Body::from(body.map(Value::to_string).unwrap_or_default())).unwrap();
        let response = match &self.door {
            Door::Router(router) => {
                router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
            }
            Door::Socket(address) => over_socket(*address, request).await,
        };
        let (parts, body) = response.into_parts();
        (parts, body.collect().await.expect("the gateway finishes its answers").to_bytes())
    }

    /// All records of a list, page by page.
    ///
    /// # Panics
    /// When a page is refused or incomplete, or the end never comes.
    pub(crate) async fn walk(&self, path: &str) -> Vec<Value> {
        let mut records = Vec::new();
        let mut cursor = None;
        for _ in 0..10_000 {
            let answer = self.page(path, cursor.as_deref()).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            assert_eq!(answer.json["incomplete"], serde_json::json!([]), "{path}");
            records.extend(answer.items());
            cursor = answer.next_cursor();
            if cursor.is_none() {
                return records;
            }
        }
        panic!("{path} has no end");
    }

    /// The page of a list behind `cursor`.
    pub(crate) async fn page(&self, path: &str, cursor: Option<&str>) -> Answer {
        match cursor {
            None => self.get(path).await,
            Some(cursor) => {
                let joint = if path.contains('?') { '&' } else { '?' };
                self.get(&format!("{path}{joint}cursor={cursor}")).await
            }
        }
    }
}

impl Answer {
    pub(crate) fn items(&self) -> Vec<Value> {
        self.json["items"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn next_cursor(&self) -> Option<String> {
        self.json["next_cursor"].as_str().map(str::to_owned)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The `code` of a problem.
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }
}

/// The ids of records, in their order.
pub(crate) fn ids(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| record["id"].as_str().expect("every record has an id").to_owned()).collect()
}

async fn over_socket(address: SocketAddr, mut request: Request<Body>) -> http::Response<Body> {
    let stream = TcpStream::connect(address).await.expect("the gateway listens");
    request.headers_mut().insert("host", http::HeaderValue::try_from(address.to_string()).unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.expect("the gateway answers").map(Body::new)
}

#[tokio::test(start_paused = true)]
async fn a_gateway_without_sockets_answers_in_virtual_time() {
    let app = Setup::new().students(20).projects(10).start();
    assert_eq!(app.owner().get("/students?limit=2").await.items().len(), 2);
    assert_eq!(app.owner().get("/projects?limit=2").await.items().len(), 2);
    assert_eq!(app.reader().get("/projects").await.status, 403);
    assert_eq!(app.stranger().get("/students").await.status, 401);
    assert_eq!(app.operator().get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_gateway_on_sockets_answers() {
    let app = Setup::new().students(20).projects(10).start_on_sockets().await;
    assert_eq!(app.owner().get("/students?limit=2").await.items().len(), 2);
    assert_eq!(app.owner().get("/projects?limit=2").await.items().len(), 2);
    assert_eq!(app.nobody().get("/students").await.status, 401);
}
