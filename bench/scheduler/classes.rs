//! A thousand calls of a batch job at once against people who wait for their answers, and the same calls in one queue in
//! the order of arrival: the scheduler's own code, when everybody is the same consumer.

use std::time::Duration;

use crm_gateway::model::context::{Class, Payer};
use crm_gateway::upstream::quota::Pacer;
use crm_gateway::upstream::quota::breaker::Effect;
use futures_util::future::join_all;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep_until};

use crate::scene::{OPERATION, arrivals, in_virtual_time, pacer, patient, payer};
use crate::table::{Table, percentile, with_unit};

/// People come for five minutes, two a second.
const PEOPLE: (f64, Duration) = (2.0, Duration::from_secs(300));
/// How many calls the job has, and when it comes.
const JOB: (usize, Duration) = (1000, Duration::from_secs(10));

pub(crate) fn measure(table: &mut Table) {
    let desk = payer("desk", Class::Interactive);
    let mut fair = in_virtual_time(scene(&desk, &payer("export", Class::Batch)));
    let mut one_queue = in_virtual_time(scene(&desk, &desk));
    table.chapter("1,000 batch calls at once, interactive 2/s for 300 s (virtual time)");
    table.at_most("interactive p95, scheduler", percentile(&mut fair.people, 0.95), "s", 1.5);
    table.note("interactive p50, max, scheduler", &fair.middle_and_most());
    table.at_least("interactive p95, FIFO", percentile(&mut one_queue.people, 0.95), "s", 150.0);
    table.note("interactive p50, max, FIFO", &one_queue.middle_and_most());
    let done = |seen: &Seen| format!("{}, {}", with_unit(seen.job_done, "s"), with_unit(seen.all_done, "s"));
    table.note("batch done, everything done, scheduler", &done(&fair));
    table.note("batch done, everything done, FIFO", &done(&one_queue));
    let apart = (fair.all_done / one_queue.all_done - 1.0).abs() * 100.0;
    table.at_most("everything done: distance from FIFO", apart, "%", 1.0);
}

struct Seen {
    /// Seconds that each interactive call waited.
    people: Vec<f64>,
    job_done: f64,
    all_done: f64,
}

impl Seen {
    fn middle_and_most(&mut self) -> String {
        let [middle, most] = [0.5, 1.0].map(|part| with_unit(percentile(&mut self.people, part), "s"));
        format!("{middle}, {most}")
    }
}

async fn scene(people: &Payer, job: &Payer) -> Seen {
    let pacer = pacer();
    let begin = Instant::now();
    let coming = arrivals(&mut StdRng::seed_from_u64(1), PEOPLE.0, PEOPLE.1);
    let people = join_all(coming.into_iter().map(|at| call(&pacer, people, begin + at)));
    let job = join_all((0..JOB.0).map(|_| call(&pacer, job, begin + JOB.1)));
    let (people, job) = tokio::join!(people, job);
    let last = |calls: &[(f64, Instant)]| {
        let last = calls.iter().map(|(_, at)| *at).max().expect("somebody came");
        (last - begin).as_secs_f64()
    };
    Seen {
        job_done: last(&job),
        all_done: last(&job).max(last(&people)),
        people: people.into_iter().map(|(waited, _)| waited).collect(),
    }
}

/// How many seconds a call waits that comes then, and when it leaves.
async fn call(pacer: &Pacer, payer: &Payer, arrives: Instant) -> (f64, Instant) {
    sleep_until(arrives).await;
    let turn =
        pacer.turn(&patient(payer), OPERATION, 0, Effect::Reads).await.expect("there is room and patience");
    (turn.queued.as_secs_f64(), turn.at)
}
