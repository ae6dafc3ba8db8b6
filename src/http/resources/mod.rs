//! The resources there are, one line each.

mod bonus;
mod discounts;
mod history;
mod lessons;
mod messages;
mod payments;
mod projects;
mod reference;
mod students;
mod subscriptions;
mod tariffs;

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
    mount::<tariffs::Tariffs>(&mut routes);
    mount::<subscriptions::Subscriptions>(&mut routes);
    mount::<discounts::Discounts>(&mut routes);
    mount::<bonus::BonusPoints>(&mut routes);
    mount::<history::History>(&mut routes);
    mount::<messages::Messages>(&mut routes);
    routes
}
