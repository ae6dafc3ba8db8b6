//! A calendar: the lessons of one student, group or teacher between two days, whatever became of them.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::expand::{Expand, Kin, to};
use super::lesson::LessonStatus;
use super::reference::Book;
use super::sight::Need;
use super::{Entity, Filter, Moment, Order, Query, Record, RecordId, Rows, Seen};

/// The most days that one calendar may hold: two years.
const MOST_DAYS: i32 = 732;

/// A lesson in a calendar.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CalendarEntry {
    /// The lesson, a record of `/lessons`.
    #[schema(required)]
    pub lesson_id: Option<RecordId>,
    /// Its kind, a record of `/reference/lesson-types`.
    #[schema(required)]
    pub lesson_type_id: Option<RecordId>,
    /// What became of it.
    pub status: LessonStatus,
    /// When it starts.
    #[schema(required)]
    pub starts_at: Option<Moment>,
    /// When it ends.
    #[schema(required)]
    pub ends_at: Option<Moment>,
    /// How long it lasts.
    #[schema(required)]
    pub duration_minutes: Option<i64>,
    /// Its subject, a record of `/reference/subjects`.
    #[schema(required)]
    pub subject_id: Option<RecordId>,
}

/// Whose calendar, which the path says, and from when to when.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CalendarFilter {
    /// A student, a group or a teacher.
    pub of: Option<(Kin, RecordId)>,
    pub from: Option<Date>,
    pub to: Option<Date>,
}

impl Filter<CalendarEntry> for CalendarFilter {
    fn read(q: &mut Query) -> Self {
        let from: Option<Date> = q.required("from", "The first day.", "2025-09-01");
        let to: Option<Date> =
            q.required("to", "The last day; at most 732 days are given at once.", "2027-08-31");
        if let (Some(first), Some(last)) = (from, to) {
            let days = (last - first).get_days() + 1;
            if first > last {
                q.refuse("from", "lies after `to`");
            } else if days > MOST_DAYS {
                q.refuse("to", format!("is {days} days from `from`; at most {MOST_DAYS} are given at once"));
            }
        }
        Self { of: None, from, to }
    }

    fn owner(&self) -> Option<(Kin, RecordId)> {
        self.of.clone()
    }

    fn matches(&self, record: &Record<CalendarEntry>) -> bool {
        // A lesson that does not tell when it is was put there by the CRM.
        record.data.starts_at.is_none_or(|at| {
            let day = at.local().date();
            self.from.is_none_or(|from| day >= from) && self.to.is_none_or(|to| day <= to)
        })
    }
}

impl Entity for CalendarEntry {
    const RESOURCE: &'static str = "calendars";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[];
    // An entry does not tell whose calendar it is in; the path does.
    const ROWS: Rows<Self> = Rows {
        needs: |filter| match filter.of {
            Some((Kin::Group, _)) => &[Need::Groups],
            _ => &[],
        },
        narrow: |filter, own| match &filter.of {
            Some((kin, id)) if own.has(*kin, id) => vec![filter.clone()],
            _ => Vec::new(),
        },
        see: |_, filter, own| match &filter.of {
            Some((kin, id)) => own.all_if(*kin, Some(id)),
            None => Seen::Nothing,
        },
        ..Rows::CLOSED
    };
    type Filter = CalendarFilter;
    type Draft = ReadOnly;
    const EXPANDS: &'static [Expand] = &[
        to("lesson_type", "lesson_type_id", Kin::Entry(Book::LessonTypes)),
        to("subject", "subject_id", Kin::Entry(Book::Subjects)),
    ];

    fn order() -> Order<Self> {
        // By time, those without one last.
        Order::Merged(|a, b| {
            let key = |entry: &Record<Self>| {
                (entry.data.starts_at.is_none(), entry.data.starts_at, entry.id.number())
            };
            key(a).cmp(&key(b))
        })
    }

    fn example() -> Value {
        json!({
            "id": "alfa-5001", "source": "alfacrm", "source_id": "5001", "lesson_id": "alfa-5001", "lesson_type_id": "alfa-2",
            "status": "CONDUCTED", "starts_at": "2026-02-18T17:00:00+03:00", "ends_at": "2026-02-18T18:00:00+03:00",
            "duration_minutes": 60, "subject_id": "alfa-2", "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> Vec<String> {
        let mut query = Query::parse(text);
        CalendarFilter::read(&mut query);
        query.finish().err().unwrap_or_default().into_iter().map(|bad| bad.name).collect()
    }

    #[test]
    fn both_days_are_needed_and_two_years_are_the_most() {
        assert_eq!(wrong(""), ["from", "to"]);
        assert_eq!(wrong("from=2026-01-01"), ["to"]);
        assert_eq!(wrong("from=2026-01-02&to=2026-01-01"), ["from"]);
        assert_eq!(wrong("from=2025-01-01&to=2027-01-02"), Vec::<String>::new(), "732 days");
        assert_eq!(wrong("from=2025-01-01&to=2027-01-03"), ["to"]);
        assert_eq!(wrong("from=0001-01-01&to=9999-12-31"), ["to"]);
    }
}
