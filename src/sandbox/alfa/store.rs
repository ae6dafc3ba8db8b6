//! The tables. Every table keeps its rows in their list order, so that a list is a walk and never a sort; a write finds
//! its place by halving.

use std::cmp::Reverse;

use jiff::civil::DateTime;

use super::cell::Cell;
use super::lag::Births;
use super::row::Row;
use super::schema::{Model, Order, SPECS};

/// One model's rows.
#[derive(Debug)]
pub(super) struct Table {
    /// The id of the first slot; ids are nearly dense, so a slot is found without a search.
    first: u64,
    slots: Vec<Option<Row>>,
    /// Ids in list order.
    order: Vec<u64>,
    next: u64,
}

impl Table {
    fn new() -> Self {
        Self { first: 1, slots: Vec::new(), order: Vec::new(), next: 1 }
    }

    /// Fills an empty table; rows come with ids in ascending order.
    pub(super) fn load(&mut self, rows: Vec<Row>) {
        let Some(head) = rows.first() else { return };
        self.first = head.id;
        for row in rows {
            self.next = row.id + 1;
            self.order.push(row.id);
            let slot = self.slot(row.id).expect("rows come with ids in ascending order");
            self.slots.resize_with(slot + 1, || None);
            self.slots[slot] = Some(row);
        }
        let mut order = std::mem::take(&mut self.order);
        order.sort_by_cached_key(|id| self.get(*id).map(key));
        self.order = order;
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Row> {
        self.slots.get(self.slot(id)?)?.as_ref()
    }

    pub(super) fn has(&self, id: u64) -> bool {
        self.get(id).is_some()
    }

    /// All rows in list order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.order.iter().filter_map(|id| self.get(*id))
    }

    /// All rows by id.
    pub(super) fn by_id(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.slots.iter().flatten()
    }

    /// Adds a row under the next free id, which it returns.
    pub(super) fn insert(&mut self, mut row: Row) -> u64 {
        let id = self.next;
        self.next += 1;
        row.id = id;
        if self.slots.is_empty() {
            self.first = id;
        }
        let slot = self.slot(id).expect("the next id is the highest");
        self.slots.resize_with(slot + 1, || None);
        self.slots[slot] = Some(row);
        self.place(id);
        id
    }

    /// Changes a row and moves it to its place in the order.
    pub(super) fn change<T>(&mut self, id: u64, change: impl FnOnce(&mut Row) -> T) -> Option<T> {
        let slot = self.slot(id)?;
        let row = self.slots.get_mut(slot)?.as_mut()?;
        let before = key(row);
        let out = change(row);
        if before != key(row) {
            self.order.retain(|other| *other != id);
            self.place(id);
        }
        Some(out)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Row> {
        let slot = self.slot(id)?;
        let row = self.slots.get_mut(slot)?.take()?;
        self.order.retain(|other| *other != id);
        Some(row)
    }

    fn slot(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.first)?).ok()
    }

    fn place(&mut self, id: u64) {
        let Some(key) = self.get(id).map(key) else { return };
        let place =
            self.order.partition_point(|other| self.get(*other).is_some_and(|row| self::key(row) < key));
        self.order.insert(place, id);
    }
}

/// What decides a row's place: date (latest first), weight, name, id.
type Key = (Reverse<Option<DateTime>>, Option<i64>, String, i64);

fn key(row: &Row) -> Key {
    let id = i64::try_from(row.id).unwrap_or(i64::MAX);
    match row.spec.order {
        Order::Id => (Reverse(None), None, String::new(), id),
        Order::Name => (Reverse(None), None, row.text("name").to_owned(), id),
        Order::Weight(column) => (Reverse(None), row.int(column), row.text("name").to_owned(), id),
        Order::Newest(column) => (Reverse(row.stamp(column)), None, String::new(), -id),
    }
}

/// All tables.
#[derive(Debug)]
pub(super) struct Store {
    tables: Vec<Table>,
    /// The last attendance row's id; they live inside lessons.
    pub(super) last_detail: u64,
    /// The rows that were created through the API.
    pub(super) births: Births,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            tables: SPECS.iter().map(|_| Table::new()).collect(),
            last_detail: 0,
            births: Births::default(),
        }
    }

    pub(super) fn table(&self, model: Model) -> &Table {
        &self.tables[model as usize]
    }

    pub(super) fn table_mut(&mut self, model: Model) -> &mut Table {
        &mut self.tables[model as usize]
    }

    pub(super) fn get(&self, model: Model, id: u64) -> Option<&Row> {
        self.table(model).get(id)
    }

    /// Sets one cell of a row, if the row is there.
    pub(super) fn set(&mut self, model: Model, id: u64, column: &str, cell: Cell) {
        self.table_mut(model).change(id, |row| row.set(column, cell));
    }

    /// The name of a row, `""` when it is not there.
    pub(super) fn name(&self, model: Model, id: u64) -> &str {
        self.get(model, id).map_or("", |row| row.text("name"))
    }
}
