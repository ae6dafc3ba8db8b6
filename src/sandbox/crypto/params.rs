//! Reads the parameters of a call, from a query string or from the filter's JSON body, by the notations of section 3:
//! `uint`, flags as `"0"`/`"1"`, SQL dates, ids joined by underscores.
//!
//! A strict CRM refuses whatever is malformed or unknown; a lenient one goes on as if it had not been sent. Only a
//! missing `id` is refused by both.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::refusal::{Refusal, bad};

/// Keys of the filter's body that hold numbers.
const NUMBERS: [&str; 2] = ["count", "offset"];
/// Keys of the filter's body that hold text.
const TEXTS: [&str; 5] = ["order_by", "reverse", "deleted", "condition", "having"];
/// Keys of the filter's body that hold conditions.
const CONDITIONS: [&str; 2] = ["buildin_data", "data"];

/// The parameters of one call.
#[derive(Debug)]
pub(super) struct Params {
    values: BTreeMap<String, String>,
    /// The filter's conditions; empty for a query string.
    pub(super) conditions: Map<String, Value>,
    /// Whether the CRM is strict.
    pub(super) strict: bool,
}

impl Params {
    /// Reads a query string. Of a parameter sent twice the last one counts.
    pub(super) fn from_query(query: &str, known: &[&str], strict: bool) -> Result<Self, Refusal> {
        let mut values = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = percent_decoded(name);
            if known.contains(&name.as_str()) {
                values.insert(name, percent_decoded(value));
            } else if strict {
                return Err(Refusal::BadRequest(format!("unknown parameter {name}")));
            }
        }
        Ok(Self { values, conditions: Map::new(), strict })
    }

    /// Reads the filter's body, where flags are text and counts are numbers.
    pub(super) fn from_body(headers: &HeaderMap, body: &[u8], strict: bool) -> Result<Self, Refusal> {
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if strict && !media_type.starts_with("application/json") {
            return Err(bad("Content-Type", "application/json"));
        }
        let body: Value = serde_json::from_slice(body).map_err(|_| bad("the body", "JSON"))?;
        let Value::Object(body) = body else {
            return Err(bad("the body", "a JSON object"));
        };
        let mut params = Self { values: BTreeMap::new(), conditions: Map::new(), strict };
        for (key, value) in body {
            params.take(&key, value)?;
        }
        Ok(params)
    }

    fn take(&mut self, key: &str, value: Value) -> Result<(), Refusal> {
        let text = match &value {
            Value::Object(_) if CONDITIONS.contains(&key) => {
                self.conditions.insert(key.to_owned(), value);
                return Ok(());
            }
            // PHP callers encode an empty object that way.
            Value::Array(empty) if CONDITIONS.contains(&key) && empty.is_empty() => return Ok(()),
            Value::Number(number) if NUMBERS.contains(&key) || !self.strict => Some(number.to_string()),
            Value::String(text) if TEXTS.contains(&key) || !self.strict => Some(text.clone()),
            Value::Bool(flag) if !self.strict => Some(u8::from(*flag).to_string()),
            _ => None,
        };
        let known = NUMBERS.contains(&key) || TEXTS.contains(&key) || CONDITIONS.contains(&key);
        match text {
            Some(text) if known => {
                self.values.insert(key.to_owned(), text);
            }
            _ if !self.strict => {}
            _ if NUMBERS.contains(&key) => return Err(bad(key, "a JSON number")),
            _ if TEXTS.contains(&key) => return Err(bad(key, "a text")),
            _ if CONDITIONS.contains(&key) => return Err(bad(key, "an object")),
            _ => return Err(Refusal::BadRequest(format!("unknown key {key}"))),
        }
        Ok(())
    }

    /// A parameter read by `read`; `expected` completes the sentence "… must be".
    pub(super) fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.values.get(name) else {
            return Ok(None);
        };
        match read(text) {
            Some(value) => Ok(Some(value)),
            None if self.strict => Err(bad(name, expected)),
            None => Ok(None),
        }
    }

    /// The id that object endpoints and everything below a project need.
    pub(super) fn id(&self) -> Result<u64, Refusal> {
        self.values.get("id").and_then(|text| uint(text)).ok_or_else(|| bad("id", "an unsigned integer"))
    }

    /// A `uint`.
    pub(super) fn uint(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.read(name, "an unsigned integer", uint)
    }

    /// A `uint` that counts rows.
    pub(super) fn rows(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let rows = self.uint(name)?;
        Ok(rows.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX)))
    }

    /// A flag.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.read(name, "\"0\" or \"1\"", |text| match text {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        })
    }

    /// An SQL date.
    pub(super) fn date(&self, name: &str) -> Result<Option<Date>, Refusal> {
        self.read(name, "a date YYYY-MM-DD", sql_date)
    }

    /// Ids joined by underscores.
    pub(super) fn ids(&self, name: &str) -> Result<Option<Vec<u64>>, Refusal> {
        self.read(name, "ids joined by _", |text| text.split('_').map(uint).collect())
    }
}

/// Decimal digits and nothing else.
pub(super) fn uint(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// `YYYY-MM-DD` and nothing else.
pub(super) fn sql_date(text: &str) -> Option<Date> {
    if text.len() != 10 {
        return None;
    }
    text.parse().ok()
}

/// Undoes percent-encoding; a sequence that is none stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, tail) = match (first, tail) {
            (b'+', _) => (b' ', tail),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high * 16 + low, after),
                _ => (b'%', tail),
            },
            (other, _) => (*other, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}
