//! Whether a payment is ever doubled or lost: thousands of them through the real program over real HTTP, while the simulated
//! CRM fails, its lists lag, and the program is killed every few seconds. Beside each figure stands what it should be; one
//! that is missed makes the run fail. `make chaos` runs it; docs/benchmarks.md says what happens to whom.
#![allow(clippy::unwrap_used, clippy::large_futures, reason = "what a test may do this may do too")]

#[path = "../knobs.rs"]
mod knobs;
mod payers;
#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../scheduler/table.rs"]
mod table;

use std::process::ExitCode;
use std::time::Duration;

use knobs::{given, number};
use payers::over_http::{Plan, Report, play};
use payers::weather::Weather;
use table::{Table, percentile, with_unit};

const SEED: u64 = 1;
const PAYMENTS: usize = 10_000;
const SECONDS: u64 = 300;
/// Everything is decided so long after the CRM is back.
const MERCY: f64 = 60.0;
/// How many of a hundred may be left to somebody who looks.
const REVIEW: f64 = 0.1;

fn main() -> ExitCode {
    // `cargo test --all-targets` starts benchmarks too.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let seed = number("CHAOS_SEED", SEED);
    let patience = Duration::from_secs(2);
    let weather = Weather { seed, patience, lag: Duration::from_secs(2) };
    let mark = given("CHAOS_MARK").unwrap_or_else(|| "note".to_owned());
    let plan = Plan {
        name: "chaos",
        seed,
        payments: usize::try_from(number("CHAOS_PAYMENTS", PAYMENTS as u64)).expect("so many fit"),
        at_once: 256,
        longest: Duration::from_secs(number("CHAOS_SECONDS", SECONDS)),
        rate: 100.0,
        // An empty one leaves the section out.
        mark: Some(mark).filter(|mark| !mark.is_empty()),
        settle: Duration::from_secs(8),
        weather,
        storm: number("CHAOS_STORM", 1) != 0,
        outage: Some(Duration::from_secs(number("CHAOS_OUTAGE", 15))).filter(|time| !time.is_zero()),
        lives: Some(2_000..8_000).filter(|_| number("CHAOS_KILLS", 1) != 0),
        mercy: Duration::from_secs_f64(MERCY * 1.5),
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
    let (verdict, stories) = (&report.verdict, &report.stories);
    table.chapter(&format!("{} payments, seed {}", report.begun, plan.seed));
    table.note("time until all were decided", &with_unit(report.took.as_secs_f64(), "s"));
    table.note("payments a second", &with_unit(verdict.made as f64 / report.took.as_secs_f64(), ""));
    table.note("kills of the gateway", &report.kills.to_string());
    let slowest = report.starts.iter().max().copied().unwrap_or_default();
    table.note("slowest start after one", &with_unit(slowest.as_secs_f64(), "s"));
    let stalled = with_unit(report.stalled.as_secs_f64(), "s");
    table.note("longest time for which payers and CRM could not run", &stalled);
    let requests: usize = stories.iter().map(|story| story.requests).sum();
    let lost: usize = stories.iter().map(|story| story.lost).sum();
    table.note("requests of payers, of those without an answer", &format!("{requests}, {lost}"));
    let operations = stories.iter().filter(|story| story.operation.is_some()).count();
    table.note("payments that became an operation", &operations.to_string());
    let limited = report.calls.iter().filter(|entry| entry.status == 429).count();
    let calls = (report.calls.len(), report.creates().count());
    table.note("calls of the CRM, of those payments", &format!("{}, {}", calls.0, calls.1));
    table.note("429 of the CRM", &limited.to_string());
    for (fault, times) in report.faults() {
        table.note(&format!("payments {fault}"), &times.to_string());
    }
    table.chapter("what the payers were told, beside the CRM's rows");
    table.note("made, failed", &format!("{}, {}", verdict.made, verdict.failed));
    for (what, findings) in verdict.findings() {
        table.must(what, &findings.len().to_string(), "none", findings.is_empty());
    }
    let undecided = verdict.undecided;
    table.must("never decided", &undecided.to_string(), "none", undecided == 0);
    let review = verdict.review as f64 / stories.len().max(1) as f64 * 100.0;
    table.at_most("left to somebody who looks", review, "%", REVIEW);
    if let Some(time) = report.after_outage {
        table.at_most(
            "from the CRM's return after an outage to the last decision",
            time.as_secs_f64(),
            "s",
            MERCY,
        );
    }
    let last = report.after_all.as_secs_f64();
    table.at_most("from the CRM's return for good to the last decision", last, "s", MERCY);
    let mut waits = report.waits();
    if !waits.is_empty() {
        let waits = [0.5, 0.99, 1.0].map(|part| with_unit(percentile(&mut waits, part), "s"));
        table.note("from request to decision: p50, p99, longest", &waits.join(", "));
    }
    for line in report.complaints(5) {
        eprintln!("{line}");
    }
    table.end()
}
