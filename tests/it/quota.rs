//! The CRM's own limiter is the judge: never a 429 of ours, never slower than allowed while anybody waits, in order of
//! arrival, whatever the limiter is like and whatever happens to the process.

use std::time::Duration;

use crm_gateway::sandbox::alfa::{Crm, Limiter};
use crm_gateway::sandbox::fault::Fault;
use crm_gateway::sandbox::ledger::Entry;
use futures_util::future::join_all;
use http::Request;
use tokio::time::advance;
use tower::ServiceExt as _;

use crate::support::{Answer, Setup, TestApp};

/// The documented quota of five calls a second, and patience for a thousand of them.
fn setup() -> Setup {
    Setup::new()
        .students(800)
        .projects(10)
        .set("alfacrm.quota.max_wait", "\"10m\"")
        .set("server.request_timeout", "\"10m\"")
}

fn start(limiter: Limiter) -> TestApp {
    let app = setup().start();
    limit(&app.alfa, limiter);
    app
}

fn limit(crm: &Crm, limiter: Limiter) {
    crm.switches(|switches| {
        switches.limiter = limiter;
        switches.rate = 5.0;
    });
}

fn some_ids(crm: &Crm, from: usize, count: usize) -> Vec<u64> {
    let rows = crm.rows("customer");
    assert!(rows.len() >= from + count, "there are only {} students", rows.len());
    rows[from..from + count].iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

async fn read(app: &TestApp, id: u64) -> Answer {
    app.owner().get(&format!("/students?stage=ALL&archived=all&id=alfa-{id}")).await
}

async fn read_all(app: &TestApp, ids: &[u64]) {
    for (answer, id) in join_all(ids.iter().map(|id| read(app, *id))).await.iter().zip(ids) {
        assert_eq!(answer.status, 200, "alfa-{id}: {}", answer.text);
    }
}

fn reads(crm: &Crm) -> Vec<Entry> {
    crm.ledger().entries().into_iter().filter(|entry| entry.operation == "customer/index").collect()
}

fn asked(entries: &[Entry]) -> Vec<u64> {
    entries.iter().filter_map(|entry| entry.body["id"][0].as_u64()).collect()
}

/// Calls a second between the first and the last.
fn rate(entries: &[Entry]) -> f64 {
    let time = entries.last().unwrap().at - entries.first().unwrap().at;
    (entries.len() - 1) as f64 / time.as_secs_f64()
}

async fn a_thousand_reads(limiter: Limiter) {
    let app = start(limiter);
    let ids = some_ids(&app.alfa, 0, 1000);
    read_all(&app, &ids).await;
    let entries = reads(&app.alfa);
    assert_eq!(app.alfa.ledger().count_status(429), 0, "{limiter:?}");
    assert_eq!(asked(&entries), ids, "{limiter:?}: order of arrival");
    let rate = rate(&entries);
    assert!((4.9..=5.0).contains(&rate), "{limiter:?}: {rate} calls a second");
    // The CRM itself made nobody wait: our pace is its pace.
    let delayed = entries.iter().map(|entry| entry.delayed).max().unwrap();
    assert!(delayed < Duration::from_millis(50), "{limiter:?}: {delayed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_reads_at_once_leave_at_the_documented_rate_in_order() {
    a_thousand_reads(Limiter::Delayed).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_reads_at_once_suit_a_limiter_with_a_burst() {
    a_thousand_reads(Limiter::Burst).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_reads_at_once_suit_a_limiter_that_lets_nobody_wait() {
    a_thousand_reads(Limiter::Immediate).await;
}

#[tokio::test(start_paused = true)]
async fn a_stall_of_the_process_is_not_caught_up() {
    for limiter in [Limiter::Delayed, Limiter::Burst, Limiter::Immediate] {
        let app = start(limiter);
        let ids = some_ids(&app.alfa, 0, 100);
        let all = read_all(&app, &ids);
        let stalls = async {
            for _ in 0..3 {
                // Nobody runs meanwhile: three seconds in one step.
                while app.alfa.ledger().len() < 20 {
                    advance(Duration::from_millis(100)).await;
                }
                advance(Duration::from_secs(3)).await;
            }
        };
        tokio::join!(all, stalls);
        let entries = reads(&app.alfa);
        assert_eq!(app.alfa.ledger().count_status(429), 0, "{limiter:?}");
        assert_eq!(asked(&entries), ids, "{limiter:?}");
        for pair in entries.windows(2) {
            let apart = pair[1].at - pair[0].at;
            assert!(apart >= Duration::from_millis(190), "{limiter:?}: {apart:?} apart after a stall");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_spends_nothing_that_its_predecessor_has_spent() {
    for limiter in [Limiter::Delayed, Limiter::Burst, Limiter::Immediate] {
        let setup = setup();
        let (alfa, crypto) = setup.crms();
        limit(&alfa, limiter);
        let ids = some_ids(&alfa, 0, 60);
        for (generation, part) in ids.chunks(15).enumerate() {
            let app = setup.clone().start_with(alfa.clone(), crypto.clone());
            read_all(&app, part).await;
            assert_eq!(alfa.ledger().count_status(429), 0, "{limiter:?}, start {generation}");
            // It is gone at once, and the next one starts at once.
        }
        assert_eq!(asked(&reads(&alfa)), ids, "{limiter:?}");
    }
}

/// Somebody else at our address: a script, a browser.
async fn stranger_calls(crm: &Crm) {
    let request = Request::post("/v2api/customer/index").body(axum::body::Body::from("{}")).unwrap();
    let _ = crm.router().oneshot(request).await;
}

#[tokio::test(start_paused = true)]
async fn somebody_else_who_spends_from_the_address_does_not_make_our_reads_fail() {
    for limiter in [Limiter::Delayed, Limiter::Burst, Limiter::Immediate] {
        let app = start(limiter);
        let ids = some_ids(&app.alfa, 0, 60);
        let all = read_all(&app, &ids);
        let others = async {
            // Bursts that fill the CRM's bucket to the brim, in the middle of our reads.
            for _ in 0..3 {
                join_all((0..25).map(|_| stranger_calls(&app.alfa))).await;
                for _ in 0..60 {
                    advance(Duration::from_millis(50)).await;
                }
            }
        };
        tokio::join!(all, others);
        assert!(
            app.alfa.ledger().count_status(429) > 0,
            "{limiter:?}: the bucket was never full, so nothing is tested"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_holds_everybody_for_as_long_as_the_crm_wants() {
    let app = start(Limiter::Delayed);
    let ids = some_ids(&app.alfa, 0, 30);
    let limited = Fault::Status {
        code: 429,
        body: "{}".to_owned(),
        content_type: "application/json",
        retry_after: Some("4".to_owned()),
    };
    app.alfa.faults().inject(crm_gateway::sandbox::fault::Rule {
        operation: Some("customer/index".to_owned()),
        after: 5,
        times: 1,
        fault: limited,
    });
    read_all(&app, &ids).await;
    let entries = reads(&app.alfa);
    let hit = entries.iter().position(|entry| entry.status == 429).unwrap();
    let pause = entries[hit + 1].at - entries[hit].at;
    assert!(pause >= Duration::from_secs(4), "{pause:?}");
    for pair in entries[hit + 1..].windows(2) {
        assert!(pair[1].at - pair[0].at >= Duration::from_millis(190), "no burst follows the pause");
    }
    assert_eq!(entries.len(), 31, "the limited call was made once more");
    assert_eq!(app.alfa.ledger().count_status(429), 1);
}

#[tokio::test(start_paused = true)]
async fn both_crms_have_their_own_quota() {
    let app = setup().start();
    limit(&app.alfa, Limiter::Delayed);
    app.crypto.switches(|switches| switches.quota = Some(6));
    let ids = some_ids(&app.alfa, 0, 50);
    let paths: Vec<String> = (0..50)
        .map(|n| format!("/projects?limit=1&created_from=2020-{:02}-{:02}", 1 + n / 28, 1 + n % 28))
        .collect();
    let owner = app.owner();
    let crypto = join_all(paths.iter().map(|path| owner.get(path)));
    let (_, answers) = tokio::join!(read_all(&app, &ids), crypto);
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(app.crypto.ledger().len(), 50);
    assert_eq!(app.alfa.ledger().count_status(429) + app.crypto.ledger().count_status(429), 0);
    assert!(rate(&reads(&app.alfa)) >= 4.9, "the other CRM's queue holds nobody up");
}
