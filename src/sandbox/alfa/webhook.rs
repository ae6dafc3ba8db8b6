//! The CRM's webhooks: what writes report, in the shape a trigger sends it. Events are kept for tests and, when there
//! are targets, posted one after another by a task of their own, so that a slow receiver never holds a write up. At
//! most once: nothing is repeated, whatever the receiver answers.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use jiff::civil::DateTime;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::dates;
use super::history::map_or_list;
use super::switches::{Switches, WebhookDelivery};

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What happens within this time can arrive in reverse when the switch says so.
const SHUFFLE: Duration = Duration::from_millis(50);

/// Something a write did.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) branch: Option<u64>,
    pub(super) event: &'static str,
    pub(super) entity: &'static str,
    pub(super) id: u64,
    pub(super) old: Map<String, Value>,
    pub(super) new: Map<String, Value>,
    pub(super) user: u64,
    pub(super) at: DateTime,
}

impl Event {
    /// The body of the webhook.
    fn payload(&self, switches: &Switches) -> Value {
        let mut map = Map::new();
        if let Some(branch) = self.branch {
            map.insert("branch_id".to_owned(), json!(branch));
        }
        map.insert("event".to_owned(), json!(self.event));
        map.insert("entity".to_owned(), json!(self.entity));
        map.insert("entity_id".to_owned(), json!(self.id));
        map.insert("fields_old".to_owned(), map_or_list(&self.old));
        map.insert("fields_new".to_owned(), map_or_list(&self.new));
        if switches.webhook_fields_rel {
            map.insert("fields_rel".to_owned(), json!([]));
        }
        map.insert("user_id".to_owned(), json!(self.user));
        map.insert("datetime".to_owned(), json!(dates::stamp(self.at)));
        Value::Object(map)
    }
}

/// A post to make.
#[derive(Debug)]
struct Post {
    targets: Vec<String>,
    body: String,
    delivery: WebhookDelivery,
}

/// Targets and what was fired.
#[derive(Debug, Default)]
pub(super) struct Webhooks {
    targets: Mutex<Vec<String>>,
    fired: Mutex<Vec<Value>>,
    /// The task that posts lives as long as this sender.
    line: Mutex<Option<UnboundedSender<Post>>>,
}

impl Webhooks {
    /// Sets where to post: `http://127.0.0.1:PORT/path`.
    pub(super) fn aim(&self, targets: Vec<String>) {
        *lock(&self.targets) = targets;
    }

    /// The payloads of everything that happened, sent or not.
    pub(super) fn fired(&self) -> Vec<Value> {
        lock(&self.fired).clone()
    }

    pub(super) fn fire(&self, events: &[Event], switches: &Switches) {
        let targets = lock(&self.targets).clone();
        for event in events {
            let payload = event.payload(switches);
            let number = {
                let mut fired = lock(&self.fired);
                fired.push(payload.clone());
                fired.len()
            };
            let lost = switches.webhook_delivery == WebhookDelivery::Drop && number % 2 == 0;
            if targets.is_empty() || lost {
                continue;
            }
            let post = Post {
                targets: targets.clone(),
                body: payload.to_string(),
                delivery: switches.webhook_delivery,
            };
            // The task may have ended with the runtime it lived in; then a new one takes over.
            let mut line = lock(&self.line);
            let post = match line.as_ref().map(|line| line.send(post)) {
                Some(Ok(())) => continue,
                Some(Err(refused)) => refused.0,
                None => Post {
                    targets: targets.clone(),
                    body: payload.to_string(),
                    delivery: switches.webhook_delivery,
                },
            };
            let (sender, receiver) = unbounded_channel();
            tokio::spawn(carry(receiver));
            if sender.send(post).is_ok() {
                *line = Some(sender);
            }
        }
    }
}

/// Posts what comes down the line, in order or as the switch says.
async fn carry(mut line: UnboundedReceiver<Post>) {
    while let Some(first) = line.recv().await {
        let mut batch = vec![first];
        if batch[0].delivery == WebhookDelivery::Reorder {
            while let Ok(Some(next)) = timeout(SHUFFLE, line.recv()).await {
                batch.push(next);
            }
            batch.reverse();
        }
        for post in batch {
            let times = if post.delivery == WebhookDelivery::Duplicates { 2 } else { 1 };
            for target in &post.targets {
                for _ in 0..times {
                    // At most once: a receiver that fails has missed it.
                    let _ = timeout(PATIENCE, send(target, &post)).await;
                }
            }
        }
    }
}

/// One HTTP/1.1 POST; the answer is read and ignored.
async fn send(target: &str, post: &Post) -> io::Result<()> {
    let rest = target
        .strip_prefix("http://")
        .ok_or_else(|| io::Error::other("a webhook target begins with http://"))?;
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let kind = match post.delivery {
        WebhookDelivery::FormContentType => "application/x-www-form-urlencoded",
        _ => "application/json",
    };
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: alfacrm\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        post.body.len(),
        post.body
    );
    let stream = TcpStream::connect(host).await?;
    let mut left = request.as_bytes();
    while !left.is_empty() {
        stream.writable().await?;
        match stream.try_write(left) {
            Ok(count) => left = &left[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let mut answer = [0; 1024];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut answer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no code panics while it holds the webhooks")
}
