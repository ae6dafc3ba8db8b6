//! Who was sent away and will come again when it was told to. Calls that run out of time together must not all be told
//! the same moment, which would be true for one of them. Pure: `now` is given.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::room::Lane;

/// The moments that were told, of each class; each is a turn that is as good as taken.
#[derive(Debug, Default)]
pub(super) struct Returns([VecDeque<Instant>; 4]);

impl Returns {
    /// How many will come again before somebody of this class who comes with them.
    pub(super) fn before(&mut self, lane: Lane, now: Instant) -> usize {
        for told in &mut self.0 {
            while told.front().is_some_and(|moment| *moment <= now) {
                told.pop_front();
            }
        }
        self.0[..=lane as usize].iter().map(VecDeque::len).sum()
    }

    /// Somebody was told to come again at `moment`.
    pub(super) fn told(&mut self, lane: Lane, moment: Instant) {
        self.0[lane as usize].push_back(moment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn who_will_return_is_counted_until_then_by_its_own_class_and_those_below() {
        let now = Instant::now();
        let mut returns = Returns::default();
        for second in 1..=3 {
            returns.told(Lane::Partner, now + Duration::from_secs(second));
        }
        let counted = |returns: &mut Returns, now| {
            [Lane::Interactive, Lane::Partner, Lane::Batch].map(|lane| returns.before(lane, now))
        };
        assert_eq!(counted(&mut returns, now), [0, 3, 3]);
        assert_eq!(counted(&mut returns, now + Duration::from_secs(2)), [0, 1, 1]);
        assert_eq!(counted(&mut returns, now + Duration::from_secs(9)), [0, 0, 0]);
    }
}
