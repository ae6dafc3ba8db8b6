//! Who may call us: key hashes, tokens, scopes, what is seen, masks and the limit of each consumer. No HTTP here.
//!
//! A key is never kept: what is presented is hashed once, looked up by its hash and compared in constant time.

mod claims;
mod failures;
mod jwks;
mod key;
mod limit;
mod scope;
mod tokens;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use subtle::ConstantTimeEq;
use tokio::time::Instant;

use failures::Failures;

pub use claims::BadToken;
pub use jwks::{BadJwks, Jwks};
pub use key::{hash, new_key};
pub use limit::{Limit, Verdict};
pub use scope::Scopes;
pub use tokens::{Clock, Provider, Rules, Tokens};

pub use crate::config::{Access, KeyHash};

use crate::model::{Class, Sight};

/// The mask that hides what a CRM itself says of a record. Bearers of tokens are under it, whatever is configured.
pub const RAW: &str = "raw";

/// One consumer: as configured, or as its token says.
#[derive(Debug, Clone)]
pub struct Consumer {
    /// Its name in logs, metrics and bills.
    pub name: Arc<str>,
    /// What tells it from all others: its name, and for the bearer of a token who that is, in a form that tells nobody.
    /// It waits for its turns and keeps its keys under it.
    pub identity: Arc<str>,
    /// SHA-256 of each of its keys; two while a key rotates.
    pub keys: Vec<KeyHash>,
    /// What it may do.
    pub scopes: Scopes,
    /// What of all records it may see.
    pub sight: Arc<Sight>,
    /// How urgent its calls are.
    pub class: Class,
    /// Its share among consumers of the same class.
    pub weight: u32,
    /// Requests per second to the gateway itself.
    pub rate_limit: NonZeroU32,
    /// The masks it is under: `contacts`, `balances`, `notes`, and [`RAW`].
    pub mask: Vec<String>,
}

/// A consumer with what the gateway remembers about it.
#[derive(Debug)]
pub struct Member {
    /// As configured.
    pub consumer: Consumer,
    /// Its own limit.
    pub limit: Limit,
    /// What it may see of records. Who has the same sees the same, so an answer to one is right for the other; scopes
    /// are not in it, because they are asked for each path.
    pub view: Box<str>,
}

/// All consumers. The set can be exchanged while requests run.
#[derive(Debug)]
pub struct Consumers {
    members: RwLock<Arc<Members>>,
    tokens: Option<Arc<Tokens>>,
    failures: Failures,
}

impl Member {
    /// A consumer with the limit that is its own.
    fn new(consumer: Consumer, limit: Limit) -> Self {
        let view = format!("{:?} {:?}", consumer.mask, consumer.sight).into();
        Self { consumer, limit, view }
    }
}

type Members = HashMap<KeyHash, Arc<Member>>;

impl Consumers {
    /// The consumers that may call.
    pub fn new(consumers: Vec<Consumer>) -> Self {
        Self {
            members: RwLock::new(Arc::new(index(consumers, &Members::new()))),
            tokens: None,
            failures: Failures::default(),
        }
    }

    /// And those who come with tokens.
    #[must_use]
    pub fn with_tokens(self, tokens: Option<Arc<Tokens>>) -> Self {
        Self { tokens, ..self }
    }

    /// Those who come with tokens, where any may.
    pub fn tokens(&self) -> Option<&Arc<Tokens>> {
        self.tokens.as_ref()
    }

    /// Exchanges the whole set. A consumer whose limit did not change keeps what it has used of it.
    pub fn replace(&self, consumers: Vec<Consumer>) {
        let before = self.members();
        let after = Arc::new(index(consumers, &before));
        *self.members.write().unwrap_or_else(std::sync::PoisonError::into_inner) = after;
    }

    /// How long a peer is refused that failed too often; what it comes with may be known all the same.
    pub fn pause(&self, peer: IpAddr) -> Option<Duration> {
        self.failures.pause(peer, Instant::now())
    }

    /// A peer came with something that is not good.
    pub fn failed(&self, peer: IpAddr) {
        self.failures.note(peer, Instant::now());
    }

    /// The consumer a key belongs to, or a token that was found good before.
    pub fn find(&self, presented: &str) -> Option<Arc<Member>> {
        let presented = hash(presented);
        let members = self.members();
        match members.get_key_value(&presented) {
            Some((known, member)) => bool::from(known.0.ct_eq(&presented.0)).then(|| Arc::clone(member)),
            None => self.tokens.as_ref()?.known(&presented),
        }
    }

    /// The consumer of that name.
    pub fn named(&self, name: &str) -> Option<Arc<Member>> {
        self.members().values().find(|member| &*member.consumer.name == name).cloned()
    }

    fn members(&self) -> Arc<Members> {
        Arc::clone(&self.members.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

fn index(consumers: Vec<Consumer>, before: &Members) -> Members {
    let mut members = Members::new();
    for consumer in consumers {
        let kept = before
            .values()
            .find(|old| old.consumer.name == consumer.name && old.consumer.rate_limit == consumer.rate_limit)
            .map(|old| old.limit.clone());
        let limit = kept.unwrap_or_else(|| Limit::per_second(consumer.rate_limit));
        let keys = consumer.keys.clone();
        let member = Arc::new(Member::new(consumer, limit));
        for key in keys {
            members.insert(key, Arc::clone(&member));
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer(name: &str, keys: &[&str]) -> Consumer {
        Consumer {
            name: name.into(),
            identity: name.into(),
            keys: keys.iter().map(|key| hash(key)).collect(),
            scopes: Scopes::all(),
            sight: Arc::default(),
            class: Class::Partner,
            weight: 1,
            rate_limit: NonZeroU32::new(2).unwrap(),
            mask: Vec::new(),
        }
    }

    #[tokio::test]
    async fn both_keys_of_a_rotation_find_the_consumer_and_no_other_text_does() {
        let consumers = Consumers::new(vec![consumer("web", &["old", "new"]), consumer("batch", &["third"])]);
        for key in ["old", "new"] {
            assert_eq!(&*consumers.find(key).unwrap().consumer.name, "web");
        }
        assert_eq!(&*consumers.find("third").unwrap().consumer.name, "batch");
        assert!(consumers.find("").is_none());
        assert!(consumers.find("Old").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_does_not_refill_a_limit_that_stays_the_same() {
        let consumers = Consumers::new(vec![consumer("web", &["key"])]);
        let spend = || consumers.find("key").unwrap().limit.check().allowed();
        assert!(spend() && spend() && !spend());
        consumers.replace(vec![consumer("web", &["key"])]);
        assert!(!spend());
        consumers.replace(vec![consumer("web", &["other"])]);
        assert!(consumers.find("key").is_none());
    }
}
