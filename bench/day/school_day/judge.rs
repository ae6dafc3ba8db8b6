//! Everything that was answered, counted: by who asked, from where it came, how long it took, and what was wrong with it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use crm_gateway::config::{Cache, Config};
use http::response::Parts;
use tokio::time::Instant;

use super::chronicle::{Chronicle, Kind, Lie, Shown, shown};

/// Bodies whose records are kept in mind by their tag.
const BODIES: usize = 20_000;

/// How long after an outage reads may still be refused; that it is over is measured by itself.
const RECOVERY: Duration = Duration::from_secs(60);

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Who {
    Web,
    Mobile,
    Partner,
    Export,
}

impl Who {
    pub(crate) const ALL: [Self; 4] = [Self::Web, Self::Mobile, Self::Partner, Self::Export];

    /// The name in the gateway's configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Mobile => "mobile",
            Self::Partner => "partner",
            Self::Export => "nightly",
        }
    }
}

/// A read, and what is known about the answer beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) who: Who,
    /// What it is for, in the report.
    pub(crate) what: &'static str,
    pub(crate) path: String,
    /// The resources that the answer is made of, by their names in `[cache.policy]`: the records, the record that the
    /// path hangs on, and what `expand` names.
    pub(crate) of: &'static [&'static str],
    pub(crate) kind: Option<Kind>,
    /// The student whose payments it lists.
    pub(crate) payments_of: Option<u64>,
}

/// From where an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// Memory, fresh.
    Fresh,
    /// Memory; a new one is fetched meanwhile.
    Stale,
    /// Memory, because the CRM could not.
    IfError,
    /// A call that somebody else had begun.
    Joined,
    /// A call of its own.
    Asked,
}

/// How a CRM was found again.
#[derive(Debug)]
pub(crate) struct Return {
    /// When it was wanted first after it was back: nobody finds out before.
    wanted: Instant,
    /// The last answer that was given without it all the same.
    without: Option<(Instant, String)>,
}

impl Return {
    /// How long answers were given without it, and the last one.
    pub(crate) fn took(&self) -> (Duration, &str) {
        self.without.as_ref().map_or((Duration::ZERO, ""), |(last, what)| (*last - self.wanted, what))
    }
}

/// Counts of one sort of reads.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sum {
    pub(crate) reads: usize,
    pub(crate) fresh: usize,
    pub(crate) stale: usize,
    pub(crate) if_error: usize,
    pub(crate) joined: usize,
    pub(crate) asked: usize,
    /// Seconds from request to answer.
    pub(crate) waits: Vec<f64>,
    /// Status and how often, other than 200.
    pub(crate) refused: BTreeMap<u16, usize>,
}

impl Sum {
    pub(crate) fn answered(&self) -> usize {
        self.reads - self.refused.values().sum::<usize>()
    }

    /// Those that needed no call to be answered, or only one that was under way already.
    pub(crate) fn without_a_call(&self) -> usize {
        self.fresh + self.stale + self.if_error + self.joined
    }
}

/// What an outage was like.
#[derive(Debug, Default, Clone)]
pub(crate) struct Outage {
    /// Reads of what had been read before, and those of them that were answered.
    pub(crate) known: usize,
    pub(crate) known_answered: usize,
    /// Reads of what nobody had read.
    pub(crate) new: usize,
    pub(crate) new_answered: usize,
    /// Answers past their freshness that do not say so.
    pub(crate) unmarked: usize,
    /// What was not answered although it had been read before.
    pub(crate) lost: BTreeMap<&'static str, usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) by_who: BTreeMap<Who, Sum>,
    pub(crate) by_what: BTreeMap<&'static str, Sum>,
    pub(crate) writes: usize,
    pub(crate) write_failures: BTreeMap<u16, usize>,
    /// Answers older than their policy: which, from where, how old.
    pub(crate) too_old: Vec<(String, From, Duration)>,
    pub(crate) lies: Vec<(Lie, String)>,
    pub(crate) outage: Outage,
    /// Reads that were refused and not because of an outage: when, which, the problem's code.
    pub(crate) refusals: Vec<(Duration, String, String)>,
    /// How each CRM was found again after the outage.
    pub(crate) returns: BTreeMap<&'static str, Return>,
    read_before: HashSet<String>,
    bodies: HashMap<String, Arc<Shown>>,
}

/// Watches all answers.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    chronicle: Chronicle,
    policy: Arc<Cache>,
    begin: Instant,
    outage: Option<(Instant, Instant)>,
    tally: Arc<Mutex<Tally>>,
}

impl Judge {
    pub(crate) fn new(chronicle: Chronicle, config: &Config, outage: Option<(Instant, Instant)>) -> Self {
        let policy = Arc::new(config.cache.clone());
        Self { chronicle, policy, begin: Instant::now(), outage, tally: Arc::default() }
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().expect("nothing panics while it holds the tally")
    }

    /// A write was answered.
    pub(crate) fn wrote(&self, parts: &Parts) {
        let mut tally = self.tally();
        tally.writes += 1;
        if !parts.status.is_success() {
            *tally.write_failures.entry(parts.status.as_u16()).or_default() += 1;
        }
    }

    /// A read was answered.
    pub(crate) fn answered(&self, read: &Read, began: Instant, parts: &Parts, body: &Bytes) {
        let now = Instant::now();
        let status = parts.status.as_u16();
        let from = came_from(parts);
        let lie = (status == 200).then(|| self.lie((read, began), from, parts, body)).flatten();
        let too_old = status == 200 && self.is_too_old(read, from, age(parts));
        let in_outage = self.outage.is_some_and(|(from, to)| began >= from && now < to);
        let disturbed = self.outage.is_some_and(|(from, to)| now >= from && began < to + RECOVERY);
        let mut tally = self.tally();
        let took = (now - began).as_secs_f64();
        let Tally { by_who, by_what, .. } = &mut *tally;
        for sum in [by_who.entry(read.who).or_default(), by_what.entry(read.what).or_default()] {
            count(sum, status, from, took);
        }
        if too_old {
            tally.too_old.push((read.path.clone(), from, age(parts)));
        }
        tally.lies.extend(lie.map(|lie| (lie, read.path.clone())));
        if self.outage.is_some_and(|(_, to)| began >= to) && (status != 200 || from != From::Fresh) {
            let crm = if read.path.contains("/projects") { "cryptocrm" } else { "alfacrm" };
            let found = tally.returns.entry(crm).or_insert_with(|| Return { wanted: began, without: None });
            if status != 200 || from == From::IfError {
                found.without = Some((now, format!("{status} {} {}", cache_status(parts), read.path)));
            }
        }
        if in_outage {
            tally.in_outage(read, status, parts);
        } else if status != 200 && !disturbed {
            let code = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
            let code = code["code"].as_str().unwrap_or_default().to_owned();
            tally.refusals.push((now - self.begin, read.path.clone(), code));
        }
        if status == 200 && !tally.read_before.contains(&read.path) {
            tally.read_before.insert(read.path.clone());
        }
    }

    /// Older than the policies of what it is made of allow. `Age` is that of the oldest part and does not say which it
    /// is, so this alone would let a record be as old as a name beside it may be; see [`Judge::lie`].
    fn is_too_old(&self, read: &Read, from: From, age: Duration) -> bool {
        let limits = read.of.iter().map(|resource| self.oldest(resource, from));
        age > limits.max().unwrap_or_default()
    }

    /// How old a part of an answer may be that came from there, or from a better place.
    fn oldest(&self, resource: &str, from: From) -> Duration {
        let Some(policy) = self.policy.policy.get(resource) else { return Duration::ZERO };
        match from {
            From::IfError => policy.fresh + policy.if_error.max(policy.stale),
            From::Stale => policy.fresh + policy.stale,
            From::Fresh | From::Joined | From::Asked => policy.fresh,
        }
    }

    /// Records must be no older than the answer says, and than their own policy allows, however old what stands beside
    /// them is.
    fn lie(&self, (read, began): (&Read, Instant), from: From, parts: &Parts, body: &Bytes) -> Option<Lie> {
        let kind = read.kind?;
        let tag = parts.headers.get("etag")?.to_str().ok()?;
        let known = self.tally().bodies.get(tag).cloned();
        let records = known.unwrap_or_else(|| {
            let records = Arc::new(shown(kind, body));
            let mut tally = self.tally();
            if tally.bodies.len() >= BODIES {
                tally.bodies.clear();
            }
            tally.bodies.insert(tag.to_owned(), Arc::clone(&records));
            records
        });
        let age = age(parts).min(self.oldest(kind.resource(), from));
        self.chronicle.judge(kind, &records, (began, age)).or_else(|| {
            let student = read.payments_of?;
            self.chronicle.judge_payments(student, &records, age)
        })
    }
}

impl Tally {
    fn in_outage(&mut self, read: &Read, status: u16, parts: &Parts) {
        let answered = usize::from(status == 200);
        let known = self.read_before.contains(&read.path);
        let outage = &mut self.outage;
        if !known {
            outage.new += 1;
            outage.new_answered += answered;
            return;
        }
        outage.known += 1;
        outage.known_answered += answered;
        if answered == 0 {
            *outage.lost.entry(read.what).or_default() += 1;
        }
        let told = cache_status(parts);
        outage.unmarked += usize::from(told.contains("ttl=-") && !told.contains("detail=stale"));
    }
}

fn count(sum: &mut Sum, status: u16, from: From, took: f64) {
    sum.reads += 1;
    sum.waits.push(took);
    if status != 200 {
        *sum.refused.entry(status).or_default() += 1;
        return;
    }
    let place = match from {
        From::Fresh => &mut sum.fresh,
        From::Stale => &mut sum.stale,
        From::IfError => &mut sum.if_error,
        From::Joined => &mut sum.joined,
        From::Asked => &mut sum.asked,
    };
    *place += 1;
}

fn cache_status(parts: &Parts) -> &str {
    parts.headers.get("cache-status").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn came_from(parts: &Parts) -> From {
    match cache_status(parts) {
        told if told.contains("stale-if-error") => From::IfError,
        told if told.contains("detail=stale") => From::Stale,
        told if told.contains("; hit") => From::Fresh,
        told if told.contains("collapsed") => From::Joined,
        _ => From::Asked,
    }
}

fn age(parts: &Parts) -> Duration {
    let age = parts.headers.get("age").and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(age.unwrap_or_default())
}
