//! A payment is never doubled and never lost: the payers and the judge of `bench/chaos`, a smaller crowd. Once in virtual
//! time, where the gateway is cut off from everything and another begins with what its store held at that moment, and once
//! with the program itself, which is killed.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crm_gateway::hub::Clock;
use crm_gateway::sandbox::{alfa, crypto};
use crm_gateway::store::Store;
use crm_gateway::upstream::wire::Transport;
use futures_util::future::join_all;
use http::Request;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::program::Directory;
use crate::support::app::wall;
use crate::support::{Setup, TestApp, transport};

#[allow(dead_code, reason = "the benchmark tells more of a run")]
#[path = "../../bench/chaos/payers/mod.rs"]
mod payers;

use payers::client::{Answer, Door, Story, Told, ask_again};
use payers::judge::{Verdict, judge};
use payers::orders::{Order, Shares, orders};
use payers::over_http::{self, Plan};
use payers::weather::Weather;
use payers::{Progress, pay_all};

/// Everything is decided so long after the CRM is back.
const MERCY: Duration = Duration::from_secs(60);

/// After so long no payment is begun any more.
const LONGEST: Duration = Duration::from_secs(600);

/// One gateway after the other in front of the same CRMs.
struct Lives {
    setup: Setup,
    /// One for all of them: a clock on the wall does not fall back when somebody dies.
    clock: Clock,
    alfa: alfa::Crm,
    crypto: crypto::Crm,
    name: String,
    now: RefCell<Life>,
    died: Cell<usize>,
}

/// A gateway, until it is cut off: nothing of it reaches a CRM or a payer from then on, and what it still writes to its
/// store nobody reads.
#[derive(Clone)]
struct Life {
    app: std::rc::Rc<TestApp>,
    store: std::rc::Rc<Directory>,
    end: watch::Sender<bool>,
}

impl Lives {
    fn begin(name: &str, setup: Setup) -> Self {
        let ((alfa, crypto), clock) = (setup.crms(), wall());
        let store = Directory::new(&format!("{name}-0"));
        let now = RefCell::new(Life::begin(&setup, &clock, &alfa, &crypto, store));
        Self { setup, clock, alfa, crypto, name: name.to_owned(), now, died: Cell::new(0) }
    }

    /// Ends the gateway between two of its steps and starts the next one.
    fn next(&self) {
        self.died.set(self.died.get() + 1);
        let last = self.now.borrow().clone();
        last.end.send_replace(true);
        let copy = Directory::new(&format!("{}-{}", self.name, self.died.get()));
        std::fs::create_dir_all(copy.path()).unwrap();
        let (from, to) =
            (Store::file_in(Path::new(last.store.path())), Store::file_in(Path::new(copy.path())));
        std::fs::write(to, settled(&from)).unwrap();
        *self.now.borrow_mut() = Life::begin(&self.setup, &self.clock, &self.alfa, &self.crypto, copy);
    }
}

/// What is in a file when nobody writes to it: a copy that is made while somebody does holds what no disk ever held. Only
/// what was handed in before can still be written, because whoever would hand in more runs on this thread.
fn settled(file: &Path) -> Vec<u8> {
    let read = || std::fs::read(file).unwrap();
    let mut seen = read();
    loop {
        std::thread::yield_now();
        let again = read();
        if again == seen {
            return seen;
        }
        seen = again;
    }
}

impl Life {
    fn begin(setup: &Setup, clock: &Clock, alfa: &alfa::Crm, crypto: &crypto::Crm, place: Directory) -> Self {
        let (end, ended) = watch::channel(false);
        let store = Store::open(Path::new(place.path())).unwrap();
        let setup = setup.clone().kept_in(store, Arc::clone(clock));
        let to_alfa = until(ended.clone(), transport::to_router(alfa.router(), ""));
        let to_crypto = until(ended, transport::to_router(crypto.router(), &crypto.access().base_path));
        let app = setup.start_over(alfa.clone(), crypto.clone(), to_alfa, to_crypto);
        Self { app: app.into(), store: place.into(), end }
    }
}

/// The way of a gateway to its CRM: after its end nothing leaves and nothing comes back any more.
fn until(ended: watch::Receiver<bool>, inner: Transport) -> Transport {
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<bytes::Bytes>| {
        let (ended, inner) = (ended.clone(), inner.clone());
        async move {
            tokio::select! {
                biased;
                () = over(ended) => std::future::pending().await,
                answer = inner.oneshot(request) => answer,
            }
        }
    }))
}

async fn over(mut ended: watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
}

impl Door for Lives {
    async fn send(&self, request: payers::client::Request<'_>) -> Option<Answer> {
        let life = self.now.borrow().clone();
        let mut asker = life.app.owner();
        if let Some(key) = request.key {
            asker = asker.with("idempotency-key", key);
        }
        tokio::select! {
            biased;
            () = over(life.end.subscribe()) => None,
            (parts, body) = asker.fetch(request.method, request.path, request.body) => Some(Answer::read(&parts, &body)),
        }
    }
}

/// What is played in virtual time.
struct Scene {
    seed: u64,
    payments: usize,
    storm: bool,
    kills: bool,
}

struct Played {
    verdict: Verdict,
    stories: Vec<Story>,
    died: usize,
    after_all: Duration,
}

async fn play(name: &str, scene: Scene) -> Played {
    let patience = Duration::from_secs(5);
    // The settling time is the default, half a minute.
    let weather = Weather { seed: scene.seed, patience, lag: Duration::from_secs(10) };
    let setup = Setup::new().students(60).projects(3).seed(scene.seed).without("cryptocrm");
    let setup = setup.set("alfacrm.quota.rate", "50.0").set("alfacrm.quota.burst", "10");
    let setup = setup.set("server.request_timeout", "\"20s\"").set("alfacrm.request_timeout", "\"5s\"");
    let lives = Lives::begin(&format!("{name}-{}", scene.seed), setup);
    let there: Vec<u64> = lives.alfa.rows("pay").iter().filter_map(|row| row["id"].as_u64()).collect();
    let orders: Vec<Order> = orders(&lives.alfa, scene.seed, scene.payments, Shares::default());
    let (progress, stop, back) = (Progress::default(), Cell::new(false), Cell::new(Instant::now()));
    if scene.storm {
        weather.storm(&lives.alfa);
    } else {
        lives.alfa.switches(|switches| switches.index_lag = weather.lag);
    }
    let end = || {
        if !stop.replace(true) {
            progress.begin_no_more();
            weather.calm(&lives.alfa);
            back.set(Instant::now());
            progress.close_in(2 * MERCY);
        }
    };
    let paying = pay_all(&lives, &orders, 20, &progress, end);
    // Payers who are never told anything would have no end of their own.
    let watching = async {
        let begin = Instant::now();
        while !stop.get() {
            sleep(Duration::from_secs(1)).await;
            if begin.elapsed() > LONGEST {
                end();
            }
        }
    };
    let killing = async {
        let mut dice = StdRng::seed_from_u64(scene.seed);
        while scene.kills && !stop.get() {
            sleep(Duration::from_millis(dice.random_range(500..8_000))).await;
            lives.next();
        }
    };
    let (mut stories, (), ()) = tokio::join!(paying, watching, killing);
    if scene.kills {
        lives.next();
    }
    let progress = Progress::default();
    progress.close_in(MERCY);
    join_all(stories.iter_mut().map(|story| ask_again(&lives, story, &progress))).await;
    let new = |row: &serde_json::Value| row["id"].as_u64().is_none_or(|id| !there.contains(&id));
    let rows: Vec<_> = lives.alfa.rows("pay").into_iter().filter(new).collect();
    let open = stories.iter().filter(|story| story.told != Told::Nothing);
    let after_all = open.map(|story| story.decided.saturating_duration_since(back.get())).max();
    let verdict = judge(&rows, &stories);
    Played { verdict, died: lives.died.get(), after_all: after_all.unwrap_or_default(), stories }
}

fn check(played: &Played, payments: usize) {
    let verdict = &played.verdict;
    for (what, findings) in verdict.findings() {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{what}, {} times:\n{}", findings.len(), findings.join("\n"));
    }
    assert_eq!(played.stories.len(), payments, "not every payment was begun");
    assert_eq!((verdict.undecided, verdict.review), (0, 0), "undecided, left to somebody who looks");
    assert!(
        played.after_all <= MERCY,
        "the last decision came {:?} after the CRM was back",
        played.after_all
    );
}

#[tokio::test(start_paused = true)]
async fn in_good_weather_every_payment_is_made_once() {
    let played = play("calm", Scene { seed: 1, payments: 300, storm: false, kills: false }).await;
    check(&played, 300);
    assert_eq!(played.verdict.made, 300);
}

#[tokio::test(start_paused = true)]
async fn in_good_weather_a_gateway_that_dies_doubles_and_loses_nothing() {
    for seed in 1..=3 {
        let played = play("killed", Scene { seed, payments: 200, storm: false, kills: true }).await;
        assert!(played.died > 1, "it was killed {} times", played.died);
        check(&played, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_fails_doubles_and_loses_nothing() {
    for seed in 1..=3 {
        let played = play("storm", Scene { seed, payments: 200, storm: true, kills: false }).await;
        check(&played, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_dies_before_a_crm_that_fails_doubles_and_loses_nothing() {
    for seed in 1..=5 {
        let played = play("chaos", Scene { seed, payments: 200, storm: true, kills: true }).await;
        assert!(played.died > 3, "it was killed {} times", played.died);
        check(&played, 200);
    }
}

/// In real time, with everything shorter.
fn in_short(name: &'static str, storm: bool, kills: bool) -> Plan {
    // Where nothing goes wrong a busy machine must not look like a CRM that fails.
    let patience = Duration::from_millis(if storm { 600 } else { 10_000 });
    Plan {
        name,
        seed: 1,
        payments: 250,
        at_once: 60,
        longest: Duration::from_secs(12),
        rate: 100.0,
        // Where nothing goes wrong nobody looks for a mark.
        mark: (storm || kills).then(|| "note".to_owned()),
        settle: Duration::from_secs(3),
        weather: Weather { seed: 1, patience, lag: Duration::from_millis(400) },
        storm,
        outage: storm.then_some(Duration::from_secs(1)),
        lives: kills.then_some(700..2_000),
        mercy: Duration::from_secs(15),
    }
}

fn check_program(report: &over_http::Report) {
    assert!(report.after_all < MERCY, "the last decision came {:?} after the CRM was back", report.after_all);
    let complaints = report.complaints(3);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(report.verdict.review, 0, "left to somebody who looks");
}

#[tokio::test]
async fn the_program_makes_every_payment_once() {
    let report = over_http::play(&in_short("it-calm", false, false)).await.unwrap();
    check_program(&report);
    assert_eq!(report.verdict.made, 250);
}

#[tokio::test]
async fn the_program_is_killed_before_a_crm_that_fails_and_doubles_and_loses_nothing() {
    let report = over_http::play(&in_short("it-chaos", true, true)).await.unwrap();
    assert!(report.kills > 1, "it was killed {} times", report.kills);
    check_program(&report);
}
