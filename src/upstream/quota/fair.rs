//! Who is next within one class: consumers share by weight (start-time fair queueing, with a virtual time of work done). A
//! consumer that asks for a
//! thousand calls does not push aside one that asks for a single call, and idle shares belong to whoever is there.
//!
//! Each call that waits has a *slot*: a point on a clock that runs with the work done. A consumer's slots lie apart by the
//! cost of its calls over its weight, so twice the weight is twice the turns, and a call of cost two takes two. Slots
//! belong to consumers, not to calls: who leaves gives up the consumer's last slot, and those behind move up, so
//! leaving costs nobody a turn, one's own other calls included. Joining, leaving and serving are logarithmic.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::order::Order;

/// One call of a consumer of weight one, on the clock of work.
const CALL: u64 = 1_000_000_000;

/// The calls of one class that wait.
#[derive(Debug)]
pub(super) struct Fair<T> {
    flows: Vec<Flow<T>>,
    free: Vec<u32>,
    by_name: HashMap<Arc<str>, u32>,
    slots: Order<Slot>,
    /// Virtual time: where the slot served last starts.
    clock: u64,
    /// Consumers without a call that have used more than their share, by when they are even.
    resting: BTreeSet<(u64, u32)>,
    arrivals: u64,
}

/// What a consumer has waiting.
#[derive(Debug)]
struct Flow<T> {
    name: Arc<str>,
    /// Where its last slot ends, and so its next one starts (the finish tag).
    finish: u64,
    /// First attempts, and those made again.
    queues: [Queue<T>; 2],
}

#[derive(Debug)]
struct Queue<T> {
    waiting: BTreeMap<u64, (T, u32)>,
    slots: VecDeque<Slot>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), slots: VecDeque::new() }
    }
}

/// When a turn is due; lower is earlier. What is tried again comes after everything that was not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    again: bool,
    start: u64,
    arrival: u64,
    flow: u32,
}

/// Where a call waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    flow: u32,
    again: bool,
    arrival: u64,
}

/// Whose call it is and what it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share<'a> {
    /// The consumer.
    pub(super) name: &'a Arc<str>,
    /// Its part among the consumers of the class; at least one.
    pub(super) weight: u32,
    /// Turns the call takes; at least one.
    pub(super) cost: u32,
    /// Whether it was tried before.
    pub(super) again: bool,
}

impl<T> Default for Fair<T> {
    fn default() -> Self {
        Self {
            flows: Vec::new(),
            free: Vec::new(),
            by_name: HashMap::new(),
            slots: Order::default(),
            clock: 0,
            resting: BTreeSet::new(),
            arrivals: 0,
        }
    }
}

impl<T> Fair<T> {
    /// The turns that those who wait will take.
    pub(super) fn cost(&self) -> u64 {
        self.slots.total()
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.total() == 0
    }

    /// The turns that are taken before a newcomer's, if nobody else comes than, before it, calls of the same consumer that
    /// take `own` turns.
    pub(super) fn ahead_of(&self, share: &Share<'_>, own: u32) -> u64 {
        let finish = self.by_name.get(share.name).map_or(0, |at| self.flows[*at as usize].finish);
        let start = finish.max(self.clock) + u64::from(own) * CALL / u64::from(share.weight.max(1));
        u64::from(own)
            + self.slots.before(&Slot { again: share.again, start, arrival: u64::MAX, flow: u32::MAX })
    }

    /// The turns that are taken before a call's that has a seat, if nobody else comes. It takes time in proportion to how
    /// many calls the consumer has waiting.
    pub(super) fn ahead_of_seat(&self, seat: Seat) -> u64 {
        let queue = self.flows.get(seat.flow as usize).map(|flow| &flow.queues[usize::from(seat.again)]);
        // Slots belong to consumers: the call has the one that its arrival comes to.
        let slot = queue.and_then(|queue| queue.slots.get(queue.waiting.range(..seat.arrival).count()));
        slot.map_or(0, |slot| self.slots.before(slot))
    }

    /// Whose a seat is, and the turns the call takes.
    pub(super) fn get(&self, seat: Seat) -> Option<(&Arc<str>, u32)> {
        let flow = self.flows.get(seat.flow as usize)?;
        let (_, cost) = flow.queues[usize::from(seat.again)].waiting.get(&seat.arrival)?;
        Some((&flow.name, *cost))
    }

    /// How many consumers wait.
    pub(super) fn consumers(&self) -> usize {
        self.by_name.len() - self.resting.len()
    }

    /// Lets a newcomer in.
    pub(super) fn push(&mut self, share: &Share<'_>, waiter: T) -> Seat {
        let at = self.flow(share.name);
        self.arrivals += 1;
        let arrival = self.arrivals;
        let flow = &mut self.flows[at as usize];
        if flow.is_empty() {
            self.resting.remove(&(flow.finish, at));
        }
        let slot = Slot { again: share.again, start: flow.finish.max(self.clock), arrival, flow: at };
        flow.finish = slot.start + u64::from(share.cost) * CALL / u64::from(share.weight.max(1));
        let queue = &mut flow.queues[usize::from(share.again)];
        queue.waiting.insert(arrival, (waiter, share.cost));
        queue.slots.push_back(slot);
        self.slots.insert(slot, share.cost);
        Seat { flow: at, again: share.again, arrival }
    }

    /// Takes out who leaves, with the name of the consumer; `None` when the seat is empty already.
    pub(super) fn remove(&mut self, seat: Seat) -> Option<(T, Arc<str>)> {
        let flow = self.flows.get_mut(seat.flow as usize)?;
        let queue = &mut flow.queues[usize::from(seat.again)];
        let (waiter, _) = queue.waiting.remove(&seat.arrival)?;
        let slot = queue.slots.pop_back()?;
        // Its place is free for the consumer's next call, unless that would be before one of its others.
        let other = flow.queues[usize::from(!seat.again)].slots.back();
        if other.is_none_or(|other| other.start < slot.start) {
            flow.finish = slot.start;
        }
        let name = Arc::clone(&flow.name);
        self.slots.remove(&slot);
        self.settle(seat.flow);
        Some((waiter, name))
    }

    /// Takes out who is next, with the name of the consumer, and the turns the call takes.
    pub(super) fn pop(&mut self) -> Option<((T, Arc<str>), u32)> {
        let slot = self.slots.first()?;
        self.slots.remove(&slot);
        let flow = &mut self.flows[slot.flow as usize];
        let name = Arc::clone(&flow.name);
        let queue = &mut flow.queues[usize::from(slot.again)];
        queue.slots.pop_front();
        let (_, (waiter, cost)) = queue.waiting.pop_first()?;
        self.clock = self.clock.max(slot.start);
        self.settle(slot.flow);
        while let Some((even, at)) = self.resting.first().copied()
            && even <= self.clock
        {
            self.resting.pop_first();
            self.forget(at);
        }
        Some(((waiter, name), cost))
    }

    fn flow(&mut self, name: &Arc<str>) -> u32 {
        if let Some(at) = self.by_name.get(name) {
            return *at;
        }
        let flow = Flow { name: Arc::clone(name), finish: self.clock, queues: Default::default() };
        let at = match self.free.pop() {
            Some(at) => {
                self.flows[at as usize] = flow;
                at
            }
            None => {
                self.flows.push(flow);
                u32::try_from(self.flows.len() - 1).expect("fewer consumers than a u32 can count")
            }
        };
        self.by_name.insert(Arc::clone(name), at);
        at
    }

    /// Lets a consumer rest that has nothing waiting any more. When nobody at all waits, all are even.
    fn settle(&mut self, at: u32) {
        let flow = &self.flows[at as usize];
        if !flow.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = Self { arrivals: self.arrivals, ..Self::default() };
        } else if flow.finish > self.clock {
            self.resting.insert((flow.finish, at));
        } else {
            self.forget(at);
        }
    }

    fn forget(&mut self, at: u32) {
        self.by_name.remove(&self.flows[at as usize].name);
        self.free.push(at);
    }
}

impl<T> Flow<T> {
    fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.waiting.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(n: usize) -> Arc<str> {
        format!("consumer {n}").into()
    }

    fn push(fair: &mut Fair<usize>, of: usize, weight: u32, cost: u32) -> Seat {
        fair.push(&Share { name: &name(of), weight, cost, again: false }, of)
    }

    fn served(fair: &mut Fair<usize>, turns: usize) -> Vec<usize> {
        std::iter::from_fn(|| fair.pop().map(|((of, _), _)| of)).take(turns).collect()
    }

    #[test]
    fn one_call_does_not_wait_behind_a_thousand_of_another_consumer() {
        let mut fair = Fair::default();
        for _ in 0..1000 {
            push(&mut fair, 1, 1, 1);
        }
        served(&mut fair, 10);
        push(&mut fair, 2, 1, 1);
        assert_eq!(served(&mut fair, 2), [2, 1]);
    }

    #[test]
    fn twice_the_weight_is_twice_the_turns_and_twice_the_cost_half_of_them() {
        let mut fair = Fair::default();
        for _ in 0..300 {
            push(&mut fair, 1, 1, 1);
            push(&mut fair, 2, 2, 1);
            push(&mut fair, 3, 1, 2);
        }
        let turns = served(&mut fair, 350);
        let of = |n| turns.iter().filter(|of| **of == n).count();
        assert_eq!((of(1), of(2), of(3)), (100, 200, 50));
    }

    #[test]
    fn what_is_tried_again_comes_after_everything_that_was_not_tried() {
        let mut fair = Fair::default();
        fair.push(&Share { name: &name(0), weight: 9, cost: 1, again: true }, 0);
        for of in [1, 2, 1] {
            push(&mut fair, of, 1, 1);
        }
        assert_eq!(served(&mut fair, 4), [1, 2, 1, 0]);
    }

    #[test]
    fn who_was_served_more_than_its_share_is_not_even_by_having_nothing_waiting_for_a_moment() {
        let mut fair = Fair::default();
        for _ in 0..100 {
            push(&mut fair, 1, 1, 1);
        }
        let mut turns = 0;
        for _ in 0..50 {
            // Always one at a time, each after the one before was served.
            push(&mut fair, 2, 1, 1);
            while fair.pop().unwrap().0.0 != 2 {
                turns += 1;
            }
        }
        assert!((48..=51).contains(&turns), "{turns}");
    }

    #[test]
    fn who_leaves_costs_its_consumer_no_turn() {
        let mut fair = Fair::default();
        let leaving: Vec<_> = (0..50).map(|_| push(&mut fair, 1, 1, 1)).collect();
        for _ in 0..10 {
            push(&mut fair, 1, 1, 1);
            push(&mut fair, 2, 1, 1);
        }
        for seat in leaving {
            assert_eq!(fair.remove(seat).map(|(of, _)| of), Some(1));
            assert_eq!(fair.remove(seat), None);
        }
        let turns = served(&mut fair, 20);
        assert_eq!(turns.iter().take(10).filter(|of| **of == 1).count(), 5);
    }

    proptest! {
        /// Between two consumers that both always wait, neither gets more than its share and one call over it.
        #[test]
        fn shares_are_kept_over_every_stretch_of_time(weights in proptest::collection::vec(1_u32..5, 2..6), turns in 20_usize..200) {
            let mut fair = Fair::default();
            for (of, weight) in weights.iter().enumerate() {
                for _ in 0..200 {
                    push(&mut fair, of, *weight, 1);
                }
            }
            let order = served(&mut fair, turns);
            let all: u32 = weights.iter().sum();
            for (of, weight) in weights.iter().enumerate() {
                for start in (0..turns).step_by(7) {
                    let got = order[start..].iter().filter(|n| **n == of).count() as f64;
                    let due = (turns - start) as f64 * f64::from(*weight) / f64::from(all);
                    prop_assert!((got - due).abs() <= 1.0 + weights.len() as f64, "{of}: {got} and not {due} of {order:?}");
                }
            }
        }

        /// Nobody is lost, nobody is served twice, each consumer's calls keep their order, and what was told is true.
        #[test]
        fn everybody_who_stays_is_served_once_and_in_the_consumers_order(
            steps in proptest::collection::vec((0_u8..4, 0_usize..5, 1_u32..4, 1_u32..3, any::<bool>()), 1..200),
        ) {
            let mut fair = Fair::default();
            let mut seats: Vec<(Seat, (usize, bool, usize))> = Vec::new();
            let mut number = 0;
            let mut last = HashMap::new();
            let mut check = |guest: (usize, bool, usize)| {
                let before = last.insert((guest.0, guest.1), guest.2);
                before.is_none_or(|before| before < guest.2)
            };
            for (what, of, weight, cost, again) in steps {
                match what {
                    0 | 1 => {
                        number += 1;
                        let guest = (of, again, number);
                        let seat = fair.push(&Share { name: &name(of), weight, cost, again }, guest);
                        seats.push((seat, guest));
                    }
                    2 if !seats.is_empty() => {
                        let (seat, guest) = seats.swap_remove(of % seats.len());
                        prop_assert_eq!(fair.remove(seat).map(|(guest, _)| guest), Some(guest));
                    }
                    _ => {
                        let share = Share { name: &name(9), weight, cost: 1, again };
                        let ahead = fair.ahead_of(&share, 0);
                        prop_assert!(ahead <= fair.cost());
                        if let Some(((guest, _), _)) = fair.pop() {
                            prop_assert!(check(guest));
                            seats.retain(|(_, seated)| *seated != guest);
                        }
                    }
                }
            }
            while let Some(((guest, _), _)) = fair.pop() {
                prop_assert!(check(guest));
                seats.retain(|(_, seated)| *seated != guest);
            }
            prop_assert!(seats.is_empty());
            prop_assert!(fair.by_name.is_empty() && fair.resting.is_empty());
        }
    }
}
