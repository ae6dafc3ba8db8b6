//! The keys that let somebody in, each with when it ends and when it was last used.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::{Consumer, Limit, Member};
use crate::config::{Key, KeyHash};
use crate::model::allowance::{Allowance, Clock};

/// What a key says of who comes with it.
#[derive(Debug, Clone)]
pub enum Presented {
    /// It belongs to this consumer.
    Good(Arc<Member>),
    /// It did until then.
    Expired(Timestamp),
    /// No consumer has it.
    Unknown,
}

/// All keys of one configuration, by their hashes.
#[derive(Debug, Default)]
pub(super) struct Roll {
    keys: HashMap<KeyHash, Entry>,
    /// In the order of the configuration; also those without a key.
    members: Vec<Arc<Member>>,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    member: Arc<Member>,
    used: Arc<LastUse>,
}

/// When a key was last let in, to the second; it outlives an exchange of the set.
#[derive(Debug, Default)]
struct LastUse(AtomicI64);

impl LastUse {
    fn note(&self, now: Timestamp) {
        let second = now.as_second();
        // Written once a second at most: many requests at once look at it, and a write would take it from all of them.
        if self.0.load(Ordering::Relaxed) < second {
            self.0.fetch_max(second, Ordering::Relaxed);
        }
    }

    fn at(&self) -> Option<Timestamp> {
        let second = self.0.load(Ordering::Relaxed);
        (second > 0).then(|| Timestamp::from_second(second).ok()).flatten()
    }
}

/// How a key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStanding {
    /// What operators know it by; see [`KeyHash::mark`].
    pub mark: String,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
    /// When it last let somebody in, as far as is known.
    pub last_used: Option<Timestamp>,
}

impl Roll {
    /// These consumers. Who was there before keeps what it has used of its limit and its day, and each key when it was used.
    pub(super) fn of(consumers: Vec<Consumer>, before: &Self, clock: &Clock) -> Self {
        let mut roll = Self::default();
        for consumer in consumers {
            let known = before.named(&consumer.name);
            let limit = known.filter(|old| old.consumer.rate_limit == consumer.rate_limit);
            let limit = limit.map_or_else(|| Limit::per_second(consumer.rate_limit), |old| old.limit.clone());
            let budget = consumer.daily_budget;
            let allowance = known.and_then(|old| old.allowance.clone());
            let allowance = allowance.unwrap_or_else(|| Allowance::new(budget, Arc::clone(clock)));
            allowance.set_budget(budget);
            let keys = consumer.keys.clone();
            let member = Arc::new(Member::new(consumer, limit, Some(allowance)));
            for key in keys {
                let used =
                    before.keys.get(&key.hash).map_or_else(Arc::default, |entry| Arc::clone(&entry.used));
                roll.keys.insert(key.hash, Entry { key, member: Arc::clone(&member), used });
            }
            roll.members.push(member);
        }
        roll
    }

    /// Whose key has this hash.
    pub(super) fn look_up(&self, presented: &KeyHash, now: Timestamp) -> Presented {
        let Some((known, entry)) = self.keys.get_key_value(presented) else { return Presented::Unknown };
        if !bool::from(known.0.ct_eq(&presented.0)) {
            return Presented::Unknown;
        }
        match entry.key.expires {
            Some(expires) if now >= expires => Presented::Expired(expires),
            _ => {
                entry.used.note(now);
                Presented::Good(Arc::clone(&entry.member))
            }
        }
    }

    /// The consumer of that name.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Member>> {
        self.members.iter().find(|member| &*member.consumer.name == name)
    }

    pub(super) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// How the keys of a consumer stand, in the order of the configuration.
    pub(super) fn keys_of(&self, consumer: &Consumer) -> Vec<KeyStanding> {
        let entries = consumer.keys.iter().filter_map(|key| self.keys.get(&key.hash));
        entries
            .map(|Entry { key, used, .. }| KeyStanding {
                mark: key.hash.mark(),
                expires: key.expires,
                last_used: used.at(),
            })
            .collect()
    }

    /// An earlier process let somebody in with the key of this mark.
    pub(super) fn was_used(&self, mark: &str, at: Timestamp) {
        for entry in self.keys.values().filter(|entry| entry.key.hash.mark() == mark) {
            entry.used.note(at);
        }
    }
}
