//! The quota through the router: what is served when, and what a refusal looks like.

use std::time::Duration;

use futures_util::future::join_all;

use super::*;

async fn burst(caller: &Caller, count: usize) -> Vec<u16> {
    let calls = (0..count).map(|_| caller.send("POST", "branch/index", String::new()));
    join_all(calls).await.iter().map(|response| response.status().as_u16()).collect()
}

async fn limited() -> Caller {
    let caller = Caller::new().await;
    tokio::time::advance(Duration::from_secs(60)).await;
    caller.crm.set_quota(5.0);
    caller.crm.ledger().clear();
    caller
}

#[tokio::test(start_paused = true)]
async fn of_twenty_at_once_sixteen_are_served_over_three_seconds_and_four_refused() {
    let caller = limited().await;
    let start = tokio::time::Instant::now();
    let statuses = burst(&caller, 20).await;
    assert_eq!(start.elapsed().as_millis() / 10, 300);
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 16);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 4);
    let ledger = caller.crm.ledger();
    assert_eq!((ledger.len(), ledger.count_status(429)), (20, 4));
    let delays: Vec<u128> = ledger.entries().iter().map(|entry| entry.delayed.as_millis()).collect();
    assert_eq!(delays[..4], [0, 200, 400, 600]);
}

#[tokio::test(start_paused = true)]
async fn four_a_second_never_wait() {
    let caller = limited().await;
    for _ in 0..40 {
        caller.ok("branch/index", json!({})).await;
        tokio::time::advance(Duration::from_millis(250)).await;
    }
    let entries = caller.crm.ledger().entries();
    assert!(entries.iter().all(|entry| entry.delayed.is_zero()));
}

#[tokio::test(start_paused = true)]
async fn the_alternatives_serve_five_at_once() {
    let caller = limited().await;
    caller.crm.switches(|switches| switches.limiter = Limiter::Burst);
    let start = tokio::time::Instant::now();
    let statuses = burst(&caller, 22).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 20);
    assert!(start.elapsed() >= Duration::from_secs(3));
    tokio::time::advance(Duration::from_secs(10)).await;
    caller.crm.switches(|switches| switches.limiter = Limiter::Immediate);
    let start = tokio::time::Instant::now();
    let statuses = burst(&caller, 8).await;
    assert_eq!(statuses[..5], [200; 5]);
    assert_eq!(statuses[5..], [429; 3]);
    assert!(start.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn logins_and_refused_calls_count() {
    let caller = limited().await;
    caller.crm.switches(|switches| switches.limiter = Limiter::Immediate);
    let body = json!({"email": "nobody@school.example", "api_key": "x"});
    caller.call("auth/login", body).await;
    caller.call("nothing/index", json!({})).await;
    caller.call("cgi/index", json!({})).await;
    caller.send("GET", "branch/index", String::new()).await;
    assert_eq!(burst(&caller, 2).await, [200, 429]);
}

#[tokio::test(start_paused = true)]
async fn a_429_is_the_proxys_page_or_the_applications_error() {
    let caller = limited().await;
    caller.crm.switches(|switches| switches.queue = 0);
    burst(&caller, 1).await;
    let response = caller.send("POST", "branch/index", String::new()).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["content-type"], "text/html");
    assert!(!response.headers().contains_key("retry-after"));
    let bytes = to_bytes(response.into_body(), 4096).await.expect("a page");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/alfacrm/error-429-body.html");
    let page = std::fs::read_to_string(path).expect("a fixture");
    assert_eq!(String::from_utf8_lossy(&bytes).trim(), page.trim());
    caller.crm.switches(|switches| {
        switches.body_429 = Body429::Json;
        switches.retry_after = Some(2);
    });
    let response = caller.send("POST", "branch/index", String::new()).await;
    assert_eq!(response.headers()["retry-after"], "2");
    let (status, body) = read(response).await;
    assert_eq!(status, 429);
    assert_eq!(body["message"], "Rate limit exceeded.");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_write_takes_effect_only_when_its_turn_comes() {
    let caller = limited().await;
    burst(&caller, 5).await;
    let before = caller.crm.count("customer");
    let body = json!({"name": "N", "legal_type": 1, "is_study": 0, "branch_ids": [1]});
    let create = caller.write("customer/create", body);
    tokio::select! {
        _ = create => panic!("it was not held back"),
        () = tokio::time::sleep(Duration::from_millis(50)) => {}
    }
    assert_eq!(caller.crm.count("customer"), before);
    let last = caller.crm.ledger().entries().pop().expect("the create");
    assert_eq!(last.status, 0, "the caller left before the answer");
}
