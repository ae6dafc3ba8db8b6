//! The resources there are, one line each.

mod bonus;
mod discounts;
mod history;
mod calendars;
mod groups;
mod lessons;
mod messages;
mod payments;
mod projects;
mod reference;
mod students;
mod subscriptions;
mod tariffs;
mod teachers;

use super::resource::mount;
use super::routes::Routes;

/// Everything under the API's paths.
pub(super) fn all() -> Routes {
    let mut routes = Routes::default();
    mount::<students::Students>(&mut routes);
    mount::<lessons::Lessons>(&mut routes);
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
    mount::<reference::Reference>(&mut routes);
    mount::<tariffs::Tariffs>(&mut routes);
    mount::<subscriptions::Subscriptions>(&mut routes);
    mount::<discounts::Discounts>(&mut routes);
    mount::<bonus::BonusPoints>(&mut routes);
    mount::<history::History>(&mut routes);
    mount::<messages::Messages>(&mut routes);
    routes
}
