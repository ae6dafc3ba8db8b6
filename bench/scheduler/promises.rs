//! Whether what is foretold comes true. Calls of all kinds come at random, some of them by the hundred, and each has a
//! patience. One that is refused leaves a twin behind, the same but for its endless patience: how long the twin waits is
//! what the refused one should have been told.

use std::time::Duration;

use crm_gateway::model::context::{Class, Ctx, Payer, Reason};
use crm_gateway::upstream::Error;
use crm_gateway::upstream::quota::Pacer;
use crm_gateway::upstream::quota::breaker::Effect;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::{Instant, sleep_until};

use crate::scene::{OPERATION, arrivals, in_virtual_time, pacer, patient, payer};
use crate::table::{Table, percentile, with_unit};

const TIME: Duration = Duration::from_secs(3600);
const SEEDS: u64 = 4;
/// The part by which a foretold wait may be off.
const TOLERANCE: f64 = 0.2;
/// What a short one may be off: about a turn.
const FORGIVEN: f64 = 0.25;
/// The part of the refused that must be told the truth. The others are surprised by calls that nobody could foresee, or
/// were refused just because their wait was foretold too long.
const ENOUGH: f64 = 80.0;

pub(crate) fn measure(table: &mut Table) {
    table.chapter("calls at random, deadlines 0.3 to 60 s, 4 hours each (virtual time)");
    let told = report(table, "jobs one by one", Jobs::OneByOne);
    table.at_least("jobs one by one: within 20 % or 250 ms of the truth", part_kept(&told), "%", ENOUGH);
    let told = report(table, "jobs at random", Jobs::OnTopOfEachOther);
    table.note("jobs at random: within 20 % or 250 ms of the truth", &with_unit(part_kept(&told), "%"));
}

/// Whether what comes next can be known from what came before.
#[derive(Clone, Copy)]
enum Jobs {
    /// Each ends before the next begins.
    OneByOne,
    /// Any number at a time, so a wait may double after it was foretold.
    OnTopOfEachOther,
}

fn stories(jobs: Jobs) -> Vec<Story> {
    (0..SEEDS).flat_map(|seed| in_virtual_time(scene(StdRng::seed_from_u64(seed), jobs))).collect()
}

/// Tells what became of all; returns what the refused were told, and the truth.
fn report(table: &mut Table, name: &str, jobs: Jobs) -> Vec<(f64, f64)> {
    let stories = stories(jobs);
    let (mut told, mut overstays, mut broken) = (Vec::new(), Vec::new(), 0);
    for story in &stories {
        match story.ended {
            Ended::Refused { told: wait, truth } => told.push((wait.as_secs_f64(), truth.as_secs_f64())),
            Ended::Served | Ended::Disappointed => {
                broken += usize::from(matches!(story.ended, Ended::Disappointed));
                overstays.push(story.stayed.saturating_sub(story.patience).as_secs_f64() * 1e3);
            }
        }
    }
    let refused = with_unit(told.len() as f64 / stories.len() as f64 * 100.0, "%");
    table.note(
        &format!("{name}: calls, of those refused on arrival"),
        &format!("{}, {refused}", stories.len()),
    );
    let longest = percentile(&mut overstays, 1.0);
    table.at_most(&format!("{name}: longest stay of a call past its deadline"), longest, "ms", 50.0);
    let broken = with_unit(broken as f64 / overstays.len() as f64 * 100.0, "%");
    table.note(&format!("{name}: let in, but not served by the deadline"), &broken);
    table.at_most(
        &format!("{name}: `Retry-After` off the truth, median"),
        off(&told),
        "%",
        TOLERANCE * 100.0,
    );
    told
}

/// The middle one of the distances from the truth, in percent of it.
fn off(told: &[(f64, f64)]) -> f64 {
    let mut off: Vec<f64> = told.iter().map(|(told, truth)| (told / truth - 1.0).abs() * 100.0).collect();
    percentile(&mut off, 0.5)
}

fn part_kept(told: &[(f64, f64)]) -> f64 {
    let kept = told.iter().filter(|(told, truth)| (told - truth).abs() <= (truth * TOLERANCE).max(FORGIVEN));
    kept.count() as f64 / told.len() as f64 * 100.0
}

/// What became of one call.
struct Story {
    patience: Duration,
    stayed: Duration,
    ended: Ended,
}

enum Ended {
    Served,
    /// On arrival.
    Refused {
        told: Duration,
        truth: Duration,
    },
    /// Let in, and sent away at its deadline.
    Disappointed,
}

/// An hour: people and partners, refreshes, and jobs of many calls; about four fifths of the rate in all.
async fn scene(mut dice: StdRng, jobs: Jobs) -> Vec<Story> {
    let mut coming: Vec<(Duration, Payer, Reason)> = Vec::new();
    for (class, consumers, per_second, reason) in [
        (Class::Interactive, 4, 1.2, Reason::Miss),
        (Class::Partner, 2, 0.6, Reason::Miss),
        (Class::Batch, 1, 0.2, Reason::Refresh),
    ] {
        for at in arrivals(&mut dice, per_second, TIME) {
            let consumer = format!("{} {}", class.name(), dice.random_range(0..consumers));
            coming.push((at, payer(&consumer, class), reason));
        }
    }
    let beginnings = match jobs {
        Jobs::OneByOne => (1..TIME.as_secs() / 90).map(|n| Duration::from_secs(90 * n)).collect(),
        Jobs::OnTopOfEachOther => arrivals(&mut dice, 1.0 / 40.0, TIME),
    };
    for at in beginnings {
        let job = payer(&format!("job {}", dice.random_range(0..3)), Class::Batch);
        let calls = dice.random_range(10..150);
        coming.extend((0..calls).map(|_| (at, job.clone(), Reason::Miss)));
    }
    let (pacer, begin) = (pacer(), Instant::now());
    join_all(coming.into_iter().map(|(at, payer, reason)| {
        let patience = Duration::from_secs_f64(0.3 * 200_f64.powf(dice.random::<f64>()));
        call(&pacer, begin + at, payer, reason, patience)
    }))
    .await
}

async fn call(pacer: &Pacer, arrives: Instant, payer: Payer, reason: Reason, patience: Duration) -> Story {
    sleep_until(arrives).await;
    let twin = Ctx { reason, ..patient(&payer) };
    let ctx = Ctx { max_wait: Some(patience), ..twin.clone() };
    let arrived = Instant::now();
    let answer = pacer.turn(&ctx, OPERATION, 0, Effect::Reads).await;
    let stayed = arrived.elapsed();
    let ended = match answer {
        Ok(_) => Ended::Served,
        Err(Error::Overloaded { retry_after, .. }) if stayed.is_zero() => {
            let turn =
                pacer.turn(&twin, OPERATION, 0, Effect::Reads).await.expect("there is room and patience");
            Ended::Refused { told: retry_after, truth: turn.queued }
        }
        Err(_) => Ended::Disappointed,
    };
    Story { patience, stayed, ended }
}
