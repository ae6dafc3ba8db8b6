//! Lessons.

use crate::http::resource::Resource;
use crate::model::lesson::Lesson;

pub(super) struct Lessons;

impl Resource for Lessons {
    type Record = Lesson;
    const PATH: &'static str = "/lessons";
    const NAMES: (&'static str, &'static str) = ("lesson", "lessons");
    const ABOUT: &'static str =
        "Lessons of AlfaCRM, planned, cancelled and conducted, with their attendance.";
}
