//! What a cached read costs beside a bare server that gives the same bytes and headers, and beside two caching proxies in
//! front of that.
//!
//! Each server is a process of its own; requests go over keep-alive connections on the loopback interface; the load
//! comes from this process. All take turns, round after round, because absolute figures move with the machine's
//! mood: only the ratio within one run counts, CPU per request first. `make bench` runs it; docs/benchmarks.md says how
//! to read it.

mod child;
mod load;
mod peers;
mod servers;
mod start;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use child::{Child, Pins};
use load::{Captured, Load, capture, request};
use tokio::time::Instant;

/// Rounds; each gives one figure per path and server, and the median is shown.
const ROUNDS: usize = 5;
/// How long one server is asked for one path in one round.
const WINDOW: Duration = Duration::from_millis(1000);
/// How long it is asked before, so that no connection and no cache is new.
const WARM_UP: Duration = Duration::from_millis(200);
const CONNECTIONS: usize = 50;
/// Requests a second of the open loop.
const PACE: u32 = 5000;
/// Reads of which each needs a call.
const MISSES: usize = 1000;
/// Different questions in the row about many of them.
const KEYS: usize = 10_000;

/// What is asked.
struct Row {
    name: &'static str,
    kind: Kind,
    /// What the gateway's processor time may be at most, in those of bare axum, nginx and Varnish. More than the first is a
    /// failure, the second is the target.
    goals: [Option<(f64, f64)>; 3],
}

#[derive(PartialEq)]
enum Kind {
    Plain(&'static str),
    /// The first student by its id.
    One,
    /// The answer to a caller who has it.
    Known,
    Packed,
    Keys,
}

const PLAIN: [Option<(f64, f64)>; 3] = [Some((2.0, 1.5)), Some((1.1, 0.85)), Some((0.8, 0.6))];

const ROWS: [Row; 6] = [
    Row { name: "7 students", kind: Kind::Plain("/students?limit=7"), goals: PLAIN },
    Row { name: "50 students", kind: Kind::Plain("/students?limit=50"), goals: [None; 3] },
    Row { name: "one student", kind: Kind::One, goals: PLAIN },
    Row { name: "unchanged (304)", kind: Kind::Known, goals: [None, Some((1.3, 1.05)), None] },
    Row { name: "stored gzip", kind: Kind::Packed, goals: [None, Some((1.0, 0.8)), None] },
    Row { name: "10,000 questions", kind: Kind::Keys, goals: [None, Some((1.1, 0.9)), None] },
];

/// The allocator of the program, for the bare server too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

/// A row as it is sent: to the gateway, to bare axum and to the proxies.
struct Asked {
    gateway: Arc<[String]>,
    bare: Arc<[String]>,
    proxied: Arc<[String]>,
    answer: Captured,
}

fn compare() -> io::Result<()> {
    // Whether anything has come in is looked up between any two of the tasks that wait for their time.
    let runtime = tokio::runtime::Builder::new_current_thread().event_interval(1).enable_all().build()?;
    runtime.block_on(async {
        let pins = Pins::find();
        let gateway = Child::start(servers::GATEWAY, &pins)?;
        let key = gateway.line()?;
        let crms: String = serde_json::from_str(&gateway.line()?)?;
        let mut rows = Vec::new();
        for (number, row) in ROWS.iter().enumerate() {
            rows.push(prepare(gateway.address, &key, number, &row.kind).await?);
        }
        let bare = Child::start(servers::BARE, &pins)?;
        bare.tell(&servers::write(rows.iter().map(|row| &row.answer)))?;
        let nginx = peers::nginx(bare.address, &pins)?;
        let varnish = peers::varnish(bare.address, &pins)?;
        pins.pin_load();
        say(&format!(
            "{ROUNDS} rounds of {} ms, {CONNECTIONS} connections, {}\n",
            WINDOW.as_millis(),
            pins.describe()
        ));
        let load = |child: &Child, requests: &Arc<[String]>, row: &Asked| Load {
            address: child.address,
            requests: Arc::clone(requests),
            statuses: vec![row.answer.status],
            connections: CONNECTIONS,
        };
        let mut figures: Vec<[Figures; 4]> = ROWS.iter().map(|_| Default::default()).collect();
        let mut late: [Vec<f64>; 2] = Default::default();
        for round in 0..ROUNDS {
            for (row, figures) in rows.iter().zip(&mut figures) {
                let servers = [
                    (&gateway, &row.gateway),
                    (&bare, &row.bare),
                    (&nginx, &row.proxied),
                    (&varnish, &row.proxied),
                ];
                for ((child, requests), figures) in servers.into_iter().zip(figures) {
                    let load = load(child, requests, row);
                    if round == 0 {
                        load.warm().await?;
                    }
                    load.run(WARM_UP).await?;
                    let before = child.cpu()?;
                    let outcome = load.run(WINDOW).await?;
                    let spent = child.cpu()? - before;
                    figures.per_second.push(outcome.requests / outcome.took.as_secs_f64());
                    figures.micros.push(spent.as_secs_f64() * 1e6 / outcome.requests);
                    child.forget_log()?;
                }
            }
            let row = &rows[0];
            for ((child, requests), late) in
                [(&gateway, &row.gateway), (&nginx, &row.proxied)].into_iter().zip(&mut late)
            {
                let took = load(child, requests, row).paced(PACE, WINDOW).await?;
                late.push(took[took.len() * 99 / 100].as_secs_f64() * 1e6);
            }
        }
        let mut missed = report(&rows, &figures) + report_pace(&late);
        missed += report_misses(gateway.address, &key).await?;
        missed += start::report(&crms, &pins)?;
        if missed > 0 {
            return Err(io::Error::other(format!("{missed} figures are worse than they may be")));
        }
        Ok(())
    })
}

/// What a row asks of whom; the gateway has the answer afterwards.
async fn prepare(gateway: SocketAddr, key: &str, number: usize, kind: &Kind) -> io::Result<Asked> {
    let auth = ("x-api-key", key);
    let list = "/students?limit=7";
    let (target, mut more) = match kind {
        Kind::Plain(target) => ((*target).to_owned(), Vec::new()),
        Kind::Known | Kind::Packed => (list.to_owned(), Vec::new()),
        Kind::One => {
            let answer = capture(gateway, &request(list, &[auth])).await?;
            let page: serde_json::Value = serde_json::from_slice(&answer.body)?;
            (format!("/students/{}", page["items"][0]["id"].as_str().unwrap_or_default()), Vec::new())
        }
        Kind::Keys => (questions().remove(0), Vec::new()),
    };
    let mut place = number;
    let mut answer = capture(gateway, &request(&target, &[auth])).await?;
    let tag = answer.header("etag").unwrap_or_default().to_owned();
    match kind {
        Kind::Known => {
            // Whoever stands before a server that answers 304 asks for the whole answer once.
            place = 0;
            more.push(("if-none-match", tag.as_str()));
        }
        Kind::Packed => more.push(("accept-encoding", "gzip")),
        Kind::Plain(_) | Kind::One | Kind::Keys => {}
    }
    let whole: Vec<_> = more.iter().copied().chain([auth]).collect();
    for _ in 0..100 {
        answer = capture(gateway, &request(&target, &whole)).await?;
        if *kind != Kind::Packed || answer.header("content-encoding").is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let targets = if *kind == Kind::Keys { questions() } else { vec![target] };
    let at = |place: usize, question: usize| format!("/{place}?question={question}");
    let proxied = |question| request(&at(place, question), &more);
    Ok(Asked {
        gateway: targets.iter().map(|target| request(target, &whole)).collect(),
        bare: (0..targets.len()).map(|question| request(&at(number, question), &more)).collect(),
        proxied: (0..targets.len()).map(proxied).collect(),
        answer,
    })
}

/// The same records, asked for in ten thousand ways: the same fields in another order each time.
fn questions() -> Vec<String> {
    let mut fields = ["name", "stage", "contacts", "balance", "branch_ids", "teacher_names", "payer", "note"];
    let mut all = Vec::with_capacity(KEYS);
    permute(&mut fields, 0, &mut all);
    all
}

fn permute(fields: &mut [&str; 8], from: usize, all: &mut Vec<String>) {
    if all.len() == KEYS {
        return;
    }
    if from == fields.len() {
        all.push(format!("/students?limit=7&fields={}", fields.join(",")));
        return;
    }
    for at in from..fields.len() {
        fields.swap(from, at);
        permute(fields, from + 1, all);
        fields.swap(from, at);
    }
}

/// Prints the table; returns how many figures are worse than they may be.
fn report(rows: &[Asked], figures: &[[Figures; 4]]) -> usize {
    say(
        "Processor time of the gateway for an answer, and how much that is of what others take (lowest–highest round; goal):\n",
    );
    say("| answer | bytes | req/s | µs | ÷ bare axum | ÷ nginx `proxy_cache` | ÷ Varnish |");
    say("|---|---|---|---|---|---|---|");
    let mut missed = 0;
    for (row, (asked, [gateway, others @ ..])) in ROWS.iter().zip(rows.iter().zip(figures)) {
        let mut line = format!(
            "| {} | {} | {:.0} | {:.1} |",
            row.name,
            asked.answer.body.len(),
            median(&gateway.per_second),
            median(&gateway.micros)
        );
        for (other, goal) in others.iter().zip(row.goals) {
            let ratios: Vec<f64> =
                gateway.micros.iter().zip(&other.micros).map(|(own, its)| own / its).collect();
            line += &format!(" {} |", judged(&ratios, goal, &mut missed));
        }
        say(&line);
    }
    missed
}

/// The same for the slowest hundredth of answers at a fixed pace.
fn report_pace([gateway, nginx]: &[Vec<f64>; 2]) -> usize {
    let ratios: Vec<f64> = gateway.iter().zip(nginx).map(|(own, its)| own / its).collect();
    let mut missed = 0;
    let told = judged(&ratios, Some((2.5, 1.4)), &mut missed);
    say(&format!(
        "\np99 at {PACE} requests a second (open loop, 7 students): {:.0} µs, ÷ nginx `proxy_cache` {told}",
        median(gateway)
    ));
    missed
}

/// What a miss takes besides waiting for its turn and for the CRM, which the answer tells. The simulated CRM works on the
/// same processor, but in the time that is told as the CRM's.
async fn report_misses(gateway: SocketAddr, key: &str) -> io::Result<usize> {
    let mut own = Vec::with_capacity(MISSES);
    let request = request("/students?limit=7", &[("x-api-key", key), ("cache-control", "no-cache")]);
    for _ in 0..MISSES {
        let begin = Instant::now();
        let answer = capture(gateway, &request).await?;
        let took = begin.elapsed().as_secs_f64() * 1e3;
        let timing = answer.header("server-timing").unwrap_or_default();
        let told: Vec<f64> =
            timing.split("dur=").skip(1).filter_map(|part| part.split(',').next()?.parse().ok()).collect();
        let missed = answer.header("cache-status").is_some_and(|status| status.contains("fwd=miss"));
        if answer.status != 200 || !missed || told.len() != 2 {
            return Err(io::Error::other(format!("it was not a miss: {} {timing}", answer.status)));
        }
        own.push((took - told[0] - told[1]).max(0.0));
    }
    own.sort_by(f64::total_cmp);
    let (middle, most) = (own[MISSES / 2], own[MISSES * 99 / 100]);
    Ok(bound("a miss besides waiting and the CRM, p99 in ms", most, 1.0, &format!("median {middle:.2}")))
}

/// A figure that may be so much at most; returns how many are missed.
fn bound(what: &str, measured: f64, most: f64, besides: &str) -> usize {
    let missed = measured > most;
    let verdict = if missed { "**NO**" } else { "yes" };
    say(&format!("{what}: **{measured:.2}** ({besides}; at most {most}: {verdict})"));
    usize::from(missed)
}

fn judged(ratios: &[f64], goal: Option<(f64, f64)>, missed: &mut usize) -> String {
    let ratio = median(ratios);
    let (least, most) =
        (ratios.iter().copied().fold(f64::INFINITY, f64::min), ratios.iter().copied().fold(0.0, f64::max));
    let verdict = match goal {
        None => String::new(),
        Some((floor, target)) => {
            *missed += usize::from(ratio > floor);
            let word = if ratio > floor {
                "**NO**"
            } else if ratio > target {
                "floor"
            } else {
                "yes"
            };
            format!("; {target}: {word}")
        }
    };
    format!("**{ratio:.2}** ({least:.2}–{most:.2}{verdict})")
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
