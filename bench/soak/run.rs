//! The scene: both simulated CRMs here, the gateway as a child process, and everybody who asks it.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use crm_gateway::sandbox::ledger::Ledger;
use crm_gateway::sandbox::server::Server;
use crm_gateway::sandbox::{self, Size, alfa, crypto};
use futures_util::future::join_all;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, sleep_until};

use crate::crowd::{self, Tally};
use crate::payers::Progress;
use crate::payers::client::{Story, pay};
use crate::payers::gateway::Gateway;
use crate::payers::judge::{Verdict, judge};
use crate::payers::orders::{Order, Shares, orders};
use crate::payers::weather::Weather;
use crate::school::School;
use crate::vitals::{Sign, Vitals};
use crate::weather::Sky;

/// Between two looks at how the process is.
const LOOK: Duration = Duration::from_secs(2);
/// How long it has at the end to come to rest: longer than a connection to a CRM is kept for the next call.
const REST: Duration = Duration::from_secs(100);
/// How long it has at the beginning, in which reference books are read ahead.
const START: Duration = Duration::from_secs(15);
/// Seconds from one payment of a payer to the next.
const PAUSE: f64 = 20.0;
const PAYERS: usize = 4;

/// What is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// How long somebody asks.
    pub(crate) time: Duration,
    /// Readers at the same time.
    pub(crate) readers: usize,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) tally: Tally,
    pub(crate) verdict: Verdict,
    pub(crate) vitals: Vitals,
    /// At rest, before anybody asked and after everybody had.
    pub(crate) before: Sign,
    pub(crate) after: Sign,
    /// Of AlfaCRM and of the Crypto CRM.
    pub(crate) calls: (usize, usize),
    pub(crate) struck: usize,
    /// 429 of both.
    pub(crate) limited: usize,
}

/// The CRMs, reachable.
struct Crms {
    alfa: alfa::Crm,
    crypto: crypto::Crm,
    servers: (Server, Server),
}

impl Crms {
    async fn start(seed: u64) -> io::Result<Self> {
        let size = Size { seed, students: 300, projects: 60, ..Size::today() };
        let (alfa, crypto) = sandbox::crms(&size);
        // The limit is AlfaCRM's own. What a busy machine delays comes at once later; a second's worth of it is no 429.
        alfa.switches(|switches| switches.queue = 5);
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let servers = (
            Server::start(listen().await?, alfa.router())?,
            Server::start(listen().await?, crypto.router())?,
        );
        Ok(Self { alfa, crypto, servers })
    }

    /// The sections of the configuration that lead there, with the quotas that are the default.
    fn configuration(&self, weather: Weather) -> String {
        let url = |server: &Server| format!("http://{}", server.address());
        let text = sandbox::configuration(&url(&self.servers.0), &url(&self.servers.1));
        let patience = format!("request_timeout = \"{}ms\"\n", weather.patience.as_millis());
        let text = text.replacen("[alfacrm]\n", &format!("[alfacrm]\n{patience}"), 1);
        let text = text.replacen("[cryptocrm]\n", &format!("[cryptocrm]\n{patience}"), 1);
        // So small that it is full before the second half.
        format!("{text}\n[alfacrm.mark]\nsettle = \"8s\"\n\n[cache]\nmax_size = \"8MiB\"\n\n")
    }

    fn ledgers(&self) -> [&Ledger; 2] {
        [self.alfa.ledger(), self.crypto.ledger()]
    }
}

/// Plays it on the real clock.
pub(crate) async fn play(plan: &Plan) -> io::Result<Report> {
    let weather = Weather { seed: plan.seed, patience: Duration::from_secs(2), lag: Duration::from_secs(2) };
    let crms = Crms::start(plan.seed).await?;
    let school = School::of(&crms.alfa, &crms.crypto, crms.alfa.clock().today());
    let there: Vec<u64> = crms.alfa.rows("pay").iter().filter_map(|row| row["id"].as_u64()).collect();
    let many = usize::try_from(plan.time.as_secs()).unwrap_or_default() / 2 + 10;
    let orders = orders(&crms.alfa, plan.seed, many, Shares::default());
    let gateway = Gateway::start("soak", &crms.configuration(weather))?;
    gateway.ready().await?;
    // Reference books are read ahead; a gateway at rest has done that.
    let before = at_rest(&gateway, None).await?;

    let begin = Instant::now();
    let end = begin + plan.time;
    let (tally, vitals) = (RefCell::new(Tally::default()), RefCell::new(Vitals::default()));
    let dice = |who: u64| StdRng::seed_from_u64(plan.seed.wrapping_mul(1000) + who);
    let readers = (0..plan.readers as u64).map(|who| crowd::read(&gateway, &school, &tally, dice(who), end));
    let looking = async {
        while Instant::now() < end {
            let sign = Sign::of(&gateway, begin.elapsed().as_secs_f64()).await?;
            vitals.borrow_mut().add(sign);
            sleep(LOOK).await;
        }
        Ok::<_, io::Error>(())
    };
    let raining = async {
        let (mut dice, mut turn) = (dice(900), plan.seed);
        while Instant::now() < end {
            let (sky, time) = Sky::next(&mut dice);
            turn += 1;
            sky.over(&crms.alfa, crms.crypto.faults(), Weather { seed: turn, ..weather });
            sleep_until((Instant::now() + time).min(end)).await;
        }
        crms.crypto.faults().clear();
        weather.calm(&crms.alfa);
    };
    let progress = Progress::default();
    progress.close_in(plan.time + REST);
    let paying = pay_now_and_then(&gateway, &orders, &progress, dice(901), end);
    let writing = crowd::write(&gateway, &school, &tally, dice(902), end);
    let (looked, stories, ..) = tokio::join!(looking, paying, writing, raining, join_all(readers));
    looked?;

    let after = at_rest(&gateway, Some(before)).await?;
    let rows: Vec<Value> = crms
        .alfa
        .rows("pay")
        .into_iter()
        .filter(|row| row["id"].as_u64().is_none_or(|id| !there.contains(&id)))
        .collect();
    let calls = crms.ledgers().map(Ledger::len);
    let struck = crms.ledgers().into_iter().flat_map(Ledger::entries).filter(|entry| entry.fault.is_some());
    Ok(Report {
        verdict: judge(&rows, &stories),
        tally: tally.into_inner(),
        vitals: vitals.into_inner(),
        before,
        after,
        calls: (calls[0], calls[1]),
        struck: struck.count(),
        limited: crms.ledgers().iter().map(|ledger| ledger.count_status(429)).sum(),
    })
}

/// Some pay, each after a while, until `end`; who has begun is answered.
async fn pay_now_and_then(
    gateway: &Gateway,
    orders: &[Order],
    progress: &Progress,
    dice: StdRng,
    end: Instant,
) -> Vec<Story> {
    let (next, dice) = (Cell::new(0), RefCell::new(dice));
    let payers = (0..PAYERS).map(async |_| {
        let mut stories = Vec::new();
        loop {
            let mut own = StdRng::from_rng(&mut *dice.borrow_mut());
            if !crowd::pause(&mut own, PAUSE, end).await {
                return stories;
            }
            let Some(order) = orders.get(next.replace(next.get() + 1)) else { return stories };
            stories.push(pay(gateway, order, progress).await);
        }
    });
    join_all(payers).await.into_iter().flatten().collect()
}

/// How the gateway is when nothing happens: as soon as it is as it was, or when that does not come any more.
async fn at_rest(gateway: &Gateway, was: Option<Sign>) -> io::Result<Sign> {
    let begin = Instant::now();
    let enough = if was.is_some() { REST } else { START };
    loop {
        sleep(LOOK).await;
        let now = Sign::of(gateway, 0.0).await?;
        if was.is_some_and(|was| now.tasks <= was.tasks) || begin.elapsed() >= enough {
            return Ok(now);
        }
    }
}
