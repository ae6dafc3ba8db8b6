//! Whoever joins a call that others wait for keeps their own rights: the earliest place of all, their own patience. So
//! does whoever comes while the gateway signs in.

use std::time::Duration;

use crm_gateway::sandbox::alfa::Limiter;
use crm_gateway::sandbox::fault::{Fault, Rule};
use futures_util::future::join_all;
use tokio::time::{Instant, advance, sleep};

use crate::support::{Answer, Asker, Setup, TestApp};

fn setup() -> Setup {
    Setup::new()
        .students(200)
        .set("alfacrm.quota.max_wait", "\"10m\"")
        .set("server.request_timeout", "\"10m\"")
}

/// Signed in, with the documented quota.
async fn start() -> TestApp {
    let app = setup().start();
    assert_eq!(app.owner().get("/students?limit=1").await.status, 200);
    app.alfa.switches(|switches| {
        switches.limiter = Limiter::Delayed;
        switches.rate = 5.0;
    });
    app.alfa.ledger().clear();
    app
}

fn paths(app: &TestApp, count: usize) -> Vec<String> {
    let rows = app.alfa.rows("customer");
    let ids = rows[..count].iter().map(|row| row["id"].as_u64().unwrap());
    ids.map(|id| format!("/students?stage=ALL&archived=all&id=alfa-{id}")).collect()
}

/// Asks for all of them at once, in the background.
async fn flood(asker: Asker, paths: &[String]) -> tokio::task::JoinHandle<Vec<Answer>> {
    let paths = paths.to_vec();
    let flood = tokio::spawn(async move { join_all(paths.iter().map(|path| asker.get(path))).await });
    sleep(Duration::from_millis(1)).await;
    flood
}

async fn timed(asker: &Asker, path: &str) -> (Answer, Duration) {
    let asked = Instant::now();
    (asker.get(path).await, asked.elapsed())
}

#[tokio::test(start_paused = true)]
async fn who_joins_among_equals_gets_its_own_place_on_the_same_call() {
    let app = start().await;
    let paths = paths(&app, 60);
    let flood = flood(app.export(), &paths).await;
    // Of the same class, with nothing waiting: its turn is next but one, wherever the call was.
    let equal = app.owner().with("prefer", "priority=batch");
    let (answer, took) = timed(&equal, &paths[59]).await;
    assert_eq!(answer.status, 200);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(flood.await.unwrap().iter().all(|answer| answer.status == 200));
    assert_eq!(app.alfa.ledger().len(), 60, "it was the same call");
}

#[tokio::test(start_paused = true)]
async fn who_joins_does_not_wait_longer_than_it_wants_and_the_others_keep_the_call() {
    let app = start().await;
    let paths = paths(&app, 60);
    let flood = flood(app.export(), &paths).await;
    let hasty = app.export().with("prefer", "wait=3");
    let (answer, took) = timed(&hasty, &paths[59]).await;
    assert_eq!((answer.status, answer.code()), (503, "overloaded"));
    assert!(took < Duration::from_millis(1), "refused at once: {took:?}");
    let told = answer.json["retry_after_ms"].as_f64().unwrap();
    assert!((10_000.0..13_000.0).contains(&told), "{told}");
    assert!(flood.await.unwrap().iter().all(|answer| answer.status == 200));
    assert_eq!(app.alfa.ledger().len(), 60);
}

#[tokio::test(start_paused = true)]
async fn whoever_began_a_call_may_lose_patience_without_those_who_joined() {
    let app = start().await;
    let paths = paths(&app, 60);
    let (batch, wanted) = (app.export(), &paths[0]);
    let before = flood(batch.clone(), &paths[1..11]).await;
    let hasty = tokio::spawn({
        let (hasty, path) = (batch.clone().with("prefer", "wait=3"), wanted.clone());
        async move { timed(&hasty, &path).await }
    });
    sleep(Duration::from_millis(1)).await;
    let patient = tokio::spawn({
        let path = wanted.clone();
        async move { timed(&batch, &path).await }
    });
    sleep(Duration::from_millis(1)).await;
    // What nobody could foretell: people come, and go first.
    let people = flood(app.owner(), &paths[11..]).await;
    let (refused, took) = hasty.await.unwrap();
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!((3000..=3050).contains(&took.as_millis()), "{took:?}");
    let (answer, _) = patient.await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!((before.await.unwrap().len(), people.await.unwrap().len()), (10, 49));
    assert_eq!(app.alfa.ledger().len(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_read_by_id_that_cannot_be_served_is_refused_before_others_are_waited_for() {
    let app = start().await;
    let paths = paths(&app, 40);
    let flood = flood(app.owner(), &paths).await;
    let id = app.alfa.rows("customer")[50]["id"].as_u64().unwrap();
    let hasty = app.owner().no_cache().with("prefer", "wait=2");
    let (answer, took) = timed(&hasty, &format!("/students/alfa-{id}")).await;
    assert_eq!((answer.status, answer.code()), (503, "overloaded"));
    assert!(took < Duration::from_millis(1), "{took:?}");
    // Each keeps its patience also where several go into one call.
    let batch: Vec<u64> = (51..54).map(|at| app.alfa.rows("customer")[at]["id"].as_u64().unwrap()).collect();
    let patient = app.owner().no_cache();
    let answers = join_all(batch.iter().map(|id| {
        let path = format!("/students/alfa-{id}");
        let asker = patient.clone();
        async move { asker.get(&path).await.status }
    }))
    .await;
    assert_eq!(answers, [200; 3]);
    assert!(flood.await.unwrap().iter().all(|answer| answer.status == 200));
    assert_eq!(app.alfa.ledger().len(), 41);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_sign_in_is_waiting_for_a_turn() {
    let app = setup().start();
    let latency = |seconds| Rule {
        operation: Some("auth/login".to_owned()),
        after: 0,
        times: 1,
        fault: Fault::Latency(Duration::from_secs(seconds)),
    };
    app.alfa.faults().inject(latency(4));
    let paths = paths(&app, 4);
    let hasty = app.owner().with("prefer", "wait=2");
    let patient = app.owner();
    let ((refused, gave_up), (answer, _)) =
        tokio::join!(timed(&hasty, &paths[0]), timed(&patient, &paths[1]));
    assert_eq!((refused.status, refused.code()), (503, "overloaded"));
    assert!((2000..=2050).contains(&gave_up.as_millis()), "{gave_up:?}");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let timing = answer.headers["server-timing"].to_str().unwrap().to_owned();
    let queued = timing.split(", ").find_map(|part| part.strip_prefix("queue;dur=")).unwrap();
    assert!(queued.parse::<f64>().unwrap() >= 4000.0, "{timing}");
    // How long a sign-in takes is known from now on.
    app.alfa.faults().inject(latency(4));
    app.alfa.switches(|switches| switches.token_ttl = Duration::from_secs(1));
    advance(Duration::from_secs(4000)).await;
    let first = tokio::spawn({
        let path = paths[2].clone();
        async move { patient.get(&path).await }
    });
    sleep(Duration::from_millis(300)).await;
    let (refused, gave_up) = timed(&hasty, &paths[3]).await;
    assert_eq!((refused.status, refused.code()), (503, "overloaded"));
    assert!(gave_up < Duration::from_millis(1), "{gave_up:?}");
    assert_eq!(first.await.unwrap().status, 200);
}
