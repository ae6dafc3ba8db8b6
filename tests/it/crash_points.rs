//! A payment is made once and not lost, whichever await the gateway dies at. Time, tasks and the store are all in one
//! thread here, so every point at which some task waits can be visited: the runtime runs so many steps and is dropped with
//! all that was under way, as a process that is killed. The next gateway finds the store as it was.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crm_gateway::hub::Clock;
use crm_gateway::sandbox::fault::Fault;
use crm_gateway::sandbox::{alfa, crypto};
use crm_gateway::store::Store;
use crm_gateway::upstream::wire::Transport;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::{Instant, advance, sleep};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::support::app::NOW;
use crate::support::{Answer, Setup, TestApp, transport};

/// Steps after which time goes on by a millisecond.
const STEPS_A_MILLISECOND: usize = 4;
/// More steps than a payment takes.
const ENOUGH: usize = 4_000;

/// A school and the store of its gateways.
struct World {
    setup: Setup,
    alfa: alfa::Crm,
    crypto: crypto::Crm,
    student: u64,
    since: Since,
}

/// What the clock on the wall showed when this gateway's life began, and when that was: each has a clock of its own.
type Since = Arc<Mutex<(Timestamp, Instant)>>;

fn school_time() -> Timestamp {
    NOW.in_tz("Europe/Moscow").unwrap().timestamp()
}

fn clock(since: &Since) -> Clock {
    let since = Arc::clone(since);
    Arc::new(move || {
        let (at, began) = *since.lock().unwrap();
        at + SignedDuration::try_from(began.elapsed()).unwrap()
    })
}

impl World {
    fn new() -> Self {
        let runtime = runtime();
        let _inside = runtime.enter();
        let setup = Setup::new().students(10).projects(1).in_no_hurry();
        let since = Arc::new(Mutex::new((school_time(), Instant::now())));
        let setup = setup.kept_in(Store::in_memory(), clock(&since));
        let (alfa, crypto) = setup.crms();
        let alone = |row: &Value| row["branch_ids"].as_array().is_some_and(|branches| branches.len() == 1);
        let student = alfa.rows("customer").into_iter().find(alone).unwrap()["id"].as_u64().unwrap();
        Self { setup, alfa, crypto, student, since }
    }

    /// Must be called where the gateway is to live.
    fn start(&self) -> TestApp {
        let mut since = self.since.lock().unwrap();
        since.1 = Instant::now();
        drop(since);
        let to_alfa = far(transport::to_router(self.alfa.router(), ""));
        let to_crypto = transport::to_router(self.crypto.router(), &self.crypto.access().base_path);
        self.setup.clone().start_over(self.alfa.clone(), self.crypto.clone(), to_alfa, to_crypto)
    }

    fn payment(&self, number: usize) -> Value {
        let student = format!("alfa-{}", self.student);
        json!({"student_id": student, "amount": amount(number), "date": "2026-02-20", "account_id": "alfa-1"})
    }

    /// The payments of that number in the CRM.
    fn made(&self, number: usize) -> Vec<u64> {
        let amount = amount(number);
        let rows = self.alfa.rows("pay").into_iter();
        rows.filter(|row| row["income"] == amount.as_str()).map(|row| row["id"].as_u64().unwrap()).collect()
    }
}

/// A way that takes time in both directions: a gateway may die while its call is on the way, and while the answer is.
fn far(inner: Transport) -> Transport {
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<bytes::Bytes>| {
        let inner = inner.clone();
        async move {
            sleep(Duration::from_millis(3)).await;
            let answer = inner.oneshot(request).await;
            sleep(Duration::from_millis(3)).await;
            answer
        }
    }))
}

/// An amount that no other payment of the school has.
fn amount(number: usize) -> String {
    format!("{number}.37")
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).event_interval(1).build().unwrap()
}

async fn pay(app: &TestApp, number: usize, body: &Value) -> Answer {
    let key = format!("payment-{number}");
    app.owner().with("idempotency-key", &key).send(Method::POST, "/payments", Some(body)).await
}

/// A gateway takes a payment and dies after so many steps. What it answered, if it came to that, and whether it did.
fn first_life(world: &World, number: usize, steps: usize) -> Option<Answer> {
    let runtime = runtime();
    let answer = runtime.block_on(async {
        let app = world.start();
        let body = world.payment(number);
        let asking = tokio::spawn(async move { pay(&app, number, &body).await });
        for step in 0..steps {
            if asking.is_finished() {
                return asking.await.ok();
            }
            if step % STEPS_A_MILLISECOND == 0 {
                advance(Duration::from_millis(1)).await;
            } else {
                yield_now().await;
            }
        }
        None
    });
    // Everything that was under way ends here, wherever it was.
    drop(runtime);
    answer
}

/// The next gateway: the payer sends the same again until it is known what became of it.
fn second_life(world: &World, number: usize) -> Answer {
    let runtime = runtime();
    runtime.block_on(async {
        let app = world.start();
        let body = world.payment(number);
        for _ in 0..200 {
            let answer = pay(&app, number, &body).await;
            if answer.status == 201 {
                return answer;
            }
            let waits = matches!(answer.status, 202 | 409 | 502 | 503 | 504);
            assert!(waits, "{number}: {} {}", answer.status, answer.text);
            sleep(Duration::from_secs(1)).await;
        }
        panic!("{number}: it is not known after 200 s what became of the payment");
    })
}

/// Dies at each step, or each of so many, until a payment is through; `fault` is what the CRM does to each first call that
/// makes one.
fn at_every_step(fault: Option<&Fault>, every: usize) -> usize {
    let world = World::new();
    for steps in (1..ENOUGH).step_by(every) {
        let number = 1_000 + steps;
        if let Some(fault) = fault {
            world.alfa.faults().next(Some("pay/create"), 1, fault.clone());
        }
        let first = first_life(&world, number, steps);
        world.alfa.faults().clear();
        let told =
            first.as_ref().filter(|answer| answer.status == 201).map(|answer| answer.json["id"].clone());
        let last = second_life(&world, number);
        let made = world.made(number);
        assert_eq!(made.len(), 1, "step {steps}: made {} times", made.len());
        assert_eq!(last.json["id"], format!("alfa-{}", made[0]), "step {steps}");
        if let Some(told) = told {
            assert_eq!(told, last.json["id"], "step {steps}: it was told before");
            assert_eq!(last.header("idempotency-replayed"), "true", "step {steps}");
        }
        if first.is_some() {
            return steps;
        }
    }
    panic!("a payment takes more than {ENOUGH} steps");
}

#[test]
fn a_gateway_may_die_at_any_step_of_a_payment() {
    let steps = at_every_step(None, 1);
    assert!(steps > 20, "a payment has more than {steps} steps");
}

#[test]
fn a_gateway_may_die_at_any_step_of_a_payment_whose_answer_was_lost() {
    at_every_step(Some(&Fault::DropAfter), 1);
}

#[test]
fn a_gateway_may_die_at_any_step_of_a_payment_that_did_not_arrive() {
    // Each of them takes as long as absence is not believed.
    at_every_step(Some(&Fault::DropBefore), 4);
}

#[test]
fn a_gateway_that_dies_often_decides_all_the_same() {
    /// A third of the time for which absence is not believed.
    const LIFE: Duration = Duration::from_secs(10);
    let world = World::new();
    world.alfa.faults().next(Some("pay/create"), 1, Fault::DropBefore);
    let mut location = String::new();
    for life in 0..6 {
        let status = runtime().block_on(async {
            let app = world.start();
            if life == 0 {
                let told = pay(&app, 1, &world.payment(1)).await;
                assert_eq!(told.status, 202, "{}", told.text);
                told.header("location").clone_into(&mut location);
            }
            sleep(LIFE).await;
            let operation = app.owner().get(&location).await;
            world.since.lock().unwrap().0 += SignedDuration::try_from(LIFE).unwrap();
            operation.json["status"].as_str().unwrap().to_owned()
        });
        // Half a minute after the second began, which was the first to find it open: as the fourth ends.
        match life {
            0..3 => assert_eq!(status, "PENDING", "life {life}"),
            3 => {}
            _ => assert_eq!(status, "FAILED", "life {life}"),
        }
    }
}
