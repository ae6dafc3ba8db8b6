//! Who may call us: key hashes, tokens, scopes, what is seen, masks and the limit of each consumer. No HTTP here.
//!
//! A key is never kept: what is presented is hashed once, looked up by its hash and compared in constant time.

mod claims;
mod failures;
mod jwks;
mod key;
mod limit;
mod roll;
mod scope;
mod tokens;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use failures::Failures;

pub use claims::BadToken;
pub use jwks::{BadJwks, Jwks};
pub use key::{hash, new_key};
pub use limit::{Limit, Verdict};
pub use roll::{KeyStanding, Presented};
pub use scope::Scopes;
pub use tokens::{Provider, Rules, Tokens};

pub use crate::config::{Access, Key, KeyHash};
pub use crate::model::allowance::Clock;

use crate::model::allowance::Allowance;
use crate::model::context::Payer;
use crate::model::{Class, Sight};
use roll::Roll;

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
    /// Its keys; two while one is exchanged for another.
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
    /// Calls of the CRMs that it may cause in a day.
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
    /// The calls of the CRMs that it caused today; of the bearer of a token where they are limited.
    pub allowance: Option<Allowance>,
    /// What it may see of records. Who has the same sees the same, so an answer to one is right for the other; scopes
    /// are not in it, because they are asked for each path.
    pub view: Box<str>,
    /// What it may see and do, as a digest that outlives the process.
    pub rights: Box<str>,
}

/// How a consumer stands, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: Arc<str>,
    /// Its keys.
    pub keys: Vec<KeyStanding>,
    /// Calls of the CRMs that it may cause in a day.
    pub daily_budget: Option<u64>,
    /// Those of today, and of which day that is, in days since 1970.
    pub day: (i64, u64),
}

/// All consumers. The set can be exchanged while requests run.
pub struct Consumers {
    roll: RwLock<Arc<Roll>>,
    tokens: RwLock<Option<Arc<Tokens>>>,
    failures: Failures,
    clock: Clock,
}

impl Member {
    /// A consumer with the limit that is its own.
    fn new(consumer: Consumer, limit: Limit, allowance: Option<Allowance>) -> Self {
        let view = format!("{:?} {:?}", consumer.mask, consumer.sight);
        let digest = Sha256::digest(format!("{view} {}", consumer.scopes.words().join(" ")));
        let rights = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
        Self { consumer, limit, allowance, view: view.into(), rights }
    }

    /// Whose bill its calls go on, and with what right, when they are as urgent as that.
    pub fn payer(&self, class: Class) -> Payer {
        Payer {
            consumer: Arc::clone(&self.consumer.identity),
            class,
            weight: self.consumer.weight,
            allowance: self.allowance.clone(),
        }
    }
}

impl Consumers {
    /// The consumers that may call, by this clock.
    pub fn new(consumers: Vec<Consumer>, clock: Clock) -> Self {
        let roll = Roll::of(consumers, &Roll::default(), &clock);
        Self {
            roll: RwLock::new(Arc::new(roll)),
            tokens: RwLock::default(),
            failures: Failures::default(),
            clock,
        }
    }

    /// And those who come with tokens.
    #[must_use]
    pub fn with_tokens(self, tokens: Option<Arc<Tokens>>) -> Self {
        Self { tokens: RwLock::new(tokens), ..self }
    }

    /// Those who come with tokens, where any may.
    pub fn tokens(&self) -> Option<Arc<Tokens>> {
        self.tokens.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// From now on those who come with tokens are judged by these rules and keys, or nobody may.
    pub fn replace_tokens(&self, tokens: Option<Arc<Tokens>>) {
        *self.tokens.write().unwrap_or_else(std::sync::PoisonError::into_inner) = tokens;
    }

    /// Exchanges the whole set. A consumer whose limit did not change keeps what it has used of it, and each what it spent today.
    pub fn replace(&self, consumers: Vec<Consumer>) {
        let after = Roll::of(consumers, &self.roll(), &self.clock);
        *self.roll.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(after);
    }

    /// How long a peer is refused that failed too often; what it comes with may be known all the same.
    pub fn pause(&self, peer: IpAddr) -> Option<Duration> {
        self.failures.pause(peer, Instant::now())
    }

    /// A peer came with something that is not good.
    pub fn failed(&self, peer: IpAddr) {
        self.failures.note(peer, Instant::now());
    }

    /// Whose key that is, or whose token, if it was found good before.
    pub fn look_up(&self, presented: &str) -> Presented {
        let presented = hash(presented);
        match self.roll().look_up(&presented, (self.clock)()) {
            Presented::Unknown => {
                let known = self.tokens().and_then(|tokens| tokens.known(&presented));
                known.map_or(Presented::Unknown, Presented::Good)
            }
            found => found,
        }
    }

    /// The consumer a key belongs to, or a token that was found good before.
    pub fn find(&self, presented: &str) -> Option<Arc<Member>> {
        match self.look_up(presented) {
            Presented::Good(member) => Some(member),
            Presented::Expired(_) | Presented::Unknown => None,
        }
    }

    /// The consumer of that name.
    pub fn named(&self, name: &str) -> Option<Arc<Member>> {
        self.roll().named(name).cloned()
    }

    /// How each stands, in the order of the configuration.
    pub fn standing(&self) -> Vec<Standing> {
        let roll = self.roll();
        let of = |member: &Arc<Member>| {
            if let Some(allowance) = &member.allowance {
                // Looking turns the page of the day.
                allowance.standing();
            }
            Standing {
                name: Arc::clone(&member.consumer.name),
                keys: roll.keys_of(&member.consumer),
                daily_budget: member.consumer.daily_budget,
                day: member.allowance.as_ref().map(Allowance::count).unwrap_or_default(),
            }
        };
        roll.members().iter().map(of).collect()
    }

    /// An earlier process let somebody in with the key of this mark.
    pub fn was_used(&self, mark: &str, at: Timestamp) {
        self.roll().was_used(mark, at);
    }

    fn roll(&self) -> Arc<Roll> {
        Arc::clone(&self.roll.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Consumers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumers").field("roll", &self.roll()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer(name: &str, keys: &[&str]) -> Consumer {
        Consumer {
            name: name.into(),
            identity: name.into(),
            keys: keys.iter().map(|key| hash(key).into()).collect(),
            scopes: Scopes::all(),
            sight: Arc::default(),
            class: Class::Partner,
            weight: 1,
            rate_limit: NonZeroU32::new(2).unwrap(),
            daily_budget: None,
            mask: Vec::new(),
        }
    }

    #[tokio::test]
    async fn both_keys_of_a_rotation_find_the_consumer_and_no_other_text_does() {
        let consumers = Consumers::new(
            vec![consumer("web", &["old", "new"]), consumer("batch", &["third"])],
            Arc::new(Timestamp::now),
        );
        for key in ["old", "new"] {
            assert_eq!(&*consumers.find(key).unwrap().consumer.name, "web");
        }
        assert_eq!(&*consumers.find("third").unwrap().consumer.name, "batch");
        assert!(consumers.find("").is_none());
        assert!(consumers.find("Old").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_does_not_refill_a_limit_that_stays_the_same() {
        let consumers = Consumers::new(vec![consumer("web", &["key"])], Arc::new(Timestamp::now));
        let spend = || consumers.find("key").unwrap().limit.check().allowed();
        assert!(spend() && spend() && !spend());
        consumers.replace(vec![consumer("web", &["key"])]);
        assert!(!spend());
        consumers.replace(vec![consumer("web", &["other"])]);
        assert!(consumers.find("key").is_none());
    }

    /// A clock that shows what it was last set to.
    fn clock(start: &str) -> (Clock, impl Fn(&str)) {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let shown = Arc::new(std::sync::Mutex::new(at(start)));
        let look = Arc::clone(&shown);
        (Arc::new(move || *look.lock().unwrap()), move |text| *shown.lock().unwrap() = at(text))
    }

    #[tokio::test]
    async fn a_key_is_good_until_it_expires_and_its_holder_alone_is_told() {
        let (clock, set) = clock("2027-01-31T12:00:00Z");
        let mut web = consumer("web", &["new"]);
        let ends = crate::config::parse_expires("2027-01-31").unwrap();
        web.keys.push(Key { hash: hash("old"), expires: Some(ends) });
        let consumers = Consumers::new(vec![web], clock);
        for (now, good) in [
            ("2027-01-31T23:59:59.999Z", true),
            ("2027-02-01T00:00:00Z", false),
            ("2027-01-31T23:00:00Z", true),
            ("2031-01-01T00:00:00Z", false),
        ] {
            set(now);
            match consumers.look_up("old") {
                Presented::Good(member) => assert!(good && &*member.consumer.name == "web", "{now}"),
                Presented::Expired(since) => assert!(!good && since == ends, "{now}"),
                Presented::Unknown => panic!("{now}"),
            }
            assert_eq!(consumers.find("old").is_some(), good, "{now}");
            assert!(consumers.find("new").is_some(), "the other key of the same consumer has no end");
            assert!(matches!(consumers.look_up("odl"), Presented::Unknown));
        }
    }

    #[tokio::test]
    async fn when_a_key_was_last_used_is_known_after_an_exchange_and_from_an_earlier_process() {
        let (clock, set) = clock("2027-01-31T12:00:00Z");
        let consumers = Consumers::new(vec![consumer("web", &["old", "new"])], clock);
        let used = || {
            let standing = consumers.standing().remove(0);
            standing.keys.into_iter().map(|key| key.last_used.map(|at| at.to_string())).collect::<Vec<_>>()
        };
        assert_eq!(used(), [None, None]);
        assert!(consumers.find("old").is_some());
        set("2027-01-31T12:00:07.5Z");
        consumers.was_used(&hash("new").mark(), "2027-01-30T00:00:00Z".parse().unwrap());
        consumers.was_used(&hash("old").mark(), "2027-01-30T00:00:00Z".parse().unwrap());
        let both = [Some("2027-01-31T12:00:00Z".to_owned()), Some("2027-01-30T00:00:00Z".to_owned())];
        assert_eq!(used(), both, "the later one counts");
        consumers.replace(vec![consumer("web", &["old", "new"])]);
        assert_eq!(used(), both);
        assert!(consumers.find("old").is_some());
        assert_eq!(used()[0].as_deref(), Some("2027-01-31T12:00:07Z"));
    }

    #[tokio::test]
    async fn an_exchange_keeps_what_was_spent_today_and_takes_the_new_budget() {
        let (clock, _) = clock("2027-01-31T12:00:00Z");
        let with = |daily_budget| Consumer { daily_budget, ..consumer("web", &["key"]) };
        let consumers = Consumers::new(vec![with(None)], clock);
        let call = || {
            let payer = consumers.find("key").unwrap().payer(Class::Partner);
            payer.allowance.unwrap().hold().map(crate::model::allowance::Held::spend)
        };
        assert!(call().is_ok() && call().is_ok());
        consumers.replace(vec![with(Some(3))]);
        assert!(call().is_ok());
        assert_eq!(call().unwrap_err().budget, 3);
        consumers.replace(vec![with(Some(4))]);
        assert!(call().is_ok());
        assert_eq!(consumers.standing()[0].day.1, 4);
    }
}
