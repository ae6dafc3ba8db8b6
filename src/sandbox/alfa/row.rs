//! One row: cells in the order of the model's columns, read by name, printed as the API shows it.

use jiff::civil::{Date, DateTime};
use serde_json::{Map, Value, json};

use super::cell::Cell;
use super::detail::Detail;
use super::schema::{Column, Kind, Spec};

/// A row of a table. Its cells stand in the order of the model's columns.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) spec: &'static Spec,
    pub(super) cells: Vec<Cell>,
    /// Keys the model does not name, set behind the API's back.
    pub(super) extra: Map<String, Value>,
}

impl Row {
    /// A fresh row without an id.
    pub(super) fn blank(spec: &'static Spec) -> Self {
        Self { id: 0, spec, cells: spec.columns.iter().map(Column::blank).collect(), extra: Map::new() }
    }

    pub(super) fn cell(&self, name: &str) -> &Cell {
        &self.cells[self.spec.at(name)]
    }

    pub(super) fn set(&mut self, name: &str, cell: Cell) {
        let place = self.spec.at(name);
        self.cells[place] = cell;
    }

    /// The same row with this cell; for building rows.
    pub(super) fn with(mut self, name: &str, cell: impl Into<Cell>) -> Self {
        self.set(name, cell.into());
        self
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.cell(name).number()
    }

    pub(super) fn key(&self, name: &str) -> Option<u64> {
        self.int(name).and_then(|number| u64::try_from(number).ok())
    }

    pub(super) fn money(&self, name: &str) -> i64 {
        match self.cell(name) {
            Cell::Money(amount) => *amount,
            _ => 0,
        }
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.cell(name).text()
    }

    pub(super) fn ints(&self, name: &str) -> &[u64] {
        self.cell(name).ints()
    }

    pub(super) fn date(&self, name: &str) -> Option<Date> {
        self.cell(name).moment().map(DateTime::date)
    }

    pub(super) fn stamp(&self, name: &str) -> Option<DateTime> {
        self.cell(name).moment()
    }

    pub(super) fn details(&self) -> &[Detail] {
        match self.cell("details") {
            Cell::Details(details) => details,
            _ => &[],
        }
    }

    /// The row as the API shows it; `all` adds what it hides.
    pub(super) fn json(&self, all: bool) -> Map<String, Value> {
        let mut map = Map::with_capacity(self.cells.len() + 1);
        map.insert("id".to_owned(), json!(self.id));
        for (column, cell) in self.spec.columns.iter().zip(&self.cells) {
            if column.shown || all {
                map.insert(column.name.to_owned(), self.value(column, cell));
            }
        }
        map.extend(self.extra.clone());
        map
    }

    fn value(&self, column: &Column, cell: &Cell) -> Value {
        if let Cell::Details(details) = cell {
            let branch =
                self.spec.find("branch_id").map_or(Value::Null, |place| self.cells[place].json(Kind::Int));
            return details.iter().map(|detail| detail.json(self.id, &branch)).collect();
        }
        cell.json(column.kind)
    }

    /// Changes cells from values in any of the formats a row shows, and keeps unknown keys.
    pub(super) fn patch(&mut self, patch: &Map<String, Value>) {
        for (key, value) in patch {
            match self.spec.find(key) {
                Some(place) => self.cells[place] = Cell::lenient(self.spec.columns[place].kind, value),
                None if key == "id" => {}
                None => {
                    self.extra.insert(key.clone(), value.clone());
                }
            }
        }
    }
}
