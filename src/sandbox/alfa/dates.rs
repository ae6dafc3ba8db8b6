//! The three ways AlfaCRM writes a date, and reading them back: `dd.mm.yyyy` (D), `yyyy-mm-dd` (I) and
//! `yyyy-mm-dd hh:mm:ss` (T). Every reader here is strict: which formats a field accepts is the field's own decision.

use jiff::civil::{Date, DateTime, Time};

/// The date an active record "ends" on: never.
pub(super) const SENTINEL: Date = Date::constant(2030, 12, 31);

/// `dd.mm.yyyy`
pub(super) fn ru(date: Date) -> String {
    format!("{:02}.{:02}.{:04}", date.day(), date.month(), date.year())
}

/// `yyyy-mm-dd`
pub(super) fn iso(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

/// `yyyy-mm-dd hh:mm:ss`
pub(super) fn stamp(at: DateTime) -> String {
    format!("{} {:02}:{:02}:{:02}", iso(at.date()), at.hour(), at.minute(), at.second())
}

/// Reads `dd.mm.yyyy`.
pub(super) fn parse_ru(text: &str) -> Option<Date> {
    let [day, month, year] = parts(text, '.', [2, 2, 4])?;
    date(year, month, day)
}

/// Reads `yyyy-mm-dd`.
pub(super) fn parse_iso(text: &str) -> Option<Date> {
    let [year, month, day] = parts(text, '-', [4, 2, 2])?;
    date(year, month, day)
}

/// Reads `yyyy.mm.dd`, which only the payment filter documents.
pub(super) fn parse_dots(text: &str) -> Option<Date> {
    let [year, month, day] = parts(text, '.', [4, 2, 2])?;
    date(year, month, day)
}

/// Reads `hh:mm` or `hh:mm:ss`.
pub(super) fn parse_time(text: &str) -> Option<Time> {
    let mut fields = text.split(':').map(|field| {
        (matches!(field.len(), 1 | 2) && field.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| field.parse::<i8>().ok())
            .flatten()
    });
    let hour = fields.next()??;
    let minute = fields.next()??;
    let second = match fields.next() {
        Some(field) => field?,
        None => 0,
    };
    if fields.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, 0).ok()
}

/// Reads `yyyy-mm-dd hh:mm:ss`, also with a `T` between.
pub(super) fn parse_stamp(text: &str) -> Option<DateTime> {
    let (day, time) = text.split_once([' ', 'T'])?;
    Some(parse_iso(day)?.to_datetime(parse_time(time)?))
}

/// Reads any of the formats a row may show, for rows changed behind the API's back.
pub(super) fn parse_any(text: &str) -> Option<DateTime> {
    parse_stamp(text)
        .or_else(|| parse_iso(text).or_else(|| parse_ru(text)).map(|day| day.to_datetime(Time::midnight())))
}

fn parts(text: &str, separator: char, lengths: [usize; 3]) -> Option<[i16; 3]> {
    let mut fields = text.split(separator);
    let mut out = [0; 3];
    for (slot, length) in out.iter_mut().zip(lengths) {
        let field = fields.next()?;
        if field.len() != length || !field.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *slot = field.parse().ok()?;
    }
    fields.next().is_none().then_some(out)
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_takes_its_own_format_only() {
        let day = Date::constant(2026, 2, 18);
        assert_eq!(parse_ru("18.02.2026"), Some(day));
        assert_eq!(parse_ru("2026-02-18"), None);
        assert_eq!(parse_iso("2026-02-18"), Some(day));
        assert_eq!(parse_iso("18.02.2026"), None);
        assert_eq!(parse_dots("2026.02.18"), Some(day));
        assert_eq!(parse_ru("31.02.2026"), None);
        assert_eq!(parse_time("17:00"), Time::new(17, 0, 0, 0).ok());
        assert_eq!(parse_time("17:00:59"), Time::new(17, 0, 59, 0).ok());
        assert_eq!(parse_time("25:00"), None);
        assert_eq!(stamp(parse_stamp("2026-02-18T17:00:01").expect("a time")), "2026-02-18 17:00:01");
        assert_eq!(ru(day), "18.02.2026");
    }
}
