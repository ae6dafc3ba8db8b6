//! What all scenes have in common: a pacer with AlfaCRM's quota, those who ask it, and a clock that leaps.

use std::future::Future;
use std::time::Duration;

use crm_gateway::model::context::{Class, Ctx, Freshness, Payer, Reason};
use crm_gateway::model::interest::Interest;
use crm_gateway::upstream::quota::room::Rules;
use crm_gateway::upstream::quota::{Limits, Pacer};
use rand::Rng;
use tokio::time::Instant;

/// Calls a second, as AlfaCRM allows them.
pub(crate) const RATE: f64 = 5.0;
/// Longer than any scene takes.
pub(crate) const FOREVER: Duration = Duration::from_secs(10_000_000);
/// What is called.
pub(crate) const OPERATION: &str = "customer/index";

/// Runs a scene on a clock that leaps to whatever comes next.
pub(crate) fn in_virtual_time<T>(scene: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without sockets needs nothing").block_on(scene)
}

/// AlfaCRM's documented quota and the usual guarantees, with room and patience for everybody.
pub(crate) fn pacer() -> Pacer {
    let rules =
        Rules { rate: 5.0, max_calls: 1 << 20, max_bytes: 1 << 40, guaranteed: [0.5, 0.2, 0.1, 0.05] };
    Pacer::start(Limits { rate: RATE, burst: 1, max_wait: FOREVER, rules, costs: [].into() })
}

pub(crate) fn payer(consumer: &str, class: Class) -> Payer {
    Payer { consumer: consumer.into(), class, weight: 1, allowance: None }
}

/// A read for which nobody loses patience.
pub(crate) fn patient(payer: &Payer) -> Ctx {
    Ctx {
        payer: payer.clone(),
        reason: Reason::Miss,
        deadline: Instant::now() + FOREVER,
        max_wait: None,
        freshness: Freshness::default(),
        interest: Interest::default(),
        rehearsal: None,
    }
}

/// Arrivals of many who know nothing of each other: so many a second, at random.
pub(crate) fn arrivals(dice: &mut impl Rng, per_second: f64, until: Duration) -> Vec<Duration> {
    let mut at = 0.0;
    let mut all = Vec::new();
    loop {
        at -= (1.0 - dice.random::<f64>()).ln() / per_second;
        if at >= until.as_secs_f64() {
            return all;
        }
        all.push(Duration::from_secs_f64(at));
    }
}
