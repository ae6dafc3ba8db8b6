//! What the scheduler promises, in figures: who waits how long, who gets how much, whether what is foretold comes true,
//! and what waiting costs. Beside each figure stands what it should be; one that is missed makes the run fail.
//!
//! Time is virtual where it can be, so hours take seconds and the machine's mood does not count; the cost of a call is
//! measured on the real clock, and one run goes over HTTP through the whole gateway against the simulated CRM.
//! `make bench-scheduler` runs it; docs/benchmarks.md says what is measured how.

mod classes;
mod cost;
mod memory;
mod over_http;
mod promises;
mod resident;
mod scene;
mod shares;
mod table;

use std::process::ExitCode;

use table::Table;

fn main() -> ExitCode {
    // `cargo test --all-targets` starts benchmarks too.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let mut table = Table::begin();
    // First, because memory that was used before would be used again and hide what is needed.
    memory::measure(&mut table);
    cost::measure(&mut table);
    classes::measure(&mut table);
    shares::measure(&mut table);
    promises::measure(&mut table);
    if let Err(error) = over_http::measure(&mut table) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    table.end()
}
