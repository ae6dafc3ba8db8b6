//! An index that lags: what was just created exists and is counted, but lists do not show it yet. Pure: the caller says
//! what time it is.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::schema::Model;

/// When rows were created, in that order.
#[derive(Debug, Default)]
pub(super) struct Births(Vec<(Instant, Model, u64)>);

impl Births {
    pub(super) fn note(&mut self, at: Instant, model: Model, id: u64) {
        self.0.push((at, model, id));
    }

    /// The rows of a model that are younger than `lag`.
    pub(super) fn younger(&self, now: Instant, lag: Duration, model: Model) -> HashSet<u64> {
        let young = |(at, ..): &&(Instant, Model, u64)| now.saturating_duration_since(*at) < lag;
        let rows = self.0.iter().rev().take_while(young);
        rows.filter(|(_, of, _)| *of == model).map(|(.., id)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_row_is_young_for_as_long_as_the_index_lags_and_only_among_its_own() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut births = Births::default();
        births.note(start, Model::Pay, 1);
        births.note(start + second, Model::Customer, 2);
        births.note(start + second, Model::Pay, 3);
        let young = |after: u32, lag: u32, model| births.younger(start + second * after, second * lag, model);
        assert_eq!(young(1, 2, Model::Pay), HashSet::from([1, 3]));
        assert_eq!(young(1, 2, Model::Customer), HashSet::from([2]));
        assert_eq!(young(2, 2, Model::Pay), HashSet::from([3]));
        assert_eq!(young(3, 2, Model::Pay), HashSet::new());
        assert_eq!(young(1, 0, Model::Pay), HashSet::new(), "without a lag nothing is");
    }
}
