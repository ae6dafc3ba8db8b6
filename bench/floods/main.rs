//! What those cost who bring nothing: idle connections by the thousand, and floods of requests that are refused. Each figure
//! stands beside a cached read in the same run, because absolute ones move with the machine's mood. `make bench-floods` runs
//! it; docs/benchmarks.md says how to read it.

#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../child.rs"]
mod child;
#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../load.rs"]
mod load;
#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../servers.rs"]
mod servers;
#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../scheduler/table.rs"]
mod table;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use child::{Child, Pins};
use load::{Load, capture, request};
use table::{Table, percentile, with_unit};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Connections that are opened and left alone.
const IDLE: usize = 10_000;
/// Memory that one of them may take.
const BYTES_EACH: f64 = 16.0 * 1024.0;
/// Reads while they are open, and how long the slowest hundredth of them may take.
const READS: usize = 1000;
const SLOWEST: f64 = 50.0;
/// Rounds of floods; the median of each is shown.
const ROUNDS: usize = 5;
const WINDOW: Duration = Duration::from_millis(1000);
const CONNECTIONS: usize = 50;
/// What a refused request may cost whose sender brings nothing, in cached reads; the rows before this one are such.
const REFUSAL: f64 = 4.0;
const KEYLESS: usize = 4;
/// What a body may cost that is as deep as it may be large, in bodies of the same size that are no JSON from their first byte.
const DEPTH: f64 = 1.5;
const BODY: usize = 12 * 1024;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some(servers::GATEWAY) => servers::gateway().map(|()| ExitCode::SUCCESS),
        _ if arguments.iter().any(|argument| argument == "--bench") => measure(),
        // `cargo test --all-targets` starts benchmarks too.
        _ => Ok(ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn measure() -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let pins = Pins::find();
        let gateway = Child::start(servers::GATEWAY, &pins)?;
        let key = gateway.line()?;
        let _crms = gateway.line()?;
        pins.pin_load();
        let hit = request("/students?limit=7", &[("x-api-key", &key)]);
        let known = capture(gateway.address, &hit).await?;
        if known.status != 200 {
            return Err(io::Error::other(format!("the read is answered {}", known.status)));
        }
        let mut table = Table::begin();
        idle(&mut table, &gateway, &hit).await?;
        floods(&mut table, &gateway, &key, &hit).await?;
        Ok(table.end())
    })
}

/// Opens connections that say nothing, and reads beside them.
async fn idle(table: &mut Table, gateway: &Child, hit: &str) -> io::Result<()> {
    table.chapter("idle connections");
    let before = gateway.resident()?;
    let begun = Instant::now();
    let mut open = Vec::with_capacity(IDLE);
    while open.len() < IDLE {
        match TcpStream::connect(gateway.address).await {
            Ok(stream) => open.push(stream),
            Err(error) => {
                let told = format!("{} are open: {error}; see `ulimit -n`", open.len());
                return Err(io::Error::other(told));
            }
        }
    }
    table.note("opened within", &with_unit(begun.elapsed().as_secs_f64(), "s"));
    let mut took = Vec::with_capacity(READS);
    for _ in 0..READS {
        let begun = Instant::now();
        let answer = capture(gateway.address, hit).await?;
        if answer.status != 200 {
            return Err(io::Error::other(format!("a read was answered {}", answer.status)));
        }
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    // Before the first of them is too old.
    let grew = gateway.resident()?.saturating_sub(before) as f64;
    let alive = open.iter().filter(|stream| still_open(stream)).count();
    table.must("still open", &alive.to_string(), &IDLE.to_string(), alive == IDLE);
    table.at_most("memory for each", grew / IDLE as f64 / 1024.0, "KiB", BYTES_EACH / 1024.0);
    table.at_most("a read on a new connection, 99 of 100 within", percentile(&mut took, 0.99), "ms", SLOWEST);
    // Whoever says nothing is sent away.
    let patience = Instant::now() + Duration::from_secs(30);
    while open.iter().any(still_open) && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let left = open.iter().filter(|stream| still_open(stream)).count();
    let after = begun.elapsed().as_secs_f64();
    table.must(
        "all closed by the gateway after",
        &with_unit(after, "s"),
        "20 to 30 s",
        left == 0 && after < 30.0,
    );
    Ok(())
}

/// Whether the other side has not hung up.
fn still_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Sends what is refused, over and over, beside a cached read.
async fn floods(table: &mut Table, gateway: &Child, key: &str, hit: &str) -> io::Result<()> {
    let post = |body: String| {
        let head = request(
            "/quota/explain",
            &[
                ("x-api-key", key),
                ("content-type", "application/json"),
                ("content-length", &body.len().to_string()),
            ],
        );
        format!("{}{body}", head.replacen("GET", "POST", 1))
    };
    let deep = "[".repeat(BODY / 2) + &"]".repeat(BODY / 2);
    let flat = "x".repeat(BODY);
    let rows = [
        ("a cached read", hit.to_owned(), vec![200]),
        ("no key", request("/students?limit=7", &[]), vec![401]),
        (
            "a key that nobody has",
            request("/students?limit=7", &[("x-api-key", "crmgw_nobody")]),
            vec![401, 429],
        ),
        (
            "a text like a token",
            request("/students?limit=7", &[("authorization", "Bearer a.b.c")]),
            vec![401, 429],
        ),
        ("a path that is not there", request("/nowhere", &[("x-api-key", key)]), vec![404]),
        ("a parameter that is not there", request("/students?nonsense=1", &[("x-api-key", key)]), vec![400]),
    ];
    let bodies =
        [("a body of 12 KiB that is no JSON", post(flat)), ("one that is as deep as that", post(deep))];
    let mut micros = vec![Vec::new(); rows.len() + bodies.len()];
    // Failures are counted by address; from then on they are refused without a look.
    for _ in 0..200 {
        capture(gateway.address, &rows[2].1).await?;
    }
    for _ in 0..ROUNDS {
        for (row, (_, asked, statuses)) in rows.iter().enumerate() {
            micros[row].push(cost(gateway, asked, statuses).await?);
        }
        for (row, (_, asked)) in bodies.iter().enumerate() {
            micros[rows.len() + row].push(sent(gateway, asked).await?);
        }
    }
    table.chapter("processor time of one request, beside a cached read");
    let median = |values: &mut Vec<f64>| percentile(values, 0.5);
    let read = median(&mut micros[0]);
    table.note(rows[0].0, &with_unit(read, "µs"));
    for (row, (what, ..)) in rows.iter().enumerate().skip(1) {
        let ratio = median(&mut micros[row]) / read;
        if row < KEYLESS {
            table.must(what, &with_unit(ratio, "reads"), &format!("at most {REFUSAL}"), ratio <= REFUSAL);
        } else {
            // Whoever has a key is limited by its own rate.
            table.note(what, &with_unit(ratio, "reads"));
        }
    }
    let flat = median(&mut micros[rows.len()]);
    let deep = median(&mut micros[rows.len() + 1]);
    table.note(bodies[0].0, &with_unit(flat / read, "reads"));
    let ratio = deep / flat;
    table.must(bodies[1].0, &with_unit(ratio, "of it"), &format!("at most {DEPTH}"), ratio <= DEPTH);
    Ok(())
}

/// Microseconds of the gateway's processor for one of these requests.
async fn cost(gateway: &Child, asked: &str, statuses: &[u16]) -> io::Result<f64> {
    let load = Load {
        address: gateway.address,
        requests: Arc::from([asked.to_owned()]),
        statuses: statuses.to_vec(),
        connections: CONNECTIONS,
    };
    let before = gateway.cpu()?;
    let outcome = load.run(WINDOW).await?;
    let spent = gateway.cpu()? - before;
    gateway.forget_log()?;
    Ok(spent.as_secs_f64() * 1e6 / outcome.requests)
}

/// The same for requests with a body, one connection for each.
async fn sent(gateway: &Child, asked: &str) -> io::Result<f64> {
    const TIMES: u32 = 300;
    let before = gateway.cpu()?;
    for _ in 0..TIMES {
        let answer = capture(gateway.address, asked).await?;
        if answer.status != 400 {
            return Err(io::Error::other(format!("a bad body is answered {}", answer.status)));
        }
    }
    let spent = gateway.cpu()? - before;
    gateway.forget_log()?;
    Ok(spent.as_secs_f64() * 1e6 / f64::from(TIMES))
}

#[expect(clippy::print_stdout, reason = "the servers tell their address that way")]
fn say(line: &str) {
    println!("{line}");
}
