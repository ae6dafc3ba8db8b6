//! `GET /admin/state`: how the gateway stands at this moment, in one document. It counts from the start of the process;
//! whoever wants rates compares two of them. It says nothing of anybody's data.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::super::ops::{Reloaded, Reloads};
use crate::consumers::{Consumers, KeyStanding, Standing};
use crate::crm::Budget;
use crate::hub::Hub;
use crate::model::Class;
use crate::model::context::Payer;
use crate::telemetry::{Failure, Metrics, Sample, Samples, Spread};

/// Everything the operator page shows.
#[derive(Debug, Serialize)]
pub(super) struct State {
    at: String,
    version: &'static str,
    uptime_seconds: u64,
    ready: &'static str,
    /// Answers, by their HTTP status.
    requests: BTreeMap<String, u64>,
    /// How long they took.
    took: Histogram,
    /// Answers by how the cache took part in them, for each resource.
    cache: BTreeMap<String, BTreeMap<String, u64>>,
    crms: Vec<CrmState>,
    drift: Vec<Drift>,
    /// Left out where nobody follows writes up.
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Operations>,
    errors: Vec<Failed>,
    /// Who may call, and when each key was last used.
    consumers: Vec<ConsumerState>,
    /// What became of the last reload, for each part.
    reloads: Vec<ReloadState>,
}

#[derive(Debug, Serialize)]
struct ConsumerState {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    daily_budget: Option<u64>,
    spent_today: u64,
    keys: Vec<KeyState>,
}

/// A key by the beginning of its hash.
#[derive(Debug, Serialize)]
struct KeyState {
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
}

#[derive(Debug, Serialize)]
struct ReloadState {
    part: &'static str,
    at: String,
    taken: bool,
    detail: String,
}

/// The way to one CRM.
#[derive(Debug, Serialize)]
struct CrmState {
    source: &'static str,
    rate: f64,
    learned_rate: f64,
    foreign_rate: f64,
    burst: u32,
    max_wait_ms: u64,
    breaker: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker_retry_after_ms: Option<u64>,
    waiting: usize,
    waiting_by_class: BTreeMap<String, u64>,
    /// How long a call of somebody who has none waiting would wait.
    predicted_wait_ms: BTreeMap<&'static str, u64>,
    spent: Vec<Spent>,
    /// Calls by the status of the answer, or the word for a failure without one.
    calls: BTreeMap<String, u64>,
    /// Calls that got no turn, by why.
    refused: BTreeMap<String, u64>,
    took: Histogram,
    waited: Histogram,
}

#[derive(Debug, Serialize)]
struct Spent {
    consumer: String,
    reason: &'static str,
    calls: u64,
}

/// `counts[i]` values were at most `le[i]` seconds; the last count is all of them.
#[derive(Debug, Serialize)]
struct Histogram {
    le: Vec<f64>,
    counts: Vec<u64>,
}

#[derive(Debug, Serialize)]
struct Drift {
    source: String,
    resource: String,
    field: String,
    values: u64,
}

/// Writes whose outcome is not known.
#[derive(Debug, Serialize)]
struct Operations {
    open: usize,
    needs_review: usize,
}

#[derive(Debug, Serialize)]
struct Failed {
    at: String,
    method: &'static str,
    route: String,
    status: u16,
    code: &'static str,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    consumer: String,
    request_id: String,
}

impl State {
    /// As it is now.
    pub(super) fn of(hub: &Hub, metrics: &Metrics, ready: &'static str, uptime: Duration) -> Self {
        let samples = metrics.samples();
        let mut cache: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for sample in samples.of("crm_gateway_cache_requests_total") {
            let of_it = cache.entry(sample.label("resource").to_owned()).or_default();
            *of_it.entry(sample.label("result").to_owned()).or_default() += sample.count();
        }
        let drift = samples.of("crm_gateway_drift_total").map(|sample| Drift {
            source: sample.label("upstream").to_owned(),
            resource: sample.label("resource").to_owned(),
            field: sample.label("field").to_owned(),
            values: sample.count(),
        });
        let mut drift: Vec<Drift> = drift.collect();
        drift.sort_by(|a, b| (b.values, &a.resource, &a.field).cmp(&(a.values, &b.resource, &b.field)));
        let operations = metrics.operations();
        Self {
            at: jiff::Timestamp::now().to_string(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: uptime.as_secs(),
            ready,
            requests: sums(&samples, "crm_gateway_http_requests_total", "status", |_| true),
            took: samples.spread("crm_gateway_http_request_duration_seconds", |_| true).into(),
            cache,
            crms: crms(hub, &samples),
            drift,
            operations: operations.map(|all| Operations { open: all.open, needs_review: all.needs_review }),
            errors: metrics.recent().all().into_iter().map(Failed::from).collect(),
            consumers: Vec::new(),
            reloads: Vec::new(),
        }
    }

    /// With who may call, and what became of reloads.
    pub(super) fn with(mut self, consumers: &Consumers, reloads: &Reloads) -> Self {
        let key = |key: KeyStanding| KeyState {
            hash: key.mark,
            expires: key.expires.map(|at| at.to_string()),
            last_used: key.last_used.map(|at| at.to_string()),
        };
        let consumer = |standing: Standing| ConsumerState {
            name: standing.name.to_string(),
            daily_budget: standing.daily_budget,
            spent_today: standing.day.1,
            keys: standing.keys.into_iter().map(key).collect(),
        };
        self.consumers = consumers.standing().into_iter().map(consumer).collect();
        let reload = |(part, Reloaded { at, outcome }): (&'static str, Reloaded)| {
            let taken = outcome.is_ok();
            let detail = outcome.unwrap_or_else(|why| why);
            ReloadState { part, at: at.to_string(), taken, detail }
        };
        self.reloads = reloads.all().into_iter().map(reload).collect();
        self
    }
}

fn crms(hub: &Hub, samples: &Samples) -> Vec<CrmState> {
    // Nobody in particular, of each class.
    let seen_by = |class| hub.budgets(&Payer { consumer: "".into(), class, weight: 1, allowance: None });
    let by_class: Vec<(Class, Vec<Budget>)> =
        Class::ALL.into_iter().map(|class| (class, seen_by(class))).collect();
    let Some((_, budgets)) = by_class.first() else { return Vec::new() };
    let state = |(at, budget): (usize, &Budget)| {
        let source = budget.crm.name();
        let its = |sample: &Sample| sample.label("upstream") == source;
        let spent = |spent: &crate::crm::budget::Spent| Spent {
            consumer: spent.consumer.clone(),
            reason: spent.reason.name(),
            calls: spent.calls,
        };
        let wait = |(class, budgets): &(Class, Vec<Budget>)| {
            budgets.get(at).map(|budget| (class.name(), millis(budget.predicted_wait)))
        };
        CrmState {
            source,
            rate: budget.rate,
            learned_rate: budget.learned_rate,
            foreign_rate: budget.foreign_rate,
            burst: budget.burst,
            max_wait_ms: millis(budget.max_wait),
            breaker: budget.breaker,
            breaker_retry_after_ms: budget.closed_for.map(millis),
            waiting: budget.waiting,
            waiting_by_class: sums(samples, "crm_gateway_queue_depth", "class", its),
            predicted_wait_ms: by_class.iter().filter_map(wait).collect(),
            spent: budget.spent.iter().map(spent).collect(),
            calls: sums(samples, "crm_gateway_upstream_requests_total", "status", its),
            refused: sums(samples, "crm_gateway_queue_refused_total", "reason", its),
            took: samples.spread("crm_gateway_upstream_duration_seconds", its).into(),
            waited: samples.spread("crm_gateway_queue_wait_seconds", its).into(),
        }
    };
    budgets.iter().enumerate().map(state).collect()
}

/// What a metric counts, added up for each value of a label.
fn sums(samples: &Samples, name: &str, label: &str, fits: impl Fn(&Sample) -> bool) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for sample in samples.of(name).filter(|sample| fits(sample)) {
        *sums.entry(sample.label(label).to_owned()).or_default() += sample.count();
    }
    // What is counted by a handle that is kept is there before it happens.
    sums.retain(|_, count| *count > 0);
    sums
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<Spread> for Histogram {
    fn from(Spread { bounds, counts }: Spread) -> Self {
        Self { le: bounds, counts }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        let Failure { at, method, route, status, code, source, cause, consumer, request_id } = failure;
        let at = at.to_string();
        Self { at, method, route, status, code, source, cause, consumer, request_id }
    }
}
