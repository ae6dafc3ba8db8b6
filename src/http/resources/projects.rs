//! Projects: all of them, by a question in a body, and those of a student.

use serde_json::{Value, json};

use crate::http::resource::{Filter, Offer, Resource, parent};
use crate::model::Query;
use crate::model::expand::Kin;
use crate::model::project::{Project, ProjectFilter};

pub(super) struct Projects;

impl Resource for Projects {
    type Record = Project;
    const PATH: &'static str = "/projects";
    const NAMES: (&'static str, &'static str) = ("project", "projects");
    const ABOUT: &'static str =
        "Projects of the Crypto CRM, with the dynamic fields of the CRM under `custom_fields`.";
}

pub(super) struct ProjectSearch;

impl Resource for ProjectSearch {
    type Record = Project;
    const PATH: &'static str = "/projects/search";
    const NAMES: (&'static str, &'static str) = ("project", "projects");
    const ABOUT: &'static str = "The list of projects with its filters as a JSON body: lists are arrays, dynamic fields stand under `fields`. How \
         records are shown is said in the query. The next page is asked for with `next_cursor` as `cursor` in the same body.";
    const OFFERS: &'static [Offer] = &[Offer::Search];

    fn example(_: Offer) -> Value {
        json!({"funnel_id": ["crypto-1", "crypto-2"], "fields": {"client_id": [1, 2, 3, 4, 5]}, "limit": 20})
    }
}

pub(super) struct StudentProjects;

impl Resource for StudentProjects {
    type Record = Project;
    const PATH: &'static str = "/students/{id}/projects";
    const NAMES: (&'static str, &'static str) = ("student_project", "student_projects");
    const ABOUT: &'static str = "Projects of the Crypto CRM that a student is linked to, by the dynamic field that the configuration names.";
    const OFFERS: &'static [Offer] = &[Offer::List];
    const PARENT: Option<Kin> = Some(Kin::Student);

    fn filter(_: &mut Query) -> Filter<Self> {
        ProjectFilter::default()
    }

    fn narrow(filter: &mut ProjectFilter, path: &[&str]) -> bool {
        filter.student = parent(path);
        filter.student.is_some()
    }
}
