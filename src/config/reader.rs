//! How a section reads itself. A `Reader` stands for one table: it hands out values by key and kind, writes
//! down what is wrong, remembers every key it was asked for and, when the section is done, reports the keys
//! nobody asked for. So there is no list of known keys that could fall behind the code.
//!
//! Every method that reads gives `None` when it has written down a problem. A section therefore asks for all
//! its keys first and only then gives up, and one run shows everything.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::kind::Kind;
use super::problem::{Report, suggest};
use super::tree::{Node, Origin, Table, Value};

pub(super) struct Reader<'a> {
    path: String,
    table: &'a Table,
    origin: Option<&'a Origin>,
    known: RefCell<Vec<String>>,
    report: &'a Report,
}

static NOTHING: Table = Table::new();

impl<'a> Reader<'a> {
    /// Reads the whole tree with `read` and reports the keys it did not ask for.
    pub(super) fn root<T>(
        table: &'a Table,
        report: &'a Report,
        read: impl FnOnce(&Reader<'a>) -> Option<T>,
    ) -> Option<T> {
        Self::run(String::new(), table, None, report, read)
    }

    fn run<T>(
        path: String,
        table: &'a Table,
        origin: Option<&'a Origin>,
        report: &'a Report,
        read: impl FnOnce(&Reader<'a>) -> Option<T>,
    ) -> Option<T> {
        let reader = Reader { path, table, origin, known: RefCell::default(), report };
        let result = read(&reader);
        let complete = reader.report_unknown();
        result.filter(|_| complete)
    }

    fn report_unknown(&self) -> bool {
        let known = self.known.borrow();
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        let unknown: Vec<_> = self.table.iter().filter(|(key, _)| !names.contains(key)).collect();
        for (key, node) in &unknown {
            let text = format!("unknown key; {}", suggest(key, "keys", &names));
            self.report.problem(self.at(key), Some(&node.origin), text);
        }
        unknown.is_empty()
    }

    fn at(&self, key: &str) -> String {
        let key = show_key(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    fn know(&self, key: &str) {
        let mut known = self.known.borrow_mut();
        if !known.iter().any(|name| name == key) {
            known.push(key.to_owned());
        }
    }

    fn node(&self, key: &str) -> Option<&'a Node> {
        self.know(key);
        self.table.get(key)
    }

    /// Writes down that `key` is wrong, at the place where it is set or else where its table is.
    pub(super) fn problem(&self, key: &str, text: impl Into<String>) {
        let origin = self.table.get(key).map(|node| &node.origin).or(self.origin);
        self.report.problem(self.at(key), origin, text.into());
    }

    /// Writes down that something is wrong with the table as a whole.
    pub(super) fn problem_here(&self, text: impl Into<String>) {
        self.report.problem(self.path.clone(), self.origin, text.into());
    }

    /// Writes down that `key`, which may be a path below this table, is legal but deserves a second look.
    pub(super) fn warn(&self, key: &str, text: impl std::fmt::Display) {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.report.warning(format!("{}{dot}{key}: {text}", self.path));
    }

    /// A value that must be there, from the user or the defaults.
    pub(super) fn get<T: 'static>(&self, key: &str, kind: &Kind<T>) -> Option<T> {
        match self.node(key) {
            Some(node) => self.value(self.at(key), node, kind),
            None => {
                self.problem(key, format!("required: {}", kind.what));
                None
            }
        }
    }

    /// A value that may be left out; an empty text says the same.
    pub(super) fn optional<T: 'static>(&self, key: &str, kind: &Kind<T>) -> Option<Option<T>> {
        match self.node(key) {
            None => Some(None),
            Some(node) if is_empty(&node.value) => Some(None),
            Some(node) => self.value(self.at(key), node, kind).map(Some),
        }
    }

    fn value<T: 'static>(&self, at: String, node: &Node, kind: &Kind<T>) -> Option<T> {
        match kind.read(&node.value) {
            Ok(value) => Some(value),
            Err(text) => {
                self.report.problem(at, Some(&node.origin), text);
                None
            }
        }
    }

    /// A list; from the environment its items are separated by commas. `None` inside: the key is absent.
    pub(super) fn optional_list<T: 'static>(&self, key: &str, item: &Kind<T>) -> Option<Option<Vec<T>>> {
        let Some(node) = self.node(key) else {
            return Some(None);
        };
        let split;
        let items = match &node.value {
            Value::List(items) => items,
            Value::Env(text) => {
                split = split_env(text, &node.origin);
                &split
            }
            other => {
                let hint = if matches!(other, Value::Text(_)) { ": put it in [ ]" } else { "" };
                self.problem(key, format!("expected a list, each item {}{hint}", item.what));
                return None;
            }
        };
        let at = |i| format!("{}[{i}]", self.at(key));
        // All items are read before any is given up, so that each bad one is named.
        let read: Vec<_> = items.iter().enumerate().map(|(i, node)| self.value(at(i), node, item)).collect();
        read.into_iter().collect::<Option<Vec<T>>>().map(Some)
    }

    /// A list that is empty when the key is absent.
    pub(super) fn list<T: 'static>(&self, key: &str, item: &Kind<T>) -> Option<Vec<T>> {
        self.optional_list(key, item).map(Option::unwrap_or_default)
    }

    /// A table from the numbers of records to values, `{ 1 = "RUB" }`; `1=RUB,2=USD` from the environment.
    pub(super) fn numbered<T: 'static>(&self, key: &str, item: &Kind<T>) -> Option<BTreeMap<u64, T>> {
        let Some(node) = self.node(key) else {
            return Some(BTreeMap::new());
        };
        let pairs: Vec<(String, Node)> = match &node.value {
            Value::Table(table) => table.iter().map(|(key, node)| (key.to_owned(), node.clone())).collect(),
            Value::Env(text) => split_env(text, &node.origin).into_iter().map(pair).collect(),
            _ => {
                self.problem(key, format!("expected a table from numbers to {}", item.what));
                return None;
            }
        };
        let entry = |(number, node): &(String, Node)| {
            let at = format!("{}.{}", self.at(key), show_key(number));
            let value = self.value(at.clone(), node, item);
            let Ok(number) = number.parse::<u64>() else {
                self.report.problem(at, Some(&node.origin), "expected a whole number as the key".into());
                return None;
            };
            value.map(|value| (number, value))
        };
        let read: Vec<_> = pairs.iter().map(entry).collect();
        read.into_iter().collect()
    }

    /// A table below this one. Absent is the same as empty: what it requires is then reported by itself.
    pub(super) fn section<T>(&self, key: &str, read: impl FnOnce(&Reader<'a>) -> Option<T>) -> Option<T> {
        match self.node(key) {
            Some(node) => self.inside(key, node, read),
            None => Self::run(self.at(key), &NOTHING, self.origin, self.report, read),
        }
    }

    /// A table below this one that may be left out.
    pub(super) fn optional_section<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Reader<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.node(key) {
            Some(node) => self.inside(key, node, read).map(Some),
            None => Some(None),
        }
    }

    /// Tables whose names the user chooses, in the order of the file.
    pub(super) fn named<T>(
        &self,
        mut read: impl FnMut(&str, &Reader<'a>) -> Option<T>,
    ) -> Option<Vec<(String, T)>> {
        let mut one = |(name, node): (&str, &'a Node)| {
            self.know(name);
            let value = self.inside(name, node, |reader| read(name, reader));
            value.map(|value| (name.to_owned(), value))
        };
        let all: Vec<_> = self.table.iter().map(&mut one).collect();
        all.into_iter().collect()
    }

    /// The names in this table with where each comes from, for tables of free names that hold plain values.
    pub(super) fn names(&self) -> Vec<(&'a str, bool)> {
        let from_env = |node: &Node| matches!(node.origin, Origin::Env(_));
        self.table.iter().map(|(name, node)| (name, from_env(node))).collect()
    }

    fn inside<T>(&self, key: &str, node: &'a Node, read: impl FnOnce(&Reader<'a>) -> Option<T>) -> Option<T> {
        let Value::Table(table) = &node.value else {
            let at = self.at(key);
            let hint = match &node.origin {
                Origin::Env(name) => format!("set its keys one by one, {name}__KEY"),
                _ => format!("write [{at}] and its keys below it"),
            };
            self.report.problem(at, Some(&node.origin), format!("expected a table: {hint}"));
            return None;
        };
        Self::run(self.at(key), table, Some(&node.origin), self.report, read)
    }
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Text(text) | Value::Env(text) if text.trim().is_empty())
}

fn split_env(text: &str, origin: &Origin) -> Vec<Node> {
    let item = |part: &str| Node { value: Value::Env(part.to_owned()), origin: origin.clone() };
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(item).collect()
}

/// `1=RUB` as a key and its value; without `=` it is a key whose value is empty, which no kind accepts.
fn pair(node: Node) -> (String, Node) {
    let text = match &node.value {
        Value::Env(text) => text.as_str(),
        _ => "",
    };
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.trim().to_owned(), Node { value: Value::Env(value.trim().to_owned()), origin: node.origin })
}

/// A key as TOML writes it: bare when it can be.
pub(super) fn show_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("{key:?}") }
}
