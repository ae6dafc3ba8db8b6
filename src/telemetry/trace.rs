//! Traces: what a request did and how long each part took, sent by OTLP to a collector. Only requests that did something
//! leave one: those that needed a CRM, wrote or failed. An answer out of memory leaves none, because there is nothing to
//! see and the way is too short to watch.
//!
//! A span holds names of ours (routes as templates, operations, consumers), statuses and numbers; never a path with ids, a
//! query, a body or a header. W3C trace context is taken from the request and passed on to the CRM.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HeaderExtractor, HeaderInjector, HttpClient};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData, SpanProcessor};
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio::time::error::Elapsed;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Spans are told from log lines by this. Nobody looks at them where traces are sent nowhere.
pub(super) const TARGET: &str = "traces";

/// Marks a span that is not worth keeping.
const DROP: &str = "crm_gateway.drop";

/// The collector may take so long for one delivery.
const DELIVERY: Duration = Duration::from_secs(10);
/// What is not delivered by then when the process ends is lost.
const LAST_DELIVERY: Duration = Duration::from_secs(3);

/// The answer of the collector.
type Delivered = Result<Response<Bytes>, Box<dyn Error + Send + Sync>>;

/// Sends a request and gets the whole answer.
pub type Post = Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Delivered> + Send + Sync>;

/// Where traces are sent.
#[derive(Clone)]
pub struct Export {
    /// Address of the collector: `http://localhost:4318`.
    pub endpoint: String,
    /// How to reach it.
    pub post: Post,
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A request of a consumer, with the trace it belongs to by its headers.
pub fn request(method: &'static str, route: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        "otel.name" = Empty,
        "otel.kind" = "server",
        "otel.status_code" = Empty,
        "http.request.method" = method,
        "http.route" = route,
        "http.response.status_code" = Empty,
        "url.scheme" = "http",
        "error.type" = Empty,
        "crm_gateway.cache" = Empty,
        "crm_gateway.consumer" = Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("{method} {route}"));
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        // It fails only where nobody watches.
        let _ = span.set_parent(parent);
    }
    span
}

/// What became of a request. One that memory answered, and one that was refused before anything was done for it, is
/// forgotten.
pub fn answered(span: &Span, method: &str, status: u16, cache: &'static str, consumer: &str) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", status);
    span.record("crm_gateway.cache", cache);
    span.record("crm_gateway.consumer", consumer);
    if status >= 500 {
        span.record("otel.status_code", "ERROR").record("error.type", status);
    } else if matches!(method, "GET" | "HEAD" | "OPTIONS") && matches!(cache, "hit" | "-") {
        span.set_attribute(DROP, true);
    }
}

/// A call waits for its turn.
pub fn turn(crm: &'static str, class: &'static str, operation: &'static str) -> Span {
    tracing::info_span!(
        target: TARGET,
        "wait for a turn",
        "crm_gateway.crm" = crm,
        "crm_gateway.class" = class,
        "crm_gateway.operation" = operation,
    )
}

/// A call to a CRM.
pub fn call(method: &str, operation: &'static str, crm: &'static str, (address, port): (&str, u16)) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "call",
        "otel.name" = Empty,
        "otel.kind" = "client",
        "otel.status_code" = Empty,
        "http.request.method" = method,
        "http.response.status_code" = Empty,
        "server.address" = address,
        "server.port" = port,
        "url.template" = operation,
        "error.type" = Empty,
        "crm_gateway.crm" = crm,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("{method} {operation}"));
    }
    span
}

/// How a call ended: with an HTTP status, or with a word for a failure without one.
pub fn called(span: &Span, status: &str) {
    match status.parse::<u16>() {
        Ok(code) => span.record("http.response.status_code", code),
        Err(_) => span,
    };
    if !status.starts_with(['1', '2', '3']) {
        span.record("otel.status_code", "ERROR").record("error.type", status);
    }
}

/// What a CRM answered becomes records.
pub fn mapping(crm: &'static str, operation: &'static str) -> Span {
    tracing::info_span!(
        target: TARGET,
        "read the answer",
        "crm_gateway.crm" = crm,
        "crm_gateway.operation" = operation,
    )
}

/// Says to whoever is called which trace it is part of.
pub fn pass_on(span: &Span, headers: &mut HeaderMap) {
    if !span.is_disabled() {
        TraceContextPropagator::new().inject_context(&span.context(), &mut HeaderInjector(headers));
    }
}

/// Delivers spans to a collector, many at a time, on a thread of its own. Must be called within a runtime, which makes the
/// calls.
pub(super) fn start(export: Export) -> Result<(SdkTracerProvider, SdkTracer), Box<dyn Error + Send + Sync>> {
    let path = if export.endpoint.contains("/v1/traces") { "" } else { "/v1/traces" };
    let endpoint = format!("{}{path}", export.endpoint.trim_end_matches('/'));
    let collector =
        Collector { post: export.post, runtime: Handle::current(), failing: AtomicBool::new(false) };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(collector)
        .with_endpoint(endpoint)
        .build()?;
    let resource = Resource::builder()
        .with_service_name("crm-gateway")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_span_processor(Worth(BatchSpanProcessor::builder(exporter).build()))
        .build();
    let tracer = provider.tracer("crm-gateway");
    Ok((provider, tracer))
}

/// Delivers what is left.
pub(super) fn end(provider: &SdkTracerProvider) {
    // There is nobody left to tell.
    let _ = provider.shutdown_with_timeout(LAST_DELIVERY);
}

/// Passes on what is worth keeping.
#[derive(Debug)]
struct Worth<P>(P);

impl<P: SpanProcessor> SpanProcessor for Worth<P> {
    fn on_start(&self, span: &mut opentelemetry_sdk::trace::Span, context: &opentelemetry::Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.attributes.iter().any(|attribute| attribute.key.as_str() == DROP) {
            self.0.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// The thread that delivers has no runtime, and the client needs one.
struct Collector {
    post: Post,
    runtime: Handle,
    failing: AtomicBool,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

impl Collector {
    /// Logs when deliveries begin to fail and when they succeed again, not each of them.
    fn tell(&self, failure: Option<&str>) {
        let failed = self.failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(cause) if !failed => tracing::warn!(cause, "traces cannot be delivered and are lost"),
            None if failed => tracing::info!("traces are delivered again"),
            _ => {}
        }
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Delivered> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let sent = (self.post)(request);
        let task = self.runtime.spawn(async move { tokio::time::timeout(DELIVERY, sent).await });
        Box::pin(async move {
            let outcome = flat(task.await);
            match &outcome {
                Ok(answer) if answer.status().is_success() => self.tell(None),
                Ok(answer) => self.tell(Some(answer.status().as_str())),
                Err(error) => self.tell(Some(&error.to_string())),
            }
            outcome
        })
    }
}

/// A delivery whose task crashed or that took too long has failed.
fn flat(outcome: Result<Result<Delivered, Elapsed>, JoinError>) -> Delivered {
    outcome??
}
