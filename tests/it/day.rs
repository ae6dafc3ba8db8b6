//! An hour of the school day of `bench/day`: the same crowd and the same judge, a smaller school.

use std::time::Duration;

#[path = "../../bench/day/school_day/mod.rs"]
mod school_day;

use school_day::judge::Sum;
use school_day::{Day, Plan, RATE};

const EVENING: Plan =
    Plan { seed: 7, students: 60, projects: 20, from: 18, to: 19, writes: true, outage: None };

fn check_truth(day: &Day) {
    assert!(day.reads() > 1000, "{} reads", day.reads());
    assert!(day.tally.lies.is_empty(), "{:?}", day.tally.lies);
    assert!(day.tally.too_old.is_empty(), "older than its policy: {:?}", day.tally.too_old);
    assert_eq!(day.limited(), 0, "429s of the CRMs");
    assert!(day.densest() <= RATE + 0.1, "{} calls a second", day.densest());
}

#[tokio::test(start_paused = true)]
async fn every_read_of_an_evening_is_answered_and_none_is_older_than_it_says() {
    let day = school_day::live(EVENING).await;
    check_truth(&day);
    let answered: usize = day.tally.by_who.values().map(Sum::answered).sum();
    assert_eq!(answered, day.reads(), "{:?}", day.tally.refusals);
    assert!(day.tally.write_failures.is_empty(), "{:?}", day.tally.write_failures);
    let known: usize = day.tally.by_who.values().map(Sum::without_a_call).sum();
    assert!(10 * known > 8 * day.reads(), "{known} of {} reads needed no call", day.reads());
    assert!(day.reads() > 2 * day.calls_to_read(), "{} calls for {} reads", day.calls_to_read(), day.reads());
}

#[tokio::test(start_paused = true)]
async fn what_is_given_while_both_crms_are_gone_says_so() {
    let outage = Some((18.5, Duration::from_secs(15 * 60)));
    let day = school_day::live(Plan { outage, ..EVENING }).await;
    check_truth(&day);
    assert_eq!(day.tally.outage.unmarked, 0, "stale and not marked");
    assert!(day.tally.outage.known > 100);
    assert!(day.tally.returns.contains_key("alfacrm"), "somebody wanted it again");
    for (crm, found) in &day.tally.returns {
        let (took, last) = found.took();
        assert!(took < Duration::from_secs(60), "{crm} {took:?}: {last}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_had_been_read_is_answered_while_both_crms_are_gone_for_half_an_hour() {
    let outage = Some((18.4, Duration::from_secs(30 * 60)));
    let day = school_day::live(Plan { outage, writes: false, ..EVENING }).await;
    check_truth(&day);
    let seen = &day.tally.outage;
    assert!(seen.known > 100 && seen.known_answered == seen.known, "{:?} of {}", seen.lost, seen.known);
    assert_eq!(seen.unmarked, 0, "stale and not marked");
}
