//! Projects.

use crate::http::resource::Resource;
use crate::model::project::Project;

pub(super) struct Projects;

impl Resource for Projects {
    type Record = Project;
    const PATH: &'static str = "/projects";
    const NAMES: (&'static str, &'static str) = ("project", "projects");
    const ABOUT: &'static str =
        "Projects of the Crypto CRM, with the dynamic fields of the CRM under `custom_fields`.";
}
