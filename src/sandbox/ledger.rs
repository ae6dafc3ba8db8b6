//! Every call a simulator received, in order, with what it answered: the referee of the quota tests.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::fault::Fault;

/// One call as the CRM saw it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When it arrived, counted from the start of the simulator.
    pub at: Duration,
    /// HTTP method.
    pub method: String,
    /// Path without the query, for example `/v2api/1/pay/index`.
    pub path: String,
    /// Query text without `?`, empty when there was none.
    pub query: String,
    /// JSON body, `Null` when there was none or it was no JSON. Credentials are replaced by `***`.
    pub body: Value,
    /// What was called, without branch and ids: `customer/index`, `projects/info`.
    pub operation: String,
    /// The status answered; 0 when the connection was dropped or the caller left before the answer.
    pub status: u16,
    /// How long the CRM's own limiter held it back.
    pub delayed: Duration,
    /// What went wrong with it.
    pub fault: Option<Fault>,
    /// The row it made, also when that was never told to anybody.
    pub made: Option<Made>,
}

/// A row that a call made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// When, counted from the start of the simulator.
    pub at: Duration,
    /// What it is, as the CRM's log names it: `Pay`.
    pub entity: String,
    /// Its id.
    pub id: u64,
}

/// The list of calls. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Ledger {
    started: Instant,
    entries: Mutex<Vec<Entry>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { started: Instant::now(), entries: Mutex::default() }
    }
}

impl Ledger {
    /// Notes an arriving call and returns its number, for [`Ledger::answered`]. `entry.at` is set here.
    pub fn received(&self, mut entry: Entry) -> usize {
        entry.at = self.started.elapsed();
        let mut entries = self.lock();
        entries.push(entry);
        entries.len() - 1
    }

    /// Notes what call `number` was answered.
    pub fn answered(&self, number: usize, status: u16, delayed: Duration) {
        if let Some(entry) = self.lock().get_mut(number) {
            entry.status = status;
            entry.delayed = delayed;
        }
    }

    /// Notes what goes wrong with call `number`.
    pub fn struck(&self, number: usize, fault: Fault) {
        if let Some(entry) = self.lock().get_mut(number) {
            entry.fault = Some(fault);
        }
    }

    /// Notes the row that call `number` makes now.
    pub fn made(&self, number: usize, entity: &str, id: u64) {
        let made = Made { at: self.started.elapsed(), entity: entity.to_owned(), id };
        if let Some(entry) = self.lock().get_mut(number) {
            entry.made = Some(made);
        }
    }

    /// The call that made a row: `maker("Pay", 7)`. None for rows that were there from the start.
    pub fn maker(&self, entity: &str, id: u64) -> Option<Entry> {
        let made =
            |entry: &&Entry| entry.made.as_ref().is_some_and(|made| made.entity == entity && made.id == id);
        self.lock().iter().find(made).cloned()
    }

    /// A copy of all calls so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// How many calls so far.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no call was received yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many calls were answered with this status.
    pub fn count_status(&self, status: u16) -> usize {
        self.lock().iter().filter(|entry| entry.status == status).count()
    }

    /// How many calls of this operation were received.
    pub fn count_operation(&self, operation: &str) -> usize {
        self.lock().iter().filter(|entry| entry.operation == operation).count()
    }

    /// Forgets all calls; numbers given out before are void.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().expect("no code panics while it holds the ledger")
    }
}
