#![doc = include_str!("docs.md")]

mod client;
mod error;
mod filter;
mod form;
mod lessons;
mod model;
mod payments;
mod reference;
mod session;
mod students;

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::config;
use crate::crm::{Crm, Sources};
use crate::model::Source as CrmName;
use crate::telemetry::Metrics;
use crate::upstream::wire::Transport;
use client::Client;
use lessons::Lessons;
use model::Of;
use payments::Payments;
use reference::Reference;
use students::Students;

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

    fn zone(&self) -> TimeZone {
        self.client.dialect().zone.clone()
    }

    fn sources(&self) -> Sources {
        let client = &self.client;
        Sources::default()
            .with(Of::<Students>::new(client))
            .with(Of::<Lessons>::new(client))
            .with(Of::<Payments>::new(client))
            .with(Of::<Reference>::new(client))
    }
}
