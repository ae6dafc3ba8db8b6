//! The scene over real HTTP: the simulated CRM here, where it outlives everything, the gateway as a child process, and the
//! payers on their connections.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::time::Duration;

use crm_gateway::sandbox::alfa::{Credentials, Crm, Switches};
use crm_gateway::sandbox::clock::Clock;
use crm_gateway::sandbox::fault::Fault;
use crm_gateway::sandbox::ledger::Entry;
use crm_gateway::sandbox::server::Server;
use crm_gateway::sandbox::{Size, world};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::client::{Story, Told, ask_again};
use super::gateway::Gateway;
use super::judge::{Finding, Verdict, judge};
use super::orders::{Shares, orders};
use super::weather::Weather;
use super::{Progress, pay_all};

/// How often somebody looks how far it is.
const TICK: Duration = Duration::from_millis(20);

/// What is played.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Of the gateway's folder.
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) payments: usize,
    /// Payers at the same time.
    pub(crate) at_once: usize,
    /// After so long no payment is begun any more.
    pub(crate) longest: Duration,
    /// Calls a second that the CRM takes and the gateway makes.
    pub(crate) rate: f64,
    /// `alfacrm.mark.field`; where there is none, the configuration has no such section.
    pub(crate) mark: Option<String>,
    /// `alfacrm.mark.settle`: longer than a call may be carried out after its caller gave up and lists lag, together, and
    /// then as much as this machine may stall.
    pub(crate) settle: Duration,
    /// How long the gateway waits for the CRM, and how long the CRM's lists lag.
    pub(crate) weather: Weather,
    /// Whether things go wrong at the CRM at all.
    pub(crate) storm: bool,
    /// In the middle the CRM is gone for so long.
    pub(crate) outage: Option<Duration>,
    /// How many milliseconds a life of the gateway lasts; it is never killed without.
    pub(crate) lives: Option<Range<u64>>,
    /// How long everybody has after the CRM is back for good.
    pub(crate) mercy: Duration,
}

impl Plan {
    fn crm_section(&self, server: &Server) -> String {
        let (address, credentials) = (server.address(), Credentials::default());
        let millis = self.weather.patience.as_millis();
        let mut text = format!(
            "[alfacrm]\nbase_url = \"http://{address}\"\nemail = \"{}\"\napi_key = \"{}\"\n\
             request_timeout = \"{millis}ms\"\n\n[alfacrm.quota]\nrate = {:.1}\n",
            credentials.email, credentials.api_key, self.rate
        );
        if let Some(field) = &self.mark {
            let settle = self.settle.as_millis();
            text += &format!("\n[alfacrm.mark]\nfield = \"{field}\"\nsettle = \"{settle}ms\"\n");
        }
        text
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    pub(crate) stories: Vec<Story>,
    pub(crate) begun: usize,
    pub(crate) took: Duration,
    pub(crate) kills: usize,
    /// How long each life took to get ready.
    pub(crate) starts: Vec<Duration>,
    /// The longest time for which neither payers nor the CRM could run, because the machine was busy.
    pub(crate) stalled: Duration,
    pub(crate) calls: Vec<Entry>,
    /// From the CRM's return to the last decision about what had been begun before: after the outage, and for good.
    pub(crate) after_outage: Option<Duration>,
    pub(crate) after_all: Duration,
}

/// Plays it on the real clock.
pub(crate) async fn play(plan: &Plan) -> io::Result<Report> {
    let (crm, server) = crm(plan).await?;
    let there: Vec<u64> = crm.rows("pay").iter().filter_map(|row| row["id"].as_u64()).collect();
    let shares = Shares {
        meant_twice: if plan.mark.as_deref() == Some("none") { 0 } else { 20 },
        ..Shares::default()
    };
    let orders = orders(&crm, plan.seed, plan.payments, shares);
    let gateway = Gateway::start(plan.name, &plan.crm_section(&server))?;
    gateway.ready().await?;
    let (progress, begin) = (Progress::default(), Instant::now());
    let (weather, stop) = (plan.weather, Cell::new(false));
    let (starts, outage) = (RefCell::new(Vec::new()), Cell::new(None));
    let back = Cell::new(begin);
    if plan.storm {
        weather.storm(&crm);
    } else {
        crm.switches(|switches| switches.index_lag = weather.lag);
    }
    // The CRM is back for good, nobody kills any more, and whoever waits has so long.
    let end = || {
        if !stop.replace(true) {
            progress.begin_no_more();
            weather.calm(&crm);
            back.set(Instant::now());
            progress.close_in(plan.mercy);
        }
    };
    let paying = async { Ok::<_, io::Error>(pay_all(&gateway, &orders, plan.at_once, &progress, end).await) };
    let stalled = Cell::new(Duration::ZERO);
    let watching = async {
        while !stop.get() {
            let before = Instant::now();
            sleep(TICK).await;
            stalled.set(stalled.get().max(before.elapsed().saturating_sub(TICK)));
            if begin.elapsed() > plan.longest {
                end();
            }
            let Some(time) = plan.outage.filter(|_| outage.get().is_none()) else { continue };
            if progress.begun() > orders.len() / 2 {
                weather.outage(&crm);
                sleep(time).await;
                outage.set(Some(Instant::now()));
                if plan.storm && !stop.get() { weather.storm(&crm) } else { weather.calm(&crm) }
            }
        }
        Ok(())
    };
    let killing = async {
        let Some(lives) = plan.lives.clone() else { return Ok(()) };
        let mut dice = StdRng::seed_from_u64(plan.seed);
        loop {
            sleep(Duration::from_millis(dice.random_range(lives.clone()))).await;
            if stop.get() {
                return Ok(());
            }
            gateway.kill()?;
            gateway.run()?;
            let took = gateway.ready().await?;
            starts.borrow_mut().push(took);
        }
    };
    let (mut stories, (), ()) = tokio::try_join!(paying, watching, killing)?;
    let (took, kills) = (begin.elapsed(), gateway.kills.get());
    if plan.lives.is_some() {
        gateway.kill()?;
        gateway.run()?;
        let took = gateway.ready().await?;
        starts.borrow_mut().push(took);
    }
    everybody_asks_again(&gateway, &mut stories, plan).await;
    let rows: Vec<Value> = crm
        .rows("pay")
        .into_iter()
        .filter(|row| row["id"].as_u64().is_none_or(|id| !there.contains(&id)))
        .collect();
    let verdict = judge(&rows, &stories);
    let decided = |since: Instant| {
        let open = stories.iter().filter(|story| story.begun <= since && story.told != Told::Nothing);
        open.map(|story| story.decided.saturating_duration_since(since)).max().unwrap_or_default()
    };
    let bad = verdict.undecided > 0 || verdict.findings().iter().any(|(_, findings)| !findings.is_empty());
    if bad {
        eprintln!("the gateway's store and log are kept in {}", gateway.keep().display());
    }
    Ok(Report {
        begun: progress.begun(),
        took,
        kills,
        starts: starts.into_inner(),
        stalled: stalled.get(),
        calls: crm.ledger().entries(),
        after_outage: outage.get().map(decided),
        after_all: decided(back.get()),
        verdict,
        stories,
    })
}

async fn crm(plan: &Plan) -> io::Result<(Crm, Server)> {
    let size = Size { seed: plan.seed, students: 300, ..Size::today() };
    let options = world::Options { seed: size.seed, students: size.students, now: size.now };
    // What a busy machine delays comes at once later; a second's worth of it is no 429.
    let switches = Switches { rate: plan.rate, queue: plan.rate.ceil() as u32, ..Switches::default() };
    let crm = Crm::new(&options, switches, Clock::starting_at(size.now));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let server = Server::start(listener, crm.router())?;
    Ok((crm, server))
}

/// After the last life all keys and operations are asked for once more: what was told stays told.
async fn everybody_asks_again(gateway: &Gateway, stories: &mut [Story], plan: &Plan) {
    let progress = Progress::default();
    progress.close_in(plan.mercy);
    let part = stories.len().div_ceil(plan.at_once).max(1);
    let asking = stories.chunks_mut(part).map(async |part| {
        for story in part {
            ask_again(gateway, story, &progress).await;
        }
    });
    join_all(asking).await;
}

impl Report {
    /// How often each fault struck a payment on its way to the CRM.
    pub(crate) fn faults(&self) -> BTreeMap<&'static str, usize> {
        let mut struck = BTreeMap::new();
        for fault in self.creates().filter_map(|entry| entry.fault.as_ref()) {
            let name = match fault {
                Fault::DropBefore => "dropped before",
                Fault::DropAfter => "dropped after",
                Fault::StatusAfter { .. } => "5xx after",
                Fault::Hang => "silent, not carried out",
                Fault::HangAfter => "silent, carried out",
                Fault::Late(_) => "carried out late",
                _ => "other",
            };
            *struck.entry(name).or_default() += 1;
        }
        struck
    }

    pub(crate) fn creates(&self) -> impl Iterator<Item = &Entry> {
        self.calls.iter().filter(|entry| entry.operation == "pay/create")
    }

    /// From the first request to the decision, in seconds.
    pub(crate) fn waits(&self) -> Vec<f64> {
        let decided = self.stories.iter().filter(|story| story.told != Told::Nothing);
        decided.map(|story| story.decided.duration_since(story.begun).as_secs_f64()).collect()
    }

    /// All that must not be, with the calls that led to it.
    pub(crate) fn complaints(&self, at_most: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, findings) in self.verdict.findings() {
            let mut findings = findings.to_vec();
            findings.dedup_by_key(|finding| finding.cents);
            lines.extend(
                findings.iter().take(at_most).map(|finding| format!("{name}: {}", self.explain(finding))),
            );
        }
        let open = self.stories.iter().filter(|story| story.told == Told::Nothing).take(at_most);
        lines.extend(open.map(|story| {
            let last = story.last.as_ref().map(|last| (last.status, last.json.to_string()));
            let finding = Finding { cents: story.order.cents, what: format!("told {last:?} last") };
            format!("undecided: {}", self.explain(&finding))
        }));
        lines
    }

    fn explain(&self, finding: &Finding) -> String {
        let mut text = finding.to_string();
        for story in self.stories.iter().filter(|story| story.order.cents == finding.cents) {
            let (key, told) = (&story.order.key, &story.told);
            text +=
                &format!("\n    key {key}, {:?}, {} requests: {told:?}", story.order.habit, story.requests);
        }
        let of_it = self.creates().filter(|entry| super::orders::cents(&entry.body) == Some(finding.cents));
        for call in of_it {
            let made = call.made.as_ref().map(|made| (made.at, made.id));
            text += &format!("\n    {:?}: {} {:?}, made {made:?}", call.at, call.status, call.fault);
        }
        text
    }
}
