//! The whole gateway on the real clock: requests over HTTP come in, calls over HTTP go out to the simulated AlfaCRM,
//! whose own ledger says what was spent.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use crm_gateway::app::{App, Instead};
use crm_gateway::config::Config;
use crm_gateway::consumers::{hash, new_key};
use crm_gateway::sandbox::{Sandbox, Size};
use crm_gateway::upstream::transport::{Http, Settings};
use futures_util::future::join_all;
use http::Request;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt as _;

use crate::scene::RATE;
use crate::table::{Table, percentile, with_unit};

/// Reads of the batch job, all at once.
const JOB: usize = 150;
/// People come two a second for 40 s.
const PEOPLE: usize = 80;
const APART: Duration = Duration::from_millis(500);

pub(crate) fn measure(table: &mut Table) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut seen = runtime.block_on(scene())?;
    table.chapter("150 batch reads at once, interactive 2/s for 40 s, over HTTP (real time)");
    table.at_most("interactive p95, from request to answer", percentile(&mut seen.people, 0.95), "s", 1.5);
    let [middle, most] = [0.5, 1.0].map(|part| with_unit(percentile(&mut seen.people, part), "s"));
    table.note("interactive p50, max", &format!("{middle}, {most}"));
    table.note("batch done", &with_unit(seen.job_done, "s"));
    table.must("answers other than 200", &seen.failed.to_string(), "none", seen.failed == 0);
    table.must("429 of the CRM", &seen.limited.to_string(), "none", seen.limited == 0);
    table.at_least("part of the rate that was used", seen.rate / RATE * 100.0, "%", 98.0);
    table.at_most("calls a second at the CRM", seen.rate, "", RATE);
    Ok(())
}

struct Seen {
    /// Seconds from each request to its answer.
    people: Vec<f64>,
    job_done: f64,
    failed: usize,
    limited: usize,
    rate: f64,
}

async fn scene() -> io::Result<Seen> {
    let sandbox = Sandbox::start(listener().await?, listener().await?, &Size::today())?;
    let [desk, export] = [new_key(), new_key()];
    let consumer = |name: &str, key: &str, class: &str| {
        let hash = hash(key);
        format!(
            "[consumers.{name}]\nkey_hashes = [\"{hash}\"]\nscopes = [\"students:read\"]\n\
             rate_limit = 1000000\nclass = \"{class}\"\n"
        )
    };
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nrequest_timeout = \"2m\"\n\n{}\n\
         [alfacrm.quota]\nmax_wait = \"2m\"\n\n{}{}",
        sandbox.configuration(),
        consumer("desk", &desk, "interactive"),
        consumer("export", &export, "batch"),
    );
    let config = Config::from_toml(&config).map_err(io::Error::other)?;
    let app = App::bind(&config, Instead::of_disk()).await.map_err(io::Error::other)?;
    let gateway = Http::new(&Settings {
        base_url: format!("http://{}", app.address()?),
        user_agent: "bench".to_owned(),
        proxy: None,
        ca_file: None,
        max_response: 1 << 20,
    });
    let gateway = gateway.map_err(io::Error::other)?;
    let running = tokio::spawn(app.run(std::future::pending::<Duration>()));

    let rows = sandbox.alfa.rows("customer");
    let ids: Vec<u64> = rows.iter().filter_map(|row| row["id"].as_u64()).collect();
    assert!(ids.len() >= JOB + PEOPLE, "nobody is asked for twice");
    let begin = Instant::now();
    let job = join_all(ids[..JOB].iter().map(|id| read(&gateway, &export, *id, begin)));
    let coming = ids[JOB..JOB + PEOPLE].iter().zip(0..);
    let people = join_all(coming.map(|(id, n)| read(&gateway, &desk, *id, begin + APART * n)));
    let (job, people) = tokio::join!(job, people);
    running.abort();

    let entries = sandbox.alfa.ledger().entries();
    let reads = || entries.iter().filter(|entry| entry.operation == "customer/index").map(|entry| entry.at);
    let (first, last) = (reads().min().unwrap_or_default(), reads().max().unwrap_or_default());
    // Books are read ahead meanwhile, and each takes a turn too.
    let calls = entries.iter().filter(|entry| (first..=last).contains(&entry.at)).count();
    Ok(Seen {
        job_done: job.iter().map(|read| (read.answered - begin).as_secs_f64()).fold(0.0, f64::max),
        failed: job.iter().chain(&people).filter(|read| read.status != 200).count(),
        people: people.iter().map(|read| read.took.as_secs_f64()).collect(),
        limited: sandbox.alfa.ledger().count_status(429),
        rate: (calls - 1) as f64 / (last - first).as_secs_f64(),
    })
}

async fn listener() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await
}

struct Read {
    status: u16,
    took: Duration,
    answered: Instant,
}

async fn read(gateway: &Http, key: &str, id: u64, begin: Instant) -> Read {
    sleep_until(begin).await;
    let request = Request::get(format!("/students?stage=ALL&archived=all&id=alfa-{id}"))
        .header("x-api-key", key)
        .body(Bytes::new())
        .expect("an id makes a target");
    let sent = Instant::now();
    // A request without an answer counts as one with a bad status.
    let status = gateway.clone().oneshot(request).await.map_or(0, |answer| answer.status().as_u16());
    Read { status, took: sent.elapsed(), answered: Instant::now() }
}
