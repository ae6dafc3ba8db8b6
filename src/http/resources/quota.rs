//! `GET /quota`: how the CRMs' calls are spent. What metrics tell operators, for those who cause it.

use std::time::Duration;

use axum::response::Response;
use axum::routing::get;
use futures_util::FutureExt as _;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod;

use crate::crm::Budget;
use crate::http::describe::{self, Reading};
use crate::http::freshness;
use crate::http::problem::Problem;
use crate::http::read::unwritable;
use crate::http::resource::{self, Call};
use crate::http::routes::Routes;
use crate::model::context::Reason;
use crate::model::{Query, Source};

const PATH: &str = "/quota";

/// How the calls of each CRM are spent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quotas)]
struct Answer {
    /// One for each CRM that the gateway is set up for.
    items: Vec<Quota>,
}

/// How the calls of one CRM are spent.
#[derive(Debug, Serialize, ToSchema)]
struct Quota {
    /// The CRM.
    source: Source,
    /// Calls per second for all consumers together.
    rate: f64,
    /// Calls back to back after an idle time.
    burst: u32,
    /// The longest a call may wait for its turn, in milliseconds.
    max_wait_ms: u64,
    /// Calls that wait for their turn now.
    waiting: usize,
    /// How long a call that came now would wait for its turn, in milliseconds.
    predicted_wait_ms: u64,
    /// What all consumers together spent, and the gateway itself.
    spent: Spending,
    /// What this consumer spent.
    own_spent: Spending,
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
    fn of(budget: &Budget, consumer: &str) -> Self {
        Self {
            source: budget.crm,
            rate: budget.rate,
            burst: budget.burst,
            max_wait_ms: millis(budget.max_wait),
            waiting: budget.waiting,
            predicted_wait_ms: millis(budget.predicted_wait),
            spent: Spending::of(budget, None),
            own_spent: Spending::of(budget, Some(consumer)),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Adds the path.
pub(super) fn mount(routes: &mut Routes) {
    routes.tag("quota", "How the CRMs' calls are spent.");
    describe::plain_schemas::<Answer>(routes);
    let reading = Reading {
        names: ("get_quota", "quota", "Read how the CRMs' calls are spent"),
        about: "How many calls each CRM takes, how many wait for their turn and how long one more would wait, and on what \
                calls were spent since the gateway started, by all and by the key that asks. It costs no call and tells of \
                this moment, so it is never kept."
            .to_owned(),
        parameters: Vec::new(),
        answer: (
            "How it stands now.",
            "Quotas",
            json!({
                "items": [{
                    "source": "alfacrm",
                    "rate": 5.0,
                    "burst": 1,
                    "max_wait_ms": 20000,
                    "waiting": 3,
                    "predicted_wait_ms": 732,
                    "spent": {"miss": 120, "write": 4, "retry": 1, "refresh": 32, "auth": 1},
                    "own_spent": {"miss": 48, "write": 4, "retry": 0, "refresh": 7, "auth": 0},
                }],
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
    let name = &caller.0.consumer.name;
    let items = call.front.api.hub.budgets().iter().map(|budget| Quota::of(budget, name)).collect();
    freshness::reply_once(&Answer { items }).map_err(unwritable)
}
