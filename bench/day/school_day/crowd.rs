//! Who asks what at a school on a working day. Numbers are for 3,000 students and grow with them; docs/benchmarks.md says
//! where they come from.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::chronicle::{Chronicle, Kind};
use super::judge::{Judge, Read, Who};
use super::school::{Pupil, School, some};
use crate::support::Asker;

/// How a day's visits spread over its hours.
type Curve = [f64; 24];
/// Staff: from half past eight to half past nine in the evening.
const STAFF: Curve =
    [0., 0., 0., 0., 0., 0., 0., 0., 3., 8., 9., 8., 7., 7., 8., 9., 10., 10., 10., 9., 8., 4., 0., 0.];
/// Parents: a little in the morning, most after work.
const PARENTS: Curve =
    [1., 0., 0., 0., 0., 0., 1., 4., 5., 4., 3., 3., 4., 4., 4., 5., 7., 9., 12., 14., 13., 9., 5., 2.];
/// Visitors of the public site.
const SITE: Curve =
    [1., 1., 0., 0., 0., 0., 1., 2., 4., 5., 6., 6., 6., 6., 6., 6., 6., 6., 7., 8., 8., 7., 4., 2.];

/// How much more often the first student or project is asked for than the nth: n to this power (0.64 to 0.83 for pages of
/// the web, 0.99 in the usual benchmark of key-value stores).
const ZIPF: f64 = 0.99;

/// What happens so many times a day.
const VISITS: [(Visit, f64, &Curve); 11] = [
    (Visit::Parent, 2400.0, &PARENTS),
    (Visit::Card, 900.0, &STAFF),
    (Visit::ProjectCard, 300.0, &STAFF),
    (Visit::PhoneRings, 350.0, &STAFF),
    (Visit::Site, 5000.0, &SITE),
    (Visit::Pays, 200.0, &STAFF),
    (Visit::NewTask, 120.0, &STAFF),
    (Visit::TaskDone, 120.0, &STAFF),
    (Visit::Note, 150.0, &STAFF),
    (Visit::EditInCrm, 300.0, &STAFF),
    (Visit::Debtors, 120.0, &STAFF),
];

#[derive(Debug, Clone, Copy)]
enum Visit {
    /// A parent opens the app for some minutes.
    Parent,
    /// The desk opens a student's card: somebody came or rang.
    Card,
    /// Sales opens a project.
    ProjectCard,
    /// The telephone exchange asks who rings.
    PhoneRings,
    /// Somebody looks at the school's site.
    Site,
    /// The desk takes a payment.
    Pays,
    NewTask,
    TaskDone,
    /// The desk changes a student's note.
    Note,
    /// Somebody changes a student in the CRM's own interface.
    EditInCrm,
    /// The accountant looks who owes.
    Debtors,
}

/// From when to when, in the school's time, and whether anybody writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hours {
    pub(crate) day: Date,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) writes: bool,
}

#[derive(Debug)]
pub(crate) struct Crowd {
    school: School,
    askers: HashMap<Who, Asker>,
    judge: Judge,
    chronicle: Chronicle,
    hours: Hours,
    seed: u64,
    begin: Instant,
    next_key: AtomicU64,
}

impl Crowd {
    pub(crate) fn new(
        school: School,
        askers: HashMap<Who, Asker>,
        (judge, chronicle): (Judge, Chronicle),
        hours: Hours,
        seed: u64,
    ) -> Arc<Self> {
        let begin = Instant::now();
        let next_key = AtomicU64::new(0);
        Arc::new(Self { school, askers, judge, chronicle, hours, seed, begin, next_key })
    }

    /// Everybody comes, asks and leaves.
    pub(crate) async fn live(self: Arc<Self>) {
        let mut all = JoinSet::new();
        self.screens(&mut all);
        self.visits(&mut all);
        self.lessons(&mut all);
        let export = Arc::clone(&self);
        all.spawn(async move { export.export().await });
        let analysts = Arc::clone(&self);
        all.spawn(async move { analysts.analysts().await });
        while let Some(ended) = all.join_next().await {
            ended.expect("a visitor does not panic");
        }
    }

    fn dice(&self, stream: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed.wrapping_mul(1_000_003) ^ stream)
    }

    /// When a time of the day is, if it is not over and within the hours.
    fn at(&self, hour: f64) -> Option<Instant> {
        let within = hour >= self.hours.from as f64 && hour < self.hours.to as f64;
        within.then(|| self.begin + Duration::from_secs_f64((hour - self.hours.from as f64) * 3600.0))
    }

    fn visits(self: &Arc<Self>, all: &mut JoinSet<()>) {
        for ((visit, per_day, curve), stream) in VISITS.into_iter().zip(1..) {
            let mut dice = self.dice(stream);
            let sum: f64 = curve.iter().sum();
            for (hour, part) in curve.iter().enumerate() {
                let mean = per_day * self.school.scale * part / sum;
                let count = (mean + dice.random::<f64>()).floor() as usize;
                for _ in 0..count {
                    let at = self.at(hour as f64 + dice.random::<f64>());
                    let own = dice.random();
                    let Some(at) = at else { continue };
                    let crowd = Arc::clone(self);
                    all.spawn(async move {
                        sleep_until(at).await;
                        crowd.visit(visit, StdRng::seed_from_u64(own)).await;
                    });
                }
            }
        }
    }

    async fn visit(&self, visit: Visit, mut dice: StdRng) {
        let pupil = self.school.somebody(dice.random(), ZIPF);
        match visit {
            Visit::Parent => self.parent(pupil, &mut dice).await,
            Visit::Card => self.card(pupil, &mut dice).await,
            Visit::ProjectCard => self.project(&mut dice).await,
            Visit::PhoneRings => {
                let phone = encoded(&pupil.phone);
                let path = format!("/students?contact={phone}&stage=ALL");
                self.read(Who::Partner, "who rings", path, &["students"], Some(Kind::Student)).await;
            }
            Visit::Site => self.site(&mut dice).await,
            Visit::Pays => self.pays(pupil, &mut dice).await,
            Visit::NewTask => {
                let title = format!("Позвонить: {}", pupil.name);
                let body = json!({"title": title, "branch_ids": [format!("alfa-{}", pupil.branch)]});
                self.write(Method::POST, "/tasks", &body).await;
            }
            Visit::TaskDone => {
                let task = self.school.tasks[dice.random_range(0..self.school.tasks.len())];
                self.write(Method::PATCH, &format!("/tasks/alfa-{task}"), &json!({"done": true})).await;
            }
            Visit::Note => {
                let note = json!({"note": format!("Заметка {}", dice.random_range(0..1_000_000))});
                self.write(Method::PATCH, &format!("/students/alfa-{}", pupil.id), &note).await;
            }
            Visit::EditInCrm => {
                let note = json!({"note": format!("Из CRM {}", dice.random_range(0..1_000_000))});
                self.chronicle.edit(Kind::Student, pupil.id, &note);
            }
            Visit::Debtors => {
                let path = "/students?balance_to=-1&limit=50".to_owned();
                self.read(Who::Web, "debtors", path, &["students"], Some(Kind::Student)).await;
            }
        }
    }

    /// The first screen of the app, again and again while it is open, and what is tapped in between.
    async fn parent(&self, pupil: &Pupil, dice: &mut StdRng) {
        let stay = Duration::from_secs(dice.random_range(60..420));
        let leaves = Instant::now() + stay;
        let day = self.hours.day;
        let lessons = format!(
            "/lessons?student_id=alfa-{}&from={}&to={day}",
            pupil.id,
            day.checked_sub(14.days()).unwrap_or(day)
        );
        let mut taps = vec![
            ("app: lessons", lessons, &["lessons"] as &[_], Kind::Lesson),
            ("app: payments", payments(pupil), &["payments"], Kind::Payment),
        ];
        while Instant::now() < leaves {
            self.home(pupil).await;
            sleep(Duration::from_secs(dice.random_range(10..20))).await;
            if dice.random_bool(0.5)
                && let Some((what, path, of, kind)) = taps.pop()
            {
                self.read_of(Who::Mobile, what, path, of, Some(kind), pupil).await;
            }
            sleep(Duration::from_secs(dice.random_range(10..20))).await;
        }
    }

    async fn home(&self, pupil: &Pupil) {
        let id = pupil.id;
        let day = self.hours.day;
        let week = day.checked_add(7.days()).unwrap_or(day);
        let calendar = format!("/students/alfa-{id}/calendar?from={day}&to={week}");
        let subscriptions = format!("/students/alfa-{id}/subscriptions");
        tokio::join!(
            self.read(
                Who::Mobile,
                "app: student",
                format!("/students/alfa-{id}"),
                &["students"],
                Some(Kind::Student)
            ),
            self.read(Who::Mobile, "app: calendar", calendar, &["calendars", "students"], None),
            self.read(Who::Mobile, "app: subscriptions", subscriptions, &["subscriptions", "students"], None),
        );
    }

    async fn card(&self, pupil: &Pupil, dice: &mut StdRng) {
        let part: String = pupil.name.chars().take(6).collect();
        let found = format!("/students?q={}&limit=10", encoded(&part));
        self.read(Who::Web, "desk: find", found, &["students"], Some(Kind::Student)).await;
        sleep(Duration::from_secs(dice.random_range(2..6))).await;
        self.card_screen(pupil).await;
        if dice.random_bool(0.5) {
            sleep(Duration::from_secs(dice.random_range(30..120))).await;
            self.card_screen(pupil).await;
        }
    }

    async fn card_screen(&self, pupil: &Pupil) {
        let id = pupil.id;
        let day = self.hours.day;
        let (from, to) = (day.checked_sub(7.days()), day.checked_add(21.days()));
        let calendar =
            format!("/students/alfa-{id}/calendar?from={}&to={}", from.unwrap_or(day), to.unwrap_or(day));
        let card = format!("/students/alfa-{id}?expand=teachers,branches,status");
        let subscriptions = format!("/students/alfa-{id}/subscriptions?expand=tariff");
        let notes = format!("/students/alfa-{id}/communications");
        tokio::join!(
            self.read(
                Who::Web,
                "desk: student",
                card,
                &["students", "teachers", "reference"],
                Some(Kind::Student)
            ),
            self.read(Who::Web, "desk: calendar", calendar, &["calendars", "students"], None),
            self.read(
                Who::Web,
                "desk: subscriptions",
                subscriptions,
                &["subscriptions", "students", "tariffs"],
                None
            ),
            self.read(Who::Web, "desk: notes", notes, &["communications", "students"], None),
            self.read_of(
                Who::Web,
                "desk: payments",
                payments(pupil),
                &["payments"],
                Some(Kind::Payment),
                pupil
            ),
        );
    }

    async fn project(&self, dice: &mut StdRng) {
        let id = some(&self.school.projects, dice.random(), ZIPF);
        let parts = [("", "projects"), ("/payments", "payments"), ("/checklists", "checklists")];
        let reads = parts.map(|(part, of)| {
            let of: &'static [&'static str] = match of {
                "projects" => &["projects"],
                "payments" => &["payments", "projects"],
                _ => &["checklists", "projects"],
            };
            self.read(Who::Web, "sales: project", format!("/projects/crypto-{id}{part}"), of, None)
        });
        join_all(reads).await;
    }

    async fn site(&self, dice: &mut StdRng) {
        let pages: [(&str, &'static [&'static str]); 5] = [
            ("/groups?limit=100", &["groups"]),
            ("/schedules?limit=100", &["schedules"]),
            ("/tariffs", &["tariffs"]),
            ("/teachers?limit=50", &["teachers"]),
            ("/reference/subjects", &["reference"]),
        ];
        for (path, of) in pages {
            self.read(Who::Partner, "site", path.to_owned(), of, None).await;
            sleep(Duration::from_secs(dice.random_range(5..30))).await;
        }
    }

    async fn pays(&self, pupil: &Pupil, dice: &mut StdRng) {
        self.card(pupil, dice).await;
        let body = json!({
            "student_id": format!("alfa-{}", pupil.id), "branch_id": format!("alfa-{}", pupil.branch),
            "amount": {"amount": format!("{}.00", dice.random_range(10..99) * 100), "currency": "RUB"},
            "date": self.hours.day.to_string(), "account_id": "alfa-1", "note": "Абонемент",
        });
        self.write(Method::POST, "/payments", &body).await;
        self.card_screen(pupil).await;
    }

    /// Teachers open the lesson, its group and the list of the day when it begins, and conduct it when it ends.
    fn lessons(self: &Arc<Self>, all: &mut JoinSet<()>) {
        for lesson in &self.school.lessons {
            let Some(at) = self.at(lesson.ends) else { continue };
            let (crowd, lesson) = (Arc::clone(self), lesson.clone());
            all.spawn(async move {
                let day = crowd.hours.day;
                let before = at.checked_sub(Duration::from_secs(3600)).unwrap_or(at);
                let own = format!("/lessons?teacher_id=alfa-{}&from={day}&to={day}", lesson.teacher);
                let one = format!("/lessons/alfa-{}?expand=students", lesson.id);
                for (at, path) in [(before, own.clone()), (before, one.clone()), (at, one)] {
                    sleep_until(at).await;
                    crowd.read(Who::Web, "teacher", path, &["lessons", "students"], Some(Kind::Lesson)).await;
                }
                let conduct = format!("/lessons/alfa-{}/conduct", lesson.id);
                crowd.write(Method::POST, &conduct, &json!({"topic": "Тема урока"})).await;
                crowd.read(Who::Web, "teacher", own, &["lessons"], Some(Kind::Lesson)).await;
            });
        }
    }

    /// Screens that ask again by themselves: each has its path, its pace and its hours.
    fn screens(self: &Arc<Self>, all: &mut JoinSet<()>) {
        let day = self.hours.day;
        let mut stream = 1000;
        let mut add = |count: f64, who, what, path: &str, of, kind, seconds: u64, open: (f64, f64)| {
            let count = (count * self.school.scale.sqrt()).ceil() as usize;
            for _ in 0..count {
                stream += 1;
                let mut dice = self.dice(stream);
                let (crowd, path) = (Arc::clone(self), path.to_owned());
                let (opens, closes) = (open.0 + dice.random::<f64>() * 0.5, open.1);
                all.spawn(async move {
                    let (from, to) = (crowd.hours.from as f64, crowd.hours.to as f64);
                    let (Some(first), true) = (crowd.at(opens.max(from)), closes > from) else { return };
                    let last = crowd.begin + Duration::from_secs_f64((closes.min(to) - from) * 3600.0);
                    sleep_until(first + Duration::from_millis(dice.random_range(0..1000 * seconds))).await;
                    while Instant::now() < last {
                        crowd.read(who, what, path.clone(), of, kind).await;
                        sleep(Duration::from_millis(dice.random_range(950..1050) * seconds)).await;
                    }
                });
            }
        };
        for branch in [1, 2, 3] {
            let today = format!("/lessons?branch_id=alfa-{branch}&from={day}&to={day}&limit=100");
            let lobby = (8.0, 22.0);
            let desk = (8.5, 21.5);
            add(2.0, Who::Web, "screen: lobby", &today, &["lessons"], Some(Kind::Lesson), 15, lobby);
            add(5.0, Who::Web, "screen: lessons", &today, &["lessons"], Some(Kind::Lesson), 15, desk);
            let tasks = format!("/tasks?done=false&branch_id=alfa-{branch}");
            add(5.0, Who::Web, "screen: tasks", &tasks, &["tasks"], Some(Kind::Task), 60, desk);
            let paid = format!("/payments?source=alfacrm&branch_id=alfa-{branch}&from={day}&to={day}");
            add(5.0, Who::Web, "screen: payments", &paid, &["payments"], Some(Kind::Payment), 60, desk);
        }
        let board = "/projects?limit=50&sort=-id";
        add(8.0, Who::Web, "screen: sales", board, &["projects"], None, 20, (9.0, 19.0));
        let free = "/groups?limit=100";
        add(3.0, Who::Partner, "aggregators", free, &["groups"], None, 120, (0.0, 24.0));
    }

    /// A partner's warehouse asks every five minutes for what changed since it last asked.
    async fn analysts(&self) {
        let start = self.now();
        let mut since = start;
        loop {
            sleep(Duration::from_secs(300)).await;
            let now = self.now();
            if now.date() != self.hours.day || now.hour() as usize >= self.hours.to {
                return;
            }
            let stamp = format!("{since}%2B03:00");
            for (list, of, kind) in [
                ("students?stage=ALL&archived=all&", &["students"] as &[_], Kind::Student),
                ("lessons?", &["lessons"], Kind::Lesson),
                ("payments?source=alfacrm&", &["payments"], Kind::Payment),
            ] {
                let path = format!("/{list}limit=200&updated_since={stamp}");
                self.walk(Who::Partner, "analysts", &path, of, Some(kind)).await;
            }
            since = now;
        }
    }

    /// At one in the morning everything of the last month is copied.
    async fn export(&self) {
        let Some(at) = self.at(1.0) else { return };
        sleep_until(at).await;
        let day = self.hours.day;
        let days = format!(
            "from={}&to={}",
            day.checked_sub(30.days()).unwrap_or(day),
            day.checked_sub(1.days()).unwrap_or(day)
        );
        for (path, of, kind) in [
            (
                "/students?stage=ALL&archived=all&limit=200".to_owned(),
                &["students"] as &[_],
                Some(Kind::Student),
            ),
            (format!("/lessons?limit=200&{days}"), &["lessons"], Some(Kind::Lesson)),
            (format!("/payments?source=alfacrm&limit=200&{days}"), &["payments"], Some(Kind::Payment)),
            ("/groups?archived=all&limit=200".to_owned(), &["groups"], None),
            ("/projects?limit=200".to_owned(), &["projects"], None),
            ("/payments?source=cryptocrm&limit=200".to_owned(), &["payments", "projects"], None),
        ] {
            self.walk(Who::Export, "export", &path, of, kind).await;
        }
    }

    /// Reads a list to its end; gives up at the first page that is refused.
    async fn walk(
        &self,
        who: Who,
        what: &'static str,
        path: &str,
        of: &'static [&'static str],
        kind: Option<Kind>,
    ) {
        let mut next = path.to_owned();
        loop {
            let Some(body) = self.read(who, what, next, of, kind).await else { return };
            let page: Value = serde_json::from_slice(&body).unwrap_or_default();
            let Some(cursor) = page["next_cursor"].as_str() else { return };
            next = format!("{path}&cursor={cursor}");
        }
    }

    async fn read(
        &self,
        who: Who,
        what: &'static str,
        path: String,
        of: &'static [&'static str],
        kind: Option<Kind>,
    ) -> Option<Bytes> {
        self.ask(Read { who, what, path, of, kind, payments_of: None }).await
    }

    /// Of one student: where it is payments, all of them are there.
    async fn read_of(
        &self,
        who: Who,
        what: &'static str,
        path: String,
        of: &'static [&'static str],
        kind: Option<Kind>,
        pupil: &Pupil,
    ) -> Option<Bytes> {
        let payments_of = (kind == Some(Kind::Payment)).then_some(pupil.id);
        self.ask(Read { who, what, path, of, kind, payments_of }).await
    }

    // Boxed, because a visitor holds several of these at once.
    fn ask(&self, read: Read) -> impl Future<Output = Option<Bytes>> + Send + '_ {
        Box::pin(async move {
            let began = Instant::now();
            let (parts, body) = self.askers[&read.who].fetch(Method::GET, &read.path, None).await;
            self.judge.answered(&read, began, &parts, &body);
            (parts.status == StatusCode::OK).then_some(body)
        })
    }

    async fn write(&self, method: Method, path: &str, body: &Value) {
        if !self.hours.writes {
            return;
        }
        let key = format!("write-{}", self.next_key.fetch_add(1, Ordering::Relaxed));
        let asker = self.askers[&Who::Web].clone().with("idempotency-key", &key);
        let (parts, _) = asker.fetch(method, path, Some(body)).await;
        self.judge.wrote(&parts);
    }

    /// The school's time.
    fn now(&self) -> DateTime {
        let seconds = i64::try_from(self.begin.elapsed().as_secs()).unwrap_or_default();
        let opens = self.hours.day.at(i8::try_from(self.hours.from).unwrap_or_default(), 0, 0, 0);
        opens.checked_add(seconds.seconds()).unwrap_or(opens)
    }
}

fn payments(pupil: &Pupil) -> String {
    format!("/payments?student_id=alfa-{}&limit=200", pupil.id)
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
