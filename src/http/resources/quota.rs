//! `GET /quota`: how the CRMs' calls are spent. What metrics tell operators, for those who cause it.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::response::Response;
use axum::routing::get;
use futures_util::FutureExt as _;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod;

use crate::consumers::Access;
use crate::crm::Budget;
use crate::http::describe::{self, Reading};
use crate::http::freshness;
use crate::http::problem::Problem;
use crate::http::read::unwritable;
use crate::http::resource::{self, Call};
use crate::http::routes::Routes;
use crate::model::allowance::Standing;
use crate::model::context::{Payer, Reason};
use crate::model::{Query, Source};

const PATH: &str = "/quota";

/// How the calls of each CRM are spent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quotas)]
struct Answer {
    /// One for each CRM that the gateway is set up for.
    items: Vec<Quota>,
    /// The calls that this consumer may cause in a day; only where they are limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Daily, required = false)]
    daily_budget: Option<Daily>,
}

/// The calls of all CRMs together that one consumer may cause from 00:00 UTC to 00:00 UTC.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaDailyBudget)]
struct Daily {
    /// How many a day.
    calls: u64,
    /// How many it caused today, renewals of stale answers it was given and attempts after failed ones included.
    spent: u64,
    /// How many are left today. Without one, only what is remembered is answered.
    left: u64,
    /// When it begins anew.
    #[schema(value_type = String, format = DateTime)]
    resets_at: String,
}

impl Daily {
    fn of(standing: &Standing) -> Option<Self> {
        let (calls, spent) = (standing.budget?, standing.spent);
        Some(Self { calls, spent, left: calls.saturating_sub(spent), resets_at: standing.ends.to_string() })
    }
}

/// How the calls of one CRM are spent, seen by one consumer.
#[derive(Debug, Serialize, ToSchema)]
struct Quota {
    /// The CRM.
    source: Source,
    /// Calls per second that the quota allows, for all consumers together.
    rate: f64,
    /// Calls per second that the CRM takes, as far as it was learned; at most `rate`.
    learned_rate: f64,
    /// What is missing from `rate` because somebody else behind the same address spends it, or the CRM allows less.
    foreign_rate: f64,
    /// Whether calls pass: `closed` lets all pass, `half_open` one to see whether the CRM works again, `open` none.
    #[schema(value_type = Breaker)]
    breaker: &'static str,
    /// When calls pass again, in milliseconds; only while none do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    breaker_retry_after_ms: Option<u64>,
    /// How urgent this consumer's calls are among those of all. `Prefer: priority` of the request counts.
    #[schema(value_type = Urgency)]
    class: &'static str,
    /// The part of this consumer's calls among those of its class, as a multiple of the least one.
    weight: u32,
    /// The part of all turns that the class is sure of while some of its calls wait, from 0 to 1.
    guaranteed: f64,
    /// Calls back to back after an idle time.
    burst: u32,
    /// The longest a call may wait for its turn, in milliseconds.
    max_wait_ms: u64,
    /// Calls of this consumer that wait for their turn now.
    waiting: usize,
    /// How long a call of this consumer that came now would wait for its turn, in milliseconds; while no calls pass, at
    /// least until they do.
    predicted_wait_ms: u64,
    /// What this consumer spent.
    spent: Spending,
    /// Calls of all consumers that wait for their turn now; only with the scope `admin:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = usize, required = false)]
    waiting_all: Option<usize>,
    /// What all consumers together spent, and the gateway itself; only with the scope `admin:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Spending, required = false)]
    spent_all: Option<Spending>,
    /// What each of them spent; only with the scope `admin:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Share>, required = false)]
    consumers: Option<Vec<Share>>,
}

/// Whether calls to a CRM pass.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the state is known by its word")]
#[schema(as = QuotaBreaker, rename_all = "snake_case")]
enum Breaker {
    /// All pass.
    Closed,
    /// One passes, to see whether the CRM works again.
    HalfOpen,
    /// None pass: the CRM fails and is given a pause.
    Open,
}

/// How urgent calls are, the most urgent first.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the class is known by its word")]
#[schema(as = QuotaClass, rename_all = "snake_case")]
enum Urgency {
    /// People wait for the answer.
    Interactive,
    /// Another system waits.
    Partner,
    /// Nobody in particular waits.
    Batch,
}

/// What one consumer spent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaShare)]
struct Share {
    /// Its name, or `gateway` for what is done for all.
    consumer: String,
    /// Its calls.
    spent: Spending,
}

/// Calls since the gateway started, by why they were made. Every attempt counts, whatever became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaSpending)]
struct Spending {
    /// Reads that memory could not answer.
    miss: u64,
    /// Writes.
    write: u64,
    /// Attempts after a failed one.
    retry: u64,
    /// Remembered answers renewed in the background.
    refresh: u64,
    /// Signing in, which is nobody's own.
    auth: u64,
}

impl Spending {
    fn of(budget: &Budget, consumer: Option<&str>) -> Self {
        let spent = |reason| budget.spent(reason, consumer);
        Self {
            miss: spent(Reason::Miss),
            write: spent(Reason::Write),
            retry: spent(Reason::Retry),
            refresh: spent(Reason::Refresh),
            auth: spent(Reason::Auth),
        }
    }
}

impl Quota {
    /// What a consumer sees of itself, and an operator of all.
    fn of(budget: &Budget, payer: &Payer, all: bool) -> Self {
        Self {
            source: budget.crm,
            rate: budget.rate,
            learned_rate: budget.learned_rate,
            foreign_rate: budget.foreign_rate,
            breaker: budget.breaker,
            breaker_retry_after_ms: budget.closed_for.map(millis),
            class: payer.class.name(),
            weight: payer.weight,
            guaranteed: budget.guaranteed,
            burst: budget.burst,
            max_wait_ms: millis(budget.max_wait),
            waiting: budget.own_waiting,
            predicted_wait_ms: millis(budget.predicted_wait),
            spent: Spending::of(budget, Some(payer.label())),
            waiting_all: all.then_some(budget.waiting),
            spent_all: all.then(|| Spending::of(budget, None)),
            consumers: all.then(|| shares(budget)),
        }
    }
}

/// What each of those spent who spent anything, by name.
fn shares(budget: &Budget) -> Vec<Share> {
    let names: BTreeSet<&str> = budget.spent.iter().map(|spent| spent.consumer.as_str()).collect();
    let share = |name: &str| Share { consumer: name.to_owned(), spent: Spending::of(budget, Some(name)) };
    names.into_iter().map(share).collect()
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Adds the path.
pub(super) fn mount(routes: &mut Routes) {
    routes.tag("quota", "How the CRMs' calls are spent.");
    describe::plain_schemas::<Answer>(routes);
    let reading = Reading {
        names: ("get_quota", "quota", "Read how the CRMs' calls are spent"),
        about: "How many calls each CRM takes, how many of the key's own wait for their turn and how long one more would \
                wait, and on what it spent calls since the gateway started, and today, where its calls of a day are limited. What others spend is shown to keys with the \
                scope `admin:read` only, which also see who spent what. It costs no call and tells of this moment, so it \
                is never kept."
            .to_owned(),
        parameters: vec![describe::prefer()],
        answer: (
            "How it stands now.",
            "Quotas",
            json!({
                "items": [{
                    "source": "alfacrm",
                    "rate": 5.0,
                    "learned_rate": 5.0,
                    "foreign_rate": 0.0,
                    "breaker": "closed",
                    "class": "interactive",
                    "weight": 1,
                    "guaranteed": 0.5,
                    "burst": 1,
                    "max_wait_ms": 20000,
                    "waiting": 2,
                    "predicted_wait_ms": 732,
                    "spent": {"miss": 48, "write": 4, "retry": 0, "refresh": 7, "auth": 0},
                    "waiting_all": 3,
                    "spent_all": {"miss": 48, "write": 4, "retry": 0, "refresh": 7, "auth": 1},
                    "consumers": [
                        {
                            "consumer": "gateway",
                            "spent": {"miss": 0, "write": 0, "retry": 0, "refresh": 0, "auth": 1},
                        },
                        {
                            "consumer": "web-app",
                            "spent": {"miss": 48, "write": 4, "retry": 0, "refresh": 7, "auth": 0},
                        },
                    ],
                }],
                "daily_budget": {"calls": 20000, "spent": 59, "left": 19941, "resets_at": "2026-02-26T00:00:00Z"},
            }),
        ),
        once: true,
    };
    let handler = get(resource::plain(|call| async move { read(&call) }.boxed()));
    routes.add(PATH.to_owned(), HttpMethod::Get, handler, reading.operation());
}

fn read(call: &Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    Query::parse(call.head.uri.query().unwrap_or_default()).finish().map_err(Problem::bad_query)?;
    let consumer = &caller.0.consumer;
    let payer = call.circumstances(&caller.0).payer;
    let all = consumer.scopes.allow("admin", Access::Read);
    let budgets = call.front.api.hub.budgets(&payer);
    let items = budgets.iter().map(|budget| Quota::of(budget, &payer, all)).collect();
    let daily_budget = payer.allowance.as_ref().and_then(|allowance| Daily::of(&allowance.standing()));
    freshness::reply_once(&Answer { items, daily_budget }).map_err(unwritable)
}
