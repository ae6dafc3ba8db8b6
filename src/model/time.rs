//! Points in time as consumers read them: RFC 3339 with the offset of the CRM's zone.

use std::fmt;

use jiff::civil::{DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use serde::{Serialize, Serializer};

/// An instant, remembered with the offset it is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    at: Timestamp,
    offset: Offset,
}

impl Moment {
    /// The instant at which clocks in `zone` show `local`. A time the zone skips is moved past the gap, a doubled one
    /// is its first occurrence.
    pub fn from_local(local: DateTime, zone: &TimeZone) -> Option<Self> {
        let zoned: Zoned = zone.to_ambiguous_zoned(local).compatible().ok()?;
        Some(Self { at: zoned.timestamp(), offset: zoned.offset() })
    }

    /// An instant that came with its own offset, shown in `zone`.
    pub fn from_timestamp(at: Timestamp, zone: &TimeZone) -> Self {
        Self { at, offset: zone.to_offset(at) }
    }

    /// The instant.
    pub fn timestamp(self) -> Timestamp {
        self.at
    }

    /// What clocks show there.
    pub fn local(self) -> DateTime {
        self.offset.to_datetime(self.at)
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at).then(self.offset.cmp(&other.offset))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.local();
        let minutes = self.offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
            local.year(),
            local.month(),
            local.day(),
            local.hour(),
            local.minute(),
            local.second(),
            minutes.abs() / 60,
            minutes.abs() % 60
        )
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl utoipa::PartialSchema for Moment {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime)))
            .examples([serde_json::json!("2026-02-25T17:00:00+03:00")])
            .into()
    }
}

impl utoipa::ToSchema for Moment {}

/// A time of day as consumers write it, `HH:MM`.
pub fn clock(text: &str) -> Option<Time> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str| (part.len() == 2).then(|| part.parse::<i8>().ok()).flatten();
    Time::new(two(hours)?, two(minutes)?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_moment_reads_as_rfc_3339_with_the_zones_offset() {
        let moscow = TimeZone::get("Europe/Moscow").unwrap();
        let moment = Moment::from_local(date(2026, 2, 25).at(17, 0, 0, 0), &moscow).unwrap();
        assert_eq!(moment.to_string(), "2026-02-25T17:00:00+03:00");
        let kolkata = TimeZone::get("America/St_Johns").unwrap();
        let moment = Moment::from_local(date(2026, 1, 25).at(17, 0, 0, 0), &kolkata).unwrap();
        assert_eq!(moment.to_string(), "2026-01-25T17:00:00-03:30");
    }

    #[test]
    fn a_time_that_daylight_saving_skips_still_is_an_instant() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let moment = Moment::from_local(date(2026, 3, 29).at(2, 30, 0, 0), &berlin).unwrap();
        assert_eq!(moment.to_string(), "2026-03-29T03:30:00+02:00");
    }
}
