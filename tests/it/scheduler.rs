//! What the scheduler promises to those who ask it for turns, on a clock that leaps. Most of it is here because a planted
//! fault (`tests/faults`) would go unnoticed without it; how good the promises are, `make bench-scheduler` measures.

use std::time::Duration;

use crm_gateway::model::context::{Class, Ctx, Freshness, Payer, Reason};
use crm_gateway::model::interest::Interest;
use crm_gateway::upstream::quota::Ended;
use crm_gateway::upstream::quota::breaker::Effect;
use crm_gateway::upstream::quota::room::Rules;
use crm_gateway::upstream::quota::{Limits, Pacer};
use crm_gateway::upstream::{Error, Refusal};
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep, sleep_until};

/// Five calls a second, and patience for thousands.
fn pacer() -> Pacer {
    let rules = Rules { rate: 5.0, max_calls: 10_000, max_bytes: 1 << 30, guaranteed: [0.5, 0.2, 0.1, 0.05] };
    let max_wait = Duration::from_secs(3600);
    Pacer::start(Limits { rate: 5.0, burst: 1, max_wait, rules, costs: [].into() })
}

fn ctx(consumer: &str, class: Class, reason: Reason) -> Ctx {
    Ctx {
        payer: Payer { consumer: consumer.into(), class, weight: 1, allowance: None },
        reason,
        deadline: Instant::now() + Duration::from_secs(3600),
        max_wait: None,
        freshness: Freshness::default(),
        interest: Interest::default(),
        rehearsal: None,
    }
}

fn read() -> Ctx {
    ctx("somebody", Class::Partner, Reason::Miss)
}

async fn turn(pacer: &Pacer, ctx: &Ctx) -> Result<Duration, Error> {
    pacer.turn(ctx, "customer/index", 0, Effect::Reads).await.map(|turn| turn.queued)
}

/// Calls that wait by the time this returns, each a task of its own.
async fn waiting(pacer: &Pacer, calls: usize) -> Vec<JoinHandle<Result<Duration, Error>>> {
    let begun = (0..calls).map(|_| {
        let pacer = pacer.clone();
        tokio::spawn(async move { turn(&pacer, &read()).await })
    });
    let begun = begun.collect();
    tokio::task::yield_now().await;
    begun
}

#[tokio::test(start_paused = true)]
async fn all_clones_spend_one_allowance() {
    let pacer = pacer();
    let begin = Instant::now();
    let clones: Vec<Pacer> = (0..10).map(|_| pacer.clone()).collect();
    let turns = clones.iter().flat_map(|clone| (0..5).map(move |_| async { turn(clone, &read()).await }));
    assert!(join_all(turns).await.iter().all(Result::is_ok));
    assert!(begin.elapsed() >= Duration::from_secs(10), "fifty turns took {:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_nobody_waits_is_served_at_once() {
    let pacer = pacer();
    for _ in 0..3 {
        // Whoever hands out turns has nothing to do any more and sleeps.
        sleep(Duration::from_secs(10)).await;
        assert_eq!(turn(&pacer, &read()).await.unwrap(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenth_of_the_rate_is_tried_again_and_no_more() {
    let pacer = pacer();
    let again = ctx("somebody", Class::Partner, Reason::Retry);
    let mut tried = 0;
    // Twice as often as the budget has one, for five minutes.
    for _ in 0..300 {
        match turn(&pacer, &again).await {
            Ok(_) => tried += 1,
            Err(Error::Overloaded { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        sleep(Duration::from_secs(1)).await;
    }
    // Half a call a second and the five that were saved at first; each wait for a turn takes a little longer.
    assert!((150..=175).contains(&tried), "{tried} were tried again");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_its_turn_gives_back_what_it_took_of_the_retries() {
    let pacer = pacer();
    let again = ctx("somebody", Class::Partner, Reason::Retry);
    for _ in 0..20 {
        let left = tokio::time::timeout(Duration::from_millis(1), turn(&pacer, &again)).await;
        assert!(left.is_err(), "nobody is served within a millisecond: {left:?}");
    }
    assert!(turn(&pacer, &again).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_429_keeps_everybody_waiting_also_who_comes_later_and_to_an_idle_pacer() {
    let pacer = pacer();
    sleep(Duration::from_secs(5)).await;
    pacer.ended(Instant::now(), false, Ended::Limited(Some(Duration::from_secs(4))));
    let waited = turn(&pacer, &read()).await.unwrap();
    assert!(waited >= Duration::from_secs(4), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn when_the_breaker_opens_nobody_goes_on_waiting_and_nothing_leaves() {
    let pacer = pacer();
    let waiting = waiting(&pacer, 20).await;
    let failed_at = Instant::now();
    for _ in 0..5 {
        pacer.ended(failed_at, false, Ended::Failed);
    }
    for call in waiting {
        let answer = call.await.unwrap();
        assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
    }
    assert_eq!(failed_at.elapsed(), Duration::ZERO, "they are told at once");
    let answer = turn(&pacer, &read()).await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_not_what_finds_out_whether_the_crm_is_back() {
    let pacer = pacer();
    for _ in 0..5 {
        pacer.ended(Instant::now(), false, Ended::Failed);
    }
    sleep(Duration::from_millis(1001)).await;
    let pays = async || pacer.turn(&read(), "pay/create", 0, Effect::Writes).await;
    let refused = pays().await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    assert!(pacer.turn(&read(), "pay/index", 0, Effect::Reads).await.unwrap().probe);
    pacer.ended(Instant::now(), true, Ended::Failed);
    // Nobody reads any more: two seconds of rest, and two for a read to come.
    sleep(Duration::from_millis(3900)).await;
    assert!(pays().await.is_err());
    sleep(Duration::from_millis(101)).await;
    assert!(pays().await.unwrap().probe);
}

#[tokio::test(start_paused = true)]
async fn the_gauge_of_the_breaker_goes_with_the_time() {
    let pacer = pacer();
    assert_eq!(pacer.gauges().breaker, 0, "before the first call");
    for _ in 0..5 {
        pacer.ended(Instant::now(), false, Ended::Failed);
    }
    assert_eq!(pacer.gauges().breaker, 2);
    sleep(Duration::from_millis(1001)).await;
    assert_eq!(pacer.gauges().breaker, 1, "the next call may try");
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_leaves_is_followed_by_another() {
    let pacer = pacer();
    for _ in 0..5 {
        pacer.ended(Instant::now(), false, Ended::Failed);
    }
    sleep(Duration::from_millis(1001)).await;
    // It waits for its turn behind the one that has just been handed over.
    pacer.ended(Instant::now(), false, Ended::Paused(Duration::from_secs(1)));
    let left = tokio::time::timeout(Duration::from_millis(1), turn(&pacer, &read())).await;
    assert!(left.is_err(), "the probe waits: {left:?}");
    let answer = pacer.turn(&read(), "customer/index", 0, Effect::Reads).await.unwrap();
    assert!(answer.probe);
}

#[tokio::test(start_paused = true)]
async fn nobody_outstays_the_deadline_of_its_request() {
    let pacer = pacer();
    let _others = waiting(&pacer, 10).await;
    let soon = Ctx { deadline: Instant::now() + Duration::from_secs(1), ..read() };
    let asked = Instant::now();
    assert!(matches!(turn(&pacer, &soon).await, Err(Error::Overloaded { .. })));
    assert_eq!(asked.elapsed(), Duration::ZERO, "two seconds of others are before it");

    // One that may hope, until somebody more urgent takes its turns.
    let behind = Ctx { deadline: Instant::now() + Duration::from_secs(3), ..read() };
    let urgent = ctx("desk", Class::Interactive, Reason::Miss);
    let pushing = async {
        sleep(Duration::from_millis(10)).await;
        join_all((0..30).map(|_| turn(&pacer, &urgent))).await
    };
    let (stayed, _) = tokio::join!(
        async {
            let arrived = Instant::now();
            (turn(&pacer, &behind).await, arrived.elapsed())
        },
        pushing
    );
    assert!(matches!(stayed.0, Err(Error::Overloaded { .. })), "{stayed:?}");
    assert!(stayed.1 <= Duration::from_millis(3050), "{stayed:?}");
}

#[tokio::test(start_paused = true)]
async fn whose_deadline_passed_while_the_process_stood_still_is_given_no_turn() {
    let pacer = pacer();
    let asking = (0..4).map(|_| {
        let (pacer, soon) =
            (pacer.clone(), Ctx { deadline: Instant::now() + Duration::from_secs(1), ..read() });
        tokio::spawn(async move { turn(&pacer, &soon).await })
    });
    let asking: Vec<_> = asking.collect();
    while pacer.waiting() < 4 {
        tokio::task::yield_now().await;
    }
    advance(Duration::from_secs(3)).await;
    for call in asking {
        let refused = call.await.unwrap();
        let Err(Error::Overloaded { refusal, retry_after }) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal, Refusal::Deadline);
        assert!(retry_after <= Duration::from_secs(1), "{retry_after:?}");
    }
    assert_eq!(turn(&pacer, &read()).await.unwrap(), Duration::ZERO, "their turns were not spent");
}

#[tokio::test(start_paused = true)]
async fn who_runs_out_of_time_together_is_told_to_return_one_after_the_other() {
    let pacer = pacer();
    let soon = Ctx { deadline: Instant::now() + Duration::from_secs(3), ..read() };
    let urgent = ctx("desk", Class::Interactive, Reason::Miss);
    let pushing = async {
        sleep(Duration::from_millis(10)).await;
        join_all((0..100).map(|_| turn(&pacer, &urgent))).await
    };
    let (behind, _) = tokio::join!(join_all((0..10).map(|_| turn(&pacer, &soon))), pushing);
    let told = |answer: &Result<Duration, Error>| match answer {
        Err(Error::Overloaded { retry_after, .. }) => Some(*retry_after),
        _ => None,
    };
    let mut told: Vec<Duration> = behind.iter().filter_map(told).collect();
    told.sort();
    assert!(told.len() >= 4, "{behind:?}");
    let apart = told.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(apart.min().unwrap() >= Duration::from_millis(180), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn people_do_not_feel_a_job_of_a_thousand_calls_and_all_is_done_as_soon_as_in_one_queue() {
    let [mine, one_queue] = [Class::Batch, Class::Interactive].map(|class| {
        let pacer = pacer();
        async move {
            let begin = Instant::now();
            let people = (0..120).map(|n| {
                let pacer = pacer.clone();
                async move {
                    sleep_until(begin + Duration::from_millis(500) * n).await;
                    turn(&pacer, &ctx("desk", Class::Interactive, Reason::Miss)).await.unwrap()
                }
            });
            let consumer = if class == Class::Batch { "export" } else { "desk" };
            let job = (0..1000).map(|_| {
                let pacer = pacer.clone();
                async move {
                    sleep_until(begin + Duration::from_secs(10)).await;
                    turn(&pacer, &ctx(consumer, class, Reason::Miss)).await.unwrap()
                }
            });
            let (mut waits, _) = tokio::join!(join_all(people), join_all(job));
            waits.sort();
            (waits[waits.len() * 95 / 100], begin.elapsed())
        }
    });
    let ((p95, all_done), (p95_in_one_queue, all_done_in_one_queue)) = (mine.await, one_queue.await);
    assert!(p95 <= Duration::from_millis(1500), "{p95:?}");
    assert!(p95_in_one_queue >= Duration::from_secs(60), "{p95_in_one_queue:?}: the job is no burden");
    let ratio = all_done.as_secs_f64() / all_done_in_one_queue.as_secs_f64();
    assert!((0.99..=1.01).contains(&ratio), "{all_done:?} and not {all_done_in_one_queue:?}");
}
