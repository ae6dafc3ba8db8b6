//! What the filter needs to know about a project's records without reading them: with ten thousand projects the records
//! themselves are made only when somebody looks.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::shape::{text_of, uint_of};
use super::table::Table;

/// A project's records in short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Profile {
    /// How many records of each kind, in the order of [`Table::OF_A_PROJECT`].
    counts: [usize; Table::OF_A_PROJECT.len()],
    /// Types of its events, ascending, each once.
    pub(super) action_types: Vec<u64>,
    /// Its goods, ascending, each once.
    pub(super) goods: Vec<u64>,
    /// The earliest deadline of an item that is not done.
    pub(super) open_deadline: Option<Date>,
}

impl Profile {
    /// How many records of a kind it has.
    pub(super) fn count(&self, table: Table) -> usize {
        position(table).map_or(0, |at| self.counts[at])
    }

    /// Notes how many records of a kind it has.
    pub(super) fn set_count(&mut self, table: Table, count: usize) {
        if let Some(at) = position(table) {
            self.counts[at] = count;
        }
    }

    /// Whether an item is overdue today: not done, with a deadline before today (assumption A19).
    pub(super) fn is_overdue(&self, today: Date) -> bool {
        self.open_deadline.is_some_and(|deadline| deadline < today)
    }

    /// Notes an item that is not done.
    pub(super) fn open_item(&mut self, deadline: Date) {
        self.open_deadline = Some(self.open_deadline.map_or(deadline, |earlier| earlier.min(deadline)));
    }

    /// Reads the rows of one kind anew after they have changed.
    pub(super) fn read(&mut self, table: Table, rows: &[Map<String, Value>]) {
        self.set_count(table, rows.len());
        match table {
            Table::Actions => self.action_types = distinct(rows, "actions_type_id"),
            Table::Goods => self.goods = distinct(rows, "good_id"),
            Table::Checklists => {
                self.open_deadline = None;
                for deadline in rows.iter().flat_map(open_deadlines) {
                    self.open_item(deadline);
                }
            }
            Table::Projects | Table::Steps | Table::Payments | Table::Tasks => {}
        }
    }
}

fn position(table: Table) -> Option<usize> {
    Table::OF_A_PROJECT.iter().position(|known| *known == table)
}

fn distinct(rows: &[Map<String, Value>], field: &str) -> Vec<u64> {
    sorted(rows.iter().filter_map(|row| uint_of(row.get(field)?)).collect())
}

/// Ascending, each once.
pub(super) fn sorted(mut ids: Vec<u64>) -> Vec<u64> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn open_deadlines(checklist: &Map<String, Value>) -> Vec<Date> {
    let items = checklist.get("items").and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .filter(|item| text_of(&item["done"]) != "1")
        .filter_map(|item| day_of(&item["deadline"]))
        .collect()
}

/// The day of an SQL date or date-time.
pub(super) fn day_of(value: &Value) -> Option<Date> {
    value.as_str()?.get(..10)?.parse().ok()
}
