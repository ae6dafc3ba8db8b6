//! What one CRM's quota allows, as it is configured.

use std::collections::BTreeMap;
use std::time::Duration;

use super::room::Rules;
use crate::config;

/// What one CRM's quota allows.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Calls per second.
    pub rate: f64,
    /// Calls back to back after an idle time.
    pub burst: u32,
    /// Longest stay in the waiting room.
    pub max_wait: Duration,
    /// Who may wait, and what each class is sure of.
    pub rules: Rules,
    /// Turns that calls of an operation take; those not named take one.
    pub costs: BTreeMap<String, u32>,
}

impl From<&config::Quota> for Limits {
    fn from(quota: &config::Quota) -> Self {
        let guaranteed = [
            quota.guaranteed.interactive,
            quota.guaranteed.partner,
            quota.guaranteed.batch,
            quota.guaranteed.refresh,
        ];
        let rules = Rules {
            rate: quota.rate,
            max_calls: quota.max_queue,
            max_bytes: usize::try_from(quota.max_queue_bytes).unwrap_or(usize::MAX),
            guaranteed,
        };
        Self {
            rate: quota.rate,
            burst: quota.burst,
            max_wait: quota.max_wait,
            rules,
            costs: quota.cost.clone(),
        }
    }
}

impl Limits {
    /// Turns that a call of an operation takes.
    pub(super) fn cost(&self, operation: &str) -> u32 {
        self.costs.get(operation).copied().unwrap_or(1)
    }
}
