//! What a cached read costs beside a bare server that does nothing but give the same bytes and headers.
//!
//! Each server is a process of its own; requests go over keep-alive connections on the loopback interface; the load
//! comes from this process. The two take turns, round after round, because absolute figures move with the machine's
//! mood: only the ratio within one run counts, CPU per request first. `make bench` runs it; docs/benchmarks.md says how
//! to read it.

mod child;
mod load;
mod servers;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use child::{Child, Pins};
use load::{Load, Path};

/// Rounds; each gives one figure per path and server, and the median is shown.
const ROUNDS: usize = 5;
/// How long one server is asked for one path in one round.
const WINDOW: Duration = Duration::from_millis(1500);
/// How long it is asked before, so that no connection and no cache is new.
const WARM_UP: Duration = Duration::from_millis(300);
const CONNECTIONS: usize = 50;
/// What an answer with a body should cost at most, in bare ones.
const TARGET: f64 = 2.0;

/// What is asked: a name for people, a target and whether the caller has the answer already.
const PATHS: [(&str, &str, bool); 3] = [
    ("50 students", "/students?limit=50", false),
    ("7 students", "/students?limit=7", false),
    ("unchanged (304)", "/students?limit=50", true),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some(servers::GATEWAY) => servers::gateway(),
        Some(servers::BARE) => servers::bare(),
        _ if arguments.iter().any(|argument| argument == "--bench") => compare(),
        // `cargo test --all-targets` starts benchmarks too.
        _ => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// One server's figures for one path, a value for each round.
#[derive(Default)]
struct Figures {
    per_second: Vec<f64>,
    micros: Vec<f64>,
}

fn compare() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let pins = Pins::find();
        let gateway = Child::start(servers::GATEWAY, &pins)?;
        let key = gateway.line()?;
        let mut asked = Vec::new();
        for (_, target, known) in PATHS {
            asked.push(load::capture(gateway.address, target, &key, known).await?);
        }
        let bare = Child::start(servers::BARE, &pins)?;
        bare.tell(&servers::write(&asked))?;
        pins.pin_load();
        say(&format!(
            "{ROUNDS} rounds of {} ms, {CONNECTIONS} connections, {}\n",
            WINDOW.as_millis(),
            pins.describe()
        ));

        let mut figures: Vec<[Figures; 2]> = PATHS.iter().map(|_| Default::default()).collect();
        for _ in 0..ROUNDS {
            for (path, captured) in asked.iter().enumerate() {
                let (_, target, known) = PATHS[path];
                let to_bare = Path::new(&format!("/{path}"), "", None, captured);
                let to_gateway = Path::new(target, &key, captured.known_tag(known), captured);
                for (server, (child, path_there)) in
                    [(&bare, to_bare), (&gateway, to_gateway)].into_iter().enumerate()
                {
                    let load = Load { address: child.address, path: path_there, connections: CONNECTIONS };
                    load.run(WARM_UP).await?;
                    let before = child.cpu()?;
                    let outcome = load.run(WINDOW).await?;
                    let spent = child.cpu()? - before;
                    let figures = &mut figures[path][server];
                    figures.per_second.push(outcome.requests / outcome.took.as_secs_f64());
                    figures.micros.push(spent.as_secs_f64() * 1e6 / outcome.requests);
                    child.forget_log()?;
                }
            }
        }
        let worst = report(&asked, &figures);
        let verdict = if worst > TARGET { "above" } else { "within" };
        say(&format!(
            "\nAn answer with a body costs at most {worst:.2} bare ones: {verdict} the target of {TARGET}."
        ));
        Ok(())
    })
}

/// Prints the table; returns the largest ratio of the answers with a body.
fn report(asked: &[load::Captured], figures: &[[Figures; 2]]) -> f64 {
    say(
        "| answer | bytes | bare req/s | gateway req/s | bare CPU µs | gateway CPU µs | CPU ratio (lowest–highest round) |",
    );
    say("|---|---|---|---|---|---|---|");
    let mut worst: f64 = 0.0;
    for ((name, ..), (captured, [bare, gateway])) in PATHS.iter().zip(asked.iter().zip(figures)) {
        let ratios: Vec<f64> =
            gateway.micros.iter().zip(&bare.micros).map(|(ours, theirs)| ours / theirs).collect();
        let ratio = median(&ratios);
        if !captured.body.is_empty() {
            worst = worst.max(ratio);
        }
        say(&format!(
            "| {name} | {} | {:.0} | {:.0} | {:.1} | {:.1} | **{ratio:.2}** ({:.2}–{:.2}) |",
            captured.body.len(),
            median(&bare.per_second),
            median(&gateway.per_second),
            median(&bare.micros),
            median(&gateway.micros),
            ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratios.iter().copied().fold(0.0, f64::max),
        ));
    }
    worst
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[expect(clippy::print_stdout, reason = "the table is the benchmark's data")]
fn say(line: &str) {
    println!("{line}");
}
