//! What a collector is told: the real program sends to one that is made here.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

use super::program::{Directory, File, between, get, run, start};

/// Receives what is exported to it, over as many connections as anybody likes.
struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Span>>>,
    service: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (spans, service) = (Arc::default(), Arc::default());
        let collector = Self { address, spans: Arc::clone(&spans), service: Arc::clone(&service) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (spans, service) = (Arc::clone(&spans), Arc::clone(&service));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(request) = read(&mut reader) {
                        for resource in request.resource_spans {
                            let about = resource.resource.unwrap().attributes;
                            service.lock().unwrap().extend(
                                about
                                    .iter()
                                    .filter(|pair| pair.key == "service.name")
                                    .map(|pair| text(pair.value.as_ref().unwrap().value.as_ref())),
                            );
                            let scopes = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                            spans.lock().unwrap().extend(scopes);
                        }
                        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                    }
                });
            }
        });
        collector
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

/// The next delivery on a connection.
fn read(reader: &mut BufReader<std::net::TcpStream>) -> Option<ExportTraceServiceRequest> {
    let (mut length, mut head) = (0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(ExportTraceServiceRequest::decode(&*body).expect("it is what OTLP says"))
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|pair| pair.key == key);
    found.map_or_else(String::new, |pair| text(pair.value.as_ref().and_then(|value| value.value.as_ref())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_request_that_needs_a_crm_leaves_spans_of_its_turn_its_call_and_its_mapping_and_a_hit_leaves_none() {
    let collector = Collector::start();
    let mut sandbox = start(
        &["sandbox", "--alfacrm", "127.0.0.1:0", "--cryptocrm", "127.0.0.1:0", "--students", "30"],
        &[],
    );
    let crms = sandbox.lines_to(|line| line.starts_with("groups = "));
    let (key, consumer) = {
        let made = run(&["key", "new", "web-app"], &[]);
        let (key, stanza) = made.out.split_once('\n').unwrap();
        (key.to_owned(), stanza.to_owned())
    };
    let place = Directory::new("traces-store");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\n\
         [telemetry]\notlp_endpoint = \"http://{}\"\n{crms}{consumer}",
        place.path(),
        collector.address
    );
    let file = File::new("traces.toml", &text);
    let mut serve = start(&["serve", "--config", file.path()], &[("RUST_LOG", "warn,crm_gateway=info")]);
    let public = serve.word(|line| Some(between(&format!("{line} "), "public=", " ")?.to_owned()));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let ask = |path: &str, trace: &str| {
        let parent = format!("00-{trace}-00f067aa0ba902b7-01");
        get(&public, path, &[("x-api-key", &key), ("traceparent", &parent)])
    };
    let (status, told) = ask("/students?limit=2&q=%D0%90", trace);
    assert_eq!(status, 200, "{told}");
    // Memory knows it now; and who has no key is nobody's business either.
    assert_eq!(ask("/students?limit=2&q=%D0%90", "5bf92f3577b34da6a3ce929d0e0e4736").0, 200);
    assert_eq!(get(&public, "/students", &[]).0, 401);
    // Nobody waits for it, so it is refused: a failure.
    let hurry = [("x-api-key", &*key), ("prefer", "wait=0"), ("cache-control", "no-cache")];
    let refused = (0..20).any(|at| get(&public, &format!("/students?limit={}", at + 3), &hurry).0 == 503);
    assert!(refused);
    serve.signal("TERM");
    let ended = serve.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    sandbox.signal("TERM");
    sandbox.end();

    let spans = collector.spans();
    assert!(collector.service.lock().unwrap().iter().all(|name| name == "crm-gateway"));
    let its: Vec<&Span> = spans.iter().filter(|span| hex(&span.trace_id) == trace).collect();
    let named = |name: &str| -> Vec<&Span> { its.iter().copied().filter(|span| span.name == name).collect() };
    let [server] = named("GET /students")[..] else { panic!("{spans:#?}") };
    assert_eq!(server.kind(), SpanKind::Server);
    assert_eq!(hex(&server.parent_span_id), "00f067aa0ba902b7", "the caller's span is its parent");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/students"),
        ("http.response.status_code", "200"),
        ("crm_gateway.cache", "miss"),
        ("crm_gateway.consumer", "web-app"),
    ] {
        assert_eq!(attribute(server, key), value, "{key}");
    }
    let [call] = named("POST customer/index")[..] else { panic!("{its:#?}") };
    assert_eq!(call.kind(), SpanKind::Client);
    assert_eq!(
        (attribute(call, "server.address"), attribute(call, "http.response.status_code")),
        ("127.0.0.1".to_owned(), "200".to_owned())
    );
    assert_eq!(call.parent_span_id, server.span_id);
    let waits = named("wait for a turn");
    assert!(
        waits.iter().any(|span| attribute(span, "crm_gateway.operation") == "customer/index"),
        "{its:#?}"
    );
    let [mapping] = named("read the answer")[..] else { panic!("{its:#?}") };
    assert!(mapping.start_time_unix_nano >= call.end_time_unix_nano, "it comes after the call");
    // Whoever needed the token first signed in, or the books that are read ahead did.
    let logins = spans.iter().filter(|span| span.name == "POST auth/login").count();
    assert_eq!(logins, 1);
    let failed = spans.iter().find(|span| {
        attribute(span, "http.response.status_code") == "503" && span.kind() == SpanKind::Server
    });
    let failed = failed.unwrap_or_else(|| panic!("{spans:#?}"));
    assert_eq!(
        (attribute(failed, "error.type"), failed.status.as_ref().unwrap().code),
        ("503".to_owned(), 2)
    );

    assert!(!spans.iter().any(|span| hex(&span.trace_id).starts_with("5bf")), "a hit leaves no trace");
    assert!(!spans.iter().any(|span| attribute(span, "http.response.status_code") == "401"));
    let all = format!("{spans:?}");
    for secret in [&*key, "%D0%90", "А", "limit=", "traceparent"] {
        assert!(!all.contains(secret), "{secret} is in a span");
    }
    let words = &ended.err;
    assert!(!words.contains("traces cannot be delivered") && !words.contains("wait for a turn"), "{words}");
}

#[test]
fn a_collector_that_is_not_there_is_told_once_and_harms_nobody() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Directory::new("no-collector-store");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\n\
         [telemetry]\notlp_endpoint = \"http://{nobody}/otlp\"\n",
        place.path()
    );
    let mut sandbox =
        start(&["sandbox", "--alfacrm", "127.0.0.1:0", "--cryptocrm", "127.0.0.1:0", "--students", "5"], &[]);
    let crms = sandbox.lines_to(|line| line.starts_with("groups = "));
    let made = run(&["key", "new", "web-app"], &[]);
    let (key, stanza) = made.out.split_once('\n').unwrap();
    let file = File::new("no-collector.toml", &format!("{text}{crms}{stanza}"));
    let mut serve = start(&["serve", "--config", file.path()], &[]);
    let public = serve.word(|line| Some(between(&format!("{line} "), "public=", " ")?.to_owned()));
    assert_eq!(get(&public, "/students?limit=2", &[("x-api-key", key)]).0, 200);
    serve.word(|line| line.contains("traces cannot be delivered").then_some(()));
    assert_eq!(get(&public, "/students?limit=3", &[("x-api-key", key)]).0, 200);
    serve.signal("TERM");
    let ended = serve.end();
    assert_eq!(
        (ended.code, ended.err.matches("traces cannot be delivered").count()),
        (0, 1),
        "{}",
        ended.err
    );
    sandbox.signal("TERM");
    sandbox.end();
}
