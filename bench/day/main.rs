//! A day of school traffic against the whole gateway, in virtual time. Beside each figure stands what it should be; one
//! that is missed makes the run fail. `make bench-day` runs it; docs/benchmarks.md says who asks what, and why so much.
#![allow(clippy::unwrap_used, clippy::large_futures, reason = "what a test may do this may do too")]

mod school_day;
#[path = "../../tests/it/support/mod.rs"]
mod support;
#[path = "../scheduler/table.rs"]
mod table;

use std::process::ExitCode;
use std::time::Duration;

use school_day::judge::{Sum, Tally, Who};
use school_day::{Day, Plan, RATE};
use table::{Table, percentile, with_unit};

/// The evening peak: people come from work while the last lessons are on.
const PEAK: f64 = 19.0;
const OUTAGE: Duration = Duration::from_secs(30 * 60);
const DAY: Plan =
    Plan { seed: 1, students: 3000, projects: 1000, from: 0, to: 24, writes: true, outage: None };

fn main() -> ExitCode {
    // `cargo test --all-targets` starts benchmarks too.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let mut table = Table::begin();
    let quiet = lived(DAY);
    table.chapter("a day of 3,000 students");
    totals(&mut table, &quiet);
    for who in Who::ALL {
        consumer(&mut table, &quiet, who);
    }
    questions(&table, &quiet);
    let gone = Some((PEAK, OUTAGE));
    let evening = Plan { from: 17, to: 20, outage: gone, ..DAY };
    let broken = lived(Plan { writes: false, ..evening });
    table.chapter("an evening on which both CRMs are gone from 19:00 to 19:30, nobody writes");
    outage(&mut table, &broken, true);
    let broken = lived(evening);
    table.chapter("the same with writes until then");
    outage(&mut table, &broken, false);
    table.end()
}

fn lived(plan: Plan) -> Day {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without sockets needs nothing").block_on(school_day::live(plan))
}

fn share(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64 * 100.0
}

fn totals(table: &mut Table, day: &Day) {
    let reads = day.reads();
    let tally = &day.tally;
    let add = |count: fn(&Sum) -> usize| tally.by_who.values().map(count).sum::<usize>();
    table.note("reads, writes", &format!("{reads}, {}", tally.writes));
    table.note("calls of AlfaCRM, of the Crypto CRM", &format!("{}, {}", day.alfa.len(), day.crypto.len()));
    let efficiency = (reads + tally.writes) as f64 / day.calls() as f64;
    table.note("**quota efficiency: requests for each call of a CRM**", &with_unit(efficiency, ""));
    table.at_least(
        "reads answered without a call of their own",
        share(add(Sum::without_a_call), reads),
        "%",
        95.0,
    );
    let per_read = day.calls_to_read() as f64 / reads as f64;
    table.note("calls for each read, with refreshes, repeats and sign-ins", &with_unit(per_read, ""));
    table.note("answered at once from memory, fresh", &with_unit(share(add(|sum| sum.fresh), reads), "%"));
    table.note("answered at once from memory, stale", &with_unit(share(add(|sum| sum.stale), reads), "%"));
    table.note("joined somebody else's call", &with_unit(share(add(|sum| sum.joined), reads), "%"));
    table.note("waited for a call of its own", &with_unit(share(add(|sum| sum.asked), reads), "%"));
    table.at_least("reads answered", share(add(Sum::answered), reads), "%", 100.0);
    let none = |count: usize| (count.to_string(), count == 0);
    too_old(table, tally);
    let limited = none(day.limited());
    table.must("429 of the CRMs", &limited.0, "none", limited.1);
    table.at_most("most calls a second over ten seconds", day.densest(), "", RATE + 0.1);
    let failed: usize = tally.write_failures.values().sum();
    table.must("writes refused", &failed.to_string(), "none", failed == 0);
    for (at, path, code) in tally.refusals.iter().take(5) {
        eprintln!("refused {code} after {at:?}: {path}");
    }
    eprintln!("writes that failed, by status: {:?}", tally.write_failures);
}

fn too_old(table: &mut Table, tally: &Tally) {
    let (lies, old) = (&tally.lies, &tally.too_old);
    let what = "answers that were not so at the time they tell or their policy allows";
    table.must(what, &lies.len().to_string(), "none", lies.is_empty());
    table.must(
        "answers that tell more than their policy allows",
        &old.len().to_string(),
        "none",
        old.is_empty(),
    );
    for (path, from, age) in old.iter().take(5) {
        eprintln!("too old, {from:?} {age:?}: {path}");
    }
    for (lie, path) in lies.iter().take(5) {
        eprintln!("{lie:?}: {path}");
    }
}

fn consumer(table: &mut Table, day: &Day, who: Who) {
    let name = who.name();
    let Some(sum) = day.tally.by_who.get(&who) else { return };
    let billed = |wanted: &dyn Fn(&str) -> bool| -> usize {
        let own = day.bill.iter().filter(|((consumer, reason), _)| consumer == name && wanted(reason));
        own.map(|(_, calls)| calls).sum()
    };
    let calls = billed(&|reason| reason != "write");
    table.note(&format!("{name}: reads, calls for them"), &format!("{}, {calls}", sum.reads));
    let each = sum.reads as f64 / calls.max(1) as f64;
    table.note(&format!("{name}: reads for each call"), &with_unit(each, ""));
    let fresh = with_unit(share(sum.fresh, sum.reads), "%");
    let stale = with_unit(share(sum.stale, sum.reads), "%");
    table.note(&format!("{name}: from memory fresh, stale"), &format!("{fresh}, {stale}"));
    let mut waits = sum.waits.clone();
    let waits = [0.5, 0.95, 0.99].map(|part| with_unit(percentile(&mut waits, part), "s"));
    table.note(&format!("{name}: wait p50, p95, p99"), &waits.join(", "));
}

/// What costs most: for whoever wants to know why a figure is as it is.
fn questions(table: &Table, day: &Day) {
    table.chapter("reads by what they are for: count; from memory; joined; asked");
    let mut all: Vec<_> = day.tally.by_what.iter().collect();
    all.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.asked));
    for (what, sum) in all {
        let memory = share(sum.fresh + sum.stale, sum.reads);
        table.note(what, &format!("{}; {memory:.0} %; {}; {}", sum.reads, sum.joined, sum.asked));
    }
    table.chapter("calls by what was called");
    let mut operations = std::collections::BTreeMap::<&str, usize>::new();
    for entry in day.alfa.iter().chain(&day.crypto) {
        *operations.entry(entry.operation.as_str()).or_default() += 1;
    }
    let mut operations: Vec<_> = operations.into_iter().collect();
    operations.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
    for (operation, calls) in operations.into_iter().take(12) {
        table.note(operation, &calls.to_string());
    }
    table.chapter("calls by who caused them and why");
    for ((consumer, reason), calls) in &day.bill {
        table.note(&format!("{consumer}: {reason}"), &calls.to_string());
    }
}

fn outage(table: &mut Table, day: &Day, all: bool) {
    let seen = &day.tally.outage;
    table.note("reads of what had been read before", &seen.known.to_string());
    let answered = share(seen.known_answered, seen.known);
    if all {
        table.at_least("of those answered", answered, "%", 100.0);
    } else {
        let what = "of those answered (what a write has outdated is not shown)";
        table.note(what, &with_unit(answered, "%"));
    }
    table.must("answers past their freshness that do not say so", &seen.unmarked.to_string(), "none", {
        seen.unmarked == 0
    });
    let new = format!("{}, {}", seen.new, with_unit(share(seen.new_answered, seen.new), "%"));
    table.note("reads of what nobody had read, answered all the same", &new);
    too_old(table, &day.tally);
    let limited = day.limited();
    table.must("429 of the CRMs", &limited.to_string(), "none", limited == 0);
    table.at_most("most calls a second over ten seconds", day.densest(), "", RATE + 0.1);
    for (crm, found) in &day.tally.returns {
        let (took, last) = found.took();
        let what = format!("{crm}: from when it was wanted again to the last answer without it");
        table.at_most(&what, took.as_secs_f64(), "s", 60.0);
        eprintln!("the last answer without {crm}: {last}");
    }
    table.must("reads refused outside the outage", &day.tally.refusals.len().to_string(), "none", {
        day.tally.refusals.is_empty()
    });
    eprintln!("lost in the outage: {:?}", seen.lost);
    for (at, path, code) in day.tally.refusals.iter().take(5) {
        eprintln!("refused {code} after {at:?}: {path}");
    }
}
