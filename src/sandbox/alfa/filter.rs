//! Turns the documented filters of a model into tests of a row. Unknown keys, and values in a format the filter is not
//! documented with, are ignored without a word, as the CRM ignores them.

use jiff::civil::Date;
use serde_json::Value;

use super::cell::{Cell, flag, hundredths, int, many};
use super::dates;
use super::list::Test;
use super::row::Row;
use super::schema::{DateFormat, Filter, How, Spec};

/// The test a filter makes of a value, if it makes one.
pub(super) fn test<'a>(spec: &'static Spec, filter: &Filter, value: &Value) -> Option<Test<'a>> {
    if value.is_null() || value.as_str() == Some("") {
        return None;
    }
    let at = spec.at(filter.column);
    Some(match filter.how {
        How::Is => {
            let wanted = numbers(value)?;
            Box::new(move |row| row.cells[at].number().is_some_and(|number| wanted.contains(&number)))
        }
        How::Holds => {
            let wanted: Vec<u64> =
                numbers(value)?.into_iter().filter_map(|id| u64::try_from(id).ok()).collect();
            Box::new(move |row| row.cells[at].ints().iter().any(|id| wanted.contains(id)))
        }
        How::Contains => {
            let wanted = text(value)?.to_lowercase();
            Box::new(move |row| row.cells[at].text().to_lowercase().contains(&wanted))
        }
        How::Same => {
            let wanted = text(value)?.to_lowercase();
            Box::new(move |row| row.cells[at].text().to_lowercase() == wanted)
        }
        How::Since(format) => {
            let day = day(value, format)?;
            Box::new(move |row| row.cells[at].moment().is_some_and(|moment| moment.date() >= day))
        }
        How::Until(format) => {
            let day = day(value, format)?;
            Box::new(move |row| row.cells[at].moment().is_some_and(|moment| moment.date() <= day))
        }
        How::Least | How::Most => {
            let limit = hundredths(value)?;
            let least = filter.how == How::Least;
            Box::new(move |row| {
                let amount = match &row.cells[at] {
                    Cell::Money(amount) => *amount,
                    Cell::Int(number) => number * 100,
                    _ => 0,
                };
                if least { amount >= limit } else { amount <= limit }
            })
        }
        How::Empty => {
            let wanted = flag(value)?;
            Box::new(move |row| row.cells[at].is_empty() == wanted)
        }
    })
}

/// A day in the format a filter takes.
pub(super) fn day(value: &Value, format: DateFormat) -> Option<Date> {
    let text = value.as_str()?.trim();
    match format {
        DateFormat::Ru => dates::parse_ru(text),
        DateFormat::Iso => dates::parse_iso(text),
        DateFormat::Either => dates::parse_ru(text).or_else(|| dates::parse_iso(text)),
        DateFormat::Dots => {
            dates::parse_dots(text).or_else(|| dates::parse_ru(text)).or_else(|| dates::parse_iso(text))
        }
    }
}

/// The numbers of a list, or a single one. Booleans count as 0 and 1.
pub(super) fn numbers(value: &Value) -> Option<Vec<i64>> {
    many(value).into_iter().map(|item| int(item).or_else(|| item.as_bool().map(i64::from))).collect()
}

/// Text, also sent as a number.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The `removed` filter of clients, groups and teachers: absent or 0 is active only, 1 is all, 2 is archived only. The
/// rows carry no flag: archived is whoever's end date has come.
pub(super) fn removed<'a>(spec: &'static Spec, value: Option<i64>, today: Date) -> Option<Test<'a>> {
    let at = spec.at("e_date");
    let gone = move |row: &Row| row.cells[at].moment().is_some_and(|end| end.date() <= today);
    match value.unwrap_or(0) {
        1 => None,
        2 => Some(Box::new(gone)),
        _ => Some(Box::new(move |row| !gone(row))),
    }
}
