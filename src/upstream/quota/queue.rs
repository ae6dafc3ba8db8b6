//! The waiting room: who is next. Pure: no clock, no tasks.
//!
//! Signing in goes first, because nobody is served without it; then first attempts in order of arrival; then retries,
//! so that what fails does not push aside what has not been tried; then our own background refreshes.

use std::collections::BTreeMap;

use crate::model::context::Reason;

/// A place in the waiting room; lower is served earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    rank: usize,
    arrival: u64,
}

const RANKS: usize = 4;

fn rank(reason: Reason) -> usize {
    match reason {
        Reason::Auth => 0,
        Reason::Miss | Reason::Write => 1,
        Reason::Retry => 2,
        Reason::Refresh => 3,
    }
}

/// Those who wait, in the order they will be served.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: BTreeMap<Place, T>,
    by_rank: [usize; RANKS],
    arrivals: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), by_rank: [0; RANKS], arrivals: 0 }
    }
}

impl<T> Queue<T> {
    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many would be served before a newcomer.
    pub fn ahead_of(&self, reason: Reason) -> usize {
        self.by_rank[..=rank(reason)].iter().sum()
    }

    /// Lets a newcomer in.
    pub fn push(&mut self, reason: Reason, waiter: T) -> Place {
        self.arrivals += 1;
        let place = Place { rank: rank(reason), arrival: self.arrivals };
        self.by_rank[place.rank] += 1;
        self.waiting.insert(place, waiter);
        place
    }

    /// Takes out who left or is next; `None` when the place is empty already.
    pub fn remove(&mut self, place: Place) -> Option<T> {
        let waiter = self.waiting.remove(&place)?;
        self.by_rank[place.rank] -= 1;
        Some(waiter)
    }

    /// The place of who is next; with `only_sign_in` everybody else stays seated.
    pub fn next(&self, only_sign_in: bool) -> Option<Place> {
        let (place, _) = self.waiting.first_key_value()?;
        (!only_sign_in || place.rank == rank(Reason::Auth)).then_some(*place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(queue: &mut Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.next(false).and_then(|place| queue.remove(place))).collect()
    }

    #[test]
    fn sign_in_goes_first_and_refreshes_last() {
        let mut queue = Queue::default();
        for (reason, n) in [
            (Reason::Refresh, 4),
            (Reason::Retry, 3),
            (Reason::Miss, 1),
            (Reason::Miss, 2),
            (Reason::Auth, 0),
        ] {
            queue.push(reason, n);
        }
        assert_eq!(queue.ahead_of(Reason::Miss), 3);
        assert_eq!(drain(&mut queue), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn while_signing_in_everybody_else_stays_seated() {
        let mut queue = Queue::default();
        queue.push(Reason::Miss, 1);
        assert_eq!(queue.next(true), None);
        let sign_in = queue.push(Reason::Auth, 0);
        assert_eq!(queue.next(true), Some(sign_in));
    }

    proptest! {
        #[test]
        fn first_attempts_are_served_in_order_of_arrival_whoever_leaves(leaving in proptest::collection::vec(any::<bool>(), 0..100)) {
            let mut queue = Queue::default();
            let places: Vec<_> = (0..leaving.len()).map(|n| queue.push(Reason::Miss, n as u32)).collect();
            for (place, _) in places.iter().zip(&leaving).filter(|(_, leaves)| **leaves) {
                queue.remove(*place);
            }
            let stayed: Vec<u32> = leaving.iter().enumerate().filter(|(_, leaves)| !**leaves).map(|(n, _)| n as u32).collect();
            prop_assert_eq!(queue.ahead_of(Reason::Miss), stayed.len());
            prop_assert_eq!(drain(&mut queue), stayed);
            prop_assert_eq!(queue.waiting(), 0);
        }
    }
}
