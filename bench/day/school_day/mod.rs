//! A day of school traffic in virtual time: the whole gateway with its default policies, in front of both simulators with
//! AlfaCRM's documented quota; people, apps and partners who ask; and a judge who knows what the records were at any time.
//!
//! | Question | File |
//! |---|---|
//! | Who asks what, when? | `crowd.rs` |
//! | Whom can one ask for? | `school.rs` |
//! | What was a record, and until when? | `chronicle.rs` |
//! | What was answered, and was it right? | `judge.rs` |

pub(crate) mod chronicle;
mod crowd;
pub(crate) mod judge;
mod school;

use std::collections::BTreeMap;
use std::time::Duration;

use crm_gateway::consumers::hash;
use crm_gateway::sandbox::alfa::Limiter;
use crm_gateway::sandbox::fault::Fault;
use crm_gateway::sandbox::ledger::Entry;
use jiff::civil::{Date, date};
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::app::key;
use crate::support::{Setup, TestApp, transport};
use chronicle::Chronicle;
use crowd::{Crowd, Hours};
use judge::{Judge, Tally, Who};
use school::School;

/// A Thursday in the middle of a term.
const DAY: Date = date(2026, 2, 19);
/// AlfaCRM's documented quota, in calls a second.
pub(crate) const RATE: f64 = 5.0;

/// How large a school, and which part of its day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) students: usize,
    pub(crate) projects: usize,
    /// Hours of the day.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Whether anything is written through the gateway.
    pub(crate) writes: bool,
    /// When the CRMs go, if they do, and for how long.
    pub(crate) outage: Option<(f64, Duration)>,
}

/// What a day was like.
#[derive(Debug)]
pub(crate) struct Day {
    pub(crate) tally: Tally,
    /// All calls that the CRMs received.
    pub(crate) alfa: Vec<Entry>,
    pub(crate) crypto: Vec<Entry>,
    /// Calls by who caused them and why, as the gateway billed them.
    pub(crate) bill: BTreeMap<(String, String), usize>,
}

/// Lives through a day. The clock must be paused.
pub(crate) async fn live(plan: Plan) -> Day {
    let opens = DAY.at(i8::try_from(plan.from).unwrap_or_default(), 0, 0, 0);
    let mut setup = Setup::new().seed(plan.seed).students(plan.students).projects(plan.projects).at(opens);
    for who in Who::ALL {
        let name = who.name();
        let class = match who {
            Who::Web | Who::Mobile => "interactive",
            Who::Partner => "partner",
            Who::Export => "batch",
        };
        let hash = hash(&key(name));
        let rights = format!(
            "{{ key_hashes = [\"{hash}\"], scopes = [\"*\"], class = \"{class}\", rate_limit = 100 }}"
        );
        setup = setup.set(&format!("consumers.{name}"), &rights);
    }
    let (alfa, crypto) = setup.crms();
    alfa.switches(|switches| {
        switches.limiter = Limiter::Delayed;
        switches.rate = RATE;
    });
    let chronicle = Chronicle::new(alfa.clone());
    let to_alfa = chronicle.carry(transport::to_router(alfa.router(), ""));
    let to_crypto = chronicle.carry(transport::to_router(crypto.router(), &crypto.access().base_path));
    let school = School::of(&alfa, &crypto, DAY);
    let config = setup.config("http://alfa.example", "http://crypto.example");
    let begin = Instant::now();
    let outage = plan.outage.map(|(hour, lasts)| {
        let from = begin + Duration::from_secs_f64((hour - plan.from as f64) * 3600.0);
        (from, from + lasts)
    });
    let judge = Judge::new(chronicle.clone(), &config, outage);
    let app = setup.start_over(alfa, crypto, to_alfa, to_crypto);
    let askers = Who::ALL.map(|who| (who, app.actor(who.name()))).into_iter().collect();
    let hours = Hours { day: DAY, from: plan.from, to: plan.to, writes: plan.writes };
    let crowd = Crowd::new(school, askers, (judge.clone(), chronicle), hours, plan.seed);
    tokio::join!(crowd.live(), go_and_return(&app, outage));
    // Refreshes that nobody waits for.
    sleep(Duration::from_secs(60)).await;
    let tally = std::mem::take(&mut *judge.tally());
    Day {
        alfa: app.alfa.ledger().entries(),
        crypto: app.crypto.ledger().entries(),
        bill: bill(&app.operator().get("/metrics").await.text),
        tally,
    }
}

/// Both CRMs hang up on everybody for a while.
async fn go_and_return(app: &TestApp, outage: Option<(Instant, Instant)>) {
    let Some((from, to)) = outage else { return };
    sleep_until(from).await;
    for faults in [app.alfa.faults(), app.crypto.faults()] {
        faults.next(None, usize::MAX, Fault::DropBefore);
    }
    sleep_until(to).await;
    app.alfa.faults().clear();
    app.crypto.faults().clear();
}

fn bill(metrics: &str) -> BTreeMap<(String, String), usize> {
    let mut bill = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("crm_gateway_quota_spent_total{")) {
        let label = |name: &str| {
            let value = line.split_once(&format!("{name}=\""))?.1.split_once('"')?.0;
            Some(value.to_owned())
        };
        let calls = line.rsplit_once(' ').and_then(|(_, calls)| calls.parse::<usize>().ok());
        if let (Some(consumer), Some(reason), Some(calls)) = (label("consumer"), label("reason"), calls) {
            *bill.entry((consumer, reason)).or_default() += calls;
        }
    }
    bill
}

impl Day {
    /// Reads of all kinds of consumers.
    pub(crate) fn reads(&self) -> usize {
        self.tally.by_who.values().map(|sum| sum.reads).sum()
    }

    pub(crate) fn calls(&self) -> usize {
        self.alfa.len() + self.crypto.len()
    }

    /// Calls that were made to read: all but writes, and with those that failed.
    pub(crate) fn calls_to_read(&self) -> usize {
        let writes: usize =
            self.bill.iter().filter(|((_, reason), _)| reason == "write").map(|(_, calls)| calls).sum();
        self.calls() - writes
    }

    /// 429s of the CRMs.
    pub(crate) fn limited(&self) -> usize {
        self.alfa.iter().chain(&self.crypto).filter(|entry| entry.status == 429).count()
    }

    /// The most calls that AlfaCRM received in any ten seconds, for each second.
    pub(crate) fn densest(&self) -> f64 {
        let mut at: Vec<Duration> = self.alfa.iter().map(|entry| entry.at).collect();
        at.sort();
        let mut first = 0;
        let mut most = 0;
        for (last, time) in at.iter().enumerate() {
            while *time - at[first] >= Duration::from_secs(10) {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most as f64 / 10.0
    }
}
