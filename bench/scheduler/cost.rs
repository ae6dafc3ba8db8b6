//! What one call costs the scheduler when many wait already, on the real clock: coming in, leaving and being refused.

use std::time::Duration;

use crm_gateway::model::context::{Class, Ctx, Payer};
use crm_gateway::upstream::quota::breaker::Effect;
use futures_util::poll;
use tokio::time::Instant;

use crate::scene::{OPERATION, pacer, patient, payer};
use crate::table::{Table, percentile};

const WAITING: [usize; 3] = [1_000, 10_000, 100_000];
const SAMPLES: usize = 5_000;
const CONSUMERS: usize = 100;
/// How much more a call may cost when a hundred times as many wait: what is logarithmic grows by less than a factor of
/// two, and memory that is out of the processor's reach costs its part; what is linear grows by a hundred.
const GROWTH: f64 = 8.0;

pub(crate) fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without sockets needs nothing");
    table.chapter("one call while others wait, median and p99 (real time)");
    let measured = |waiting: usize| runtime.block_on(tokio::task::unconstrained(scene(waiting)));
    // The first run finds everything cold.
    measured(WAITING[0]);
    let mut costs = WAITING.map(measured);
    for (waiting, costs) in WAITING.iter().zip(&mut costs) {
        table.note(&format!("{waiting} wait: coming in"), &shown(&mut costs.comes));
        table.note(&format!("{waiting} wait: leaving"), &shown(&mut costs.leaves));
        let slow = percentile(&mut costs.refused, 0.99);
        let what = format!("{waiting} wait: being refused");
        table.must(&what, &shown(&mut costs.refused), "p99 below 1 ms", slow < 1e3);
    }
    let [few, _, many] = &mut costs;
    for (what, few, many) in [
        ("coming in", &mut few.comes, &mut many.comes),
        ("being refused", &mut few.refused, &mut many.refused),
    ] {
        let growth = percentile(many, 0.5) / percentile(few, 0.5);
        table.at_most(&format!("{what}: growth from 1,000 to 100,000"), growth, "times", GROWTH);
    }
}

fn shown(micros: &mut [f64]) -> String {
    let [middle, slow] = [0.5, 0.99].map(|part| percentile(micros, part));
    format!("{middle:.1}, {slow:.1} µs")
}

/// Microseconds of each sample.
#[derive(Default)]
struct Costs {
    comes: Vec<f64>,
    leaves: Vec<f64>,
    refused: Vec<f64>,
}

async fn scene(waiting: usize) -> Costs {
    let pacer = pacer();
    let payers: Vec<Payer> =
        (0..CONSUMERS).map(|n| payer(&format!("consumer {n}"), Class::ALL[n % 3])).collect();
    let circumstances: Vec<Ctx> = (0..waiting).map(|n| patient(&payers[n % CONSUMERS])).collect();
    let mut seated = Vec::with_capacity(waiting);
    for ctx in &circumstances {
        let mut call = Box::pin(pacer.turn(ctx, OPERATION, 0, Effect::Reads));
        assert!(poll!(call.as_mut()).is_pending(), "nobody is served while nothing else runs");
        seated.push(call);
    }
    let mut costs = Costs::default();
    for n in 0..SAMPLES {
        let ctx = &patient(&payers[n % CONSUMERS]);
        let mut call = Box::pin(pacer.turn(ctx, OPERATION, 0, Effect::Reads));
        let begin = Instant::now();
        let came = poll!(call.as_mut());
        costs.comes.push(micros(begin.elapsed()));
        assert!(came.is_pending());
        let begin = Instant::now();
        drop(call);
        costs.leaves.push(micros(begin.elapsed()));
        let hasty = Ctx { max_wait: Some(Duration::from_millis(100)), ..patient(&ctx.payer) };
        let mut call = Box::pin(pacer.turn(&hasty, OPERATION, 0, Effect::Reads));
        let begin = Instant::now();
        let refused = poll!(call.as_mut());
        costs.refused.push(micros(begin.elapsed()));
        assert!(refused.is_ready());
    }
    assert_eq!(pacer.waiting(), waiting);
    costs
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
