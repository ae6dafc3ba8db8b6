//! The resources there are, one line each.

mod bonus;
mod calendars;
mod communications;
mod discounts;
mod explain;
mod groups;
mod history;
mod lessons;
mod messages;
mod overview;
mod payments;
mod project_parts;
mod projects;
mod quota;
mod reference;
mod schedules;
mod schema;
mod search;
mod students;
mod subscriptions;
mod tariffs;
mod tasks;
mod teachers;

pub(super) use payments::Payments;

use super::resource::mount;
use super::routes::Routes;
use super::{batch, operations};

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
    mount::<groups::Groups>(&mut routes);
    mount::<groups::Members>(&mut routes);
    mount::<groups::StudentGroups>(&mut routes);
    mount::<teachers::Teachers>(&mut routes);
    mount::<teachers::WorkingHours>(&mut routes);
    mount::<teachers::Rates>(&mut routes);
    mount::<calendars::OfStudent>(&mut routes);
    mount::<calendars::OfGroup>(&mut routes);
    mount::<calendars::OfTeacher>(&mut routes);
    mount::<projects::ProjectSearch>(&mut routes);
    mount::<projects::StudentProjects>(&mut routes);
    mount::<project_parts::Steps>(&mut routes);
    mount::<project_parts::Actions>(&mut routes);
    mount::<project_parts::Checklists>(&mut routes);
    mount::<project_parts::Goods>(&mut routes);
    mount::<project_parts::Payments>(&mut routes);
    mount::<reference::Reference>(&mut routes);
    mount::<tariffs::Tariffs>(&mut routes);
    mount::<subscriptions::Subscriptions>(&mut routes);
    mount::<discounts::Discounts>(&mut routes);
    mount::<bonus::BonusPoints>(&mut routes);
    mount::<history::History>(&mut routes);
    mount::<messages::Messages>(&mut routes);
    batch::mount(&mut routes);
    operations::mount(&mut routes);
    search::mount(&mut routes);
    schema::mount(&mut routes);
    quota::mount(&mut routes);
    explain::mount(&mut routes);
    // After all resources: it needs the scopes of those that its parts are of.
    overview::mount(&mut routes);
    routes
}
