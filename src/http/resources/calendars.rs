//! Calendars of students, groups and teachers.

use crate::http::resource::{Offer, Resource, parent};
use crate::model::calendar::{CalendarEntry, CalendarFilter};
use crate::model::expand::Kin;

/// Notes whose calendar a path is about.
fn of(kin: Kin, filter: &mut CalendarFilter, path: &[&str]) -> bool {
    filter.of = parent(path).map(|id| (kin, id));
    filter.of.is_some()
}

pub(super) struct OfStudent;

impl Resource for OfStudent {
    type Record = CalendarEntry;
    const PATH: &'static str = "/students/{id}/calendar";
    const NAMES: (&'static str, &'static str) = ("student_calendar_entry", "student_calendar");
    const ABOUT: &'static str =
        "The lessons of a student between two days by time, planned, cancelled and conducted.";
    const OFFERS: &'static [Offer] = &[Offer::List];
    const PARENT: Option<Kin> = Some(Kin::Student);

    fn narrow(filter: &mut CalendarFilter, path: &[&str]) -> bool {
        of(Kin::Student, filter, path)
    }
}

pub(super) struct OfGroup;

impl Resource for OfGroup {
    type Record = CalendarEntry;
    const PATH: &'static str = "/groups/{id}/calendar";
    const NAMES: (&'static str, &'static str) = ("group_calendar_entry", "group_calendar");
    const ABOUT: &'static str =
        "The lessons of a group between two days by time, planned, cancelled and conducted.";
    const OFFERS: &'static [Offer] = &[Offer::List];
    const PARENT: Option<Kin> = Some(Kin::Group);

    fn narrow(filter: &mut CalendarFilter, path: &[&str]) -> bool {
        of(Kin::Group, filter, path)
    }
}

pub(super) struct OfTeacher;

impl Resource for OfTeacher {
    type Record = CalendarEntry;
    const PATH: &'static str = "/teachers/{id}/calendar";
    const NAMES: (&'static str, &'static str) = ("teacher_calendar_entry", "teacher_calendar");
    const ABOUT: &'static str =
        "The lessons of a teacher between two days by time, planned, cancelled and conducted.";
    const OFFERS: &'static [Offer] = &[Offer::List];
    const PARENT: Option<Kin> = Some(Kin::Teacher);

    fn narrow(filter: &mut CalendarFilter, path: &[&str]) -> bool {
        of(Kin::Teacher, filter, path)
    }
}
