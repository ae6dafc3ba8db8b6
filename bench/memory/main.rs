//! Whether `cache.max_size` is what the cache takes: it is filled until it is full, and beside what it may have stands by
//! how much the process grew. `make bench-memory` runs it; docs/benchmarks.md says what is measured how.
#![allow(clippy::unwrap_used, clippy::large_futures, reason = "what a test may do this may do too")]

#[path = "../scheduler/resident.rs"]
mod resident;
#[path = "../../tests/it/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../scheduler/table.rs"]
mod table;

use std::convert::Infallible;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use crm_gateway::cache::{Cache, Filled, Policy, Wish};
use crm_gateway::store::Store;
use jiff::ToSpan as _;
use jiff::civil::date;
use resident::resident;
use support::{Setup, TestApp};
use table::{Table, with_unit};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How far the process may grow beside what it may.
const OFF: f64 = 15.0;
/// Megabytes of a cache filled with answers: `cache.max_size` where nothing is configured.
const SIZE: f64 = 256.0 * 1.048_576;
const ENTRIES: usize = 1_000_000;
/// Bytes of a small value.
const SMALL: usize = 100;

/// What fills the cache. Each has a process of its own: what one leaves behind the next would use again.
const SCENES: [(&str, &str); 5] = [
    ("entries", "a million entries of 100 bytes, the cache alone"),
    ("1", "lists of one student"),
    ("10", "lists of 10 students"),
    ("50", "lists of 50 students"),
    ("said", "one list of 50 students, said in many ways (half of the cache)"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--scene") {
        return tell(&arguments[at + 1]);
    }
    // `cargo test --all-targets` starts benchmarks too.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let mut table = Table::begin();
    table.chapter("growth of the process when the cache is full, beside what it may have");
    for (scene, what) in SCENES {
        match in_its_own_process(scene) {
            Some((may, grew)) => {
                let off = (grew / may - 1.0) * 100.0;
                let told = format!("{} of {}", with_unit(grew, "MB"), with_unit(may, "MB"));
                table.must(what, &told, &format!("within {OFF} %"), off.abs() <= OFF);
            }
            None => table.note(what, "/proc tells nothing"),
        }
    }
    table.end()
}

/// Megabytes that a scene may take, and took.
fn in_its_own_process(scene: &str) -> Option<(f64, f64)> {
    let program = std::env::current_exe().expect("a program knows where it is");
    let told = Command::new(program).args(["--scene", scene]).output().expect("a program can be run twice");
    let text = String::from_utf8(told.stdout).ok()?;
    let (may, grew) = text.trim().split_once(' ')?;
    Some((may.parse().ok()?, grew.parse().ok()?))
}

#[expect(clippy::print_stdout, reason = "the figures are the benchmark's data")]
fn tell(scene: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without sockets needs nothing");
    let told = runtime.block_on(async {
        match scene {
            "entries" => entries().await,
            "said" => said().await,
            rows => lists(rows.parse().expect("a scene is one of those above")).await,
        }
    });
    if let Some((may, grew)) = told {
        println!("{may} {grew}");
    }
    ExitCode::SUCCESS
}

/// What it may have grown by, and by what it grew.
async fn grown(may: f64, fill: impl Future<Output = ()>) -> Option<(f64, f64)> {
    let before = resident()?;
    fill.await;
    Some((may, resident()? - before))
}

/// The cache as it is, with values that are no answers, in the very size that a million of them need.
async fn entries() -> Option<(f64, f64)> {
    let key = |n: usize| format!("POST /v2api/1/customer/index {{\"id\":[{n:07}],\"page\":0}}").into();
    let filled = async |cache: &Arc<Cache<Infallible>>, n| {
        let policy =
            Policy { fresh: Duration::from_secs(60), stale: Duration::ZERO, if_error: Duration::ZERO };
        let fill = |_, _| async {
            let (queued, took) = (Duration::ZERO, Duration::ZERO);
            let value = [0_u8; SMALL];
            Ok(Filled { value, weight: SMALL, digest: 0, queued, took, recalled: None, at_most: None })
        };
        cache.read(&key(n), &policy, &Wish::default(), fill, |_| false).await.expect("it cannot fail");
    };
    let scale = Arc::new(Cache::new(u64::MAX));
    filled(&scale, 0).await;
    assert_eq!(scale.len(), 1);
    let size = scale.weight() * ENTRIES as u64;
    let cache = Arc::new(Cache::new(size));
    grown(size as f64 / 1e6, async {
        for n in 0..ENTRIES {
            filled(&cache, n).await;
        }
        assert_eq!(cache.len(), ENTRIES as u64, "all of them have a place");
    })
    .await
}

/// Lists that differ in what they ask the CRM for and not in what it says, each read once, said whole.
async fn lists(rows: usize) -> Option<(f64, f64)> {
    let (app, _folder) = app(rows);
    // So many that they surely do not fit: a list and a student are more than so many bytes each, known as well as said.
    let enough = (SIZE * 1e6 / 2.0 / (800 + rows * 800) as f64) as usize;
    // All changed since any of these days, and each day is a question of its own.
    let day = |n| {
        date(2000, 1, 1).checked_sub(i64::try_from(n).unwrap_or_default().days()).expect("it is in our era")
    };
    let paths = (0..enough).map(|n| format!("/students?limit={rows}&updated_since={}T00:00:00Z", day(n)));
    filled(SIZE, &app, paths).await
}

/// The same students with their fields in another order each time.
async fn said() -> Option<(f64, f64)> {
    let (app, _folder) = app(50);
    let enough = (SIZE * 1e6 / 2.0 / (50 * 300) as f64) as usize;
    let fields =
        ["name", "contacts", "note", "balance", "branch_ids", "teacher_ids", "custom_fields", "source"];
    let paths = (0..enough).map(|n| {
        let (mut left, mut n, mut order) = (fields.to_vec(), n, Vec::new());
        while !left.is_empty() {
            order.push(left.remove(n % left.len()));
            n /= left.len() + 1;
        }
        format!("/students?limit=50&fields={}", order.join(","))
    });
    filled(SIZE / 2.0, &app, paths).await
}

async fn filled(may: f64, app: &TestApp, paths: impl Iterator<Item = String>) -> Option<(f64, f64)> {
    let owner = app.owner().with("accept-encoding", "gzip");
    // What is made once is there before.
    assert_eq!(owner.get("/students?limit=1&q=nobody").await.status, 200);
    grown(may, async {
        for (number, path) in paths.enumerate() {
            if number % 100 == 0 {
                // The simulated CRM lives in this process too and remembers each call; and at its pace no more than a
                // handful of answers wait to be written down.
                app.alfa.ledger().clear();
                app.hub().flush().await;
            }
            // Twice, because the packed form is made for the first who reads it.
            for _ in 0..2 {
                let (parts, body) = owner.fetch(http::Method::GET, &path, None).await;
                assert_eq!(parts.status, 200, "{path}: {}", String::from_utf8_lossy(&body));
            }
        }
    })
    .await
}

/// A gateway that keeps what outlives it in a folder, as in operation.
fn app(rows: usize) -> (TestApp, Folder) {
    let mut setup = Setup::new().students(200).without("cryptocrm").in_no_hurry();
    for window in ["fresh", "stale", "if_error"] {
        setup = setup.set(&format!("cache.policy.students.{window}"), "\"30d\"");
    }
    let size = format!("\"{}MiB\"", (SIZE / 1.048_576).round());
    let setup = setup.set("alfacrm.page_size", &rows.to_string()).set("cache.max_size", &size);
    let folder =
        Folder(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("memory-{}", std::process::id())));
    let store = Store::open(&folder.0).expect("there is room for it beside the program");
    (setup.kept_in(store, support::app::wall()).start(), folder)
}

/// A folder that goes when it is no longer needed.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
