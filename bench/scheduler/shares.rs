//! How the turns are shared by consumers who always have work: equally or by weight over any minute, and all of them when
//! there is only one.

use std::sync::Mutex;
use std::time::Duration;

use crm_gateway::model::context::Class;
use crm_gateway::upstream::quota::breaker::Effect;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::scene::{OPERATION, RATE, in_virtual_time, pacer, patient, payer};
use crate::table::Table;

const TIME: Duration = Duration::from_secs(600);
const WINDOW: Duration = Duration::from_secs(60);
/// How many calls each consumer has waiting.
const AT_ONCE: usize = 3;
/// The part by which a share may be off. Turns are whole, so one of them is forgiven.
const TOLERANCE: f64 = 0.05;

pub(crate) fn measure(table: &mut Table) {
    table.chapter("consumers that always have work, 10 minutes (virtual time)");
    let lone = in_virtual_time(scene(&[1])).len() as f64;
    table.at_least("a lone one: its part of the rate", lone / (TIME.as_secs_f64() * RATE) * 100.0, "%", 98.0);
    let mut jain: f64 = 1.0;
    for (name, weights) in [
        ("2 equal ones", &[1; 2][..]),
        ("5 equal ones", &[1; 5]),
        ("20 equal ones", &[1; 20]),
        ("weights 1:2:4", &[1, 2, 4]),
    ] {
        let worst = worst(&in_virtual_time(scene(weights)), weights);
        let met = worst.part <= TOLERANCE || worst.turns <= 1.0;
        let off = format!("{:.1} %, {:.1} turns", worst.part * 100.0, worst.turns);
        let what = format!("{name}: farthest from a share over any 60 s");
        table.must(&what, &off, "at most 5 % or one turn", met);
        jain = jain.min(worst.jain);
    }
    table.must(
        "Jain's index, the worst 60 s of all these",
        &format!("{jain:.4}"),
        "at least 0.99",
        jain >= 0.99,
    );
}

/// Who had the turns, and when.
async fn scene(weights: &[u32]) -> Vec<(Duration, usize)> {
    let (pacer, begin, turns) = (pacer(), Instant::now(), Mutex::new(Vec::new()));
    let callers = weights.iter().enumerate().flat_map(|(who, weight)| {
        let mut payer = payer(&format!("consumer {who}"), Class::Batch);
        payer.weight = *weight;
        let ctx = patient(&payer);
        (0..AT_ONCE).map(move |_| (who, ctx.clone()))
    });
    join_all(callers.map(async |(who, ctx)| {
        loop {
            let turn =
                pacer.turn(&ctx, OPERATION, 0, Effect::Reads).await.expect("there is room and patience");
            if turn.at - begin >= TIME {
                return;
            }
            turns.lock().expect("nobody panics with it").push((turn.at - begin, who));
        }
    }))
    .await;
    turns.into_inner().expect("nobody panics with it")
}

struct Worst {
    /// Distance from the share, as a part of it.
    part: f64,
    /// The same in turns.
    turns: f64,
    jain: f64,
}

/// The worst of all windows, one beginning with each turn.
fn worst(turns: &[(Duration, usize)], weights: &[u32]) -> Worst {
    let mut worst = Worst { part: 0.0, turns: 0.0, jain: 1.0 };
    let all_weights: u32 = weights.iter().sum();
    for (at, (begin, _)) in turns.iter().enumerate() {
        if *begin + WINDOW > TIME {
            break;
        }
        let window: Vec<usize> =
            turns[at..].iter().take_while(|(time, _)| *time < *begin + WINDOW).map(|(_, who)| *who).collect();
        let (mut sum, mut squares) = (0.0, 0.0);
        for (who, weight) in weights.iter().enumerate() {
            let got = window.iter().filter(|served| **served == who).count() as f64;
            let share = window.len() as f64 * f64::from(*weight) / f64::from(all_weights);
            worst.part = worst.part.max((got / share - 1.0).abs());
            worst.turns = worst.turns.max((got - share).abs());
            sum += got / f64::from(*weight);
            squares += (got / f64::from(*weight)).powi(2);
        }
        worst.jain = worst.jain.min(sum * sum / (weights.len() as f64 * squares));
    }
    worst
}
