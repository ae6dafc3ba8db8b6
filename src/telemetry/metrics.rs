//! Every metric: its name, its labels and its help text, on one screen. Labels are route templates and configured names,
//! never ids, so their number is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::runtime::Handle;

use super::recent::Recent;
use super::samples::Samples;

/// Upper bounds in seconds, from a cache hit to a long wait.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// The same for waits, up to the longest that can be configured (`quota.max_wait`).
const WAITS: [f64; 15] =
    [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// The bounds that OpenTelemetry's conventions ask for.
const OTEL_SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

type Seconds<L> = Family<L, Histogram, fn() -> Histogram>;

/// How the way to a CRM stands now.
#[derive(Debug, Clone, Copy)]
pub struct Gauges {
    /// Calls that wait for their turn, by class.
    pub waiting: [(&'static str, usize); 4],
    /// Calls per second that the CRM takes, as far as it was learned.
    pub learned_rate: f64,
    /// Calls per second missing from the quota.
    pub foreign_rate: f64,
    /// Whether calls pass: 0 closed, 1 half-open, 2 open.
    pub breaker: i64,
}

/// What counts the answers that memory gives on one route, found once: looking counters up by their labels costs more
/// than counting.
#[derive(Debug, Clone)]
pub struct Hits {
    answered: Asked,
    unchanged: Asked,
    took: Histogram,
    cache: Counter,
}

/// What counts answers of one status.
#[derive(Debug, Clone)]
struct Asked {
    requests: Counter,
    otel_took: Histogram,
}

impl Hits {
    /// A request was answered from memory: by a body, or by 304 because the caller has it.
    pub fn count(&self, unchanged: bool, took: Duration) {
        let Asked { requests, otel_took } = if unchanged { &self.unchanged } else { &self.answered };
        let took = took.as_secs_f64();
        requests.inc();
        self.cache.inc();
        self.took.observe(took);
        otel_took.observe(took);
    }
}

/// Where calls go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Host name or address.
    pub address: String,
    /// TCP port.
    pub port: u16,
}

impl Server {
    /// That of a base URL.
    pub fn of(base_url: &str) -> Self {
        let uri: http::Uri = base_url.parse().unwrap_or_default();
        let usual = if uri.scheme() == Some(&http::uri::Scheme::HTTP) { 80 } else { 443 };
        let address = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        Self { address, port: uri.port_u16().unwrap_or(usual) }
    }
}

/// A call to a CRM.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// Which CRM.
    pub upstream: &'static str,
    /// What was called.
    pub operation: &'static str,
    /// The HTTP method.
    pub method: &'a str,
    /// Where.
    pub server: &'a Server,
}

/// Writes that are followed up because nobody knows yet whether they were carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operations {
    /// The gateway is still finding out.
    pub open: usize,
    /// It could not find out; somebody has to look.
    pub needs_review: usize,
}

type Look = Box<dyn Fn() -> Gauges + Send + Sync>;
type LookAtOperations = Box<dyn Fn() -> Operations + Send + Sync>;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    http_requests: Family<HttpLabels, Counter>,
    http_duration: Seconds<RouteLabels>,
    otel_server: Seconds<OtelServerLabels>,
    otel_client: Seconds<OtelClientLabels>,
    upstream_requests: Family<UpstreamLabels, Counter>,
    upstream_duration: Seconds<OperationLabels>,
    queue_wait: Seconds<QueueLabels>,
    queue_depth: Family<QueueLabels, Gauge>,
    cache_requests: Family<CacheLabels, Counter>,
    quota_spent: Family<QuotaLabels, Counter>,
    /// All labels in `quota_spent`: a family finds its counters by them and cannot tell which it has.
    quota_labels: Mutex<BTreeSet<QuotaLabels>>,
    quota_rate: Family<CrmLabels, Gauge<f64, AtomicU64>>,
    quota_foreign_rate: Family<CrmLabels, Gauge<f64, AtomicU64>>,
    breaker: Family<CrmLabels, Gauge>,
    drift: Family<DriftLabels, Counter>,
    queue_refused: Family<RefusedLabels, Counter>,
    /// What is asked for gauges whenever they are read: some of them change with time alone.
    watched: Mutex<BTreeMap<&'static str, Look>>,
    operations: Family<OperationsLabels, Gauge>,
    /// Tasks of the runtime that have not ended.
    tasks: Gauge,
    /// What is asked for those.
    operations_watched: Mutex<Option<LookAtOperations>>,
    recent: Recent,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CrmLabels {
    upstream: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

/// By OpenTelemetry's conventions for HTTP servers. What is not there is empty, which to Prometheus is the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OtelServerLabels {
    http_request_method: &'static str,
    http_route: String,
    http_response_status_code: u16,
    url_scheme: &'static str,
    error_type: String,
}

impl OtelServerLabels {
    fn new(route: &str, method: &'static str, status: u16) -> Self {
        Self {
            // The convention's word for one that is not known.
            http_request_method: if method == "OTHER" { "_OTHER" } else { method },
            http_route: if route == "-" { String::new() } else { route.to_owned() },
            http_response_status_code: status,
            url_scheme: "http",
            error_type: if status >= 500 { status.to_string() } else { String::new() },
        }
    }
}

/// The same for HTTP clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OtelClientLabels {
    http_request_method: String,
    server_address: String,
    server_port: u16,
    url_template: &'static str,
    http_response_status_code: String,
    error_type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    upstream: &'static str,
    operation: &'static str,
    status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    upstream: &'static str,
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    upstream: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    upstream: &'static str,
    class: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    resource: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
struct QuotaLabels {
    upstream: &'static str,
    consumer: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationsLabels {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DriftLabels {
    upstream: &'static str,
    resource: &'static str,
    field: String,
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let waits: fn() -> Histogram = || Histogram::new(WAITS);
        let otel: fn() -> Histogram = || Histogram::new(OTEL_SECONDS);
        let mut metrics = Self {
            registry: Registry::default(),
            http_requests: Family::default(),
            http_duration: Family::new_with_constructor(seconds),
            otel_server: Family::new_with_constructor(otel),
            otel_client: Family::new_with_constructor(otel),
            upstream_requests: Family::default(),
            upstream_duration: Family::new_with_constructor(seconds),
            queue_wait: Family::new_with_constructor(waits),
            queue_depth: Family::default(),
            cache_requests: Family::default(),
            quota_spent: Family::default(),
            quota_labels: Mutex::default(),
            quota_rate: Family::default(),
            quota_foreign_rate: Family::default(),
            breaker: Family::default(),
            drift: Family::default(),
            queue_refused: Family::default(),
            watched: Mutex::default(),
            operations: Family::default(),
            tasks: Gauge::default(),
            operations_watched: Mutex::default(),
            recent: Recent::default(),
        };
        // The registry adds `_total` to counters, `_seconds` to what is measured in seconds, and the full stop.
        metrics.registry.register_with_unit(
            "http_server_request_duration",
            "Time to answer a request, by the conventions of OpenTelemetry",
            Unit::Seconds,
            metrics.otel_server.clone(),
        );
        metrics.registry.register_with_unit(
            "http_client_request_duration",
            "Time a CRM took for one call, by the conventions of OpenTelemetry",
            Unit::Seconds,
            metrics.otel_client.clone(),
        );
        let r = metrics.registry.sub_registry_with_prefix("crm_gateway");
        r.register("http_requests", "Requests answered, by route template", metrics.http_requests.clone());
        r.register_with_unit(
            "http_request_duration",
            "Time to answer a request, waiting included",
            Unit::Seconds,
            metrics.http_duration.clone(),
        );
        r.register(
            "upstream_requests",
            "Calls sent to a CRM; the status is its HTTP status or the kind of failure",
            metrics.upstream_requests.clone(),
        );
        r.register_with_unit(
            "upstream_duration",
            "Time a CRM took for one call, waiting not included",
            Unit::Seconds,
            metrics.upstream_duration.clone(),
        );
        r.register_with_unit(
            "queue_wait",
            "Time a call waited for its turn",
            Unit::Seconds,
            metrics.queue_wait.clone(),
        );
        r.register(
            "tasks",
            "Tasks that have not ended: connections, calls, refreshes and what runs as long as the process",
            metrics.tasks.clone(),
        );
        r.register("queue_depth", "Calls waiting for their turn now", metrics.queue_depth.clone());
        r.register(
            "queue_refused",
            "Calls that were given no turn and why: deadline, full, retry_budget, daily_budget, breaker",
            metrics.queue_refused.clone(),
        );
        r.register(
            "cache_requests",
            "Answers by how the cache took part in them",
            metrics.cache_requests.clone(),
        );
        r.register(
            "quota_spent",
            "Calls of a CRM's quota spent, by who caused them and why",
            metrics.quota_spent.clone(),
        );
        r.register(
            "quota_rate",
            "Calls per second that a CRM takes, as far as it was learned",
            metrics.quota_rate.clone(),
        );
        r.register(
            "quota_foreign_rate",
            "Calls per second missing from the quota: somebody else spends them, or the CRM allows less",
            metrics.quota_foreign_rate.clone(),
        );
        r.register(
            "breaker_state",
            "Whether calls to a CRM pass: 0 closed, 1 half-open, 2 open",
            metrics.breaker.clone(),
        );
        r.register("drift", "Values a CRM sent that could not be mapped", metrics.drift.clone());
        r.register(
            "operations",
            "Writes whose outcome is not known: open while the gateway finds out, needs_review when it could not",
            metrics.operations.clone(),
        );
        metrics
    }

    /// A request was answered.
    pub fn http(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let labels = HttpLabels { route: route.to_owned(), method, status };
        self.http_requests.get_or_create(&labels).inc();
        let labels = RouteLabels { route: labels.route, method };
        self.http_duration.get_or_create(&labels).observe(took.as_secs_f64());
        let labels = OtelServerLabels::new(route, method, status);
        self.otel_server.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// What counts the answers to `GET` that memory gives on a route about a resource.
    pub fn hits(&self, route: &str, resource: &'static str) -> Hits {
        let asked = |status| {
            let labels = HttpLabels { route: route.to_owned(), method: "GET", status };
            let requests = self.http_requests.get_or_create(&labels).clone();
            let labels = OtelServerLabels::new(route, "GET", status);
            Asked { requests, otel_took: self.otel_server.get_or_create(&labels).clone() }
        };
        let labels = RouteLabels { route: route.to_owned(), method: "GET" };
        Hits {
            answered: asked(200),
            unchanged: asked(304),
            took: self.http_duration.get_or_create(&labels).clone(),
            cache: self.cache_requests.get_or_create(&CacheLabels { resource, result: "hit" }).clone(),
        }
    }

    /// A call to a CRM ended. `status` is its HTTP status, or a word for a failure without one.
    pub fn upstream(&self, called: &Called<'_>, status: &str, took: Duration) {
        let Called { upstream, operation, method, server } = *called;
        let answered = status.bytes().all(|letter| letter.is_ascii_digit());
        let labels = OtelClientLabels {
            http_request_method: method.to_owned(),
            server_address: server.address.clone(),
            server_port: server.port,
            url_template: operation,
            http_response_status_code: if answered { status.to_owned() } else { String::new() },
            error_type: if status.starts_with(['1', '2', '3']) { String::new() } else { status.to_owned() },
        };
        self.otel_client.get_or_create(&labels).observe(took.as_secs_f64());
        let labels = UpstreamLabels { upstream, operation, status: status.to_owned() };
        self.upstream_requests.get_or_create(&labels).inc();
        self.upstream_duration
            .get_or_create(&OperationLabels { upstream, operation })
            .observe(took.as_secs_f64());
    }

    /// A call left the waiting room.
    pub fn queue_wait(&self, upstream: &'static str, class: &'static str, waited: Duration) {
        self.queue_wait.get_or_create(&QueueLabels { upstream, class }).observe(waited.as_secs_f64());
    }

    /// A call was given no turn, for this reason.
    pub fn queue_refused(&self, upstream: &'static str, class: &'static str, reason: &'static str) {
        self.queue_refused.get_or_create(&RefusedLabels { upstream, class, reason }).inc();
    }

    /// An answer was given with the cache taking part in this way.
    pub fn cache(&self, resource: &'static str, result: &'static str) {
        self.cache_requests.get_or_create(&CacheLabels { resource, result }).inc();
    }

    /// One call of a CRM's quota was spent.
    pub fn quota_spent(&self, upstream: &'static str, consumer: &str, reason: &'static str) {
        let labels = QuotaLabels { upstream, consumer: consumer.to_owned(), reason };
        self.quota_spent.get_or_create(&labels).inc();
        self.quota_labels.lock().unwrap_or_else(PoisonError::into_inner).insert(labels);
    }

    /// The calls of a CRM's quota spent so far: consumer, reason and how many, in the order of the names.
    pub fn quota_spent_on(&self, upstream: &str) -> Vec<(String, &'static str, u64)> {
        let known = self.quota_labels.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = known.iter().filter(|labels| labels.upstream == upstream);
        let counted = of_it.filter_map(|labels| {
            let calls = self.quota_spent.get(labels)?.get();
            Some((labels.consumer.clone(), labels.reason, calls))
        });
        counted.collect()
    }

    /// Shows how the way to a CRM stands, as `look` sees it whenever the metrics are read.
    pub fn watch(&self, upstream: &'static str, look: impl Fn() -> Gauges + Send + Sync + 'static) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(upstream, Box::new(look));
    }

    /// Shows how many writes are followed up, as `look` sees it whenever the metrics are read.
    pub fn watch_operations(&self, look: impl Fn() -> Operations + Send + Sync + 'static) {
        *self.operations_watched.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(look));
    }

    /// How many writes are followed up; `None` where nobody follows them up.
    pub fn operations(&self) -> Option<Operations> {
        let watched = self.operations_watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.as_ref().map(|look| look())
    }

    /// The last requests that failed.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    fn look(&self) {
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.set(i64::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX));
        }
        if let Some(Operations { open, needs_review }) = self.operations() {
            for (status, many) in [("open", open), ("needs_review", needs_review)] {
                let many = i64::try_from(many).unwrap_or(i64::MAX);
                self.operations.get_or_create(&OperationsLabels { status }).set(many);
            }
        }
        for (upstream, look) in &*self.watched.lock().unwrap_or_else(PoisonError::into_inner) {
            let Gauges { waiting, learned_rate, foreign_rate, breaker } = look();
            for (class, calls) in waiting {
                let calls = i64::try_from(calls).unwrap_or(i64::MAX);
                self.queue_depth.get_or_create(&QueueLabels { upstream, class }).set(calls);
            }
            let labels = CrmLabels { upstream };
            self.quota_rate.get_or_create(&labels).set(learned_rate);
            self.quota_foreign_rate.get_or_create(&labels).set(foreign_rate);
            self.breaker.get_or_create(&labels).set(breaker);
        }
    }

    /// A value could not be mapped.
    pub fn drift(&self, upstream: &'static str, resource: &'static str, field: &str) {
        let labels = DriftLabels { upstream, resource, field: field.to_owned() };
        self.drift.get_or_create(&labels).inc();
    }

    /// All numbers as they are now.
    pub fn samples(&self) -> Samples {
        Samples::read(&self.text())
    }

    /// The exposition text.
    pub fn text(&self) -> String {
        self.look();
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String cannot fail");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything is counted once.
    fn counted() -> Metrics {
        let metrics = Metrics::new();
        let took = Duration::from_millis(7);
        metrics.http("/students/{id}", "GET", 200, took);
        let server = Server::of("https://school.example:8443/api");
        let called =
            Called { upstream: "alfacrm", operation: "customer/index", method: "POST", server: &server };
        metrics.upstream(&called, "429", took);
        metrics.upstream(&called, "timeout", took);
        metrics.queue_wait("alfacrm", "batch", took);
        metrics.queue_refused("alfacrm", "batch", "full");
        metrics.watch("alfacrm", || Gauges {
            waiting: [("interactive", 0), ("partner", 0), ("batch", 3), ("refresh", 0)],
            learned_rate: 4.0,
            foreign_rate: 1.0,
            breaker: 2,
        });
        metrics.cache("students", "hit");
        metrics.quota_spent("alfacrm", "web-app", "miss");
        metrics.drift("alfacrm", "students", "balance");
        metrics.watch_operations(|| Operations { open: 2, needs_review: 1 });
        metrics.hits("/students/{id}", "students").count(true, took);
        metrics
    }

    #[test]
    fn every_metric_has_the_name_the_contract_gives_it() {
        let text = counted().text();
        for line in [
            r#"crm_gateway_http_requests_total{route="/students/{id}",method="GET",status="200"} 1"#,
            r#"crm_gateway_http_request_duration_seconds_count{route="/students/{id}",method="GET"} 2"#,
            r#"crm_gateway_upstream_requests_total{upstream="alfacrm",operation="customer/index",status="429"} 1"#,
            r#"crm_gateway_upstream_duration_seconds_count{upstream="alfacrm",operation="customer/index"} 2"#,
            r#"crm_gateway_queue_wait_seconds_count{upstream="alfacrm",class="batch"} 1"#,
            r#"crm_gateway_queue_depth{upstream="alfacrm",class="batch"} 3"#,
            r#"crm_gateway_queue_wait_seconds_bucket{le="600.0",upstream="alfacrm",class="batch"} 1"#,
            r#"crm_gateway_queue_refused_total{upstream="alfacrm",class="batch",reason="full"} 1"#,
            r#"crm_gateway_http_requests_total{route="/students/{id}",method="GET",status="304"} 1"#,
            r#"crm_gateway_cache_requests_total{resource="students",result="hit"} 2"#,
            r#"crm_gateway_quota_spent_total{upstream="alfacrm",consumer="web-app",reason="miss"} 1"#,
            r#"crm_gateway_quota_rate{upstream="alfacrm"} 4"#,
            r#"crm_gateway_quota_foreign_rate{upstream="alfacrm"} 1"#,
            r#"crm_gateway_breaker_state{upstream="alfacrm"} 2"#,
            r#"crm_gateway_drift_total{upstream="alfacrm",resource="students",field="balance"} 1"#,
            r#"http_server_request_duration_seconds_count{http_request_method="GET",http_route="/students/{id}",http_response_status_code="304",url_scheme="http",error_type=""} 1"#,
            r#"http_client_request_duration_seconds_count{http_request_method="POST",server_address="school.example",server_port="8443",url_template="customer/index",http_response_status_code="429",error_type="429"} 1"#,
            r#"url_template="customer/index",http_response_status_code="",error_type="timeout"} 1"#,
            r#"crm_gateway_operations{status="open"} 2"#,
            r#"crm_gateway_operations{status="needs_review"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\nis missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_server_is_named_by_host_and_port() {
        let server = |url: &str| Server::of(url);
        let is = |address: &str, port| Server { address: address.to_owned(), port };
        assert_eq!(server("https://crm.example"), is("crm.example", 443));
        assert_eq!(server("http://[::1]:8080"), is("::1", 8080));
        assert_eq!(server("http://crm.example/backend"), is("crm.example", 80));
    }

    #[test]
    fn alerts_are_about_metrics_that_there_are() {
        let text = counted().text();
        let rules = include_str!("../../k8s/alerts.yaml");
        let names = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: Vec<&str> = names.filter(|name| name.starts_with("crm_gateway_")).collect();
        assert!(named.len() >= 6, "{named:?}");
        for name in named {
            let family = format!("# TYPE {} ", name.trim_end_matches("_total"));
            assert!(text.contains(&family), "{name}");
        }
    }

    #[test]
    fn what_was_spent_is_told_by_consumer_and_reason_for_one_crm() {
        let metrics = Metrics::new();
        assert_eq!(metrics.quota_spent_on("alfacrm"), []);
        for (upstream, consumer, reason) in [
            ("alfacrm", "web-app", "miss"),
            ("cryptocrm", "web-app", "miss"),
            ("alfacrm", "web-app", "retry"),
            ("alfacrm", "export", "miss"),
            ("alfacrm", "web-app", "miss"),
        ] {
            metrics.quota_spent(upstream, consumer, reason);
        }
        let spent = |consumer: &str, reason, calls| (consumer.to_owned(), reason, calls);
        assert_eq!(
            metrics.quota_spent_on("alfacrm"),
            [spent("export", "miss", 1), spent("web-app", "miss", 2), spent("web-app", "retry", 1)]
        );
    }
}
