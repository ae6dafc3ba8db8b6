//! Tokens: 32 hex characters, several valid at once, each for its time.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::call::Call;
use super::errors::Refusal;
use super::switches::Switches;

/// The tokens given out and when.
#[derive(Debug)]
pub(super) struct Tokens {
    seed: u64,
    given: u64,
    live: BTreeMap<String, Instant>,
}

impl Tokens {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, given: 0, live: BTreeMap::new() }
    }

    /// Checks e-mail and key and gives out a token.
    pub(super) fn login(
        &mut self,
        call: &Call,
        switches: &Switches,
        now: Instant,
    ) -> Result<String, Refusal> {
        let wanted = &switches.credentials;
        if call.body_text("email") != Some(wanted.email.as_str())
            || call.body_text("api_key") != Some(wanted.api_key.as_str())
        {
            return Err(Refusal::BadLogin);
        }
        self.given += 1;
        let digest = Sha256::digest(format!("token {} {}", self.seed, self.given));
        let token: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.live.insert(token.clone(), now);
        Ok(token)
    }

    /// Whether a token is good now. The lifetime in force counts, not the one at login.
    pub(super) fn check(
        &self,
        token: Option<&str>,
        switches: &Switches,
        now: Instant,
    ) -> Result<(), Refusal> {
        token
            .and_then(|token| self.live.get(token))
            .filter(|given| now.saturating_duration_since(**given) < switches.token_ttl)
            .map(|_| ())
            .ok_or(Refusal::BadToken)
    }

    /// Makes all tokens bad.
    pub(super) fn expire(&mut self) {
        self.live.clear();
    }
}
