//! What the CRM's records were, and until when: the judge of how old an answer may be. Whatever changes a record, through
//! the gateway or in the CRM itself, is written down here at that moment, from the simulator's own rows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use crm_gateway::sandbox::alfa;
use crm_gateway::upstream::wire::Transport;
use http::Request;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

/// How long the way to a CRM takes, and as long the way back.
const ONE_WAY: Duration = Duration::from_millis(100);
/// `Age` is told in whole seconds and counts from when the CRM's answer was here; a call waits up to three seconds at the
/// CRM's own limiter, at most, but never does within the quota.
const PRECISION: Duration = Duration::from_millis(1500);

/// Records that are watched, by the CRM's name of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Student,
    Lesson,
    Payment,
    Task,
}

impl Kind {
    fn model(self) -> &'static str {
        match self {
            Self::Student => "customer",
            Self::Lesson => "lesson",
            Self::Payment => "pay",
            Self::Task => "task",
        }
    }

    /// The resource it is served as.
    pub(crate) fn resource(self) -> &'static str {
        match self {
            Self::Student => "students",
            Self::Lesson => "lessons",
            Self::Payment => "payments",
            Self::Task => "tasks",
        }
    }

    /// What is compared, of the CRM's row: its texts without the mark that the gateway writes behind one of them.
    fn of_row(self, row: &Value) -> String {
        let text = |name: &str| {
            let text = row[name].as_str().unwrap_or_default();
            text.split_once("[gw:").map_or(text, |(before, _)| before.trim_end()).to_owned()
        };
        match self {
            Self::Student => format!("{} {}", text("note"), amount(&row["balance"])),
            Self::Lesson => {
                let status = match row["status"].as_u64() {
                    Some(1) => "PLANNED",
                    Some(2) => "CANCELLED",
                    _ => "CONDUCTED",
                };
                format!("{status} {}", text("topic"))
            }
            Self::Payment => format!("{} {}", amount(&row["income"]).trim_start_matches('-'), text("note")),
            Self::Task => format!("{} {}", text("title"), row["is_done"].as_u64() == Some(1)),
        }
    }

    /// The same of the gateway's record.
    fn of_record(self, record: &Value) -> String {
        let text = |name: &str| record[name].as_str().unwrap_or_default();
        match self {
            Self::Student => format!("{} {}", text("note"), amount(&record["balance"]["amount"])),
            Self::Lesson => format!("{} {}", text("status"), text("topic")),
            Self::Payment => format!("{} {}", amount(&record["amount"]["amount"]), text("note")),
            Self::Task => format!("{} {}", text("title"), record["done"] == true),
        }
    }
}

fn amount(value: &Value) -> String {
    let number: f64 = value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
    format!("{number:.2}")
}

/// What an answer shows of the records that are watched.
pub(crate) type Shown = Vec<(u64, String)>;

/// Reads it from a body: a record, or a page of records.
pub(crate) fn shown(kind: Kind, body: &[u8]) -> Shown {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let records = json["items"].as_array().map_or_else(|| std::slice::from_ref(&json), Vec::as_slice);
    let id = |record: &Value| record["id"].as_str()?.strip_prefix("alfa-")?.parse().ok();
    records.iter().filter_map(|record| Some((id(record)?, kind.of_record(record)))).collect()
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// It shows what the record never was.
    Invented,
    /// It was no longer so when the answer, or the policy of such records, says it was asked for.
    OlderThanItSays,
    /// A write through the gateway had been answered before the read began, and the read shows the state before it.
    OldAfterWrite,
    /// A payment is missing that was there.
    Missing,
}

#[derive(Debug)]
struct Version {
    from: Instant,
    value: String,
    by_gateway: bool,
}

type Records = HashMap<(Kind, u64), Vec<Version>>;
/// Payments and when they were made, by student.
type Payments = HashMap<u64, Vec<(u64, Instant)>>;

/// All versions of the records that changed.
#[derive(Debug, Clone)]
pub(crate) struct Chronicle {
    crm: alfa::Crm,
    records: Arc<Mutex<Records>>,
    /// Payments that were made, by student.
    payments: Arc<Mutex<Payments>>,
    begin: Instant,
}

impl Chronicle {
    pub(crate) fn new(crm: alfa::Crm) -> Self {
        Self { crm, records: Arc::default(), payments: Arc::default(), begin: Instant::now() }
    }

    /// Somebody changes a record in the CRM itself.
    pub(crate) fn edit(&self, kind: Kind, id: u64, patch: &Value) {
        self.know(kind, id);
        self.crm.update_row(kind.model(), id, patch);
        self.note(kind, id, false);
    }

    /// Carries calls to the CRM, and writes down what they change.
    pub(crate) fn carry(&self, inner: Transport) -> Transport {
        let chronicle = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
            let (inner, chronicle) = (inner.clone(), chronicle.clone());
            async move {
                sleep(ONE_WAY).await;
                let changed = chronicle.about_to_change(&request);
                for (kind, id) in &changed {
                    chronicle.know(*kind, *id);
                }
                let makes = request.uri().path().ends_with("pay/create");
                let answer = inner.oneshot(request).await;
                for (kind, id) in &changed {
                    chronicle.note(*kind, *id, true);
                }
                if let (true, Ok(answer)) = (makes, &answer) {
                    chronicle.paid(answer.body());
                }
                sleep(ONE_WAY).await;
                answer
            }
        }))
    }

    /// The records that a call may change, but for the one it makes.
    fn about_to_change(&self, request: &Request<Bytes>) -> Vec<(Kind, u64)> {
        let path = request.uri().path();
        let named = request.uri().query().and_then(|query| query.strip_prefix("id=")?.parse().ok());
        let body = || serde_json::from_slice::<Value>(request.body()).unwrap_or_default();
        let operation = path.trim_start_matches("/v2api/").trim_start_matches(|c: char| c.is_ascii_digit());
        match (operation, named) {
            ("/customer/update", Some(id)) => vec![(Kind::Student, id)],
            ("/task/update", Some(id)) => vec![(Kind::Task, id)],
            ("/lesson/teach", Some(id)) => {
                let row = self.crm.row("lesson", id).unwrap_or_default();
                let students = row["customer_ids"].as_array().cloned().unwrap_or_default();
                let students = students.iter().filter_map(Value::as_u64).map(|id| (Kind::Student, id));
                students.chain([(Kind::Lesson, id)]).collect()
            }
            ("/pay/create", _) => {
                body()["customer_id"].as_u64().map(|id| (Kind::Student, id)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn paid(&self, answer: &[u8]) {
        let json: Value = serde_json::from_slice(answer).unwrap_or_default();
        let row = &json["model"];
        if let (Some(id), Some(student)) = (row["id"].as_u64(), row["customer_id"].as_u64()) {
            let mut payments = self.payments.lock().expect("nothing panics while it holds the payments");
            payments.entry(student).or_default().push((id, Instant::now()));
        }
    }

    /// Takes down what a record is before it changes for the first time.
    fn know(&self, kind: Kind, id: u64) {
        let mut records = self.records();
        if !records.contains_key(&(kind, id))
            && let Some(row) = self.crm.row(kind.model(), id)
        {
            let first = Version { from: self.begin, value: kind.of_row(&row), by_gateway: false };
            records.insert((kind, id), vec![first]);
        }
    }

    fn note(&self, kind: Kind, id: u64, by_gateway: bool) {
        let Some(row) = self.crm.row(kind.model(), id) else { return };
        let value = kind.of_row(&row);
        let mut records = self.records();
        let versions = records.entry((kind, id)).or_default();
        if versions.last().is_none_or(|last| last.value != value) {
            versions.push(Version { from: Instant::now(), value, by_gateway });
        }
    }

    /// Whether what an answer shows was so when it says.
    pub(crate) fn judge(&self, kind: Kind, shown: &Shown, (began, age): (Instant, Duration)) -> Option<Lie> {
        let oldest = Instant::now().checked_sub(age + PRECISION);
        for (id, value) in shown {
            self.know(kind, *id);
            let records = self.records();
            let Some(versions) = records.get(&(kind, *id)) else { return Some(Lie::Invented) };
            let Some(at) = versions.iter().rposition(|version| version.value == *value) else {
                return Some(Lie::Invented);
            };
            let later = &versions[at + 1..];
            if later.first().zip(oldest).is_some_and(|(next, oldest)| next.from < oldest) {
                return Some(Lie::OlderThanItSays);
            }
            if later.iter().any(|next| next.by_gateway && next.from + PRECISION < began) {
                return Some(Lie::OldAfterWrite);
            }
        }
        None
    }

    /// Whether a whole list of a student's payments has all that were there.
    pub(crate) fn judge_payments(&self, student: u64, shown: &Shown, age: Duration) -> Option<Lie> {
        let oldest = Instant::now().checked_sub(age + PRECISION)?;
        let payments = self.payments.lock().expect("nothing panics while it holds the payments");
        let made = payments.get(&student).map(Vec::as_slice).unwrap_or_default();
        let missing = |(id, at): &(u64, Instant)| *at < oldest && !shown.iter().any(|(other, _)| other == id);
        made.iter().any(missing).then_some(Lie::Missing)
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().expect("nothing panics while it holds the records")
    }
}
