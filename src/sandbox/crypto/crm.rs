//! The handle on a simulated CRM: serve it, watch it, break it, change its data and its habits. Clones are the same CRM.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::time::Instant;

use super::access::Access;
use super::dataset::{Dataset, Options};
use super::dispatch;
use super::store::{BadRecord, Store};
use super::switches::Switches;
use super::table::Table;
use crate::sandbox::clock::Clock;
use crate::sandbox::fault::Faults;
use crate::sandbox::ledger::Ledger;

/// A simulated Crypto CRM.
#[derive(Debug, Clone)]
pub struct Crm(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: Access,
    clock: Arc<Clock>,
    ledger: Ledger,
    faults: Faults,
    dictionaries: Value,
    switches: Mutex<Switches>,
    store: Mutex<Store>,
    /// When the calls of the last second arrived.
    recent: Mutex<VecDeque<Instant>>,
}

impl Crm {
    /// A CRM with generated data. `options.now` is where the data ends; the clock is the caller's.
    pub fn new(options: Options, switches: Switches, clock: Arc<Clock>) -> Self {
        let dataset = Dataset::generate(&options);
        Self::with_dataset(dataset, options.access, switches, clock)
    }

    /// A CRM with this data.
    pub fn with_dataset(dataset: Dataset, access: Access, switches: Switches, clock: Arc<Clock>) -> Self {
        Self(Arc::new(Inner {
            access,
            clock,
            ledger: Ledger::default(),
            faults: Faults::default(),
            dictionaries: dataset.dictionaries,
            switches: Mutex::new(switches),
            store: Mutex::new(dataset.store),
            recent: Mutex::default(),
        }))
    }

    /// The CRM of the reference's fixtures: their six projects, their credentials, their clock.
    pub fn fixture(switches: Switches) -> Self {
        let access = Access { credentials: Dataset::fixture_credentials(), ..Access::default() };
        let clock = Arc::new(Clock::starting_at(Dataset::fixture_clock()));
        Self::with_dataset(Dataset::fixture(), access, switches, clock)
    }

    /// The nine endpoints. Serve it with [`crate::sandbox::server::Server`], which can hang up as the faults want.
    pub fn router(&self) -> Router {
        Router::new().fallback(dispatch::receive).with_state(self.clone())
    }

    /// Every call so far, rejected ones too.
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// What is to go wrong.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The CRM's local time.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Base path and credentials.
    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// The names behind the ids: `users`, `groups`, `sales_funnels`, `steps`, `currencies`, `action_types`, `goods`,
    /// `clients`, each an object by id. The CRM has no endpoint for them, so consumers configure them by hand.
    pub fn dictionaries(&self) -> &Value {
        &self.0.dictionaries
    }

    /// Looks at the switches or changes them; the next call sees the change.
    pub fn switches<R>(&self, change: impl FnOnce(&mut Switches) -> R) -> R {
        change(&mut self.0.switches.lock().expect("a switch is changed without panicking"))
    }

    /// A record in canonical form.
    pub fn get(&self, table: Table, id: u64) -> Option<Value> {
        self.store().get(table, id).map(Value::Object)
    }

    /// The ids of all projects, deleted ones too, ascending.
    pub fn project_ids(&self) -> Vec<u64> {
        self.store().projects().map(|(id, _, _)| id).collect()
    }

    /// All projects in canonical form, deleted ones too, by id.
    pub fn projects(&self) -> Vec<Value> {
        let store = self.store();
        let projects = store.projects();
        projects.map(|(_, project, _)| Value::Object(project.clone())).collect()
    }

    /// The rows of one kind that belong to a project, in canonical form, by id.
    pub fn rows(&self, table: Table, project: u64) -> Vec<Value> {
        let store = self.store();
        let rows = store.rows(table, project);
        rows.iter().map(|row| Value::Object(row.clone())).collect()
    }

    /// How many records of a kind there are, with those of deleted projects.
    pub fn count(&self, table: Table) -> usize {
        self.store().count(table)
    }

    /// Adds a record, or replaces the one with its `id`. Without an `id` it gets a new one, which is returned. Records
    /// other than projects need the `project_id` of an existing project.
    pub fn insert(&self, table: Table, record: Value) -> Result<u64, BadRecord> {
        self.store().insert(table, record)
    }

    /// Overwrites fields of a record, `data` field by field; `{"deleted": "1"}` moves a project to the deleted ones.
    /// False when there is no such record or `changes` is no object.
    pub fn update(&self, table: Table, id: u64, changes: &Value) -> bool {
        match changes {
            Value::Object(changes) => self.store().update(table, id, changes),
            _ => false,
        }
    }

    /// Removes a record for good, a project with all that belongs to it. False when there is none.
    pub fn delete(&self, table: Table, id: u64) -> bool {
        self.store().delete(table, id)
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().expect("no code panics while it holds the records")
    }

    /// Whether a call that arrives now is within a quota of so many per second. Refused calls do not count.
    pub(super) fn admits(&self, quota: u32) -> bool {
        let now = Instant::now();
        let mut recent = self.0.recent.lock().expect("no code panics while it counts calls");
        while recent.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1)) {
            recent.pop_front();
        }
        let admitted = recent.len() < usize::try_from(quota).unwrap_or(usize::MAX);
        if admitted {
            recent.push_back(now);
        }
        admitted
    }
}
