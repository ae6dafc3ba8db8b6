//! Every metric: its name, its labels and its help text, on one screen. Labels are route templates and configured names,
//! never ids, so their number is bounded.

use std::collections::BTreeSet;
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

/// Upper bounds in seconds, from a cache hit to a long wait.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

type Seconds<L> = Family<L, Histogram, fn() -> Histogram>;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    http_requests: Family<HttpLabels, Counter>,
    http_duration: Seconds<RouteLabels>,
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
struct DriftLabels {
    upstream: &'static str,
    resource: &'static str,
    field: String,
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("crm_gateway"),
            http_requests: Family::default(),
            http_duration: Family::new_with_constructor(seconds),
            upstream_requests: Family::default(),
            upstream_duration: Family::new_with_constructor(seconds),
            queue_wait: Family::new_with_constructor(seconds),
            queue_depth: Family::default(),
            cache_requests: Family::default(),
            quota_spent: Family::default(),
            quota_labels: Mutex::default(),
            quota_rate: Family::default(),
            quota_foreign_rate: Family::default(),
            breaker: Family::default(),
            drift: Family::default(),
        };
        // The registry adds `_total` to counters, `_seconds` to what is measured in seconds, and the full stop.
        let r = &mut metrics.registry;
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
        r.register("queue_depth", "Calls waiting for their turn now", metrics.queue_depth.clone());
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
        metrics
    }

    /// A request was answered.
    pub fn http(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let labels = HttpLabels { route: route.to_owned(), method, status };
        self.http_requests.get_or_create(&labels).inc();
        let labels = RouteLabels { route: labels.route, method };
        self.http_duration.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A call to a CRM ended. `status` is its HTTP status, or a word for a failure without one.
    pub fn upstream(&self, upstream: &'static str, operation: &'static str, status: &str, took: Duration) {
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

    /// So many calls wait now.
    pub fn queue_depth(&self, upstream: &'static str, class: &'static str, depth: usize) {
        let depth = i64::try_from(depth).unwrap_or(i64::MAX);
        self.queue_depth.get_or_create(&QueueLabels { upstream, class }).set(depth);
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

    /// What a CRM takes now, and what is missing from the quota.
    pub fn quota_rate(&self, upstream: &'static str, learned: f64, foreign: f64) {
        let labels = CrmLabels { upstream };
        self.quota_rate.get_or_create(&labels).set(learned);
        self.quota_foreign_rate.get_or_create(&labels).set(foreign);
    }

    /// Whether calls pass: 0 closed, 1 half-open, 2 open.
    pub fn breaker(&self, upstream: &'static str, state: i64) {
        self.breaker.get_or_create(&CrmLabels { upstream }).set(state);
    }

    /// A value could not be mapped.
    pub fn drift(&self, upstream: &'static str, resource: &'static str, field: &str) {
        let labels = DriftLabels { upstream, resource, field: field.to_owned() };
        self.drift.get_or_create(&labels).inc();
    }

    /// The exposition text.
    pub fn text(&self) -> String {
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

    #[test]
    fn every_metric_has_the_name_the_contract_gives_it() {
        let metrics = Metrics::new();
        let took = Duration::from_millis(7);
        metrics.http("/students/{id}", "GET", 200, took);
        metrics.upstream("alfacrm", "customer/index", "429", took);
        metrics.queue_wait("alfacrm", "batch", took);
        metrics.queue_depth("alfacrm", "batch", 3);
        metrics.cache("students", "hit");
        metrics.quota_spent("alfacrm", "web-app", "miss");
        metrics.quota_rate("alfacrm", 4.0, 1.0);
        metrics.breaker("alfacrm", 2);
        metrics.drift("alfacrm", "students", "balance");
        let text = metrics.text();
        for line in [
            r#"crm_gateway_http_requests_total{route="/students/{id}",method="GET",status="200"} 1"#,
            r#"crm_gateway_http_request_duration_seconds_count{route="/students/{id}",method="GET"} 1"#,
            r#"crm_gateway_upstream_requests_total{upstream="alfacrm",operation="customer/index",status="429"} 1"#,
            r#"crm_gateway_upstream_duration_seconds_count{upstream="alfacrm",operation="customer/index"} 1"#,
            r#"crm_gateway_queue_wait_seconds_count{upstream="alfacrm",class="batch"} 1"#,
            r#"crm_gateway_queue_depth{upstream="alfacrm",class="batch"} 3"#,
            r#"crm_gateway_cache_requests_total{resource="students",result="hit"} 1"#,
            r#"crm_gateway_quota_spent_total{upstream="alfacrm",consumer="web-app",reason="miss"} 1"#,
            r#"crm_gateway_quota_rate{upstream="alfacrm"} 4"#,
            r#"crm_gateway_quota_foreign_rate{upstream="alfacrm"} 1"#,
            r#"crm_gateway_breaker_state{upstream="alfacrm"} 2"#,
            r#"crm_gateway_drift_total{upstream="alfacrm",resource="students",field="balance"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\nis missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
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
