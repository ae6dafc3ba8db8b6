//! The resources there are, one line each.

mod lessons;
mod overview;
mod payments;
mod projects;
mod reference;
mod schema;
mod search;
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
    mount::<reference::Reference>(&mut routes);
    search::mount(&mut routes);
    schema::mount(&mut routes);
    // After all resources: it needs the scopes of those that its parts are of.
    overview::mount(&mut routes);
    routes
}
