#![doc = include_str!("docs.md")]

mod bonus;
mod calendar;
mod client;
mod communications;
mod discounts;
mod error;
mod filter;
mod form;
mod groups;
mod history;
mod lesson_form;
mod lessons;
mod likeness;
mod members;
mod messages;
mod model;
mod payments;
mod people;
mod reference;
mod schedules;
mod session;
mod students;
mod subscriptions;
mod tariffs;
mod tasks;
mod teachers;

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::config;
use crate::crm::{Budget, Crm, Sources};
use crate::model::Source as CrmName;
use crate::model::context::Payer;
use crate::model::rehearsal::Forecast;
use crate::telemetry::Metrics;
use crate::upstream::wire::Transport;
use bonus::BonusPoints;
use calendar::Calendars;
use client::Client;
use communications::Communications;
use discounts::Discounts;
use groups::Groups;
use history::History;
use lessons::Lessons;
use members::Members;
use messages::Messages;
use model::Of;
use payments::Payments;
use reference::Reference;
use schedules::Schedules;
use students::Students;
use subscriptions::Subscriptions;
use tariffs::Tariffs;
use tasks::Tasks;
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

    /// Takes the API key and the app key of `config` once a sign-in with them has gone well; calls under way end with the
    /// old token. `false` when they are those in use.
    ///
    /// # Errors
    /// The CRM does not take them, or cannot be asked; then the old ones stay.
    pub async fn exchange_credentials(&self, config: &config::AlfaCrm) -> Result<bool, crate::crm::Error> {
        self.client.exchange_credentials(config).await
    }
}

impl Crm for Alfa {
    fn name(&self) -> CrmName {
        CrmName::AlfaCrm
    }

    fn zone(&self) -> TimeZone {
        self.client.dialect().zone.clone()
    }

    fn budget(&self, payer: &Payer) -> Budget {
        Budget::of(self.client.upstream(), payer)
    }

    fn forecast(&self, payer: &Payer) -> Forecast {
        let (client, payer) = (Arc::clone(&self.client), payer.clone());
        Box::new(move |calls, accepted| {
            let sign_in = client.sign_in_needed();
            client.upstream().pacer().forecast(&payer, calls, sign_in, accepted)
        })
    }

    fn sources(&self) -> Sources {
        let client = &self.client;
        Sources::default()
            .with(Of::<Students>::new(client))
            .with(Of::<Lessons>::new(client))
            .with(Of::<Schedules>::new(client))
            .with(Of::<Tasks>::new(client))
            .with(Of::<Communications>::new(client))
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
