#![doc = include_str!("docs.md")]

mod actions;
pub mod calibrate;
mod checklists;
mod client;
mod envelope;
mod error;
mod goods;
mod mapping;
mod part;
mod payments;
mod projects;
mod reference;
mod steps;

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::config;
use crate::crm::{Budget, Crm, Error, Sources};
use crate::model::Source as CrmName;
use crate::model::context::Payer;
use crate::model::rehearsal::Forecast;
use crate::telemetry::Metrics;
use crate::upstream::wire::Transport;
use client::Client;

/// One tenant of the Crypto CRM.
pub struct Crypto {
    client: Arc<Client>,
}

impl std::fmt::Debug for Crypto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crypto").finish_non_exhaustive()
    }
}

impl Crypto {
    /// Speaks to the tenant of `config` over `transport`. Must be called within a runtime; nothing is sent yet.
    pub fn new(config: &config::CryptoCrm, transport: Transport, metrics: Arc<Metrics>) -> Self {
        Self { client: Arc::new(Client::new(config, transport, metrics)) }
    }

    /// Takes the token and the secret of `config` once the CRM has answered a read that carries them; calls under way end
    /// with the old ones. `false` when they are those in use.
    ///
    /// # Errors
    /// The CRM does not take them, or cannot be asked; then the old ones stay.
    pub async fn exchange_credentials(&self, config: &config::CryptoCrm) -> Result<bool, Error> {
        self.client.exchange_credentials(config).await
    }
}

impl Crm for Crypto {
    fn name(&self) -> CrmName {
        CrmName::CryptoCrm
    }

    fn zone(&self) -> TimeZone {
        self.client.config.timezone.clone()
    }

    fn budget(&self, payer: &Payer) -> Budget {
        Budget::of(self.client.upstream(), payer)
    }

    fn forecast(&self, payer: &Payer) -> Forecast {
        let (pacer, payer) = (self.client.upstream().pacer().clone(), payer.clone());
        Box::new(move |calls, accepted| pacer.forecast(&payer, calls, None, accepted))
    }

    fn sources(&self) -> Sources {
        let client = &self.client;
        Sources::default()
            .with(payments::Payments::new(Arc::clone(client)))
            .with(projects::Projects::new(Arc::clone(client)))
            .with(reference::Reference::new(client))
            .with(steps::Steps::new(Arc::clone(client)))
            .with(actions::Actions::new(Arc::clone(client)))
            .with(checklists::Checklists::new(Arc::clone(client)))
            .with(goods::Goods::new(Arc::clone(client)))
    }
}
