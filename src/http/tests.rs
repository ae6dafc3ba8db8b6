//! The front as a caller meets it: everything that needs no record. Each test has a router of its own.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use utoipa::openapi::path::{HttpMethod, Operation};

use super::rendered::Rendered;
use super::{Api, Desk, Readiness, Reloads, Settings, admin, freshness, resources, with_routes};
use crate::consumers::{Consumer, Consumers, Scopes, hash};
use crate::hub::{Hub, Provenance};
use crate::idempotency::Journal;
use crate::model::Class;
use crate::telemetry::Metrics;

struct Front {
    router: Router,
    metrics: Arc<Metrics>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

fn consumer(name: &str, scopes: &[&str]) -> Consumer {
    Consumer {
        name: name.into(),
        identity: name.into(),
        keys: vec![hash(name).into()],
        scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect::<Scopes>(),
        sight: Arc::default(),
        class: Class::Interactive,
        weight: 1,
        rate_limit: NonZeroU32::new(3).unwrap(),
        daily_budget: None,
        mask: Vec::new(),
    }
}

fn settings() -> Settings {
    Settings {
        base_path: String::new(),
        request_timeout: Duration::from_secs(30),
        max_body: 1000,
        max_written: 1_000_000,
        cors_origins: Vec::new(),
        docs: true,
        demo_key: None,
    }
}

fn front(settings: Settings) -> Front {
    let metrics = Arc::new(Metrics::new());
    let mut masked = consumer("masked", &["*"]);
    masked.mask = vec!["balances".to_owned()];
    let mut plenty = consumer("all", &["*"]);
    plenty.rate_limit = NonZeroU32::new(1000).unwrap();
    let consumers = vec![plenty, masked, consumer("students", &["students:read"]), consumer("few", &["*"])];
    let mut routes = resources::all();
    routes.add("/boom".to_owned(), HttpMethod::Get, get(boom), Operation::new());
    routes.add("/tagged".to_owned(), HttpMethod::Get, get(tagged), Operation::new());
    routes.add("/slow".to_owned(), HttpMethod::Get, get(slow), Operation::new());
    let (router, _) = with_routes(
        Api {
            hub: Arc::new(Hub::empty()),
            consumers: Arc::new(Consumers::new(consumers, Arc::new(jiff::Timestamp::now))),
            journal: Journal::in_memory(),
            metrics: Arc::clone(&metrics),
            settings,
        },
        routes,
    );
    Front { router, metrics }
}

async fn tagged(headers: HeaderMap) -> Response<Body> {
    let body = bytes::Bytes::from_static(b"{\"id\":\"alfa-1\"}");
    freshness::reply(&headers, &Arc::new(Rendered::new(body)), &Provenance::default())
}

async fn boom() {
    panic!("the fuse is short");
}

async fn slow() {
    std::future::pending::<()>().await;
}

impl Front {
    async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.router.clone().oneshot(request).await.unwrap()).await
    }

    async fn get(&self, key: &str, path: &str) -> Answer {
        self.send(ask(Method::GET, key, path).body(Body::empty()).unwrap()).await
    }
}

fn ask(method: Method, key: &str, path: &str) -> http::request::Builder {
    let request = Request::builder().method(method).uri(path);
    if key.is_empty() { request } else { request.header("authorization", format!("Bearer {key}")) }
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem document, after checking what every one of them must have.
    fn problem(&self, code: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let document: Value = serde_json::from_str(&self.text).unwrap();
        let members = document.as_object().unwrap().keys().map(String::as_str);
        assert_eq!(document.get("retry_after_ms").is_some(), self.headers.contains_key("retry-after"));
        let always: Vec<&str> = members.filter(|member| *member != "retry_after_ms").collect();
        assert_eq!(
            always,
            [
                "type",
                "title",
                "status",
                "detail",
                "instance",
                "code",
                "request_id",
                "source",
                "retryable",
                "errors"
            ]
        );
        assert_eq!(document["code"], code, "{}", self.text);
        assert_eq!(document["status"], self.status.as_u16());
        assert_eq!(document["request_id"], self.header("x-request-id"));
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("cache-control"), "no-store");
        document
    }
}

#[tokio::test]
async fn without_a_good_key_nothing_is_told_not_even_which_paths_exist() {
    let front = front(settings());
    for path in ["/students", "/students/alfa-1", "/nowhere", "/reference/branches", "/", "/docs/../students"]
    {
        let answer = front.get("", path).await;
        answer.problem("unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"crm-gateway\"");
        assert!(front.get("wrong", path).await.header("www-authenticate").contains("invalid_token"));
    }
    assert_eq!(
        front.send(ask(Method::DELETE, "", "/students").body(Body::empty()).unwrap()).await.status,
        401
    );
}

#[tokio::test]
async fn a_key_in_either_header_is_good() {
    let front = front(settings());
    let by_api_key =
        Request::builder().uri("/nowhere").header("x-api-key", "all").body(Body::empty()).unwrap();
    front.send(by_api_key).await.problem("not_found");
    front.get("all", "/nowhere").await.problem("not_found");
}

#[tokio::test]
async fn every_route_asks_for_the_scope_that_its_path_names() {
    let front = front(settings());
    let document: Value = serde_json::from_str(&super::openapi::document()).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let concrete =
            path.replace("{book}", "branches").replace("{kind}", "sms").replace("{resource}", "payments");
        let concrete: Vec<&str> =
            concrete.split('/').map(|part| if part.starts_with('{') { "alfa-1" } else { part }).collect();
        let concrete = concrete.join("/");
        for (method, operation) in methods.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let send = async |key: &str| {
                tokio::time::pause();
                tokio::time::advance(Duration::from_secs(2)).await;
                tokio::time::resume();
                front.send(ask(method.clone(), key, &concrete).body(Body::empty()).unwrap()).await
            };
            let answer = send("all").await;
            assert!(answer.status != 403 && answer.status != 401, "{method} {path}");
            let Some(needed) = operation["x-required-scope"].as_str() else {
                assert_eq!(path, "/operations/{id}", "of which each sees his own alone");
                continue;
            };
            let needed = needed.replace("{resource}", "payments");
            if needed != "students:read" {
                let problem = send("students").await.problem("forbidden");
                let detail = problem["detail"].as_str().unwrap();
                let told = needed.split(' ').any(|scope| detail.contains(&format!("`{scope}`")));
                assert!(told, "{method} {path} needs {needed}: {problem}");
            }
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let front = front(settings());
    let problem = front.get("all", "/nowhere?secret=1").await.problem("not_found");
    assert_eq!(problem["instance"], "/nowhere");
    assert_eq!(problem["type"], "/docs/errors/not_found");
    for path in ["/tariffs", "/tariffs/alfa-1", "/openapi.json"] {
        let answer = front.send(ask(Method::DELETE, "all", path).body(Body::empty()).unwrap()).await;
        answer.problem("method_not_allowed");
        assert_eq!(answer.header("allow"), "GET,HEAD");
    }
    for path in ["/students/7", "/students/alfa-007", "/students/%FF", "/reference/shoes"] {
        front.get("all", path).await.problem("not_found");
    }
}

#[tokio::test]
async fn a_bad_query_is_answered_with_everything_that_is_wrong() {
    let front = front(settings());
    let problem = front
        .get("all", "/payments?limit=0&from=soon&colour=red&amount_from=5&amount_to=4")
        .await
        .problem("invalid_request");
    let pointers: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/query/limit", "/query/from", "/query/amount_from", "/query/colour"]);
    front.get("all", "/students/alfa-1?limit=5").await.problem("invalid_request");
    front.get("masked", "/students?balance_from=1").await.problem("forbidden");
}

#[tokio::test]
async fn callers_who_cannot_read_json_are_told() {
    let front = front(settings());
    let request =
        ask(Method::GET, "all", "/students").header("accept", "text/html").body(Body::empty()).unwrap();
    front.send(request).await.problem("not_acceptable");
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let front = front(settings());
    front.get("all", &format!("/students?q={}", "x".repeat(40_000))).await.problem("uri_too_long");
    let body = "x".repeat(1001);
    let request = ask(Method::GET, "all", "/students")
        .header("content-length", body.len())
        .body(Body::from(body))
        .unwrap();
    front.send(request).await.problem("payload_too_large");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_beyond_its_rate_waits_as_long_as_it_is_told() {
    let front = front(settings());
    for left in [2, 1, 0] {
        let answer = front.get("few", "/nowhere").await;
        assert_eq!(answer.header("ratelimit"), format!("\"consumer\";r={left};t=1"));
        assert_eq!(answer.header("ratelimit-policy"), "\"consumer\";q=3;w=1");
    }
    let refused = front.get("few", "/nowhere").await;
    let problem = refused.problem("rate_limited");
    assert_eq!(problem["retryable"], true);
    assert_eq!(refused.header("retry-after"), "1");
    front.get("all", "/nowhere").await.problem("not_found");
    tokio::time::advance(Duration::from_secs(1)).await;
    front.get("few", "/nowhere").await.problem("not_found");
}

#[tokio::test]
async fn sane_request_ids_are_taken_over_and_others_replaced() {
    let front = front(settings());
    let send = |id: &'static str| {
        let request =
            ask(Method::GET, "all", "/nowhere").header("x-request-id", id).body(Body::empty()).unwrap();
        front.send(request)
    };
    let taken = send("order-17").await;
    assert_eq!(taken.problem("not_found")["request_id"], "order-17");
    let made = send("two words").await;
    assert!(!made.header("x-request-id").is_empty() && made.header("x-request-id") != "two words");
}

#[tokio::test]
async fn a_panic_is_a_counted_problem_that_does_not_tell_what_happened() {
    let front = front(settings());
    let answer = front.get("all", "/boom").await;
    answer.problem("internal");
    assert!(!answer.text.contains("fuse"));
    assert!(front.metrics.text().contains(r#"route="/boom",method="GET",status="500"} 1"#));
    assert_eq!(front.get("all", "/nowhere").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_outlives_its_time_is_ended_and_counted() {
    let front = front(settings());
    let answer = front.get("all", "/slow").await;
    answer.problem("overloaded");
    assert_eq!(answer.header("retry-after"), "5");
    assert!(front.metrics.text().contains(r#"route="/slow",method="GET",status="503"} 1"#));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_hangs_up_is_counted() {
    let front = front(settings());
    let request = ask(Method::GET, "all", "/slow").body(Body::empty()).unwrap();
    let _ = tokio::time::timeout(Duration::from_secs(1), front.router.clone().oneshot(request)).await;
    assert!(front.metrics.text().contains(r#"route="/slow",method="GET",status="499"} 1"#));
}

#[tokio::test]
async fn metrics_hold_route_templates_and_no_ids() {
    let front = front(Settings { base_path: "/crm/".to_owned(), ..settings() });
    front.get("all", "/crm/students/alfa-4711").await;
    front.get("all", "/crm/made-up-4712").await;
    let text = front.metrics.text();
    assert!(text.contains(r#"route="/students/{id}""#) && text.contains(r#"route="-""#), "{text}");
    assert!(!text.contains("471"));
}

#[tokio::test]
async fn below_a_base_path_links_and_documents_carry_it() {
    let front = front(Settings { base_path: "/crm".to_owned(), ..settings() });
    assert_eq!(
        front.get("all", "/crm/nowhere").await.problem("not_found")["type"],
        "/crm/docs/errors/not_found"
    );
    assert_eq!(front.get("", "/crm/docs").await.header("location"), "/crm/docs/");
    let document: Value = serde_json::from_str(&front.get("", "/crm/openapi.json").await.text).unwrap();
    assert_eq!(document["servers"][0]["url"], "/crm");
    front.get("all", "/students").await.problem("not_found");
}

#[tokio::test]
async fn the_docs_are_open_complete_and_load_nothing_from_elsewhere() {
    let front = front(settings());
    let home = front.get("", "/docs/").await;
    assert_eq!(home.status, 200);
    assert!(home.header("content-security-policy").contains("default-src 'none'"));
    assert!(!home.text.contains("http://") && !home.text.contains("https://"), "{}", home.text);
    for link in home
        .text
        .split(['"'])
        .filter(|part| part.ends_with(".js") || part.ends_with(".css") || part.ends_with(".png"))
    {
        let file = front.get("", &format!("/docs/{}", link.trim_start_matches("./"))).await;
        assert_eq!(file.status, 200, "{link}");
        assert!(!file.text.is_empty());
    }
    let script = front.get("", "/docs/swagger-initializer.js").await.text;
    assert!(script.contains("/openapi.json") && !script.contains("petstore"));
    for missing in ["/docs/none.js", "/docs/errors/none"] {
        front.get("", missing).await.problem("not_found");
    }
}

#[tokio::test]
async fn every_error_code_has_a_page() {
    let front = front(settings());
    let catalogue = front.get("", "/docs/errors").await.text;
    for code in super::codes::Code::ALL {
        let name = code.entry().name;
        assert!(catalogue.contains(&format!("/docs/errors/{name}\"")), "{name}");
        let page = front.get("", &format!("/docs/errors/{name}")).await;
        assert!(page.status == 200 && page.text.contains(name) && !page.text.contains("://"), "{name}");
    }
}

#[tokio::test]
async fn without_docs_the_api_document_stays() {
    let front = front(Settings { docs: false, ..settings() });
    for path in ["/docs", "/docs/", "/docs/errors"] {
        front.get("all", path).await.problem("not_found");
    }
    assert_eq!(front.get("", "/openapi.json").await.status, 200);
}

#[tokio::test]
async fn pages_of_listed_origins_may_use_the_api_and_read_its_refusals() {
    let front = front(Settings { cors_origins: vec!["https://app.example".to_owned()], ..settings() });
    let preflight = Request::builder()
        .method(Method::OPTIONS)
        .uri("/students")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization")
        .body(Body::empty())
        .unwrap();
    let answer = front.send(preflight).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("access-control-allow-origin")),
        (200, "https://app.example")
    );
    for (origin, allowed) in [("https://app.example", "https://app.example"), ("https://evil.example", "")] {
        let request = ask(Method::GET, "", "/students").header("origin", origin).body(Body::empty()).unwrap();
        let refused = front.send(request).await;
        refused.problem("unauthenticated");
        assert_eq!(refused.header("access-control-allow-origin"), allowed);
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let front = front(settings());
    let get = front.get("", "/openapi.json").await;
    let head = front.send(ask(Method::HEAD, "", "/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!((head.status, head.header("content-length")), (get.status, get.header("content-length")));
    assert!(head.text.is_empty());
}

#[tokio::test]
async fn operators_see_life_readiness_and_metrics_and_nothing_else() {
    let (readiness, metrics) = (Readiness::new(), Arc::new(Metrics::new()));
    let router = admin(Desk {
        readiness: readiness.clone(),
        metrics: Arc::clone(&metrics),
        hub: Arc::new(Hub::empty()),
        journal: Journal::in_memory(),
        consumers: Arc::new(Consumers::new(Vec::new(), Arc::new(jiff::Timestamp::now))),
        reloads: Reloads::default(),
    });
    let see = async |path: &str| {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        Answer::of(router.clone().oneshot(request).await.unwrap()).await
    };
    assert_eq!(see("/livez").await.status, 200);
    assert_eq!(see("/readyz").await.status, 503);
    readiness.ready();
    assert_eq!(see("/readyz").await.status, 200);
    readiness.drain();
    readiness.ready();
    assert_eq!(see("/readyz").await.status, 503);
    metrics.cache("students", "hit");
    assert!(see("/metrics").await.text.contains("# HELP crm_gateway_cache_requests"));
    see("/students").await.problem("not_found");
}

#[test]
fn the_demo_key_does_not_show_in_debug_output() {
    let settings = Settings { demo_key: Some("crmgw_secret".to_owned()), ..settings() };
    assert!(!format!("{settings:?}").contains("secret"));
}

/// What really goes over the wire: the server library has its own opinion about some headers.
async fn wire(front: &Front, request: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = front.router.clone();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut sent = 0;
    while sent < request.len() {
        stream.writable().await.unwrap();
        sent += stream.try_write(&request.as_bytes()[sent..]).unwrap_or(0);
    }
    let mut answer = Vec::new();
    loop {
        stream.readable().await.unwrap();
        match stream.try_read_buf(&mut answer) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    server.abort();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_304_has_neither_a_body_nor_a_length() {
    let front = front(settings());
    let first = front.get("all", "/tagged").await;
    let tag = first.header("etag").to_owned();
    assert!(front.metrics.text().contains(r#"route="/tagged""#));
    let request = |method: &str, more: String| {
        format!(
            "{method} /tagged HTTP/1.1\r\nhost: gateway\r\nx-api-key: all\r\nconnection: close\r\n{more}\r\n"
        )
    };
    let again = wire(&front, request("GET", format!("if-none-match: {tag}\r\n"))).await;
    assert!(again.starts_with("HTTP/1.1 304 "), "{again}");
    assert!(again.ends_with("\r\n\r\n") && again.contains(&tag), "{again}");
    for header in ["content-length", "transfer-encoding", "content-type"] {
        assert!(!again.contains(&format!("\n{header}:")), "{again}");
    }
    for header in
        ["age: 0", "vary: authorization, x-api-key", "cache-status: crm-gateway; hit", "ratelimit: "]
    {
        assert!(again.contains(header), "{again}");
    }
    let head = wire(&front, request("HEAD", String::new())).await;
    assert!(head.contains("content-length: 15") && head.ends_with("\r\n\r\n"), "{head}");
    let kept = request("GET", format!("if-none-match: {tag}\r\n")).replace("connection: close\r\n", "");
    let both = wire(&front, format!("{kept}{}", request("GET", String::new()))).await;
    assert!(both.starts_with("HTTP/1.1 304 ") && both.contains("HTTP/1.1 200 OK"), "{both}");
    let missing = wire(&front, request("HEAD", String::new()).replace("/tagged", "/nowhere")).await;
    assert!(missing.starts_with("HTTP/1.1 404 ") && missing.ends_with("\r\n\r\n"), "{missing}");
}

/// Collects log lines.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_request_is_one_line_in_the_log_without_ids_values_or_keys() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    // Whether anybody listens is remembered per line of code: while there is one subscriber in the process, by what
    // the thread that came first thinks. Other tests come first; so there are two, and it is asked anew.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let front = front(settings());
    front.get("all", "/boom").await.problem("internal");
    tracing::callsite::rebuild_interest_cache();
    lines.0.lock().unwrap().clear();
    let request =
        ask(Method::GET, "all", "/students/alfa-4711?fields=secret-value").header("x-request-id", "rid-1");
    front.send(request.body(Body::empty()).unwrap()).await.problem("invalid_request");
    front.get("wrong-key", "/payments?payer=Anna").await.problem("unauthenticated");
    front.get("all", "/boom").await.problem("internal");
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let logged: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(logged.len(), 3, "{text}");
    let fields = &logged[0]["fields"];
    for (name, value) in [
        ("method", "GET"),
        ("route", "/students/{id}"),
        ("consumer", "all"),
        ("request_id", "rid-1"),
        ("code", "invalid_request"),
    ] {
        assert_eq!(fields[name], value, "{text}");
    }
    assert_eq!(logged[1]["fields"]["consumer"], "-");
    assert_eq!(
        (&logged[2]["level"], &logged[2]["fields"]["cause"]),
        (&"ERROR".into(), &"panic: the fuse is short".into())
    );
    for secret in ["4711", "secret-value", "wrong-key", "Anna"] {
        assert!(!text.contains(secret), "{text}");
    }
}
