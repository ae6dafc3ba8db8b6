//! Calendars: `calendar/customer`, `calendar/group` and `calendar/teacher` (section 9.10 of the reference), the only calls
//! that give the lessons of all statuses at once. Each answers a bare list without pages and without a promised order.

use super::filter::{Body, iso};
use super::lessons::STATUSES;
use super::model::{Branching, Calls, Ids, Model, Scene};
use crate::crm::wire::Row;
use crate::model::calendar::{CalendarEntry, CalendarFilter};
use crate::model::expand::Kin;
use crate::model::lesson::LessonStatus;

/// Calendars.
pub(super) struct Calendars;

/// Longer than any lesson, in minutes: a week.
const TOO_LONG: i64 = 7 * 24 * 60;

impl Model for Calendars {
    type Record = CalendarEntry;
    const CALLS: Calls = Calls::reads("calendar/customer");
    const WHOLE: bool = true;

    fn list(filter: &CalendarFilter) -> &'static str {
        match filter.of {
            Some((Kin::Group, _)) => "calendar/group",
            Some((Kin::Teacher, _)) => "calendar/teacher",
            _ => Self::CALLS.list,
        }
    }

    /// Always seen with a branch in its path (section 3.1), which holds the lessons of that branch.
    fn branching(_: &CalendarFilter) -> Branching {
        Branching::Each
    }

    fn ask(filter: &CalendarFilter, body: &mut Body) {
        body.parent("id", filter.of.as_ref().map(|(_, id)| id));
        for (key, day) in [("date1", filter.from), ("date2", filter.to)] {
            match day {
                Some(day) => body.query(key, iso(day)),
                None => body.impossible_if(true),
            }
        }
    }

    fn ask_for(_: Ids<'_>, _: &mut Body) -> bool {
        false
    }

    fn read(row: &Row<'_>, _: &Scene) -> CalendarEntry {
        let starts_at = row.moment("start");
        let minutes = row.whole("duration").filter(|minutes| (0..=TOO_LONG).contains(minutes));
        let code = row.number("status");
        let status = STATUSES.iter().find(|(_, known)| Some(*known) == code).map(|(status, _)| *status);
        if status.is_none() {
            row.note("status");
        }
        CalendarEntry {
            lesson_id: row.id("id"),
            lesson_type_id: row.id("type"),
            status: status.unwrap_or(LessonStatus::Unknown),
            starts_at,
            ends_at: starts_at.zip(minutes).and_then(|(at, minutes)| row.later(at, minutes)),
            duration_minutes: minutes,
            subject_id: row.id("subject_id"),
        }
    }
}
