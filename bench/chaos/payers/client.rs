//! One payer. He sends his request with its key until it is answered, again after `Retry-After`, asks for the operation
//! that he is sent to, and writes down what he was told and what he was told against the contract.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::Progress;
use super::orders::{Habit, Order};

/// Until something that was lost is sent again.
const LOST: Duration = Duration::from_millis(100);
/// Until it is asked again where no `Retry-After` says when.
const SOON: Duration = Duration::from_millis(500);

/// A request of a payer.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) body: Option<&'a Value>,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) location: Option<String>,
    pub(crate) replayed: bool,
    pub(crate) json: Value,
}

/// The way to the gateway.
pub(crate) trait Door {
    /// Nothing when there was no connection, or it broke, or no answer came in time.
    async fn send(&self, request: Request<'_>) -> Option<Answer>;
}

/// What a payer knows of his payment in the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    /// It was made and is this record.
    Made(String),
    /// It was not made, by this code.
    Failed(String),
    /// Somebody must look.
    NeedsReview,
    /// Nothing until the end.
    Nothing,
}

/// What became of an order, as its payer saw it.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) order: Order,
    pub(crate) told: Told,
    pub(crate) begun: Instant,
    pub(crate) decided: Instant,
    /// The operation that he was sent to.
    pub(crate) operation: Option<String>,
    pub(crate) requests: usize,
    /// Requests without an answer.
    pub(crate) lost: usize,
    /// The last answer that decided nothing.
    pub(crate) last: Option<Answer>,
    /// What he was told against the contract.
    pub(crate) wrong: Vec<String>,
}

/// Pays one order. Ends with what was told, or when there is no more time.
pub(crate) async fn pay(door: &impl Door, order: &Order, progress: &Progress) -> Story {
    let begun = Instant::now();
    let mut story = Story {
        order: order.clone(),
        told: Told::Nothing,
        begun,
        decided: begun,
        operation: None,
        requests: 0,
        lost: 0,
        last: None,
        wrong: Vec::new(),
    };
    while story.told == Told::Nothing && !progress.is_closed() {
        let answer = match order.habit {
            Habit::Twin if story.requests == 0 => story.post_twice(door).await,
            Habit::Impatient(time) if story.requests == 0 => {
                timeout(time, story.post(door, &order.body)).await.unwrap_or_else(|_| {
                    story.lost += 1;
                    None
                })
            }
            _ => story.post(door, &order.body).await,
        };
        story.hear(door, answer, progress).await;
    }
    story.decided = Instant::now();
    if order.habit == Habit::Careless && matches!(story.told, Told::Made(_)) {
        story.misuse(door, progress).await;
    }
    story
}

/// Asks once more for what was decided, for instance after a restart: it must still be so. A key that failed may be free
/// again, so that one is left alone.
pub(crate) async fn ask_again(door: &impl Door, story: &mut Story, progress: &Progress) {
    let before = story.told.clone();
    let again = match &before {
        Told::Made(_) => {
            let body = story.order.body.clone();
            story.until_answered(progress, async |story| story.post(door, &body).await).await
        }
        Told::NeedsReview => {
            let Some(path) = story.operation.clone() else { return };
            story.until_answered(progress, async |story| story.get(door, &path).await).await
        }
        Told::Failed(_) | Told::Nothing => return,
    };
    let Some(again) = again else {
        story.wrong.push("was not answered once more".to_owned());
        return;
    };
    if before == Told::NeedsReview {
        if again.json["status"] != "NEEDS_REVIEW" {
            story
                .wrong
                .push(format!("needed review, and later was {} {}", again.status, again.json["status"]));
        }
        return;
    }
    if !again.replayed {
        story.wrong.push(format!("a repeated request got {} that is not marked as a replay", again.status));
    }
    story.told = Told::Nothing;
    story.hear(door, Some(again), progress).await;
    if story.told != before {
        story.wrong.push(format!("was told {before:?}, and later {:?}", story.told));
        story.told = before;
    }
}

impl Story {
    async fn post(&mut self, door: &impl Door, body: &Value) -> Option<Answer> {
        self.requests += 1;
        let key = Some(self.order.key.as_str());
        let request = Request { method: Method::POST, path: "/payments", key, body: Some(body) };
        let answer = door.send(request).await;
        self.lost += usize::from(answer.is_none());
        answer
    }

    async fn get(&mut self, door: &impl Door, path: &str) -> Option<Answer> {
        self.requests += 1;
        let answer = door.send(Request { method: Method::GET, path, key: None, body: None }).await;
        self.lost += usize::from(answer.is_none());
        answer
    }

    /// Two at the same time. One may be told that the other is running; what both are told must be the same.
    async fn post_twice(&mut self, door: &impl Door) -> Option<Answer> {
        self.requests += 2;
        let send = || {
            let key = Some(self.order.key.as_str());
            door.send(Request { method: Method::POST, path: "/payments", key, body: Some(&self.order.body) })
        };
        let (one, two) = futures_util::future::join(send(), send()).await;
        self.lost += usize::from(one.is_none()) + usize::from(two.is_none());
        if let (Some(one), Some(two)) = (&one, &two) {
            let both = one.status == two.status;
            let differ = match one.status {
                201 => one.json["id"] != two.json["id"],
                202 => one.location != two.location,
                _ => false,
            };
            if both && differ {
                self.wrong.push("twins were told different things".to_owned());
            }
        }
        let good = |answer: &Option<Answer>| answer.as_ref().is_some_and(|answer| answer.status < 300);
        // Each of them counts, so whoever was refused for good is not hidden behind the other.
        match (good(&one), good(&two)) {
            (true, false) => {
                self.refused_twin(two.as_ref());
                one
            }
            (false, true) => {
                self.refused_twin(one.as_ref());
                two
            }
            _ => one.or(two),
        }
    }

    fn refused_twin(&mut self, twin: Option<&Answer>) {
        if let Some(twin) = twin.filter(|twin| !for_now(twin.status)) {
            self.wrong.push(format!("a twin got {} {}", twin.status, twin.json["code"]));
        }
    }

    /// Takes an answer to the payment: either it decides, or the time until the next attempt passes here.
    async fn hear(&mut self, door: &impl Door, answer: Option<Answer>, progress: &Progress) {
        let Some(answer) = answer else { return sleep(LOST).await };
        match answer.status {
            201 => self.made(&answer.json),
            202 => match answer.location.as_deref().and_then(operation_in) {
                Some(path) => {
                    self.follow(door, &path, progress).await;
                    self.operation = Some(path);
                }
                None => {
                    self.wrong.push(format!("202 with the location {:?}", answer.location));
                    sleep(SOON).await;
                }
            },
            status if for_now(status) => {
                let wait = answer.retry_after.unwrap_or(SOON);
                self.last = Some(answer);
                sleep(wait).await;
            }
            _ => {
                self.told = Told::Failed(format!("{} {}", answer.status, answer.json["code"]));
                self.last = Some(answer);
            }
        }
    }

    /// Asks for an operation until it is decided.
    async fn follow(&mut self, door: &impl Door, path: &str, progress: &Progress) {
        while !progress.is_closed() {
            let Some(answer) = self.get(door, path).await else {
                sleep(LOST).await;
                continue;
            };
            let (status, json) = (answer.status, &answer.json);
            let wait = answer.retry_after.unwrap_or(SOON);
            match (status, json["status"].as_str()) {
                (200, Some("PENDING")) => {}
                (200, Some("SUCCEEDED")) => return self.made(&json["record"]),
                (200, Some("FAILED")) => {
                    if json["problem"]["code"].is_null() {
                        self.wrong.push("an operation failed without a problem".to_owned());
                    }
                    self.told = Told::Failed(json["problem"]["code"].to_string());
                    self.last = Some(answer);
                    return;
                }
                (200, Some("NEEDS_REVIEW")) => {
                    if json["evidence"].is_null() {
                        self.wrong.push("a review is asked for without evidence".to_owned());
                    }
                    self.told = Told::NeedsReview;
                    self.last = Some(answer);
                    return;
                }
                (429 | 500.., _) => {}
                (404, _) => {
                    self.wrong.push(format!("{path} was promised and is not there"));
                    return sleep(SOON).await;
                }
                (_, state) => {
                    self.wrong.push(format!("{path} got {status} {state:?}"));
                    return sleep(SOON).await;
                }
            }
            self.last = Some(answer);
            sleep(wait).await;
        }
    }

    fn made(&mut self, record: &Value) {
        let Some(id) = record["id"].as_str() else {
            self.wrong.push(format!("was made, but the record has the id {}", record["id"]));
            return;
        };
        let order = &self.order;
        let student = format!("alfa-{}", order.student);
        if record["amount"]["amount"] != order.amount() || record["student_id"] != student {
            self.wrong.push(format!("another payment was shown: {id} of {}", record["amount"]["amount"]));
        }
        self.told = Told::Made(id.to_owned());
    }

    /// The key for another request, which must be refused.
    async fn misuse(&mut self, door: &impl Door, progress: &Progress) {
        let other = self.order.other_body();
        let refused = self.until_answered(progress, async |story| story.post(door, &other).await).await;
        let Some(refused) = refused else { return };
        if (refused.status, refused.json["code"].as_str()) != (422, Some("idempotency_mismatch")) {
            let wrong =
                format!("the key for another request got {} {}", refused.status, refused.json["code"]);
            self.wrong.push(wrong);
        }
    }

    async fn until_answered(
        &mut self,
        progress: &Progress,
        send: impl AsyncFn(&mut Self) -> Option<Answer>,
    ) -> Option<Answer> {
        while !progress.is_closed() {
            match send(self).await {
                None => sleep(LOST).await,
                Some(answer) if for_now(answer.status) => sleep(answer.retry_after.unwrap_or(SOON)).await,
                Some(answer) => return Some(answer),
            }
        }
        None
    }
}

/// Whether a status says nothing about what will be.
fn for_now(status: u16) -> bool {
    matches!(status, 409 | 429 | 500..)
}

/// The path of an operation in a location, which may be a whole address.
fn operation_in(location: &str) -> Option<String> {
    let at = location.find("/operations/")?;
    Some(location[at..].to_owned())
}
