//! One value of a row: compact in memory, printed in the CRM's own formats, read back strictly (as the API
//! does) or leniently (for changes behind the API's back).

use std::borrow::Cow;

use jiff::civil::{Date, DateTime, Time};
use serde_json::{Value, json};

use super::dates;
use super::detail::Detail;
use super::schema::{Column, Kind};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    /// Hundredths.
    Money(i64),
    Text(Cow<'static, str>),
    Ints(Vec<u64>),
    Texts(Vec<String>),
    Date(Date),
    Stamp(DateTime),
    Details(Vec<Detail>),
    Json(Box<Value>),
}

impl Column {
    /// What a fresh row holds here.
    pub(super) fn blank(&self) -> Cell {
        match (self.kind, self.start) {
            (_, Some(number)) => Cell::Int(number),
            (Kind::Text | Kind::Clock, None) => Cell::Text(Cow::Borrowed("")),
            (Kind::Bool, None) => Cell::Bool(false),
            (Kind::Ints, None) => Cell::Ints(Vec::new()),
            (Kind::Texts, None) => Cell::Texts(Vec::new()),
            (Kind::Details, None) => Cell::Details(Vec::new()),
            _ => Cell::Null,
        }
    }
}

impl Cell {
    /// As the API prints it in a column of this kind.
    pub(super) fn json(&self, kind: Kind) -> Value {
        match (self, kind) {
            (Self::Null, Kind::DateRu) => json!(""),
            (Self::Null | Self::Details(_), _) => Value::Null,
            (Self::Bool(value), _) => json!(value),
            (Self::Int(value), _) => json!(value),
            (Self::Money(value), _) => json!(money(*value)),
            (Self::Text(value), _) => json!(value),
            (Self::Ints(value), _) => json!(value),
            (Self::Texts(value), _) => json!(value),
            (Self::Date(value), Kind::DateRu) => json!(dates::ru(*value)),
            (Self::Date(value), _) => json!(dates::iso(*value)),
            (Self::Stamp(value), _) => json!(dates::stamp(*value)),
            (Self::Json(value), _) => (**value).clone(),
        }
    }

    /// Reads what a write sends for a column of this kind: dates D only, numbers also as text, a scalar for a list.
    pub(super) fn strict(kind: Kind, value: &Value) -> Option<Self> {
        let empty = value.is_null() || value.as_str() == Some("");
        Some(match kind {
            Kind::Int | Kind::Money | Kind::DateRu | Kind::DateIso | Kind::Stamp if empty => Self::Null,
            Kind::Int => Self::Int(int(value)?),
            Kind::Flag => Self::Int(i64::from(flag(value)?)),
            Kind::Bool => Self::Bool(flag(value)?),
            Kind::Money => Self::Money(hundredths(value)?),
            Kind::TextOrNull if value.is_null() => Self::Null,
            Kind::Text | Kind::TextOrNull => Self::Text(words(value)?.into()),
            Kind::DateRu | Kind::DateIso => Self::Date(dates::parse_ru(value.as_str()?)?),
            Kind::Stamp => Self::Stamp(dates::parse_ru(value.as_str()?)?.to_datetime(Time::midnight())),
            Kind::Clock => {
                let text = value.as_str()?;
                dates::parse_time(text)?;
                Self::Text(text.to_owned().into())
            }
            Kind::Ints if empty => Self::Ints(Vec::new()),
            Kind::Ints => Self::Ints(
                many(value)
                    .into_iter()
                    .map(|item| int(item).and_then(|number| u64::try_from(number).ok()))
                    .collect::<Option<_>>()?,
            ),
            Kind::Texts if empty => Self::Texts(Vec::new()),
            Kind::Texts => Self::Texts(many(value).into_iter().map(words).collect::<Option<_>>()?),
            Kind::Details => {
                Self::Details(value.as_array()?.iter().map(Detail::read).collect::<Option<_>>()?)
            }
            Kind::Json => Self::Json(Box::new(value.clone())),
        })
    }

    pub(super) fn lenient(kind: Kind, value: &Value) -> Self {
        let moment = value.as_str().and_then(dates::parse_any);
        match (kind, moment) {
            (Kind::DateRu | Kind::DateIso, Some(at)) => Self::Date(at.date()),
            (Kind::Stamp, Some(at)) => Self::Stamp(at),
            _ => Self::strict(kind, value).unwrap_or_else(|| Self::Json(Box::new(value.clone()))),
        }
    }

    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(value) => value,
            _ => "",
        }
    }

    pub(super) fn ints(&self) -> &[u64] {
        match self {
            Self::Ints(value) => value,
            _ => &[],
        }
    }

    /// A day at midnight, or a moment.
    pub(super) fn moment(&self) -> Option<DateTime> {
        match self {
            Self::Date(value) => Some(value.to_datetime(Time::midnight())),
            Self::Stamp(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(value) => value.is_empty(),
            Self::Ints(value) => value.is_empty(),
            Self::Texts(value) => value.is_empty(),
            _ => false,
        }
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Cell {
    fn from(value: i32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<Option<u64>> for Cell {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Self::Null, Self::from)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<&'static str> for Cell {
    fn from(value: &'static str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl From<Vec<u64>> for Cell {
    fn from(value: Vec<u64>) -> Self {
        Self::Ints(value)
    }
}

impl From<Vec<String>> for Cell {
    fn from(value: Vec<String>) -> Self {
        Self::Texts(value)
    }
}

impl From<Date> for Cell {
    fn from(value: Date) -> Self {
        Self::Date(value)
    }
}

impl From<Option<Date>> for Cell {
    fn from(value: Option<Date>) -> Self {
        value.map_or(Self::Null, Self::Date)
    }
}

impl From<DateTime> for Cell {
    fn from(value: DateTime) -> Self {
        Self::Stamp(value)
    }
}

impl From<Option<DateTime>> for Cell {
    fn from(value: Option<DateTime>) -> Self {
        value.map_or(Self::Null, Self::Stamp)
    }
}

/// `-3100` as `"-31.00"`.
pub(super) fn money(hundredths: i64) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    let size = hundredths.unsigned_abs();
    format!("{sign}{}.{:02}", size / 100, size % 100)
}

/// A whole number, also as text.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// 0 or 1, also as text or boolean.
pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        _ => match int(value)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    }
}

/// An amount of money in hundredths, from a number or text with at most two decimals.
pub(super) fn hundredths(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 15
        || fraction.len() > 2
        || !all_digits(whole)
        || !all_digits(fraction)
    {
        return None;
    }
    let amount = whole.parse::<i64>().ok()? * 100 + format!("{fraction:0<2}").parse::<i64>().ok()?;
    Some(if negative { -amount } else { amount })
}

fn words(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The items of a list, or a scalar as the only item.
pub(super) fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        single => vec![single],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_keeps_two_decimals_and_its_sign() {
        assert_eq!(money(-3100), "-31.00");
        assert_eq!(money(-5), "-0.05");
        assert_eq!(hundredths(&json!("-31.00")), Some(-3100));
        assert_eq!(hundredths(&json!(10)), Some(1000));
        assert_eq!(hundredths(&json!("10.5")), Some(1050));
        assert_eq!(hundredths(&json!("10.555")), None);
        assert_eq!(hundredths(&json!("ten")), None);
    }

    #[test]
    fn a_write_takes_dates_in_the_russian_format_only() {
        assert!(Cell::strict(Kind::DateRu, &json!("14.05.2014")).is_some());
        assert!(Cell::strict(Kind::DateRu, &json!("2014-05-14")).is_none());
        assert!(Cell::strict(Kind::DateIso, &json!("2014-05-14")).is_none());
        assert_eq!(Cell::strict(Kind::Ints, &json!("1")), Some(Cell::Ints(vec![1])));
    }
}
