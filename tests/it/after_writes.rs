//! Once a write was answered, nobody who asks later is shown what was before: whatever was written, whatever list could
//! hold it, whatever was being fetched meanwhile.
//!
//! Two gateways stand in front of the same simulated CRM. One remembers what it may, and its calls take their time both on
//! the way there and on the way back; the other remembers nothing. Everything is written through the first. Whatever it
//! is asked after that must be answered as by the second. Runs of this are random, and the same each time.
//!
//! `make test` runs some of them, `make sequences` a hundred thousand.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crm_gateway::upstream::wire::Transport;
use futures_util::future::join;
use http::Method;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::narrowing::{LISTS, two};
use crate::support::{Asker, Setup, TestApp, transport};

/// How many of them `make test` runs.
const SOME: usize = 200;
/// As many begin with the same school: it grows with what is written.
const A_SCHOOL: usize = 50;
/// Steps of one.
const STEPS: usize = 12;

/// A write: its method, its path and its body.
type Write = (Method, String, Option<Value>);

/// Two gateways in front of one CRM.
struct School {
    remembering: TestApp,
    forgetful: TestApp,
    dice: StdRng,
    /// Reads that nobody has waited for yet.
    begun: Vec<JoinHandle<()>>,
    seen: Seen,
}

#[test]
fn after_a_write_no_read_that_starts_later_shows_what_was_before() {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the test says how long it may take")]
    let many = std::env::var("SEQUENCES").ok().map_or(SOME, |many| many.parse().unwrap());
    let schools = many.div_ceil(A_SCHOOL) as u64;
    let next = AtomicU64::new(0);
    let some = || {
        let mut seen = Seen::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= schools {
                return seen;
            }
            seen.add(live(seed));
            if seed % 100 == 99 {
                eprintln!("{} of {schools} schools, no difference", seed + 1);
            }
        }
    };
    let Seen { compared, remembered, written } = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
        threads.into_iter().fold(Seen::default(), |mut all, some| {
            all.add(some.join().unwrap());
            all
        })
    });
    eprintln!(
        "{} sequences, {compared} answers compared, {remembered} of them from memory",
        schools * A_SCHOOL as u64
    );
    // That much was written and that much came from memory is what makes the rest worth telling.
    assert!(remembered * 10 > compared, "{remembered} of {compared} came from memory");
    for what in KINDS {
        let times = written.get(what).copied().unwrap_or_default();
        assert!(times >= many / 100, "{what} was written {times} times: {written:?}");
    }
}

/// What came of some sequences.
#[derive(Default)]
struct Seen {
    compared: usize,
    remembered: usize,
    /// What was written and how often, by method and kind.
    written: BTreeMap<String, usize>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.compared += other.compared;
        self.remembered += other.remembered;
        for (what, times) in other.written {
            *self.written.entry(what).or_default() += times;
        }
    }
}

/// All sequences of one school, on a clock of their own.
fn live(seed: u64) -> Seen {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut school = School::new(seed);
        for number in 0..A_SCHOOL {
            for _ in 0..STEPS {
                if let Err(difference) = school.step().await {
                    panic!("school {seed}, sequence {number}: {difference}");
                }
            }
            school.settle().await;
        }
        school.seen
    })
}

/// What can be written, by method and the last name in its path.
const KINDS: [&str; 23] = [
    "POST students",
    "PATCH students",
    "POST bonus",
    "POST subscriptions",
    "PATCH subscriptions",
    "DELETE subscriptions",
    "POST communications",
    "PATCH communications",
    "POST groups",
    "PATCH groups",
    "DELETE groups",
    "POST members",
    "PATCH members",
    "DELETE members",
    "POST lessons",
    "PATCH lessons",
    "POST conduct",
    "POST schedules",
    "PATCH schedules",
    "POST tasks",
    "PATCH tasks",
    "POST payments",
    "PATCH payments",
];

impl School {
    fn new(seed: u64) -> Self {
        let mut setup = Setup::new().seed(seed).students(14).projects(3).without("cryptocrm").in_no_hurry();
        let forgetful = setup.clone().forgetful();
        for resource in crm_gateway::config::RESOURCES {
            // So short that answers are given fresh, stale and while they are renewed.
            for (window, time) in [("fresh", "\"3s\""), ("stale", "\"10m\""), ("if_error", "\"1h\"")] {
                setup = setup.set(&format!("cache.policy.{resource}.{window}"), time);
            }
        }
        let (alfa, crypto) = setup.crms();
        let way = || transport::to_router(alfa.router(), "");
        let nowhere = || transport::to_router(crypto.router(), "");
        let forgetful = forgetful.start_over(alfa.clone(), crypto.clone(), way(), nowhere());
        let dice = StdRng::seed_from_u64(seed);
        let remembering = setup.start_over(alfa.clone(), crypto.clone(), slow(way(), seed), nowhere());
        Self { remembering, forgetful, dice, begun: Vec::new(), seen: Seen::default() }
    }

    /// Does one thing. When that was to compare two answers: how they differ.
    async fn step(&mut self) -> Result<(), String> {
        match self.dice.random_range(0..10) {
            0..3 => {
                let (who, path) = self.question();
                let asker = self.remembering.actor(who);
                self.begun.push(tokio::spawn(async move { drop(asker.get(&path).await) }));
            }
            3 => advance(Duration::from_millis(self.dice.random_range(0..2000))).await,
            4..6 => self.write().await,
            _ => {
                // Who asked before the write may be shown either.
                let (who, path) = self.question();
                let answer = self.remembering.actor(who).get(&path).await;
                let truth = self.forgetful.actor(who).get(&path).await;
                let hit = answer.header("cache-status").contains("hit");
                let told = (answer.status, kept(answer.json));
                let true_one = (truth.status, kept(truth.json));
                if told != true_one {
                    let how = answer.headers.get("cache-status");
                    return Err(format!("{who} {path} ({how:?})\ntold {told:?}\ntrue {true_one:?}"));
                }
                self.seen.compared += 1;
                self.seen.remembered += usize::from(hit);
            }
        }
        Ok(())
    }

    /// Writes, now and then two things at once.
    async fn write(&mut self) {
        let twice = self.dice.random_bool(0.2);
        let (first, second) = (self.change(), self.change());
        let owner =
            self.remembering.owner().with("idempotency-key", &format!("\"{}\"", self.dice.random::<u64>()));
        let other =
            self.remembering.owner().with("idempotency-key", &format!("\"{}\"", self.dice.random::<u64>()));
        let send = async |owner: &Asker, (method, path, body): &Write| {
            owner.send(method.clone(), path, body.as_ref()).await.status
        };
        let (status, second_status) =
            join(send(&owner, &first), async { if twice { send(&other, &second).await } else { 0 } }).await;
        for ((method, path, _), status) in [(first, status), (second, second_status)] {
            assert!(status < 500, "{method} {path}: {status}");
            if (200..300).contains(&status) {
                let name = path.rsplit('/').find(|part| part.chars().all(|c| c.is_ascii_lowercase()));
                *self.seen.written.entry(format!("{method} {}", name.unwrap_or_default())).or_default() += 1;
            }
        }
    }

    /// Waits for what was begun; some of it may go on while the next sequence begins.
    async fn settle(&mut self) {
        let some = self.begun.len() / 2;
        for begun in self.begun.drain(some..) {
            begun.await.unwrap();
        }
    }

    /// Somebody, and what is asked.
    fn question(&mut self) -> (&'static str, String) {
        let who = *["owner", "owner", "owner", "branch-one", "masked"].choose(&mut self.dice).unwrap();
        let (student, group, teacher) = (self.id("customer"), self.id("group"), self.id("teacher"));
        let (task, lesson, payment) = (self.id("task"), self.id("lesson"), self.id("pay"));
        let path = match self.dice.random_range(0..30) {
            0..7 => {
                let list = *LISTS.choose(&mut self.dice).unwrap();
                two(&mut self.dice, list)[0].clone()
            }
            7 | 8 => format!("/students/{student}"),
            9 => format!("/students/{student}/bonus"),
            10 => format!("/students/{student}/subscriptions"),
            11 => format!("/students/{student}/communications"),
            12 => format!("/students/{student}/groups"),
            13 => format!("/students/{student}/calendar?from=2026-02-20&to=2026-03-20"),
            14 => format!("/students/{student}/overview"),
            15 => format!("/groups/{group}"),
            16 => format!("/groups/{group}/members"),
            17 => format!("/groups/{group}/communications"),
            18 => format!("/groups/{group}/calendar?from=2026-02-20&to=2026-03-20"),
            19 => format!("/teachers/{teacher}"),
            20 => "/teachers?limit=50".to_owned(),
            21 => format!("/teachers/{teacher}/calendar?from=2026-02-20&to=2026-03-20"),
            22 => format!("/tasks/{task}"),
            23 => format!("/tasks/{task}/communications"),
            24 => format!("/lessons/{lesson}"),
            25 => format!("/lessons?limit=100&student_id={student}"),
            26 => format!("/payments/{payment}"),
            27 => format!("/payments?limit=100&student_id={student}"),
            28 => format!("/schedules/{}", self.id("regular-lesson")),
            _ => format!("/students?limit=50&id={student},{}", self.id("customer")),
        };
        (who, path)
    }

    /// A write that the CRM may take.
    fn change(&mut self) -> Write {
        let text = format!("{}", self.dice.random::<u32>());
        let day = format!("2026-03-{:02}", self.dice.random_range(1..29));
        let branch = format!("alfa-{}", self.dice.random_range(1..3));
        let (student, group, teacher) = (self.id("customer"), self.id("group"), self.id("teacher"));
        let below = match self.dice.random_range(0..3) {
            0 => format!("/students/{student}"),
            1 => format!("/groups/{group}"),
            _ => format!("/tasks/{}", self.id("task")),
        };
        let number = self.dice.random_range(1..20);
        let flag = self.dice.random_bool(0.5);
        let (post, patch) = (Method::POST, Method::PATCH);
        match self.dice.random_range(0..25) {
            0 => {
                let body = json!({"name": text, "stage": "LEAD", "branch_ids": [branch]});
                (post, "/students".to_owned(), Some(body))
            }
            1 | 2 => {
                let changes = [
                    json!({"note": text}),
                    json!({"name": text}),
                    json!({"stage": if flag { "LEAD" } else { "STUDENT" }}),
                    json!({"branch_ids": [branch]}),
                    json!({"color": if flag { "ORANGE" } else { "GREEN" }}),
                ];
                (patch, format!("/students/{student}"), changes.choose(&mut self.dice).cloned())
            }
            3 => (post, format!("/students/{student}/bonus"), Some(json!({"points": number, "note": text}))),
            4 => {
                let tariff = self.id("tariff");
                let body =
                    json!({"tariff_id": tariff, "from": "2026-03-01", "to": "2026-05-31", "note": text});
                (post, format!("/students/{student}/subscriptions"), Some(body))
            }
            5 => (patch, self.subscription(), Some(json!({"note": text}))),
            6 => (Method::DELETE, self.subscription(), None),
            7 | 8 => (post, format!("{below}/communications"), Some(json!({"text": text}))),
            9 => (patch, self.communication(), Some(json!({"text": text}))),
            10 => {
                let body = json!({"name": text, "branch_ids": [branch], "teacher_ids": [teacher]});
                (post, "/groups".to_owned(), Some(body))
            }
            11 => {
                let body = if flag { json!({"note": text}) } else { json!({"archived": number > 10}) };
                (patch, format!("/groups/{group}"), Some(body))
            }
            12 => (Method::DELETE, format!("/groups/{group}"), None),
            13 | 14 => {
                let body = json!({"student_id": student, "from": "2026-02-02", "to": null});
                (post, format!("/groups/{group}/members"), Some(body))
            }
            15 => (patch, self.member(), Some(json!({"to": day}))),
            16 => (Method::DELETE, self.member(), None),
            17 => {
                let body = json!({
                    "branch_id": branch, "starts_at": format!("{day}T12:00:00+03:00"), "duration_minutes": 45,
                    "lesson_type_id": "alfa-1", "subject_id": "alfa-2", "student_ids": [student], "topic": text,
                });
                (post, "/lessons".to_owned(), Some(body))
            }
            18 => (patch, format!("/lessons/{}", self.id("lesson")), Some(json!({"topic": text}))),
            19 => {
                let open = self.remembering.alfa.rows("lesson").into_iter().find(|row| row["status"] == 1);
                let lesson = open.map_or_else(|| "alfa-0".to_owned(), |row| format!("alfa-{}", row["id"]));
                (post, format!("/lessons/{lesson}/conduct"), Some(json!({"topic": text})))
            }
            20 => {
                let body = json!({
                    "student_id": student, "lesson_type_id": "alfa-2", "subject_id": "alfa-2",
                    "teacher_ids": [teacher], "weekdays": ["SUNDAY"], "starts_at": "07:00", "ends_at": "08:00",
                    "valid_from": day, "valid_to": "2026-04-10",
                });
                (post, "/schedules".to_owned(), Some(body))
            }
            21 => {
                let path = format!("/schedules/{}", self.id("regular-lesson"));
                (patch, path, Some(json!({"capacity": number})))
            }
            22 => {
                let body =
                    json!({"title": text, "student_ids": [student], "branch_ids": [branch], "due_on": day});
                (post, "/tasks".to_owned(), Some(body))
            }
            23 => (patch, format!("/tasks/{}", self.id("task")), Some(json!({"done": flag, "title": text}))),
            _ if flag => {
                let body = json!({
                    "student_id": student, "amount": {"amount": format!("{number}.00"), "currency": "RUB"},
                    "date": "2026-02-20", "account_id": "alfa-1", "note": text,
                });
                (post, "/payments".to_owned(), Some(body))
            }
            _ => (patch, format!("/payments/{}", self.id("pay")), Some(json!({"note": text}))),
        }
    }

    /// The id of some row of a model; one in twenty is nobody's.
    fn id(&mut self, model: &str) -> String {
        let row = self.row(model).filter(|_| !self.dice.random_bool(0.05));
        row.map_or_else(|| "alfa-999999".to_owned(), |row| format!("alfa-{}", row["id"]))
    }

    fn row(&mut self, model: &str) -> Option<Value> {
        let rows = self.remembering.alfa.count(model);
        (rows > 0)
            .then(|| self.dice.random_range(0..rows))
            .and_then(|at| self.remembering.alfa.row_at(model, at))
    }

    fn subscription(&mut self) -> String {
        let Some(row) = self.row("customer-tariff") else {
            return "/students/alfa-1/subscriptions/alfa-1".to_owned();
        };
        format!("/students/alfa-{}/subscriptions/alfa-{}", row["customer_id"], row["id"])
    }

    fn member(&mut self) -> String {
        let Some(row) = self.row("cgi") else { return "/groups/alfa-1/members/alfa-1".to_owned() };
        format!("/groups/alfa-{}/members/alfa-{}", row["group_id"], row["id"])
    }

    fn communication(&mut self) -> String {
        let Some(row) = self.row("communication") else {
            return "/tasks/alfa-1/communications/alfa-1".to_owned();
        };
        let kind = match row["class"].as_str() {
            Some("Group") => "groups",
            Some("Task") => "tasks",
            _ => "students",
        };
        format!("/{kind}/alfa-{}/communications/alfa-{}", row["related_id"], row["id"])
    }
}

/// As `inner`, but each call is some time on its way there and its answer on its way back.
fn slow(inner: Transport, seed: u64) -> Transport {
    let dice = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
    BoxCloneSyncService::new(tower::service_fn(move |request| {
        let inner = inner.clone();
        let [there, back] = {
            let mut dice = dice.lock().unwrap();
            [(); 2].map(|()| Duration::from_millis(dice.random_range(0..300)))
        };
        async move {
            sleep(there).await;
            let answer = inner.oneshot(request).await;
            sleep(back).await;
            answer
        }
    }))
}

/// What of an answer is the same whoever gives it: cursors and totals depend on how it came about, ids of requests on who
/// asks.
fn kept(mut json: Value) -> Value {
    match &mut json {
        Value::Object(map) => {
            for name in ["next_cursor", "total", "request_id", "instance"] {
                map.remove(name);
            }
            map.values_mut().for_each(|value| *value = kept(value.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| *value = kept(value.take())),
        _ => {}
    }
    json
}
