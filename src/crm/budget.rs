//! How many calls a CRM takes, who waits for one, and what they were spent on.

use std::time::Duration;

use crate::model::Source as CrmName;
use crate::model::context::Reason;
use crate::upstream::Upstream;

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
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// How long a call that came now would wait for its turn, if nothing more urgent comes after it.
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
    /// As it is now on the way to a CRM. No call is made.
    pub fn of(upstream: &Upstream) -> Self {
        let (meter, standing) = (upstream.meter(), upstream.pacer().standing());
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
            waiting: standing.waiting,
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
