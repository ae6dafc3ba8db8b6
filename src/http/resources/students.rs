//! Students and leads.

use crate::http::resource::Resource;
use crate::model::student::Student;

pub(super) struct Students;

impl Resource for Students {
    type Record = Student;
    const PATH: &'static str = "/students";
    const NAMES: (&'static str, &'static str) = ("student", "students");
    const ABOUT: &'static str = "Students and leads: the people of AlfaCRM, told apart by `stage`.";
}
