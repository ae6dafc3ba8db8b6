#![doc = include_str!("docs.md")]

mod client;
mod error;
mod filter;
mod lessons;
mod payments;
mod reference;
mod session;
mod students;

use std::sync::Arc;

use crate::config;
use crate::crm::{Crm, Source};
use crate::model::Source as CrmName;
use crate::model::lesson::Lesson;
use crate::model::payment::Payment;
use crate::model::reference::ReferenceEntry;
use crate::model::student::Student;
use crate::telemetry::Metrics;
use crate::upstream::wire::Transport;
use client::Client;

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

    fn students(&self) -> Option<Arc<dyn Source<Student>>> {
        Some(Arc::new(students::Students(Arc::clone(&self.client))))
    }

    fn lessons(&self) -> Option<Arc<dyn Source<Lesson>>> {
        Some(Arc::new(lessons::Lessons(Arc::clone(&self.client))))
    }

    fn payments(&self) -> Option<Arc<dyn Source<Payment>>> {
        Some(Arc::new(payments::Payments(Arc::clone(&self.client))))
    }

    fn reference(&self) -> Option<Arc<dyn Source<ReferenceEntry>>> {
        Some(Arc::new(reference::Reference(Arc::clone(&self.client))))
    }
}
