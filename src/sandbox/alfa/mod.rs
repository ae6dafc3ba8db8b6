//! A simulator of AlfaCRM's REST API (`/v2api`): every model and action anybody documented, with its default filters,
//! its date formats, its quota and its habits. Where the accounts or the years differ, [`Switches`] chooses.
//!
//! ```
//! use crm_gateway::sandbox::alfa::{Crm, Switches};
//! use crm_gateway::sandbox::clock::Clock;
//! use crm_gateway::sandbox::world::Options;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
//! # let _guard = runtime.enter();
//! let options = Options { students: 20, ..Options::default() };
//! let crm = Crm::new(&options, Switches::default(), Clock::starting_at(options.now));
//! crm.switches(|switches| switches.validation_status = 200);
//! crm.set_quota(50.0);
//! let router = crm.router();
//! # let _ = router;
//! ```
//!
//! All callers count as one address for the quota, which is how integrations behind one gateway look to the CRM.

mod accounts;
mod actions;
mod auth;
mod call;
mod cell;
mod dates;
mod desk;
mod detail;
mod dispatch;
mod errors;
mod fill;
mod filter;
mod history;
mod lag;
mod limiter;
mod list;
mod misbehave;
mod models;
mod row;
mod schema;
mod store;
mod switches;
#[cfg(test)]
mod tests;
mod webhook;
mod write;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use serde_json::{Map, Value};
use tokio::time::Instant;

pub use self::switches::{
    Body429, Credentials, Language, LessonDetails, Limiter, PastEnd, RegularDay, Switches, TeacherIds,
    WebhookDelivery,
};
use crate::sandbox::clock::Clock;
use crate::sandbox::fault::Faults;
use crate::sandbox::ledger::Ledger;
use crate::sandbox::world::{Options, World};

/// The simulated CRM. Clones share everything.
#[derive(Debug, Clone)]
pub struct Crm {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Mutex<store::Store>,
    switches: Mutex<Switches>,
    tokens: Mutex<auth::Tokens>,
    bucket: Mutex<limiter::Bucket>,
    clock: Arc<Clock>,
    ledger: Ledger,
    faults: Faults,
    hooks: webhook::Webhooks,
}

impl Crm {
    /// A CRM filled with the world that `options` make. `clock` should show `options.now`.
    pub fn new(options: &Options, switches: Switches, clock: impl Into<Arc<Clock>>) -> Self {
        let mut store = store::Store::new();
        fill::fill(&mut store, World::generate(options), options.now);
        Self {
            inner: Arc::new(Inner {
                store: Mutex::new(store),
                switches: Mutex::new(switches),
                tokens: Mutex::new(auth::Tokens::new(options.seed)),
                bucket: Mutex::default(),
                clock: clock.into(),
                ledger: Ledger::default(),
                faults: Faults::default(),
                hooks: webhook::Webhooks::default(),
            }),
        }
    }

    /// The API, to be mounted or served by [`Server`](crate::sandbox::server::Server).
    pub fn router(&self) -> Router {
        let crm = self.clone();
        Router::new().fallback(move |request: Request| dispatch::serve(crm.clone(), request))
    }

    /// Every call received.
    pub fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    /// What goes wrong, by operation: `customer/index`, `auth/login`, `calendar/group`.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// The CRM's local time.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Changes switches from the next call on.
    pub fn switches(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut lock(&self.inner.switches));
    }

    /// Makes all tokens bad, as a restart of the CRM does.
    pub fn expire_tokens(&self) {
        self.tokens().expire();
    }

    /// Sets the quota in calls per second.
    pub fn set_quota(&self, rate: f64) {
        self.switches(|switches| switches.rate = rate);
    }

    /// Where webhooks go: `http://127.0.0.1:PORT/path`. None by default.
    pub fn set_webhooks(&self, targets: Vec<String>) {
        self.inner.hooks.aim(targets);
    }

    /// The payloads of all webhooks that writes caused, whether or not there was a target.
    pub fn fired(&self) -> Vec<Value> {
        self.inner.hooks.fired()
    }

    /// One row with everything on it, also what the API hides. `model` is the name in paths; `teacher-rate` and
    /// `working-hour` are models here.
    pub fn row(&self, model: &str, id: u64) -> Option<Value> {
        let store = self.store();
        let row = store.get(schema::Model::named(model)?, id)?;
        Some(Value::Object(row.json(true)))
    }

    /// All rows of a model in list order, archived ones too.
    pub fn rows(&self, model: &str) -> Vec<Value> {
        let store = self.store();
        schema::Model::named(model)
            .into_iter()
            .flat_map(|model| store.table(model).iter())
            .map(|row| Value::Object(row.json(true)))
            .collect()
    }

    /// The row at a place in their order, from 0.
    pub fn row_at(&self, model: &str, at: usize) -> Option<Value> {
        let store = self.store();
        let row = store.table(schema::Model::named(model)?).iter().nth(at)?;
        Some(Value::Object(row.json(true)))
    }

    /// How many rows a model has.
    pub fn count(&self, model: &str) -> usize {
        schema::Model::named(model).map_or(0, |model| self.store().table(model).len())
    }

    /// Changes a row behind everybody's back: no rule, no log entry, no webhook. Values may have any format a row
    /// shows; unknown keys are kept. `updated_at` is set unless the patch names it. False when there is no such row.
    pub fn update_row(&self, model: &str, id: u64, patch: &Value) -> bool {
        let now = self.inner.clock.now();
        let (Some(model), Some(patch)) = (schema::Model::named(model), patch.as_object()) else {
            return false;
        };
        let change = |row: &mut row::Row| {
            if row.spec.find("updated_at").is_some() {
                row.set("updated_at", now.into());
            }
            row.patch(patch);
        };
        self.store().table_mut(model).change(id, change).is_some()
    }

    /// Adds a row behind everybody's back and returns its id. What `row` does not name is as on a fresh row.
    ///
    /// # Panics
    ///
    /// When there is no such model.
    pub fn insert_row(&self, model: &str, row: &Value) -> u64 {
        let model = schema::Model::named(model).expect("the test names a model that exists");
        let now = self.inner.clock.now();
        let empty = Map::new();
        let mut fresh = row::Row::blank(model.spec());
        for column in ["created_at", "updated_at", "b_date", "added"] {
            let stamp = |place: usize| fresh.spec.columns[place].kind == schema::Kind::Stamp;
            if fresh.spec.find(column).is_some_and(stamp) {
                fresh.set(column, now.into());
            }
        }
        if fresh.spec.find("e_date").is_some() {
            fresh.set("e_date", dates::SENTINEL.into());
        }
        fresh.patch(row.as_object().unwrap_or(&empty));
        self.store().table_mut(model).insert(fresh)
    }

    /// Removes a row behind everybody's back; what points at it stays. False when there is no such row.
    pub fn delete_row(&self, model: &str, id: u64) -> bool {
        schema::Model::named(model).is_some_and(|model| self.store().table_mut(model).remove(id).is_some())
    }

    fn current(&self) -> Switches {
        lock(&self.inner.switches).clone()
    }

    fn store(&self) -> MutexGuard<'_, store::Store> {
        lock(&self.inner.store)
    }

    fn tokens(&self) -> MutexGuard<'_, auth::Tokens> {
        lock(&self.inner.tokens)
    }

    /// Asks the quota: how long to wait, or a 429.
    fn admit(&self, switches: &Switches) -> Option<Duration> {
        lock(&self.inner.bucket).arrive(Instant::now(), switches)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no code panics while it holds a part of the CRM")
}
