//! How many calls a CRM takes, who waits for one, and what they were spent on.

use std::time::Duration;

use crate::model::Source as CrmName;
use crate::model::context::{Payer, Reason};
use crate::upstream::Upstream;
use crate::upstream::quota::breaker::State;

/// The calls of one CRM.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// The CRM.
    pub crm: CrmName,
    /// Calls per second.
    pub rate: f64,
    /// Calls back to back after an idle time.
    pub burst: u32,
    /// Longest wait for a turn.
    pub max_wait: Duration,
    /// Calls per second that the CRM takes, as far as it was learned; at most `rate`.
    pub learned_rate: f64,
    /// What is missing from the rate because somebody else at our address spends it, or the CRM allows less.
    pub foreign_rate: f64,
    /// Whether calls pass at all: `closed`, `half_open` or `open`.
    pub breaker: &'static str,
    /// The part of all calls that the payer's class is sure of while some of its calls wait.
    pub guaranteed: f64,
    /// When calls are tried again, if none pass now.
    pub closed_for: Option<Duration>,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// Calls of the payer that wait for their turn.
    pub own_waiting: usize,
    /// How long a call of the payer that came now would wait for its turn, a pause of the breaker included.
    pub predicted_wait: Duration,
    /// What was spent since the gateway started.
    pub spent: Vec<Spent>,
}

/// Calls of one consumer for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The consumer, or `gateway` for what is done for all.
    pub consumer: String,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub calls: u64,
}

impl Budget {
    /// As it is now on the way to a CRM, seen by a payer. No call is made.
    pub fn of(upstream: &Upstream, payer: &Payer) -> Self {
        let (meter, standing) = (upstream.meter(), upstream.pacer().standing(payer));
        let counted = meter.metrics.quota_spent_on(meter.crm.name()).into_iter();
        let spent = counted.filter_map(|(consumer, name, calls)| {
            let reason = Reason::ALL.into_iter().find(|reason| reason.name() == name)?;
            Some(Spent { consumer, reason, calls })
        });
        Self {
            crm: meter.crm,
            rate: standing.limits.rate,
            burst: standing.limits.burst,
            max_wait: standing.limits.max_wait,
            learned_rate: standing.learned_rate,
            foreign_rate: standing.foreign_rate,
            breaker: match standing.breaker {
                State::Closed => "closed",
                State::HalfOpen => "half_open",
                State::Open => "open",
            },
            guaranteed: standing.guaranteed,
            closed_for: standing.closed_for,
            waiting: standing.waiting,
            own_waiting: standing.own_waiting,
            predicted_wait: standing.wait,
            spent: spent.collect(),
        }
    }

    /// Calls spent for a reason, by one consumer or by all.
    pub fn spent(&self, reason: Reason, consumer: Option<&str>) -> u64 {
        let fits =
            |spent: &&Spent| spent.reason == reason && consumer.is_none_or(|name| name == spent.consumer);
        self.spent.iter().filter(fits).map(|spent| spent.calls).sum()
    }
}
