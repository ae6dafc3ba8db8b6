//! Who may call us: key hashes, scopes, branches, masks and the limit of each consumer. No HTTP here.
//!
//! A key is never kept: what is presented is hashed once, looked up by its hash and compared in constant time.

mod key;
mod limit;
mod scope;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, RwLock};

use subtle::ConstantTimeEq;

pub use key::{hash, new_key};
pub use limit::{Limit, Verdict};
pub use scope::Scopes;

pub use crate::config::{Access, KeyHash};

use crate::model::Class;

/// One consumer as configured.
#[derive(Debug, Clone)]
pub struct Consumer {
    /// Its name in logs, metrics and bills.
    pub name: Arc<str>,
    /// SHA-256 of each of its keys; two while a key rotates.
    pub keys: Vec<KeyHash>,
    /// What it may do.
    pub scopes: Scopes,
    /// The AlfaCRM branches it may see; `None` is all.
    pub branches: Option<Vec<u64>>,
    /// How urgent its calls are.
    pub class: Class,
    /// Its share among consumers of the same class.
    pub weight: u32,
    /// Requests per second to the gateway itself.
    pub rate_limit: NonZeroU32,
    /// The masks it is under: `contacts`, `balances`, `notes`.
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
}

type Members = HashMap<KeyHash, Arc<Member>>;

impl Consumers {
    /// The consumers that may call.
    pub fn new(consumers: Vec<Consumer>) -> Self {
        Self { members: RwLock::new(Arc::new(index(consumers, &Members::new()))) }
    }

    /// Exchanges the whole set. A consumer whose limit did not change keeps what it has used of it.
    pub fn replace(&self, consumers: Vec<Consumer>) {
        let before = self.members();
        let after = Arc::new(index(consumers, &before));
        *self.members.write().unwrap_or_else(std::sync::PoisonError::into_inner) = after;
    }

    /// The consumer a key belongs to.
    pub fn find(&self, presented: &str) -> Option<Arc<Member>> {
        let presented = hash(presented);
        let members = self.members();
        let (known, member) = members.get_key_value(&presented)?;
        bool::from(known.0.ct_eq(&presented.0)).then(|| Arc::clone(member))
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
        let view = format!("{:?} {:?}", consumer.mask, consumer.branches).into();
        let member = Arc::new(Member { consumer, limit, view });
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
            keys: keys.iter().map(|key| hash(key)).collect(),
            scopes: Scopes::all(),
            branches: None,
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
