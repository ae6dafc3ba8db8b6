//! Start-up and answers stay quick when the school is big.

use std::sync::Arc;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_big_school_is_big() {
    let caller = Caller::of(&Options { students: 2_000, ..Options::default() }).await;
    let crm = &caller.crm;
    assert_eq!(caller.total("customer/index", json!({})).await, 2_000);
    assert!(crm.count("lesson") > 6_000, "{}", crm.count("lesson"));
    assert!(crm.count("pay") > 6_000, "{}", crm.count("pay"));
    assert_eq!(crm.count("group"), 240);
}

#[tokio::test(start_paused = true)]
async fn the_clock_may_be_shared() {
    let options = Options { students: 20, ..Options::default() };
    let clock = Arc::new(Clock::starting_at(options.now));
    let crm = Crm::new(&options, Switches::default(), Arc::clone(&clock));
    clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(crm.clock().now(), clock.now());
}
