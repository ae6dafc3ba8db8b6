//! Who reads and writes: somebody asks for a student, some much more often than others, or for a list; somebody changes a note
//! or adds a task. All of them take what they get, look at it, and ask on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::payers::client::{Answer, Door, Request};
use crate::payers::gateway::Gateway;
use crate::school::{School, some};

/// How unequal students are: Zipf's exponent.
const POWER: f64 = 0.99;

/// What the crowd was told.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    /// Answers of each status.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Mistakes of the gateway's own.
    pub(crate) internal: usize,
    /// Requests without an answer.
    pub(crate) lost: usize,
    /// Seconds that each read took.
    pub(crate) waits: Vec<f64>,
}

impl Tally {
    fn hear(&mut self, answer: Option<&Answer>) {
        let Some(answer) = answer else {
            self.lost += 1;
            return;
        };
        *self.statuses.entry(answer.status).or_default() += 1;
        if answer.json["code"] == "internal" {
            self.internal += 1;
            eprintln!("internal: {}", answer.json);
        }
    }
}

/// Reads until `end`, about once in a second.
pub(crate) async fn read(
    gateway: &Gateway,
    school: &School,
    tally: &RefCell<Tally>,
    mut dice: StdRng,
    end: Instant,
) {
    while pause(&mut dice, 1.0, end).await {
        let path = question(school, &mut dice);
        let begin = Instant::now();
        let answer = gateway.send(Request { method: Method::GET, path: &path, key: None, body: None }).await;
        let mut tally = tally.borrow_mut();
        tally.reads += 1;
        tally.waits.push(begin.elapsed().as_secs_f64());
        tally.hear(answer.as_ref());
    }
}

fn question(school: &School, dice: &mut StdRng) -> String {
    let pupil = school.somebody(dice.random(), POWER);
    let (id, branch) = (pupil.id, pupil.branch);
    match dice.random_range(0..100) {
        0..45 => format!("/students/alfa-{id}"),
        45..55 => format!("/students/alfa-{id}/subscriptions"),
        55..62 => format!("/students/alfa-{id}/overview"),
        62..70 => format!("/payments?student_id=alfa-{id}&limit=20"),
        70..76 => format!("/lessons?branch_id=alfa-{branch}&student_id=alfa-{id}&limit=20"),
        76..82 => format!("/students?branch_id=alfa-{branch}&limit=50&expand=teachers"),
        82..86 => "/groups?limit=50".to_owned(),
        86..88 => format!("/students?contact={}", pupil.phone.replace('+', "%2B")),
        88..90 => "/tasks?done=false&limit=50".to_owned(),
        90..95 => format!("/projects/crypto-{}", some(&school.projects, dice.random(), POWER)),
        95..98 => "/projects?limit=50".to_owned(),
        _ => "/reference/subjects".to_owned(),
    }
}

/// Writes until `end`, each kind of write about once in ten seconds.
pub(crate) async fn write(
    gateway: &Gateway,
    school: &School,
    tally: &RefCell<Tally>,
    mut dice: StdRng,
    end: Instant,
) {
    let mut number = 0;
    while pause(&mut dice, 5.0, end).await {
        number += 1;
        let pupil = school.somebody(dice.random(), POWER);
        let (method, path, body) = change(pupil.id, pupil.branch, number, &mut dice);
        let key = format!("soak-{number}");
        let request = Request { method, path: &path, key: Some(&key), body: Some(&body) };
        let answer = gateway.send(request).await;
        let mut tally = tally.borrow_mut();
        tally.writes += 1;
        tally.hear(answer.as_ref());
    }
}

fn change(student: u64, branch: u64, number: usize, dice: &mut StdRng) -> (Method, String, Value) {
    if dice.random_bool(0.5) {
        let note = json!({"note": format!("Заметка {number}")});
        return (Method::PATCH, format!("/students/alfa-{student}"), note);
    }
    let task = json!({
        "title": format!("Позвонить {number}"),
        "student_ids": [format!("alfa-{student}")],
        "branch_ids": [format!("alfa-{branch}")],
    });
    (Method::POST, "/tasks".to_owned(), task)
}

/// Waits for so many seconds on average. Whether there is time for another request.
pub(crate) async fn pause(dice: &mut StdRng, seconds: f64, end: Instant) -> bool {
    let wait = -(1.0 - dice.random::<f64>()).ln() * seconds;
    let until = Instant::now() + Duration::from_secs_f64(wait);
    sleep_until(until.min(end)).await;
    until < end
}
