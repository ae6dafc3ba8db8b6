//! The resources there are, one line each.

mod communications;
mod lessons;
mod payments;
mod projects;
mod reference;
mod schedules;
mod students;
mod tasks;

use super::resource::mount;
use super::routes::Routes;

/// Everything under the API's paths.
pub(super) fn all() -> Routes {
    let mut routes = Routes::default();
    mount::<students::Students>(&mut routes);
    mount::<lessons::Lessons>(&mut routes);
    mount::<lessons::Conduct>(&mut routes);
    mount::<schedules::Schedules>(&mut routes);
    mount::<tasks::Tasks>(&mut routes);
    mount::<communications::OfStudents>(&mut routes);
    mount::<communications::OfGroups>(&mut routes);
    mount::<communications::OfTasks>(&mut routes);
    mount::<payments::Payments>(&mut routes);
    mount::<projects::Projects>(&mut routes);
    mount::<reference::Reference>(&mut routes);
    routes
}
