//! Whether the gateway can run for long: the real program over real HTTP at AlfaCRM's real quota, read by many, written to and
//! paid through by some, while both CRMs fail now and then. Beside each figure stands what it should be; one that is missed
//! makes the run fail. `make soak` runs it; docs/benchmarks.md says what happens.
#![allow(clippy::unwrap_used, clippy::large_futures, reason = "what a test may do this may do too")]

mod crowd;
#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../knobs.rs"]
mod knobs;
#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../chaos/payers/mod.rs"]
mod payers;
mod run;
#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../day/school_day/school.rs"]
mod school;
#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../scheduler/table.rs"]
mod table;
mod vitals;
mod weather;

use std::process::ExitCode;
use std::time::Duration;

use knobs::number;
use run::{Plan, Report, play};
use table::{Table, percentile, with_unit};

const MINUTES: u64 = 30;
/// By how much memory may grow from the middle to the end: what is more than noise would fill a machine in days.
const GROWTH: f64 = 5.0;
/// Tasks that may be there at the end and were not at the beginning: a look behind the scenes that happens to run.
const MORE_TASKS: f64 = 3.0;
/// The same for open files and connections: the connections to the CRMs that are kept for the next call.
const MORE_FILES: f64 = 16.0;

fn main() -> ExitCode {
    // `cargo test --all-targets` starts benchmarks too.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let plan = Plan {
        seed: number("SOAK_SEED", 1),
        time: Duration::from_secs(60 * number("SOAK_MINUTES", MINUTES)),
        readers: usize::try_from(number("SOAK_READERS", 24)).expect("so many fit"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(play(&plan)) {
        Ok(report) => told(&plan, &report),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn told(plan: &Plan, report: &Report) -> ExitCode {
    let mut table = Table::begin();
    table.chapter(&format!("{} minutes, seed {}", plan.time.as_secs() / 60, plan.seed));
    let tally = &report.tally;
    let counts = format!("{}, {}, {}", tally.reads, tally.writes, report.verdict.made);
    table.note("reads, writes, payments made", &counts);
    let mut waits = tally.waits.clone();
    let waits = [0.5, 0.99, 1.0].map(|part| with_unit(percentile(&mut waits, part) * 1e3, "ms"));
    table.note("a read: p50, p99, longest", &waits.join(", "));
    let told = tally.statuses.iter().map(|(status, many)| format!("{many} of {status}"));
    table.note("answers of reads and writes", &told.collect::<Vec<_>>().join(", "));
    table.note("calls of AlfaCRM, of the Crypto CRM", &format!("{}, {}", report.calls.0, report.calls.1));
    table.note("of these struck by a fault", &report.struck.to_string());

    table.chapter("what must not grow");
    let memory = report.vitals.memory();
    let [middle, end] = [memory.middle, memory.end].map(|bytes| with_unit(bytes / 1e6, "MB"));
    table.note(
        "resident memory in the middle and at the end, by the line through the second half",
        &format!("{middle}, {end}"),
    );
    table.at_most("growth of memory in the second half", memory.growth() * 100.0, "%", GROWTH);
    let (before, after) = (report.before, report.after);
    table.note("tasks at rest, before and after", &format!("{}, {}", before.tasks, after.tasks));
    table.at_most("tasks that were left behind", after.tasks - before.tasks, "", MORE_TASKS);
    table.note("most tasks at once", &with_unit(report.vitals.most_tasks(), ""));
    table.at_most(
        "open files and connections that were left behind",
        after.files - before.files,
        "",
        MORE_FILES,
    );

    table.chapter("what must not happen");
    table.must("mistakes of our own (`internal`)", &tally.internal.to_string(), "none", tally.internal == 0);
    table.must("requests without an answer", &tally.lost.to_string(), "none", tally.lost == 0);
    table.must("429 of the CRMs", &report.limited.to_string(), "none", report.limited == 0);
    for (what, findings) in report.verdict.findings() {
        table.must(&format!("payments: {what}"), &findings.len().to_string(), "none", findings.is_empty());
        for finding in findings.iter().take(5) {
            eprintln!("{what}: {finding}");
        }
    }
    let undecided = report.verdict.undecided;
    table.must("payments: never decided", &undecided.to_string(), "none", undecided == 0);
    table.end()
}
