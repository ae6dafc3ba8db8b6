//! The resources there are, one line each.

mod lessons;
mod payments;
mod project_parts;
mod projects;
mod reference;
mod students;

use super::resource::mount;
use super::routes::Routes;

/// Everything under the API's paths.
pub(super) fn all() -> Routes {
    let mut routes = Routes::default();
    mount::<students::Students>(&mut routes);
    mount::<lessons::Lessons>(&mut routes);
    mount::<payments::Payments>(&mut routes);
    mount::<projects::Projects>(&mut routes);
    mount::<projects::ProjectSearch>(&mut routes);
    mount::<projects::StudentProjects>(&mut routes);
    mount::<project_parts::Steps>(&mut routes);
    mount::<project_parts::Actions>(&mut routes);
    mount::<project_parts::Checklists>(&mut routes);
    mount::<project_parts::Goods>(&mut routes);
    mount::<project_parts::Payments>(&mut routes);
    mount::<reference::Reference>(&mut routes);
    routes
}
