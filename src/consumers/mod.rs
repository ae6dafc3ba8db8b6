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
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use failures::Failures;

pub use claims::BadToken;
pub use jwks::{BadJwks, Jwks};
pub use key::{hash, new_key};
pub use limit::{Limit, Verdict};
pub use scope::Scopes;
pub use tokens::{Provider, Rules, Tokens};

pub use crate::config::{Access, Key, KeyHash};
pub use crate::model::Clock;

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
    /// Its keys, known by their hashes; two while a key rotates.
    pub keys: Vec<Key>,
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
    /// Calls of the CRMs that it may cause in a day; `None`: as many as it gets turns.
    pub daily_budget: Option<u64>,
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
pub struct Consumers {
    members: RwLock<Arc<Members>>,
    tokens: Option<Arc<Tokens>>,
    failures: Failures,
    clock: Clock,
}

/// Whose key it is.
#[derive(Debug)]
pub enum Found {
    /// That consumer's.
    Member(Arc<Member>),
    /// That of a consumer who needs a new one: this was good until the end of that day (UTC).
    Expired(Date),
    /// Nobody's.
    Unknown,
}

/// How a key is used. It is told by the beginning of its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// Its consumer's name.
    pub consumer: Arc<str>,
    /// Eight digits of the hash.
    pub key: String,
    /// The last day on which it is good.
    pub until: Option<Date>,
    /// When it came last since the gateway started, to the second.
    pub last_used: Option<Timestamp>,
}

impl Member {
    /// A consumer with the limit that is its own.
    fn new(consumer: Consumer, limit: Limit) -> Self {
        let view = format!("{:?} {:?}", consumer.mask, consumer.sight).into();
        Self { consumer, limit, view }
    }
}

type Members = HashMap<KeyHash, Known>;

/// A key and whose it is.
#[derive(Debug, Clone)]
struct Known {
    member: Arc<Member>,
    until: Option<Date>,
    /// Seconds since 1970; before it came for the first time, the least number.
    last_used: Arc<AtomicI64>,
}

impl Known {
    /// Once a second at most: a line of memory that is written to by every request goes from processor to processor.
    fn used_at(&self, second: i64) {
        if self.last_used.load(Ordering::Relaxed) != second {
            self.last_used.store(second, Ordering::Relaxed);
        }
    }

    fn is_good(&self, now: Timestamp) -> bool {
        // The day is looked up for keys that end alone: a hit should not pay for a calendar.
        self.until.is_none_or(|until| now.to_zoned(TimeZone::UTC).date() <= until)
    }
}

impl Consumers {
    /// The consumers that may call.
    pub fn new(consumers: Vec<Consumer>, clock: Clock) -> Self {
        Self {
            members: RwLock::new(Arc::new(index(consumers, &Members::new(), &clock))),
            tokens: None,
            failures: Failures::default(),
            clock,
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
        let after = Arc::new(index(consumers, &before, &self.clock));
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
    pub fn find(&self, presented: &str) -> Found {
        let presented = hash(presented);
        let members = self.members();
        let Some((hash, known)) = members.get_key_value(&presented) else {
            let token = self.tokens.as_ref().and_then(|tokens| tokens.known(&presented));
            return token.map_or(Found::Unknown, Found::Member);
        };
        if !bool::from(hash.0.ct_eq(&presented.0)) {
            return Found::Unknown;
        }
        let now = (self.clock)();
        match known.until.filter(|_| !known.is_good(now)) {
            Some(until) => Found::Expired(until),
            None => {
                known.used_at(now.as_second());
                Found::Member(Arc::clone(&known.member))
            }
        }
    }

    /// How all keys are used, by consumer.
    pub fn keys(&self) -> Vec<KeyUse> {
        let members = self.members();
        let mut keys: Vec<KeyUse> = members
            .iter()
            .map(|(hash, known)| KeyUse {
                consumer: Arc::clone(&known.member.consumer.name),
                key: hash.0[..4].iter().map(|byte| format!("{byte:02x}")).collect(),
                until: known.until,
                last_used: Timestamp::from_second(known.last_used.load(Ordering::Relaxed))
                    .ok()
                    .filter(|at| *at > Timestamp::UNIX_EPOCH),
            })
            .collect();
        keys.sort_by(|a, b| (&a.consumer, &a.key).cmp(&(&b.consumer, &b.key)));
        keys
    }

    /// The consumer of that name.
    pub fn named(&self, name: &str) -> Option<Arc<Member>> {
        let members = self.members();
        let known = members.values().find(|known| &*known.member.consumer.name == name);
        known.map(|known| Arc::clone(&known.member))
    }

    fn members(&self) -> Arc<Members> {
        Arc::clone(&self.members.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Consumers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumers").field("members", &self.members().len()).finish_non_exhaustive()
    }
}

fn index(consumers: Vec<Consumer>, before: &Members, clock: &Clock) -> Members {
    let mut members = Members::new();
    for consumer in consumers {
        let (rate, daily) = (consumer.rate_limit, consumer.daily_budget);
        let same =
            |old: &Consumer| old.name == consumer.name && (old.rate_limit, old.daily_budget) == (rate, daily);
        let kept = before.values().find(|known| same(&known.member.consumer));
        let limit = kept.map(|known| known.member.limit.clone());
        let limit = limit.unwrap_or_else(|| Limit::per_second(rate).with_budget(daily, clock));
        let keys = consumer.keys.clone();
        let member = Arc::new(Member::new(consumer, limit));
        for Key { hash, until } in keys {
            let used = before.get(&hash).map(|known| Arc::clone(&known.last_used));
            let last_used = used.unwrap_or_else(|| Arc::new(AtomicI64::new(i64::MIN)));
            members.insert(hash, Known { member: Arc::clone(&member), until, last_used });
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn consumer(name: &str, keys: &[&str]) -> Consumer {
        Consumer {
            name: name.into(),
            identity: name.into(),
            keys: keys.iter().map(|key| Key { hash: hash(key), until: None }).collect(),
            scopes: Scopes::all(),
            sight: Arc::default(),
            class: Class::Partner,
            weight: 1,
            rate_limit: NonZeroU32::new(2).unwrap(),
            daily_budget: None,
            mask: Vec::new(),
        }
    }

    fn noon() -> Clock {
        Arc::new(|| "2026-02-25T12:00:00Z".parse().unwrap())
    }

    fn member(consumers: &Consumers, key: &str) -> Option<Arc<Member>> {
        match consumers.find(key) {
            Found::Member(member) => Some(member),
            Found::Expired(_) | Found::Unknown => None,
        }
    }

    #[tokio::test]
    async fn both_keys_of_a_rotation_find_the_consumer_and_no_other_text_does() {
        let both = vec![consumer("web", &["old", "new"]), consumer("batch", &["third"])];
        let consumers = Consumers::new(both, noon());
        for key in ["old", "new"] {
            assert_eq!(&*member(&consumers, key).unwrap().consumer.name, "web");
        }
        assert_eq!(&*member(&consumers, "third").unwrap().consumer.name, "batch");
        assert!(matches!(consumers.find(""), Found::Unknown));
        assert!(matches!(consumers.find("Old"), Found::Unknown));
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_does_not_refill_a_limit_that_stays_the_same() {
        let consumers = Consumers::new(vec![consumer("web", &["key"])], noon());
        let spend = || member(&consumers, "key").unwrap().limit.check().allowed();
        assert!(spend() && spend() && !spend());
        consumers.replace(vec![consumer("web", &["key"])]);
        assert!(!spend());
        consumers.replace(vec![consumer("web", &["other"])]);
        assert!(member(&consumers, "key").is_none());
    }

    #[tokio::test]
    async fn an_exchange_does_not_refill_a_budget_that_stays_the_same() {
        let of = |daily_budget| vec![Consumer { daily_budget, ..consumer("web", &["key"]) }];
        let consumers = Consumers::new(of(Some(1)), noon());
        let used_up =
            || member(&consumers, "key").unwrap().limit.budget().map(|budget| budget.used_up().is_some());
        assert_eq!(used_up(), Some(false));
        member(&consumers, "key").unwrap().limit.budget().unwrap().spend();
        consumers.replace(of(Some(1)));
        assert_eq!(used_up(), Some(true));
        consumers.replace(of(Some(2)));
        assert_eq!(used_up(), Some(false));
        consumers.replace(of(None));
        assert_eq!(used_up(), None);
    }

    #[tokio::test]
    async fn a_key_is_good_until_the_end_of_its_last_day_and_tells_when_it_came() {
        let now = Arc::new(Mutex::new("2026-02-28T23:59:59Z".parse::<Timestamp>().unwrap()));
        let clock: Clock = {
            let now = Arc::clone(&now);
            Arc::new(move || *now.lock().unwrap())
        };
        let until = Some("2026-02-28".parse().unwrap());
        let mut web = consumer("web", &["old", "new"]);
        web.keys[0].until = until;
        let consumers = Consumers::new(vec![web.clone()], clock);
        assert!(consumers.keys().iter().all(|key| key.last_used.is_none()));
        assert!(member(&consumers, "old").is_some());
        *now.lock().unwrap() = "2026-03-01T00:00:00Z".parse().unwrap();
        assert!(matches!(consumers.find("old"), Found::Expired(day) if Some(day) == until));
        assert!(member(&consumers, "new").is_some());
        consumers.replace(vec![web]);
        let old = format!("{}", hash("old"));
        let used: Vec<_> =
            consumers.keys().into_iter().map(|key| (key.until, key.last_used.unwrap())).collect();
        assert!(used.contains(&(until, "2026-02-28T23:59:59Z".parse().unwrap())), "{used:?}");
        assert!(used.contains(&(None, "2026-03-01T00:00:00Z".parse().unwrap())), "{used:?}");
        let told = consumers.keys().into_iter().find(|key| key.until == until).unwrap();
        assert_eq!(told.key, old["sha256:".len()..][..8]);
    }
}
