//! Requests that carry a key of their own are carried out once: who repeats one gets the first one's answer.
//!
//! A key is claimed before the work begins and settled when it ends. What surely had no effect frees the key, so that the
//! request can be repeated; everything else, also what nobody knows the outcome of, is kept and answered again. Kept in
//! memory, for [`KEPT`], for each consumer apart.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(72 * 60 * 60);
/// How many bytes of answers are kept of one consumer at most; its oldest go first.
const SIZE: usize = 64 * 1024 * 1024;
/// What an entry weighs besides its answer.
const OVERHEAD: usize = 512;

/// What makes two requests the same: a digest of everything they say.
pub type Fingerprint = [u8; 32];

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The consumer; each has keys of its own.
    pub consumer: Arc<str>,
    /// The text it sent.
    pub text: Arc<str>,
}

/// All keys in use. `A` is an answer.
#[derive(Debug)]
pub struct Keys<A> {
    state: Mutex<State<A>>,
}

#[derive(Debug)]
struct State<A> {
    entries: HashMap<Key, Entry<A>>,
    /// Of each consumer the keys whose requests have ended.
    settled: HashMap<Arc<str>, Settled>,
}

/// Keys whose requests have ended, the oldest first, with what they weigh.
#[derive(Debug, Default)]
struct Settled {
    keys: VecDeque<(Arc<str>, Instant, usize)>,
    weight: usize,
}

#[derive(Debug)]
struct Entry<A> {
    fingerprint: Fingerprint,
    /// None while the first request runs.
    answer: Option<Arc<A>>,
}

/// What a key says about a request.
#[derive(Debug)]
pub enum Claim<A> {
    /// It is new: the request may be carried out, and the claim must be settled.
    New(Claimed<A>),
    /// The same request is being carried out.
    Running,
    /// The same request was carried out, with this answer.
    Done(Arc<A>),
    /// It was used for another request.
    Other,
}

/// The right to carry a request out. Dropped without being settled, its key stays taken: nobody knows what happened.
#[derive(Debug)]
pub struct Claimed<A> {
    keys: Arc<Keys<A>>,
    key: Key,
    open: bool,
}

impl<A> Default for Keys<A> {
    fn default() -> Self {
        let state = State { entries: HashMap::new(), settled: HashMap::new() };
        Self { state: Mutex::new(state) }
    }
}

impl<A> Keys<A> {
    /// Claims a key for a request.
    pub fn claim(self: &Arc<Self>, key: Key, fingerprint: Fingerprint, now: Instant) -> Claim<A> {
        let mut state = self.lock();
        state.forget(&key.consumer, now);
        match state.entries.get(&key) {
            Some(entry) if entry.fingerprint != fingerprint => Claim::Other,
            Some(Entry { answer: Some(answer), .. }) => Claim::Done(Arc::clone(answer)),
            Some(_) => Claim::Running,
            None => {
                state.entries.insert(key.clone(), Entry { fingerprint, answer: None });
                Claim::New(Claimed { keys: Arc::clone(self), key, open: true })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().expect("no code panics while it holds the keys")
    }
}

impl<A> State<A> {
    /// Forgets what is too old or too much of a consumer.
    fn forget(&mut self, consumer: &Arc<str>, now: Instant) {
        let Some(settled) = self.settled.get_mut(consumer) else { return };
        while let Some((text, since, weight)) = settled.keys.front() {
            if now.saturating_duration_since(*since) < KEPT && settled.weight <= SIZE {
                break;
            }
            settled.weight -= weight;
            let key = Key { consumer: Arc::clone(consumer), text: Arc::clone(text) };
            settled.keys.pop_front();
            self.entries.remove(&key);
        }
    }

    fn settle(&mut self, key: &Key, weight: usize, now: Instant) {
        let weight = weight + key.text.len() + OVERHEAD;
        let settled = self.settled.entry(Arc::clone(&key.consumer)).or_default();
        settled.weight += weight;
        settled.keys.push_back((Arc::clone(&key.text), now, weight));
        self.forget(&key.consumer, now);
    }
}

impl<A> Claimed<A> {
    /// Keeps the answer; `weight` is its size in bytes.
    pub fn keep(mut self, answer: Arc<A>, weight: usize, now: Instant) {
        self.open = false;
        let mut state = self.keys.lock();
        if let Some(entry) = state.entries.get_mut(&self.key) {
            entry.answer = Some(answer);
            state.settle(&self.key, weight, now);
        }
    }

    /// Frees the key: the request had no effect.
    pub fn free(mut self) {
        self.open = false;
        self.keys.lock().entries.remove(&self.key);
    }
}

impl<A> Drop for Claimed<A> {
    fn drop(&mut self) {
        if self.open {
            // Taken until it is forgotten like the others.
            self.keys.lock().settle(&self.key, 0, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(consumer: &str, text: &str) -> Key {
        Key { consumer: consumer.into(), text: text.into() }
    }

    fn new(keys: &Arc<Keys<i32>>, key: &Key, now: Instant) -> Claimed<i32> {
        match keys.claim(key.clone(), [1; 32], now) {
            Claim::New(claimed) => claimed,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_carried_out_once_and_answered_again() {
        let (keys, now) = (Arc::new(Keys::default()), Instant::now());
        let mine = key("web", "k");
        let claimed = new(&keys, &mine, now);
        assert!(matches!(keys.claim(mine.clone(), [1; 32], now), Claim::Running));
        assert!(matches!(keys.claim(mine.clone(), [2; 32], now), Claim::Other));
        claimed.keep(Arc::new(7), 10, now);
        assert!(matches!(keys.claim(mine.clone(), [1; 32], now), Claim::Done(answer) if *answer == 7));
        assert!(matches!(keys.claim(mine.clone(), [2; 32], now), Claim::Other));
        // Somebody else's key of the same text is another key.
        new(&keys, &key("app", "k"), now).free();
    }

    #[tokio::test(start_paused = true)]
    async fn what_had_no_effect_may_be_repeated_and_what_is_unknown_may_not() {
        let (keys, now) = (Arc::new(Keys::default()), Instant::now());
        let mine = key("web", "k");
        new(&keys, &mine, now).free();
        drop(new(&keys, &mine, now));
        assert!(matches!(keys.claim(mine, [1; 32], now), Claim::Running));
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_forgotten_in_time_and_when_they_are_too_many() {
        let (keys, now) = (Arc::new(Keys::default()), Instant::now());
        new(&keys, &key("web", "old"), now).keep(Arc::new(1), 10, now);
        let almost = now + KEPT - Duration::from_secs(1);
        assert!(matches!(keys.claim(key("web", "old"), [1; 32], almost), Claim::Done(_)));
        assert!(matches!(keys.claim(key("web", "old"), [1; 32], now + KEPT), Claim::New(_)));
        for number in 0..3 {
            new(&keys, &key("web", &number.to_string()), now).keep(Arc::new(number), SIZE / 2, now);
        }
        assert!(matches!(keys.claim(key("web", "0"), [1; 32], now), Claim::New(_)));
        assert!(matches!(keys.claim(key("web", "2"), [1; 32], now), Claim::Done(_)));
    }
}
