//! Reading a record of a CRM field by field, tolerantly.
//!
//! Both CRMs speak PHP: a number may be a text, a list a scalar, an empty map a list, an empty date a text. A reader
//! takes every spelling the documents know. What it cannot read it leaves out and notes as drift: one bad field never
//! costs the record.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::mark;
use crate::model::student::Phone;
use crate::model::{Moment, Money, RecordId, Source};

/// What a CRM's values mean.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// The CRM, for ids.
    pub crm: Source,
    /// Its times carry no zone; this is it.
    pub zone: TimeZone,
    /// The currency of amounts that name none.
    pub currency: Option<Arc<str>>,
}

/// One record, field by field.
#[derive(Debug)]
pub struct Row<'a> {
    map: &'a Map<String, Value>,
    dialect: &'a Dialect,
    drift: RefCell<Vec<&'static str>>,
}

impl<'a> Row<'a> {
    /// Reads `map`.
    pub fn new(map: &'a Map<String, Value>, dialect: &'a Dialect) -> Self {
        Self { map, dialect, drift: RefCell::default() }
    }

    /// A record below this one; its drift is noted under the name of the list.
    pub fn inner(&self, map: &'a Map<String, Value>) -> Row<'a> {
        Row::new(map, self.dialect)
    }

    /// The fields that could not be read.
    pub fn drift(self) -> Vec<&'static str> {
        self.drift.into_inner()
    }

    /// Notes that a field could not be read.
    pub fn note(&self, field: &'static str) {
        let mut drift = self.drift.borrow_mut();
        if !drift.contains(&field) {
            drift.push(field);
        }
    }

    /// The field as it is; absent and null are none.
    pub fn value(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    fn read<T>(
        &self,
        field: &'static str,
        read: impl FnOnce(&Value) -> Result<Option<T>, Unread>,
    ) -> Option<T> {
        let value = self.value(field)?;
        read(value).unwrap_or_else(|Unread| {
            self.note(field);
            None
        })
    }

    /// A natural number.
    pub fn number(&self, field: &'static str) -> Option<u64> {
        self.read(field, number)
    }

    /// A whole number.
    pub fn whole(&self, field: &'static str) -> Option<i64> {
        self.read(field, whole)
    }

    /// A reference to a record of the same CRM; 0 refers to none.
    pub fn id(&self, field: &'static str) -> Option<RecordId> {
        self.number(field).filter(|number| *number != 0).map(|number| RecordId::new(self.dialect.crm, number))
    }

    /// A list of references; what cannot be read of it is left out.
    pub fn ids(&self, field: &'static str) -> Vec<RecordId> {
        let numbers = self.list(field, numbers);
        numbers.into_iter().map(|number| RecordId::new(self.dialect.crm, number)).collect()
    }

    fn list<T>(&self, field: &'static str, read: impl FnOnce(&Value) -> (Vec<T>, bool)) -> Vec<T> {
        let Some(value) = self.value(field) else {
            return Vec::new();
        };
        let (found, whole) = read(value);
        if !whole {
            self.note(field);
        }
        found
    }

    /// An exact number.
    pub fn decimal(&self, field: &'static str) -> Option<Decimal> {
        self.read(field, decimal)
    }

    /// An amount in the CRM's currency.
    pub fn money(&self, field: &'static str) -> Option<Money> {
        self.decimal(field).map(|amount| Money::new(amount, self.dialect.currency.clone()))
    }

    /// A yes or no.
    pub fn flag(&self, field: &'static str) -> Option<bool> {
        self.read(field, flag)
    }

    /// A text; an empty one is none.
    pub fn text(&self, field: &'static str) -> Option<String> {
        self.read(field, text)
    }

    /// A list of texts.
    pub fn texts(&self, field: &'static str) -> Vec<String> {
        self.list(field, texts)
    }

    /// Telephone numbers.
    pub fn phones(&self, field: &'static str) -> Vec<Phone> {
        let phone = |display: String| Phone { e164: e164(&display), display };
        self.texts(field).into_iter().map(phone).collect()
    }

    /// A day; the CRMs' stand-ins for "none" are none.
    pub fn day(&self, field: &'static str) -> Option<Date> {
        self.read(field, |value| Ok(point(value)?.map(|point| point.local(&self.dialect.zone).date())))
            .filter(|day| *day != FAR_FUTURE)
    }

    /// A point in time.
    pub fn moment(&self, field: &'static str) -> Option<Moment> {
        self.read(field, |value| match point(value)? {
            None => Ok(None),
            Some(Point::Local(local)) if local.date() == FAR_FUTURE => Ok(None),
            Some(Point::Local(local)) => {
                Moment::from_local(local, &self.dialect.zone).map(Some).ok_or(Unread)
            }
            Some(Point::Absolute(at)) => Ok(Some(Moment::from_timestamp(at, &self.dialect.zone))),
        })
    }

    /// The point in time so many minutes after another.
    pub fn later(&self, at: Moment, minutes: i64) -> Option<Moment> {
        let seconds = minutes.checked_mul(60)?;
        let end = at.timestamp().checked_add(jiff::SignedDuration::from_secs(seconds)).ok()?;
        Some(Moment::from_timestamp(end, &self.dialect.zone))
    }

    /// The records of a list or of a map with gaps.
    pub fn rows(&self, field: &'static str) -> Vec<&'a Map<String, Value>> {
        let Some(value) = self.value(field) else {
            return Vec::new();
        };
        let values: Vec<&Value> = match value {
            Value::Array(values) => values.iter().collect(),
            Value::Object(map) => map.values().collect(),
            Value::String(text) if text.is_empty() => Vec::new(),
            _ => {
                self.note(field);
                Vec::new()
            }
        };
        let rows: Vec<_> = values.iter().filter_map(|value| value.as_object()).collect();
        if rows.len() < values.len() {
            self.note(field);
        }
        rows
    }
}

/// AlfaCRM's stand-in for "no end": `2030-12-31`.
const FAR_FUTURE: Date = jiff::civil::date(2030, 12, 31);

/// A value that is not of the kind it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread;

/// A natural number: 7, 7.0, "7", " 7 ".
pub fn number(value: &Value) -> Result<Option<u64>, Unread> {
    whole(value)?.map(|number| u64::try_from(number).map_err(|_| Unread)).transpose()
}

/// A whole number.
pub fn whole(value: &Value) -> Result<Option<i64>, Unread> {
    // As nearly all of them are written; what is written otherwise is read by way of the exact number.
    let plain = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    if plain.is_some() {
        return Ok(plain);
    }
    let Some(number) = decimal(value)? else {
        return Ok(None);
    };
    if !number.is_integer() {
        return Err(Unread);
    }
    i64::try_from(number).map(Some).map_err(|_| Unread)
}

/// An exact number: 100, 100.5, "100.50", "1 500,50".
pub fn decimal(value: &Value) -> Result<Option<Decimal>, Unread> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_str(),
        Value::String(text) => text,
        _ => return Err(Unread),
    };
    let plain = if text.contains(|c: char| c.is_whitespace() || c == ',') {
        let plain = text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == ',' { '.' } else { c });
        Cow::Owned(plain.collect::<String>())
    } else {
        Cow::Borrowed(text)
    };
    if plain.is_empty() {
        return Ok(None);
    }
    let exact = if plain.contains(['e', 'E']) {
        Decimal::from_scientific(&plain).ok()
    } else {
        Decimal::from_str_exact(&plain).ok()
    };
    exact.map(Some).ok_or(Unread)
}

/// A list of natural numbers: `[1,2]`, `["1"]`, 1, "1,2", "1_2", "1;2", `{"1": …}`; order kept, repeats dropped. Also
/// tells whether every part could be read.
pub fn numbers(value: &Value) -> (Vec<u64>, bool) {
    let parts: Vec<Result<Option<u64>, Unread>> = match value {
        Value::Array(values) => values.iter().map(number).collect(),
        Value::Object(map) => map.keys().map(|key| number(&Value::from(key.as_str()))).collect(),
        Value::String(text) => text.split([',', '_', ';']).map(|part| number(&Value::from(part))).collect(),
        other => vec![number(other)],
    };
    let mut read = Vec::new();
    for found in parts.iter().flatten().flatten() {
        if !read.contains(found) {
            read.push(*found);
        }
    }
    (read, parts.iter().all(Result::is_ok))
}

/// A yes or no: 0/1, true/false, and their texts.
pub fn flag(value: &Value) -> Result<Option<bool>, Unread> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        // Some servers give a list of what is switched on.
        Value::Array(list) => Ok(Some(!list.is_empty())),
        other => match whole(other)? {
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            _ => Err(Unread),
        },
    }
}

/// A text or a number, without the mark of a record that was made here; an empty text is none.
pub fn text(value: &Value) -> Result<Option<String>, Unread> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => {
            Ok(Some(mark::without(text)).filter(|text| !text.is_empty()).map(str::to_owned))
        }
        Value::Number(number) => Ok(Some(number.to_string())),
        _ => Err(Unread),
    }
}

/// A list of texts: an array of texts or of objects with a `value`, one text, a map with gaps. Also tells whether every
/// part could be read.
pub fn texts(value: &Value) -> (Vec<String>, bool) {
    let one = |value: &Value| match value {
        Value::Object(map) => map.get("value").map_or(Err(Unread), text),
        other => text(other),
    };
    let parts: Vec<Result<Option<String>, Unread>> = match value {
        Value::Array(values) => values.iter().map(one).collect(),
        Value::Object(map) => map.values().map(one).collect(),
        other => vec![text(other)],
    };
    let whole = parts.iter().all(Result::is_ok);
    (parts.into_iter().flatten().flatten().collect(), whole)
}

/// A time as a CRM writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Without a zone.
    Local(DateTime),
    /// With one.
    Absolute(Timestamp),
}

impl Point {
    fn local(self, zone: &TimeZone) -> DateTime {
        match self {
            Self::Local(local) => local,
            Self::Absolute(at) => zone.to_datetime(at),
        }
    }
}

/// `yyyy-mm-dd hh:mm:ss`, the same with a `T`, `yyyy-mm-dd`, `dd.mm.yyyy`, RFC 3339; `0000-00-00…` and "" are none.
pub fn point(value: &Value) -> Result<Option<Point>, Unread> {
    let Value::String(text) = value else {
        return if value.is_null() { Ok(None) } else { Err(Unread) };
    };
    let text = text.trim();
    if text.is_empty() || text.starts_with("0000-00-00") || text.starts_with("00.00.0000") {
        return Ok(None);
    }
    if let Some(day) = dotted(text) {
        return Ok(Some(Point::Local(day)));
    }
    // Behind the seconds; where that is in the middle of a character, it is no time at all.
    let zone = text.get(19..).unwrap_or_default();
    let zoned = zone.ends_with('Z') || zone.contains(['+', '-']);
    if zoned {
        return text.parse().map(|at| Some(Point::Absolute(at))).map_err(|_| Unread);
    }
    text.parse::<DateTime>()
        .or_else(|_| text.parse::<Date>().map(|day| day.at(0, 0, 0, 0)))
        .map(|at| Some(Point::Local(at)))
        .map_err(|_| Unread)
}

fn dotted(text: &str) -> Option<DateTime> {
    let (day, time) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = day.split('.');
    let (day, month, year) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let date = Date::new(year.parse().ok()?, month, day).ok()?;
    if time.is_empty() {
        return Some(date.at(0, 0, 0, 0));
    }
    Some(date.to_datetime(time.parse().ok()?))
}

/// A telephone number in international form, where it can be told: Russian spellings, and any that start with `+`.
pub fn e164(display: &str) -> Option<String> {
    let digits: String = display.chars().filter(char::is_ascii_digit).collect();
    let international = display.trim_start().starts_with('+');
    match (digits.len(), digits.as_bytes().first()) {
        (11, Some(b'8')) if !international => Some(format!("+7{}", &digits[1..])),
        (11, Some(b'7')) => Some(format!("+{digits}")),
        (10, Some(b'9')) if !international => Some(format!("+7{digits}")),
        (8..=15, _) if international => Some(format!("+{digits}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn numbers_are_read_in_every_spelling() {
        for (value, expected) in [
            (json!(7), Ok(Some(7))),
            (json!(7.0), Ok(Some(7))),
            (json!("7"), Ok(Some(7))),
            (json!(" 7 "), Ok(Some(7))),
            (json!(""), Ok(None)),
            (json!(null), Ok(None)),
            (json!(-1), Err(Unread)),
            (json!(1.5), Err(Unread)),
            (json!([]), Err(Unread)),
            (json!("x"), Err(Unread)),
        ] {
            assert_eq!(number(&value), expected, "{value}");
        }
    }

    #[test]
    fn amounts_are_exact() {
        for (value, expected) in [
            (json!("-31.00"), "-31.00"),
            (json!("1 500,50"), "1500.50"),
            (json!(100), "100"),
            (serde_json::from_str("0.1000000000000000055").unwrap(), "0.1000000000000000055"),
        ] {
            assert_eq!(decimal(&value).unwrap().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn lists_of_numbers_are_read_in_every_spelling() {
        for value in [
            json!([1, 2]),
            json!(["1", "2"]),
            json!("1,2"),
            json!("1_2"),
            json!("1;2"),
            json!({"1": {}, "2": {}}),
            json!([1, 2, 1]),
        ] {
            assert_eq!(numbers(&value), (vec![1, 2], true), "{value}");
        }
        assert_eq!(numbers(&json!("")), (vec![], true));
        assert_eq!(numbers(&json!(5)), (vec![5], true));
        assert_eq!(numbers(&json!([1, "x", 2])), (vec![1, 2], false));
    }

    #[test]
    fn times_are_read_in_all_formats_and_stand_ins_are_none() {
        let local = |text: &str| Ok(Some(Point::Local(text.parse().unwrap())));
        assert_eq!(point(&json!("2026-02-25 17:00:00")), local("2026-02-25T17:00:00"));
        assert_eq!(point(&json!("2026-02-25T17:00:00")), local("2026-02-25T17:00:00"));
        assert_eq!(point(&json!("2026-02-25")), local("2026-02-25T00:00:00"));
        assert_eq!(point(&json!("25.02.2026")), local("2026-02-25T00:00:00"));
        assert_eq!(
            point(&json!("2026-02-25T17:00:00+03:00")),
            Ok(Some(Point::Absolute("2026-02-25T14:00:00Z".parse().unwrap())))
        );
        for none in [json!(""), json!(null), json!("0000-00-00"), json!("0000-00-00 00:00:00")] {
            assert_eq!(point(&none), Ok(None));
        }
        let odd = json!("2026-02-25 17:00:0\u{1f574}");
        for bad in [json!("31.02.2026"), json!("soon"), json!(5), json!("2026-13-01"), odd] {
            assert_eq!(point(&bad), Err(Unread), "{bad}");
        }
    }

    #[test]
    fn a_phone_is_one_number_in_any_spelling() {
        for display in
            ["+7(900)000-00-01", "8 900 000 00 01", "79000000001", "9000000001", "+7 900 000-00-01"]
        {
            assert_eq!(e164(display).as_deref(), Some("+79000000001"), "{display}");
        }
        assert_eq!(e164("12-34"), None);
        assert_eq!(e164("+375 29 000-00-01").as_deref(), Some("+375290000001"));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,24}".prop_map(Value::from),
            "[0-9.,:T +-]{0,24}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec(("[a-z0-9]{1,4}", inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_value_whatever_panics(value in any_json()) {
            let _ = number(&value);
            let _ = whole(&value);
            let _ = decimal(&value);
            let _ = numbers(&value);
            let _ = flag(&value);
            let _ = text(&value);
            let _ = texts(&value);
            let _ = point(&value);
        }
    }
}
