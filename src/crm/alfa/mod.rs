#![doc = include_str!("docs.md")]

mod bonus;
mod calendar;
mod client;
mod discounts;
mod error;
mod filter;
mod form;
mod history;
mod lessons;
mod messages;
mod groups;
mod members;
mod model;
mod payments;
mod people;
mod reference;
mod session;
mod students;
mod subscriptions;
mod tariffs;
mod teachers;

use std::sync::Arc;

use crate::config;
use crate::crm::{Crm, Sources};
use crate::model::Source as CrmName;
use crate::telemetry::Metrics;
use crate::upstream::wire::Transport;
use bonus::BonusPoints;
use client::Client;
use discounts::Discounts;
use history::History;
use lessons::Lessons;
use messages::Messages;
use calendar::Calendars;
use groups::Groups;
use members::Members;
use model::Of;
use payments::Payments;
use reference::Reference;
use students::Students;
use subscriptions::Subscriptions;
use tariffs::Tariffs;
use teachers::{Rates, Teachers, WorkingHours};

/// One AlfaCRM account.
pub struct Alfa {
    client: Arc<Client>,
}

impl std::fmt::Debug for Alfa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alfa").finish_non_exhaustive()
    }
}

impl Alfa {
    /// Speaks to the account of `config` over `transport`. Must be called within a runtime; nothing is sent yet.
    pub fn new(config: &config::AlfaCrm, transport: Transport, metrics: Arc<Metrics>) -> Self {
        Self { client: Arc::new(Client::new(config, transport, metrics)) }
    }
}

impl Crm for Alfa {
    fn name(&self) -> CrmName {
        CrmName::AlfaCrm
    }

    fn sources(&self) -> Sources {
        let client = &self.client;
        Sources::default()
            .with(Of::<Students>::new(client))
            .with(Of::<Lessons>::new(client))
            .with(Of::<Payments>::new(client))
            .with(Of::<Groups>::new(client))
            .with(Of::<Members>::new(client))
            .with(Of::<Teachers>::new(client))
            .with(Of::<WorkingHours>::new(client))
            .with(Of::<Rates>::new(client))
            .with(Of::<Calendars>::new(client))
            .with(Of::<Reference>::new(client))
            .with(Of::<Tariffs>::new(client))
            .with(Of::<Subscriptions>::new(client))
            .with(Of::<Discounts>::new(client))
            .with(Of::<BonusPoints>::new(client))
            .with(Of::<History>::new(client))
            .with(Of::<Messages>::new(client))
    }
}
