//! The learner alone: single answers, strange clocks and strange orders.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Learner, Outcome};

const SECOND: Duration = Duration::from_secs(1);
const REFUSED: Outcome = Outcome::Limited { retry_after: None };

#[test]
fn a_refusal_halves_the_rate_and_the_next_ones_of_the_same_flight_do_not() {
    let start = Instant::now();
    let mut learner = Learner::new(5.0, start);
    assert_eq!(learner.answered(start + SECOND, start + 2 * SECOND, REFUSED), Some(start + 3 * SECOND));
    let asked = Outcome::Limited { retry_after: Some(4 * SECOND) };
    assert_eq!(learner.answered(start + 2 * SECOND, start + 2 * SECOND, asked), Some(start + 6 * SECOND));
    assert_eq!(learner.learned(), 2.5);
    assert!(learner.foreign(start + 3 * SECOND) > 0.0);
    let again = start + 7 * SECOND;
    assert_eq!(learner.answered(again, again, REFUSED), Some(again + 2 * SECOND));
    assert_eq!(learner.learned(), 1.25);
}

#[test]
fn after_a_refusal_the_rate_starts_slowly() {
    let start = Instant::now();
    let mut learner = Learner::new(8.0, start);
    let until = learner.answered(start + SECOND, start + SECOND, REFUSED).unwrap();
    for (after, rate) in [(0, 1.0), (999, 1.0), (1000, 2.0), (1999, 2.0), (2000, 4.0)] {
        assert_eq!(learner.rate(until + Duration::from_millis(after)), rate, "after {after} ms");
    }
    let calls = (1.0 + 2.0 + 4.0) / 1.01;
    let time = learner.time_for(until, calls).as_secs_f64();
    assert!((time - 3.0).abs() < 1e-6, "{time}");
}

#[test]
fn answers_that_a_stall_kept_back_are_no_queue() {
    let shuffled = [7, 2, 12, 0, 9, 5, 14, 3, 11, 1, 8, 13, 4, 10, 6];
    for order in [(0..15).collect::<Vec<u32>>(), (0..15).rev().collect(), shuffled.to_vec()] {
        let start = Instant::now();
        let at = |n: u32| start + Duration::from_millis(202) * n;
        let mut learner = Learner::new(5.0, start);
        for n in 0..200 {
            learner.sent(at(n), 1);
            learner.answered(at(n), at(n) + SECOND / 10, Outcome::Served);
        }
        for n in 200..215 {
            learner.sent(at(n), 1);
        }
        for n in order {
            assert_eq!(learner.answered(at(200 + n), at(215), Outcome::Served), None);
        }
        assert_eq!(learner.learned(), 5.0);
    }
}

#[test]
fn failures_say_nothing_about_the_limit() {
    let start = Instant::now();
    let mut learner = Learner::new(5.0, start);
    for n in 0..100 {
        assert_eq!(learner.answered(start, start + SECOND * n, Outcome::Other), None);
    }
    assert_eq!((learner.learned(), learner.foreign(start)), (5.0, 0.0));
}

#[test]
fn a_call_of_several_turns_is_no_lack_of_work_and_the_rate_climbs_on() {
    for turns in [1, 2, 5] {
        let start = Instant::now();
        let mut learner = Learner::new(5.0, start);
        let mut now = learner.answered(start, start, REFUSED).unwrap();
        let end = now + 3600 * SECOND;
        while now < end {
            learner.sent(now, turns);
            now += Duration::from_secs_f64(f64::from(turns) * 1.01 / learner.rate(now));
        }
        assert_eq!(learner.learned(), 5.0, "calls of {turns} turns");
    }
}

proptest! {
    /// Whatever comes in whatever order, even answers from before they were asked for: the rate stays within its
    /// bounds, holds end, and nothing panics.
    #[test]
    fn the_rate_stays_within_its_bounds(
        ceiling in 0.1_f64..100.0,
        events in proptest::collection::vec((0_u8..12, 0_u64..3000, 0_u64..20_000), 0..600),
    ) {
        let start = Instant::now() + Duration::from_secs(100);
        let mut now = start;
        let mut learner = Learner::new(ceiling, start);
        for (event, wait, back) in events {
            now += Duration::from_millis(wait / 10 * u64::from(event % 4));
            let sent_at = now + SECOND - Duration::from_millis(back.min(wait * 20));
            let hold = match event {
                0..=3 => {
                    learner.sent(now, 1);
                    None
                }
                4 => learner.answered(sent_at, now, REFUSED),
                5 => learner.answered(sent_at, now, Outcome::Limited { retry_after: Some(Duration::from_secs(back)) }),
                6 => learner.answered(sent_at, now, Outcome::Other),
                _ => learner.answered(sent_at, now, Outcome::Served),
            };
            prop_assert!(hold.is_none_or(|until| until <= now + Duration::from_secs(20_000)));
            for rate in [learner.rate(now), learner.learned()] {
                prop_assert!((ceiling * 0.02 - 1e-9..=ceiling + 1e-9).contains(&rate), "{} of {}", rate, ceiling);
            }
            prop_assert!((0.0..=ceiling).contains(&learner.foreign(now)));
            prop_assert!(learner.time_for(now, 3.0) >= learner.time_for(now, 2.0));
        }
    }
}
