//! An ordered set that also tells how much stands before a place (an order-statistic tree), in logarithmic time: what the prediction of a wait is
//! made of. A treap in an arena; its shape depends on the keys alone, so that equal runs are equal.

/// No node.
const NONE: u32 = u32::MAX;

/// Keys in order, each with a cost.
#[derive(Debug)]
pub(super) struct Order<K> {
    nodes: Vec<Node<K>>,
    free: Vec<u32>,
    root: u32,
    inserted: u64,
}

#[derive(Debug)]
struct Node<K> {
    key: K,
    cost: u32,
    /// The cost of this node and of all below it.
    sum: u64,
    rank: u32,
    left: u32,
    right: u32,
}

impl<K> Default for Order<K> {
    fn default() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), root: NONE, inserted: 0 }
    }
}

impl<K: Ord + Copy> Order<K> {
    /// Adds a key that is not there yet.
    pub(super) fn insert(&mut self, key: K, cost: u32) {
        self.inserted += 1;
        let node =
            Node { key, cost, sum: u64::from(cost), rank: scattered(self.inserted), left: NONE, right: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("fewer calls wait than a u32 can count")
            }
        };
        let (before, after) = self.split(self.root, &key);
        let left = self.merge(before, at);
        self.root = self.merge(left, after);
    }

    /// Takes a key out; `false` when it is not there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        let (before, rest) = self.split(self.root, key);
        let (found, after) = self.split_first(rest);
        let is_it = found != NONE && self.nodes[found as usize].key == *key;
        let middle = if is_it { NONE } else { found };
        let rest = self.merge(middle, after);
        self.root = self.merge(before, rest);
        if is_it {
            self.free.push(found);
        }
        is_it
    }

    /// The first key.
    pub(super) fn first(&self) -> Option<K> {
        let mut at = self.root;
        let mut first = None;
        while at != NONE {
            let node = &self.nodes[at as usize];
            first = Some(node.key);
            at = node.left;
        }
        first
    }

    /// The cost of everything before `key`, which need not be there.
    pub(super) fn before(&self, key: &K) -> u64 {
        let (mut at, mut sum) = (self.root, 0);
        while at != NONE {
            let node = &self.nodes[at as usize];
            if node.key < *key {
                sum += self.sum(node.left) + u64::from(node.cost);
                at = node.right;
            } else {
                at = node.left;
            }
        }
        sum
    }

    /// The cost of everything.
    pub(super) fn total(&self) -> u64 {
        self.sum(self.root)
    }

    fn sum(&self, at: u32) -> u64 {
        if at == NONE { 0 } else { self.nodes[at as usize].sum }
    }

    fn refresh(&mut self, at: u32) {
        let node = &self.nodes[at as usize];
        let sum = self.sum(node.left) + self.sum(node.right) + u64::from(node.cost);
        self.nodes[at as usize].sum = sum;
    }

    /// Parts the tree below `at` into what is before `key` and the rest.
    fn split(&mut self, at: u32, key: &K) -> (u32, u32) {
        if at == NONE {
            return (NONE, NONE);
        }
        if self.nodes[at as usize].key < *key {
            let (before, after) = self.split(self.nodes[at as usize].right, key);
            self.nodes[at as usize].right = before;
            self.refresh(at);
            (at, after)
        } else {
            let (before, after) = self.split(self.nodes[at as usize].left, key);
            self.nodes[at as usize].left = after;
            self.refresh(at);
            (before, at)
        }
    }

    /// Parts the first node from the rest.
    fn split_first(&mut self, at: u32) -> (u32, u32) {
        if at == NONE {
            return (NONE, NONE);
        }
        let left = self.nodes[at as usize].left;
        if left == NONE {
            let rest = std::mem::replace(&mut self.nodes[at as usize].right, NONE);
            self.refresh(at);
            return (at, rest);
        }
        let (first, rest) = self.split_first(left);
        self.nodes[at as usize].left = rest;
        self.refresh(at);
        (first, at)
    }

    /// Joins two trees of which every key of the first is before every key of the second.
    fn merge(&mut self, before: u32, after: u32) -> u32 {
        if before == NONE || after == NONE {
            return if before == NONE { after } else { before };
        }
        if self.nodes[before as usize].rank > self.nodes[after as usize].rank {
            let right = self.merge(self.nodes[before as usize].right, after);
            self.nodes[before as usize].right = right;
            self.refresh(before);
            before
        } else {
            let left = self.merge(before, self.nodes[after as usize].left);
            self.nodes[after as usize].left = left;
            self.refresh(after);
            after
        }
    }
}

/// Numbers in a row, scattered (the finaliser of SplitMix64).
fn scattered(number: u64) -> u32 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_map_with_sums(steps in proptest::collection::vec((any::<bool>(), 0_u16..60, 1_u32..5), 0..300)) {
            let mut order = Order::default();
            let mut plain = BTreeMap::new();
            for (add, key, cost) in steps {
                if add && !plain.contains_key(&key) {
                    order.insert(key, cost);
                    plain.insert(key, cost);
                } else {
                    prop_assert_eq!(order.remove(&key), plain.remove(&key).is_some());
                }
                prop_assert_eq!(order.first(), plain.keys().next().copied());
                prop_assert_eq!(order.total(), plain.values().map(|cost| u64::from(*cost)).sum::<u64>());
                let before: u64 = plain.range(..key).map(|(_, cost)| u64::from(*cost)).sum();
                prop_assert_eq!(order.before(&key), before);
            }
        }
    }

    #[test]
    fn it_stays_shallow_whatever_the_order_of_arrival() {
        fn depth(order: &Order<u64>, at: u32) -> usize {
            if at == NONE {
                return 0;
            }
            let node = &order.nodes[at as usize];
            1 + depth(order, node.left).max(depth(order, node.right))
        }
        let mut order = Order::default();
        for key in 0..100_000 {
            order.insert(key, 1);
        }
        assert!(depth(&order, order.root) < 60);
    }
}
