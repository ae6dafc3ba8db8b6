//! Where an operation works: the tables, the time, the switches, and what it leaves behind for the log and the
//! webhooks.

use jiff::civil::DateTime;
use tokio::time::Instant;

use super::cell::Cell;
use super::row::Row;
use super::schema::Model;
use super::store::Store;
use super::switches::Switches;
use super::webhook::Event;

/// The CRM user the API acts as.
pub(super) const API_USER: u64 = 2;

/// One operation's workplace.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) store: &'a mut Store,
    pub(super) switches: &'a Switches,
    /// What the CRM's clock shows.
    pub(super) now: DateTime,
    /// The same moment, for measuring.
    pub(super) at: Instant,
    /// What happened, for webhooks.
    pub(super) events: Vec<Event>,
}

impl Desk<'_> {
    /// Whether a row is linked to this branch; without a branch, to any the user may see.
    pub(super) fn linked(&self, row: &Row, branch: Option<u64>) -> bool {
        let Some(home) = branches(&*self.store, row) else {
            return true;
        };
        match (branch, &self.switches.branches) {
            (Some(branch), _) => home.contains(&branch),
            (None, Some(permitted)) => home.iter().any(|id| permitted.contains(id)),
            (None, None) => true,
        }
    }
}

/// The branches a row belongs to; `None` when branches do not matter to it.
pub(super) fn branches(store: &Store, row: &Row) -> Option<Vec<u64>> {
    use super::schema::Link;
    let of = |model: Model, column: &str| {
        row.key(column)
            .and_then(|id| store.get(model, id))
            .map(|owner| owner.ints("branch_ids").to_vec())
            .unwrap_or_default()
    };
    match row.spec.link {
        Link::Everywhere => None,
        Link::One => Some(match row.cell("branch_id") {
            Cell::Int(_) => row.key("branch_id").into_iter().collect(),
            _ => return None,
        }),
        Link::Many => Some(row.ints("branch_ids").to_vec()),
        Link::Customer => Some(of(Model::Customer, "customer_id")),
        Link::Group => Some(of(Model::Group, "group_id")),
    }
}
