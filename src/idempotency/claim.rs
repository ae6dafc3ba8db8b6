//! Who may carry out a request that has a key. Pure: every method takes `now`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::OperationId;

/// How long a claim holds that is not renewed.
pub const LEASE: Duration = Duration::from_secs(30);

/// What makes two requests the same: a digest of everything they say.
pub type Fingerprint = [u8; 32];

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The consumer; each has keys of its own.
    pub consumer: Arc<str>,
    /// The text it sent.
    pub text: Arc<str>,
}

impl Key {
    /// The key of a part of the request that has this one. No consumer can send it: it has a space in it.
    pub fn of_part(&self, number: usize) -> Self {
        Self { consumer: Arc::clone(&self.consumer), text: format!("{}{number}", self.parts()).into() }
    }

    /// What the keys of all parts begin with.
    fn parts(&self) -> String {
        format!("{} ", self.text)
    }
}

/// Tells one claim of a key from others, earlier and later.
pub type Owner = u64;

/// All keys in use.
#[derive(Debug, Default)]
pub struct Claims {
    entries: BTreeMap<Key, Entry>,
    owners: Owner,
}

#[derive(Debug)]
struct Entry {
    fingerprint: Fingerprint,
    holder: Holder,
}

/// Who has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Somebody works on the request and has sent nothing yet.
    Owner {
        /// Who.
        owner: Owner,
        /// Until when, unless it is renewed.
        until: Instant,
    },
    /// An operation was begun for it.
    Operation(OperationId),
}

/// What a key says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimable {
    /// It is free: this owner has it now.
    Taken(Owner),
    /// It belongs to the same request.
    Held(Holder),
    /// It belongs to another request.
    Other,
}

impl Claims {
    /// Claims a key for a request, on a lease from `now`.
    pub fn claim(&mut self, key: &Key, fingerprint: Fingerprint, now: Instant) -> Claimable {
        if let Some(entry) = self.entries.get(key) {
            match entry.holder {
                // Whoever had it is gone and has sent nothing.
                Holder::Owner { until, .. } if until <= now => {}
                _ if entry.fingerprint != fingerprint => return Claimable::Other,
                holder => return Claimable::Held(holder),
            }
        }
        self.owners += 1;
        let holder = Holder::Owner { owner: self.owners, until: now + LEASE };
        self.entries.insert(key.clone(), Entry { fingerprint, holder });
        Claimable::Taken(self.owners)
    }

    /// Whether a key is in use for another request than the one of these parts; with `None`, one that has no parts. Each part
    /// has a key of its own, [`Key::of_part`], under the fingerprint of the whole.
    pub fn is_used_otherwise(&self, key: &Key, of_parts: Option<Fingerprint>, now: Instant) -> bool {
        let live = |entry: &Entry| !matches!(entry.holder, Holder::Owner { until, .. } if until <= now);
        if of_parts.is_some() && self.entries.get(key).is_some_and(live) {
            return true;
        }
        let is_part = |other: &Key| other.consumer == key.consumer && other.text.starts_with(&*key.parts());
        let parts = self.entries.range(key.of_part(0)..).take_while(|(other, _)| is_part(other));
        parts.into_iter().any(|(_, entry)| live(entry) && Some(entry.fingerprint) != of_parts)
    }

    /// Holds the key on; `false` when it is lost.
    pub fn renew(&mut self, key: &Key, owner: Owner, now: Instant) -> bool {
        match self.owned(key, owner) {
            Some(Entry { holder: Holder::Owner { until, .. }, .. }) => {
                *until = now + LEASE;
                true
            }
            _ => false,
        }
    }

    /// From now on the key belongs to an operation; `false`, and nothing is changed, when the owner has lost it.
    pub fn hand_over(&mut self, key: &Key, owner: Owner, operation: OperationId) -> bool {
        match self.owned(key, owner) {
            Some(entry) => {
                entry.holder = Holder::Operation(operation);
                true
            }
            None => false,
        }
    }

    /// The key is free again, if it is still this owner's.
    pub fn free(&mut self, key: &Key, owner: Owner) {
        if self.owned(key, owner).is_some() {
            self.entries.remove(key);
        }
    }

    /// The key is free again, if it is still this operation's.
    pub fn forget(&mut self, key: &Key, operation: OperationId) {
        if self.entries.get(key).is_some_and(|entry| entry.holder == Holder::Operation(operation)) {
            self.entries.remove(key);
        }
    }

    /// A key as an earlier process left it.
    pub fn restore(&mut self, key: Key, fingerprint: Fingerprint, operation: OperationId) {
        self.entries.insert(key, Entry { fingerprint, holder: Holder::Operation(operation) });
    }

    fn owned(&mut self, key: &Key, wanted: Owner) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(key)?;
        matches!(entry.holder, Holder::Owner { owner, .. } if owner == wanted).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key { consumer: "web".into(), text: text.into() }
    }

    fn taken(claimable: Claimable) -> Owner {
        match claimable {
            Claimable::Taken(owner) => owner,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_belongs_to_one_owner_as_long_as_its_lease_is_renewed() {
        let (mut claims, start, mine) = (Claims::default(), Instant::now(), key("k"));
        let first = taken(claims.claim(&mine, [1; 32], start));
        let later = start + LEASE - Duration::from_secs(1);
        assert!(matches!(claims.claim(&mine, [1; 32], later), Claimable::Held(Holder::Owner { .. })));
        assert_eq!(claims.claim(&mine, [2; 32], later), Claimable::Other);
        assert!(claims.renew(&mine, first, later));
        assert!(matches!(claims.claim(&mine, [1; 32], start + LEASE), Claimable::Held(_)));
        // Not renewed, it is anybody's, also for another request.
        let second = taken(claims.claim(&mine, [2; 32], later + LEASE));
        assert!(!claims.renew(&mine, first, later + LEASE), "who lost it cannot hold it on");
        assert!(!claims.hand_over(&mine, first, OperationId::new(0, 1)), "nor send anything under it");
        claims.free(&mine, first);
        assert!(claims.renew(&mine, second, later + LEASE), "nor free it");
    }

    #[test]
    fn a_key_is_that_of_one_request_or_of_one_with_parts() {
        let (mut claims, now, mine) = (Claims::default(), Instant::now(), key("k"));
        let other = |claims: &Claims, of_parts| claims.is_used_otherwise(&mine, of_parts, now);
        assert!(!other(&claims, None) && !other(&claims, Some([1; 32])));
        // Neighbours in the order of keys are others' business.
        for text in ["j 0", "k", "k!", "kk 0"] {
            taken(claims.claim(&key(text), [9; 32], now));
        }
        assert!(!other(&claims, None), "it is used for one request, and that one asks by its fingerprint");
        assert!(other(&claims, Some([1; 32])), "not for parts as well");
        let lone = key("lone");
        taken(claims.claim(&lone.of_part(12), [1; 32], now));
        assert!(claims.is_used_otherwise(&lone, None, now), "nor the other way round");
        assert!(!claims.is_used_otherwise(&lone, Some([1; 32]), now), "the same parts again");
        assert!(claims.is_used_otherwise(&lone, Some([2; 32]), now), "other parts");
        assert!(
            !claims.is_used_otherwise(&lone, Some([2; 32]), now + LEASE),
            "nobody works on them any more"
        );
    }

    #[test]
    fn a_key_of_an_operation_is_free_only_when_that_is_forgotten() {
        let (mut claims, start, mine) = (Claims::default(), Instant::now(), key("k"));
        let owner = taken(claims.claim(&mine, [1; 32], start));
        let operation = OperationId::new(7, 7);
        assert!(claims.hand_over(&mine, owner, operation));
        claims.free(&mine, owner);
        let years = start + Duration::from_secs(1_000_000);
        let held = Claimable::Held(Holder::Operation(operation));
        assert_eq!(claims.claim(&mine, [1; 32], years), held);
        assert_eq!(claims.claim(&mine, [2; 32], years), Claimable::Other);
        claims.forget(&mine, OperationId::new(7, 8));
        assert_eq!(claims.claim(&mine, [1; 32], years), held, "another operation says nothing about it");
        claims.forget(&mine, operation);
        taken(claims.claim(&mine, [2; 32], years));
    }
}
