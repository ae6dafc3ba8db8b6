//! What a gateway knows from the one before it: answers come back as stale, what was written stays written, and what
//! every list needs is read ahead.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crm_gateway::hub::Clock;
use crm_gateway::sandbox::alfa::Limiter;
use crm_gateway::sandbox::fault::Fault;
use crm_gateway::store::Store;
use futures_util::future::join_all;
use http::Method;
use jiff::SignedDuration;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::program::Directory;
use crate::support::app::wall;
use crate::support::{Answer, Setup, TestApp};

/// What would be found at `place` had the process and the machine ended this moment.
fn as_it_is_now(place: &Directory, name: &str) -> Directory {
    let copy = Directory::new(name);
    std::fs::create_dir_all(copy.path()).unwrap();
    let file = |place: &Directory| Store::file_in(Path::new(place.path()));
    std::fs::copy(file(place), file(&copy)).unwrap();
    copy
}

fn open(place: &Directory) -> Store {
    Store::open(Path::new(place.path())).unwrap()
}

/// Every answer is fresh for a minute, stale for ten more, and good for a day when the CRM fails.
fn setup() -> Setup {
    let mut setup = Setup::new().students(300).projects(10);
    for resource in ["students", "payments"] {
        for (window, time) in [("fresh", "\"60s\""), ("stale", "\"10m\""), ("if_error", "\"24h\"")] {
            setup = setup.set(&format!("cache.policy.{resource}.{window}"), time);
        }
    }
    setup.set("server.request_timeout", "\"10m\"").set("alfacrm.quota.max_wait", "\"10m\"")
}

/// The next gateway in front of the same CRMs.
fn next(setup: &Setup, app: &TestApp) -> TestApp {
    setup.clone().start_with(app.alfa.clone(), app.crypto.clone())
}

async fn ask(app: &TestApp, id: &str) -> Answer {
    app.owner().get(&format!("/students?stage=ALL&archived=all&id={id}")).await
}

fn is_stale(answer: &Answer) -> bool {
    answer.header("cache-status").ends_with("detail=stale")
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_under_load_nobody_waits_for_what_was_known_and_the_crm_is_not_stormed() {
    const MANY: usize = 200;
    let hurried = setup().kept_in(Store::in_memory(), wall());
    let first = hurried.clone().in_no_hurry().start();
    let ids: Vec<String> =
        first.alfa.rows("customer").iter().take(MANY).map(|row| format!("alfa-{}", row["id"])).collect();
    let known: Vec<Answer> = join_all(ids.iter().map(|id| ask(&first, id))).await;
    first.hub().flush().await;
    sleep(Duration::from_secs(20)).await;
    first.alfa.ledger().clear();
    first.alfa.switches(|switches| (switches.limiter, switches.rate) = (Limiter::Delayed, 5.0));

    let second = next(&hurried, &first);
    drop(first);
    let began = Instant::now();
    let answers = join_all(ids.iter().map(|id| ask(&second, id))).await;
    assert!(began.elapsed() < Duration::from_millis(50), "somebody waited: {:?}", began.elapsed());
    for (answer, known) in answers.iter().zip(&known) {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.text, known.text);
        assert!(is_stale(answer), "{}", answer.header("cache-status"));
        assert_eq!(answer.header("age"), "60", "as old as what is no longer fresh");
    }
    // Somebody who asks for something new goes before all that is renewed: after the sign-in, at the next turns.
    let new = second.owner().get("/students?limit=1").await;
    assert_eq!(new.status, 200);
    assert!(began.elapsed() < Duration::from_secs(2), "it waited behind refreshes: {:?}", began.elapsed());

    while second.alfa.ledger().count_operation("customer/index") <= MANY {
        sleep(Duration::from_millis(100)).await;
        assert!(began.elapsed() < Duration::from_secs(60), "not everything is renewed");
    }
    sleep(Duration::from_secs(1)).await;
    let entries = second.alfa.ledger().entries();
    assert_eq!(second.alfa.ledger().count_status(429), 0);
    let time = entries.last().unwrap().at - entries.first().unwrap().at;
    let rate = (entries.len() - 1) as f64 / time.as_secs_f64();
    assert!(rate <= 5.01, "{rate} calls a second");
    assert_eq!(
        second.alfa.ledger().count_operation("customer/index"),
        MANY + 1,
        "each once, and the new one"
    );
    assert_eq!(ask(&second, &ids[0]).await.header("cache-status").split(';').nth(1), Some(" hit"));
}

#[tokio::test(start_paused = true)]
async fn what_was_known_is_as_old_as_it_was_and_good_for_as_long() {
    let setup = setup().in_no_hurry().kept_in(Store::in_memory(), wall());
    let first = setup.clone().start();
    assert_eq!(ask(&first, "alfa-101").await.status, 200);
    first.hub().flush().await;
    sleep(Duration::from_secs(120)).await;
    let second = next(&setup, &first);
    let told = ask(&second, "alfa-101").await;
    assert_eq!(told.header("cache-status"), "crm-gateway; hit; ttl=-60; detail=stale");
    assert_eq!(told.header("age"), "120");
    // Who wants nothing that old is told so, and who wants no call gets what there is.
    let third = next(&setup, &first);
    let owner = || third.owner();
    let path = "/students?stage=ALL&archived=all&id=alfa-101";
    let picky = owner().with("cache-control", "only-if-cached, max-age=100").get(path).await;
    assert_eq!(picky.status, 504, "{}", picky.text);
    let frugal = owner().with("cache-control", "only-if-cached").get(path).await;
    assert_eq!((frugal.status, frugal.header("age")), (200, "120"));
    // Past its time it is only better than a failure.
    sleep(Duration::from_secs(3600)).await;
    let fourth = next(&setup, &first);
    let broken =
        Fault::Status { code: 500, body: String::new(), content_type: "text/html", retry_after: None };
    fourth.alfa.faults().next(Some("customer/index"), 3, broken);
    let told = ask(&fourth, "alfa-101").await;
    assert_eq!(told.status, 200, "{}", told.text);
    assert!(told.header("cache-status").contains("detail=stale-if-error"), "{}", told.header("cache-status"));
    assert!(told.header("age").parse::<u64>().unwrap() >= 3600);
    // And after that of no use at all.
    sleep(Duration::from_secs(25 * 3600)).await;
    let fifth = next(&setup, &first);
    assert!(ask(&fifth, "alfa-101").await.header("cache-status").contains("fwd=miss"));
}

#[tokio::test(start_paused = true)]
async fn a_record_read_by_its_id_among_others_is_known_too() {
    let setup = setup().in_no_hurry().kept_in(Store::in_memory(), wall());
    let first = setup.clone().start();
    let paths = ["/students/alfa-101", "/students/alfa-102", "/students/alfa-999999"];
    let known = join_all(paths.map(|path| {
        let owner = first.owner();
        async move { owner.get(path).await }
    }))
    .await;
    assert_eq!(known.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 404]);
    assert_eq!(first.calls(), 1, "they went together");
    first.hub().flush().await;
    let second = next(&setup, &first);
    let began = Instant::now();
    for (path, known) in paths.iter().zip(&known) {
        let again = second.owner().get(path).await;
        assert_eq!(again.status, known.status, "{path}");
        if known.status == 200 {
            assert_eq!(again.text, known.text);
            assert!(is_stale(&again), "{}", again.header("cache-status"));
        }
    }
    assert!(began.elapsed() < Duration::from_millis(50), "somebody waited: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_answered_is_seen_by_whoever_reads_after_a_crash() {
    let place = Directory::new("written");
    let setup = setup().in_no_hurry();
    let wall = wall();
    let first = setup.clone().kept_in(open(&place), Arc::clone(&wall)).start();
    let lists = ["/students?limit=5&stage=ALL", "/students?limit=5&stage=ALL&branch_id=alfa-1"];
    let page = first.owner().get(lists[0]).await;
    let id = page.items()[0]["id"].as_str().unwrap().to_owned();
    let one = format!("/students/{id}");
    for path in [lists[1], &one, "/payments?limit=5"] {
        assert_eq!(first.owner().get(path).await.status, 200, "{path}");
    }
    first.hub().flush().await;
    let body = json!({"note": "written before the crash"});
    let written = first.owner().send(Method::PATCH, &one, Some(&body)).await;
    assert_eq!(written.status, 200, "{}", written.text);
    let found = as_it_is_now(&place, "written-found");

    let store = open(&found);
    let second = setup.clone().kept_in(store, wall).start_with(first.alfa.clone(), first.crypto.clone());
    for path in [lists[0], &one] {
        let read = second.owner().get(path).await;
        assert_eq!(read.status, 200);
        assert!(
            read.text.contains("written before the crash"),
            "{path} shows what was before: {}",
            read.text
        );
    }
    // What the write cannot have changed is known as before.
    let payments = second.owner().get("/payments?limit=5").await;
    assert!(is_stale(&payments), "{}", payments.header("cache-status"));
}

#[tokio::test(start_paused = true)]
async fn what_was_purged_is_asked_anew_after_a_restart_too() {
    let setup = setup().in_no_hurry().kept_in(Store::in_memory(), wall());
    let first = setup.clone().start();
    for path in ["/students?limit=5", "/payments?limit=5"] {
        assert_eq!(first.owner().get(path).await.status, 200, "{path}");
    }
    first.hub().flush().await;
    assert_eq!(first.operator().send(Method::POST, "/admin/purge?tag=students", None).await.status, 204);
    let second = next(&setup, &first);
    let students = second.owner().get("/students?limit=5").await;
    assert!(students.header("cache-status").contains("fwd=miss"), "{}", students.header("cache-status"));
    assert!(is_stale(&second.owner().get("/payments?limit=5").await));
}

#[tokio::test(start_paused = true)]
async fn a_crash_loses_the_last_seconds_and_no_more() {
    let place = Directory::new("killed");
    let setup = setup().in_no_hurry();
    let wall = wall();
    let first = setup.clone().kept_in(open(&place), Arc::clone(&wall)).start();
    assert_eq!(ask(&first, "alfa-101").await.status, 200);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(ask(&first, "alfa-102").await.status, 200);
    let found = as_it_is_now(&place, "killed-found");
    let store = open(&found);
    let second = setup.clone().kept_in(store, wall).start_with(first.alfa.clone(), first.crypto.clone());
    assert!(is_stale(&ask(&second, "alfa-101").await));
    assert!(ask(&second, "alfa-102").await.header("cache-status").contains("fwd=miss"));
}

#[tokio::test(start_paused = true)]
async fn what_a_clock_that_was_set_back_says_is_not_believed() {
    let ahead = Arc::new(AtomicI64::new(0));
    let (wall, by) = (wall(), Arc::clone(&ahead));
    let clock: Clock = Arc::new(move || wall() + SignedDuration::from_secs(by.load(Ordering::Relaxed)));
    let setup = setup().in_no_hurry().kept_in(Store::in_memory(), clock);
    let first = setup.clone().start();
    assert_eq!(ask(&first, "alfa-101").await.status, 200);
    first.hub().flush().await;
    ahead.store(-3600, Ordering::Relaxed);
    let second = next(&setup, &first);
    assert!(ask(&second, "alfa-101").await.header("cache-status").contains("fwd=miss"));
}

#[tokio::test(start_paused = true)]
async fn the_answers_of_another_account_are_none_of_ours() {
    let (store, wall) = (Store::in_memory(), wall());
    let first = setup().in_no_hurry().kept_in(store.clone(), Arc::clone(&wall)).start();
    assert_eq!(ask(&first, "alfa-101").await.status, 200);
    first.hub().flush().await;
    let other =
        setup().in_no_hurry().kept_in(store, wall).set("alfacrm.email", "\"other@school.example\"").start();
    assert!(!is_stale(&ask(&other, "alfa-101").await));
}

#[tokio::test(start_paused = true)]
async fn reference_books_are_read_ahead_behind_everybody_and_once() {
    let setup = setup().kept_in(Store::in_memory(), wall());
    let first = setup.clone().start();
    let hub = async { first.hub().warm().await };
    let asking = async {
        // A book that waits to be read ahead is not waited for: who needs it asks by himself.
        sleep(Duration::from_millis(500)).await;
        let began = Instant::now();
        let asked = first.owner().get("/reference/pay-types").await;
        (asked.status, began.elapsed())
    };
    let ((), (status, waited)) = tokio::join!(hub, asking);
    assert_eq!(status, 200);
    assert!(waited < Duration::from_secs(1), "it waited behind what nobody asked for: {waited:?}");
    let calls = first.calls();
    assert!(calls > 19, "there are as many books, and some are one per branch: {calls}");
    for book in ["branches", "rooms", "subjects", "lead-statuses", "pay-accounts", "companies"] {
        let read = first.owner().get(&format!("/reference/{book}")).await;
        assert!(read.header("cache-status").contains("; hit"), "{book}: {}", read.header("cache-status"));
    }
    assert_eq!(first.calls(), calls);
    first.hub().flush().await;
    let second = next(&setup, &first);
    second.hub().warm().await;
    assert_eq!(second.calls(), calls, "what is fresh in the store is not asked for again");
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_is_down_at_the_start_is_left_alone() {
    let app = setup().without("cryptocrm").start();
    let broken =
        Fault::Status { code: 500, body: String::new(), content_type: "text/html", retry_after: None };
    app.alfa.faults().next(None, 1000, broken);
    let began = Instant::now();
    app.hub().warm().await;
    assert!(app.alfa.ledger().len() <= 6 && began.elapsed() < Duration::from_secs(60));
}
