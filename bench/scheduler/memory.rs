//! What a hundred thousand calls hold that wait, each a task of its own: for a turn, and with all that the outbound stack
//! keeps of a read meanwhile.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crm_gateway::model::Source;
use crm_gateway::model::context::{Class, Ctx};
use crm_gateway::telemetry::Metrics;
use crm_gateway::telemetry::metrics::Server;
use crm_gateway::upstream::quota::Pacer;
use crm_gateway::upstream::quota::breaker::Effect;
use crm_gateway::upstream::wire::{Credentials, Signature, Wire};
use crm_gateway::upstream::{Call, Meter, Upstream};
use http::{Method, Request};
use tower::util::BoxCloneSyncService;

use crate::resident::resident;
use crate::scene::{OPERATION, pacer, patient, payer};
use crate::table::Table;

const CALLS: usize = 100_000;
const CONSUMERS: usize = 100;

pub(crate) fn measure(table: &mut Table) {
    table.chapter("100,000 calls that wait, each a task: resident memory (real time)");
    tell(table, "waiting for a turn of the pacer", run(for_a_turn()));
    tell(table, "waiting in the whole outbound stack", run(in_the_stack()));
}

fn run(scene: impl Future<Output = Option<f64>>) -> Option<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without sockets needs nothing");
    let used = runtime.block_on(scene);
    // What is freed would be used again by the next scene, and hide what that needs.
    std::mem::forget(runtime);
    used
}

fn tell(table: &mut Table, what: &str, used: Option<f64>) {
    let Some(used) = used else { return table.note(what, "/proc tells nothing") };
    table.at_most(what, used, "MB", 200.0);
    table.note(&format!("{what}, for each"), &format!("{:.0} bytes", used * 1e6 / CALLS as f64));
}

/// Megabytes that the calls take.
async fn for_a_turn() -> Option<f64> {
    let pacer = pacer();
    let before = resident();
    for n in 0..CALLS {
        let (pacer, ctx) = (pacer.clone(), circumstances(n));
        tokio::spawn(async move { pacer.turn(&ctx, OPERATION, 700, Effect::Reads).await });
    }
    Some(settled(&pacer).await? - before?)
}

fn circumstances(n: usize) -> Ctx {
    patient(&payer(&format!("consumer {}", n % CONSUMERS), Class::ALL[n % 3]))
}

/// What is in memory when each call waits. A few have had their turn by then.
async fn settled(pacer: &Pacer) -> Option<f64> {
    while pacer.waiting() < CALLS * 99 / 100 {
        tokio::task::yield_now().await;
    }
    resident()
}

/// Nobody needs to prove anything.
struct NoCredentials;

impl Credentials for NoCredentials {
    fn sign(&self, _: &Call) -> Option<Signature> {
        Some(Signature { headers: Vec::new(), number: 0 })
    }
}

/// Megabytes that the calls take.
async fn in_the_stack() -> Option<f64> {
    let never = tower::service_fn(|_: Request<Bytes>| std::future::pending());
    let server = Arc::new(Server::of("https://crm.example"));
    let meter = Meter { crm: Source::AlfaCrm, metrics: Arc::new(Metrics::new()), server };
    let wire = Wire::new(
        BoxCloneSyncService::new(never),
        Arc::new(NoCredentials),
        meter.clone(),
        Duration::from_secs(3600),
    );
    let upstream = Upstream::new(pacer(), &meter, wire);
    let before = resident();
    for n in 0..CALLS {
        let (upstream, ctx) = (upstream.clone(), Arc::new(circumstances(n)));
        let call = Arc::new(Call {
            operation: OPERATION,
            method: Method::POST,
            target: "/v2api/1/customer/index".to_owned(),
            body: Some(Bytes::from(format!("{{\"page\":{n},\"id\":[{n}],\"removed\":1,\"is_study\":2}}"))),
            safe: true,
        });
        tokio::spawn(async move { upstream.send(&ctx, &call).await });
    }
    Some(settled(upstream.pacer()).await? - before?)
}
