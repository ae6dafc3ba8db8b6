//! The configuration before anyone has read meaning into it: tables and values, each with the place it was
//! written. The embedded defaults, the file and the environment become the same kind of tree and are laid
//! over one another, a later layer winning value by value. A tree holds secrets in clear; nothing here
//! prints.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// Where a value was written.
#[derive(Clone)]
pub(super) enum Origin {
    Default,
    /// Line of the file, counted from 1.
    File(usize),
    /// Name of the environment variable.
    Env(String),
}

impl Origin {
    /// The place in words; `source` names the file and is empty for a text that is no file.
    pub(super) fn place(&self, source: &str) -> String {
        match self {
            Self::Default => "embedded default".into(),
            Self::File(line) if source.is_empty() => format!("line {line}"),
            Self::File(line) => format!("{source} line {line}"),
            Self::Env(name) => name.clone(),
        }
    }
}

#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    /// An environment variable: its type is settled by whoever reads it.
    Env(String),
    /// Saturated: whatever does not fit is out of every range anyway.
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    List(Vec<Node>),
    Table(Table),
}

/// A table whose keys keep the order of the file.
#[derive(Clone, Default)]
pub(super) struct Table(Vec<(String, Node)>);

impl Table {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    pub(super) fn table_mut(&mut self, key: &str) -> Option<&mut Table> {
        match self.get_mut(key).map(|node| &mut node.value) {
            Some(Value::Table(table)) => Some(table),
            _ => None,
        }
    }

    pub(super) fn set(&mut self, key: &str, node: Node) {
        match self.get_mut(key) {
            Some(old) => *old = node,
            None => self.0.push((key.to_owned(), node)),
        }
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Node> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(name, node)| (name.as_str(), node))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.0.iter_mut().map(|(_, node)| node)
    }

    /// Lays `over` on top: tables are joined key by key, anything else is replaced.
    pub(super) fn merge(&mut self, over: Table) {
        for (key, node) in over.0 {
            match (self.get_mut(&key), node) {
                (
                    Some(Node { value: Value::Table(below), origin }),
                    Node { value: Value::Table(above), origin: from },
                ) => {
                    below.merge(above);
                    *origin = from;
                }
                (_, node) => self.set(&key, node),
            }
        }
    }
}

/// Reads TOML. On a syntax error the rest of the document is not interpreted: what a broken line did to the
/// lines below it would only give problems that are none.
pub(super) fn parse(text: &str, source: &str) -> Result<Table, Vec<Problem>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text);
    if errors.is_empty() {
        return Ok(table(root.get_ref(), &lines));
    }
    let problem = |error: &toml::de::Error| {
        let line = error.span().map_or(1, |span| lines.line(span.start));
        Problem {
            key: String::new(),
            place: Origin::File(line).place(source),
            text: format!("this is not TOML: {}", error.message().replace('\n', "; ")),
        }
    };
    Err(errors.iter().map(problem).collect())
}

/// Offsets at which the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

fn table(from: &DeTable<'_>, lines: &Lines) -> Table {
    let mut entries: Vec<_> = from.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, node): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        // The place of the key, not of the value: a table's value begins wherever its first header stands.
        let origin = Origin::File(lines.line(key.span().start));
        (name.to_string(), Node { value: value(node.get_ref(), lines), origin })
    };
    Table(entries.into_iter().map(entry).collect())
}

fn value(from: &DeValue<'_>, lines: &Lines) -> Value {
    match from {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let limit = if number.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(limit))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(moment) => Value::Datetime(moment.to_string()),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Node {
                    value: value(item.get_ref(), lines),
                    origin: Origin::File(lines.line(item.span().start)),
                })
                .collect(),
        ),
        DeValue::Table(inner) => Value::Table(table(inner, lines)),
    }
}

/// The embedded defaults. Marked as such, so that no problem blames a line of a file nobody wrote.
pub(super) fn defaults() -> Table {
    let mut root = parse(super::DEFAULTS, "").unwrap_or_else(|problems| {
        // A test loads them, so this is a build that was never tested.
        unreachable!("the embedded defaults are TOML: {}", problems[0])
    });
    fn mark(table: &mut Table) {
        for node in table.iter_mut() {
            node.origin = Origin::Default;
            if let Value::Table(inner) = &mut node.value {
                mark(inner);
            }
        }
    }
    mark(&mut root);
    root
}

/// Lays what the user wrote over the defaults. A CRM that the user did not mention stays away, and the
/// defaults of `[consumers."*"]` go below each consumer instead of becoming one.
pub(super) fn layered(user: Table) -> Table {
    let mut all = defaults();
    for crm in ["alfacrm", "cryptocrm"] {
        if user.get(crm).is_none() {
            all.remove(crm);
        }
    }
    let template = match all.table_mut("consumers").and_then(|consumers| consumers.remove("*")) {
        Some(Node { value: Value::Table(template), .. }) => template,
        _ => Table::new(),
    };
    all.merge(user);
    if let Some(consumers) = all.table_mut("consumers") {
        for node in consumers.iter_mut() {
            if let Value::Table(consumer) = &mut node.value {
                let mut whole = template.clone();
                whole.merge(std::mem::take(consumer));
                *consumer = whole;
            }
        }
    }
    all
}
