//! Where the keys come from that tokens are signed with: a file, or an address that is asked from time to time.

use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use tower::ServiceExt as _;

use super::{JwksError, StartError, class, over_http};
use crate::config::{self, Jwt};
use crate::consumers::{Clock, Jwks, Provider, Rules, Tokens};
use crate::upstream::transport;
use crate::upstream::wire::Transport;

/// From one fetch to the next while all is well.
const REFRESH: Duration = Duration::from_secs(10 * 60);
/// After one that failed while older keys are there.
const AGAIN: Duration = Duration::from_secs(60);
/// After one that failed while there are none, and nobody with a token can be let in.
const AGAIN_SOON: Duration = Duration::from_secs(5);
/// The longest a fetch may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest set, in bytes.
const LARGEST: u64 = 256 * 1024;

/// Those who come with tokens, by the rules of the configuration. Keys of a file are read now; those of an address are
/// asked for at once and again and again, as long as somebody holds the result.
pub(super) fn tokens(
    jwt: &Jwt,
    subjects: &[u8],
    clock: Clock,
    instead: Option<Arc<dyn Provider>>,
) -> Result<Arc<Tokens>, StartError> {
    match &jwt.jwks {
        config::Jwks::File(path) => {
            let keys = read(path)?;
            let tokens = Arc::new(Tokens::new(rules(jwt), None, subjects, clock));
            tokens.replace(keys);
            Ok(tokens)
        }
        config::Jwks::Url { origin, path } => {
            let provider = match instead {
                Some(provider) => provider,
                None => Arc::new(Published { way: way(origin)?, path: path.clone() }),
            };
            let tokens = Arc::new(Tokens::new(rules(jwt), Some(provider), subjects, clock));
            tokio::spawn(refresh(Arc::downgrade(&tokens)));
            Ok(tokens)
        }
    }
}

fn rules(jwt: &Jwt) -> Rules {
    let rights = &jwt.rights;
    Rules {
        issuer: jwt.issuer.clone(),
        audience: jwt.audience.clone(),
        clock_skew: jwt.clock_skew,
        student_claim: jwt.student_claim.clone(),
        scopes: rights.scopes.iter().cloned().collect(),
        class: class(rights.class),
        weight: rights.weight,
        rate_limit: NonZeroU32::new(rights.rate_limit).unwrap_or(NonZeroU32::MIN),
        daily_budget: rights.daily_budget,
        mask: rights.mask.iter().map(|mask| mask.name().to_owned()).collect(),
    }
}

/// The keys as they are in the file now, where they are in one.
pub(super) fn in_file(jwt: &Jwt) -> Result<Option<Jwks>, StartError> {
    match &jwt.jwks {
        config::Jwks::File(path) => read(path).map(Some),
        config::Jwks::Url { .. } => Ok(None),
    }
}

fn read(path: &std::path::Path) -> Result<Jwks, StartError> {
    let read = || Ok(Jwks::read(&std::fs::read(path)?)?);
    read().map_err(|cause: JwksError| StartError::Jwks { path: path.display().to_string(), cause })
}

fn way(origin: &str) -> Result<Transport, StartError> {
    over_http(transport::Settings {
        base_url: origin.to_owned(),
        user_agent: format!("crm-gateway/{}", env!("CARGO_PKG_VERSION")),
        proxy: None,
        ca_file: None,
        max_response: LARGEST,
    })
}

/// Keys at a fixed address. What a token says about addresses is never looked at.
struct Published {
    way: Transport,
    path: String,
}

impl Provider for Published {
    fn fetch(&self) -> BoxFuture<'_, Result<Jwks, String>> {
        async move {
            let request = Request::get(self.path.as_str()).header(http::header::ACCEPT, "application/json");
            let request = request.body(Bytes::new()).map_err(|error| error.to_string())?;
            let asked = tokio::time::timeout(TIMEOUT, self.way.clone().oneshot(request));
            let answer = asked.await.map_err(|_| "no answer in time".to_owned())?;
            let answer = answer.map_err(|error| error.to_string())?;
            if answer.status() != StatusCode::OK {
                return Err(format!("the answer was {}", answer.status()));
            }
            Jwks::read(answer.body()).map_err(|error| format!("the answer {error}"))
        }
        .boxed()
    }
}

async fn refresh(tokens: Weak<Tokens>) {
    loop {
        let Some(held) = tokens.upgrade() else { return };
        let pause = match (held.refresh().await, held.has_keys()) {
            (true, _) => REFRESH,
            (false, true) => AGAIN,
            (false, false) => AGAIN_SOON,
        };
        drop(held);
        tokio::time::sleep(pause).await;
    }
}
