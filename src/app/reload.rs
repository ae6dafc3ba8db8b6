//! What a running gateway takes of a changed configuration: consumers, how tokens are judged, and new credentials of the
//! CRMs once they are proven. Each part says on the operators' board what became of it; everything else takes a restart.

use std::sync::{Arc, Mutex, PoisonError};

use super::{StartError, consumers, jwks};
use crate::config::{self, Config};
use crate::consumers::{Clock, Consumers, Provider};
use crate::crm;
use crate::crm::alfa::Alfa;
use crate::crm::crypto::Crypto;
use crate::http::{Reloaded, Reloads};

/// Takes what can be taken while requests run.
pub struct Reload {
    pub(super) consumers: Arc<Consumers>,
    pub(super) alfa: Option<(Arc<Alfa>, config::AlfaCrm)>,
    pub(super) crypto: Option<(Arc<Crypto>, config::CryptoCrm)>,
    pub(super) board: Reloads,
    pub(super) clock: Clock,
    pub(super) provider: Option<Arc<dyn Provider>>,
    /// What tokens are judged by now.
    pub(super) jwt: Mutex<Option<config::Jwt>>,
    /// What subjects of tokens are named by; it stays as it was at the start.
    pub(super) subjects: [u8; 32],
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reload").field("board", &self.board).finish_non_exhaustive()
    }
}

impl Reload {
    /// Takes consumers and tokens at once, and credentials when their CRM has taken them. One after the other.
    pub async fn take(&self, config: &Config) {
        self.board.settled("configuration");
        let who = self.take_who_may_call(config);
        match &who {
            Ok(()) => {
                let told = format!("{} consumers", config.consumers.len());
                tracing::info!(
                    consumers = config.consumers.len(),
                    "consumers reloaded, and [auth.jwt]; everything else but credentials of the CRMs takes a restart"
                );
                self.note("consumers", Ok(told));
            }
            Err(error) => {
                tracing::error!(%error, "consumers and how tokens are judged are not reloaded, the old ones stay");
                self.note("consumers", Err(error.to_string()));
            }
        }
        if let (Some((alfa, running)), Some(new)) = (&self.alfa, &config.alfacrm) {
            let same = (&running.base_url, &running.email) == (&new.base_url, &new.email);
            self.exchange("alfacrm", same, alfa.exchange_credentials(new)).await;
        }
        if let (Some((crypto, running)), Some(new)) = (&self.crypto, &config.cryptocrm) {
            let same = (&running.base_url, &running.base_path) == (&new.base_url, &new.base_path);
            self.exchange("cryptocrm", same, crypto.exchange_credentials(new)).await;
        }
    }

    /// The configuration could not be read at all.
    pub fn refused(&self, problems: &config::Problems) {
        tracing::error!("the configuration is not reloaded, the old one stays: {problems}");
        self.note("configuration", Err(problems.to_string()));
    }

    /// Nothing is taken when a file holds no keys.
    fn take_who_may_call(&self, config: &Config) -> Result<(), StartError> {
        let mut running = self.jwt.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.consumers.tokens();
        match (&config.jwt, known) {
            (Some(new), Some(tokens)) if running.as_ref() == Some(new) => {
                if let Some(keys) = jwks::in_file(new)? {
                    tokens.replace(keys);
                }
            }
            (Some(new), known) => {
                let clock = Arc::clone(&self.clock);
                let tokens = jwks::tokens(new, &self.subjects, clock, self.provider.clone())?;
                if let Some(known) = known {
                    tokens.begin_with_use_of(&known);
                    // From the same place, the keys are the same until it is asked again.
                    if running.as_ref().is_some_and(|old| old.jwks == new.jwks) {
                        tokens.begin_with_keys_of(&known);
                    }
                }
                self.consumers.replace_tokens(Some(tokens));
            }
            (None, _) => self.consumers.replace_tokens(None),
        }
        running.clone_from(&config.jwt);
        self.consumers.replace(consumers(config));
        Ok(())
    }

    /// Notes what became of new credentials of a CRM; those of another account are not tried.
    async fn exchange(
        &self,
        crm: &'static str,
        same_account: bool,
        exchange: impl Future<Output = Result<bool, crm::Error>>,
    ) {
        if !same_account {
            let why = "the address or the user changed, which takes a restart; the credentials in use stay";
            tracing::error!(crm, "{why}");
            return self.note(crm, Err(why.to_owned()));
        }
        match exchange.await {
            Ok(false) => self.board.settled(crm),
            Ok(true) => {
                tracing::info!(crm, "the CRM took the new credentials; calls use them from now on");
                self.note(crm, Ok("new credentials".to_owned()));
            }
            Err(error) => {
                let why = error.sentence();
                tracing::error!(crm, why, "the new credentials are not proven, the old ones stay");
                self.note(crm, Err(format!("the new credentials are not proven, the old ones stay: {why}")));
            }
        }
    }

    fn note(&self, part: &'static str, outcome: Result<String, String>) {
        self.board.note(part, Reloaded { at: (self.clock)(), outcome });
    }
}
