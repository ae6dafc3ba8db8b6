//! What a value may be: a kind knows the words that describe it, an example, and how to read it from TOML
//! or from an environment variable. Every message has one form, `expected WHAT, found VALUE: hint`, so that
//! a user who has understood one has understood all.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::problem::closest;
use super::tree::Value;
use super::units;

/// Reads one value; the error is a hint, empty when the expectation says it all.
type Parse<T> = Box<dyn Fn(&Value) -> Result<T, String>>;

pub(super) struct Kind<T> {
    /// `a duration such as "30s"`.
    pub(super) what: String,
    parse: Parse<T>,
    /// The value may be a secret, so no message quotes it.
    quiet: bool,
}

impl<T: 'static> Kind<T> {
    pub(super) fn new(
        what: impl Into<String>,
        parse: impl Fn(&Value) -> Result<T, String> + 'static,
    ) -> Self {
        Self { what: what.into(), parse: Box::new(parse), quiet: false }
    }

    /// A kind that is written as text.
    pub(super) fn text(what: impl Into<String>, parse: impl Fn(&str) -> Result<T, String> + 'static) -> Self {
        Self::new(what, move |value| match value {
            Value::Text(text) => parse(text),
            Value::Env(text) => parse(text.trim()),
            _ => Err("put it in quotes".into()),
        })
    }

    /// The same kind, whose values no message may quote.
    pub(super) fn unquoted(self) -> Self {
        Self { quiet: true, ..self }
    }

    pub(super) fn read(&self, value: &Value) -> Result<T, String> {
        (self.parse)(value).map_err(|hint| {
            let found = if self.quiet { kind_of(value).to_owned() } else { show(value) };
            let colon = if hint.is_empty() { "" } else { ": " };
            format!("expected {}, found {found}{colon}{hint}", self.what)
        })
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Text(_) | Value::Env(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::List(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// The value as a message may show it: short, on one line, without the password an address may carry.
fn show(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Env(text) if text.contains("://") && text.contains('@') => {
            "an address with a password".into()
        }
        Value::Text(text) | Value::Env(text) if text.chars().count() > 60 => {
            format!("{:?}…", text.chars().take(60).collect::<String>())
        }
        Value::Text(text) | Value::Env(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(moment) => moment.clone(),
        Value::List(_) | Value::Table(_) => kind_of(value).into(),
    }
}

/// A text that is not empty.
pub(super) fn text(example: &str) -> Kind<String> {
    Kind::text(format!("a text such as {example:?}"), |text| match text.trim() {
        "" => Err("it is empty".into()),
        text => one_line(text),
    })
}

fn one_line(text: &str) -> Result<String, String> {
    match text.chars().any(char::is_control) {
        true => Err("it holds a line break or another control character".into()),
        false => Ok(text.to_owned()),
    }
}

pub(super) fn boolean() -> Kind<bool> {
    Kind::new("true or false", |value| match value {
        Value::Boolean(flag) => Ok(*flag),
        Value::Env(text) => text.trim().parse().map_err(|_| String::new()),
        Value::Text(_) => Err("write it without quotes".into()),
        _ => Err(String::new()),
    })
}

/// A whole number within bounds.
pub(super) fn whole<N>(range: RangeInclusive<N>, example: N) -> Kind<N>
where
    N: Copy + Display + PartialOrd + TryFrom<i128> + 'static,
{
    let (low, high) = (*range.start(), *range.end());
    Kind::new(format!("a whole number from {low} to {high} such as {example}"), move |value| {
        let number = match value {
            Value::Integer(number) => *number,
            Value::Env(text) => text.trim().parse().map_err(|_| String::new())?,
            Value::Text(text) if text.parse::<i128>().is_ok() => {
                return Err("write it without quotes".into());
            }
            _ => return Err(String::new()),
        };
        N::try_from(number).ok().filter(|number| range.contains(number)).ok_or_else(String::new)
    })
}

/// The number of a record in a CRM.
pub(super) fn id() -> Kind<u64> {
    Kind { what: "the number of a record such as 1".into(), ..whole(1..=u64::MAX, 1) }
}

/// A number that may have a fraction, from `low` to `high`.
pub(super) fn between(low: f64, high: f64, example: f64) -> Kind<f64> {
    number(format!("a number from {low} to {high} such as {example:?}"), move |number| {
        (low..=high).contains(&number)
    })
}

/// A part of a whole, from nothing to all of it.
pub(super) fn part(example: f64) -> Kind<f64> {
    between(0.0, 1.0, example)
}

fn number(what: String, is_good: impl Fn(f64) -> bool + 'static) -> Kind<f64> {
    Kind::new(what, move |value| {
        let number = match value {
            Value::Float(number) => *number,
            // Exact for every number that is small enough to be accepted.
            Value::Integer(number) => *number as f64,
            Value::Env(text) => text.trim().parse().map_err(|_| String::new())?,
            Value::Text(text) if text.parse::<f64>().is_ok() => {
                return Err("write it without quotes".into());
            }
            _ => return Err(String::new()),
        };
        if is_good(number) { Ok(number) } else { Err(String::new()) }
    })
}

/// A duration of at least `low` and at most `high`, both as they are written.
pub(super) fn duration(low: &'static str, high: &'static str, example: &str) -> Kind<Duration> {
    let bound = |text| units::parse_duration(text).expect("bounds are written in this crate");
    let range = bound(low)..=bound(high);
    Kind::text(format!("a duration such as {example:?}"), move |text| {
        let value = units::parse_duration(text)?;
        if range.contains(&value) { Ok(value) } else { Err(format!("it must lie between {low} and {high}")) }
    })
}

/// A size in bytes of at least `low` and at most `high`, both as they are written.
pub(super) fn size(low: &'static str, high: &'static str, example: &str) -> Kind<u64> {
    let bound = |text| units::parse_size(text).expect("bounds are written in this crate");
    let range = bound(low)..=bound(high);
    Kind::text(format!("a size such as {example:?}"), move |text| {
        let value = units::parse_size(text)?;
        if range.contains(&value) { Ok(value) } else { Err(format!("it must lie between {low} and {high}")) }
    })
}

/// One of a few words.
pub(super) fn choice<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Kind<T> {
    let names: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    Kind::text(format!("one of {}", names.join(", ")), move |text| {
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => Err(closest(text, words.iter().map(|(word, _)| *word))
                .map(|word| format!("did you mean {word:?}?"))
                .unwrap_or_default()),
        }
    })
}

/// The word that stands for a choice.
pub(super) fn word<T: PartialEq>(words: &'static [(&'static str, T)], value: &T) -> &'static str {
    let found = words.iter().find(|(_, choice)| choice == value);
    found.map(|(word, _)| *word).expect("every choice has its word")
}

/// An address to listen on.
pub(super) fn socket(example: &str) -> Kind<SocketAddr> {
    Kind::text(format!("an IP address and a port such as {example:?}"), |text| {
        text.parse().map_err(|_| match text.strip_prefix(':') {
            Some(port) if port.parse::<u16>().is_ok() => {
                format!("for all addresses write \"0.0.0.0:{port}\"")
            }
            _ => String::new(),
        })
    })
}

/// A path; not looked at, only not empty.
pub(super) fn path(example: &str) -> Kind<PathBuf> {
    Kind::text(format!("a path such as {example:?}"), |text| match text {
        "" => Err("it is empty".into()),
        text if text.contains('\0') => Err("it holds a zero byte".into()),
        text => Ok(PathBuf::from(text)),
    })
}
