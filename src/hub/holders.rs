//! Which page in memory holds a record, so that a record on a page that is still fresh costs no call of its own.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use crate::model::RecordId;

/// Records remembered at least; twice as many at most.
const MANY: usize = 50_000;

type Pages = HashMap<(&'static str, RecordId), Arc<str>>;

/// Pages by the records they hold. What was not noted for long is forgotten.
#[derive(Debug, Default)]
pub(super) struct Holders(RwLock<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: Pages,
    old: Pages,
}

impl Holders {
    /// Notes that the answer to the question `page` holds these records.
    pub(super) fn note<'a>(
        &self,
        resource: &'static str,
        page: &Arc<str>,
        ids: impl Iterator<Item = &'a RecordId>,
    ) {
        let mut pages = self.0.write().expect("no code panics while it holds the pages");
        for id in ids {
            pages.young.insert((resource, id.clone()), Arc::clone(page));
        }
        if pages.young.len() > MANY {
            pages.old = std::mem::take(&mut pages.young);
        }
    }

    /// The question whose answer held a record when it was last seen on a page.
    pub(super) fn of(&self, resource: &'static str, id: &RecordId) -> Option<Arc<str>> {
        let pages = self.0.read().expect("no code panics while it holds the pages");
        let key = (resource, id.clone());
        pages.young.get(&key).or_else(|| pages.old.get(&key)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Source;

    #[test]
    fn the_latest_page_is_told_and_not_more_is_remembered_than_has_a_place() {
        let holders = Holders::default();
        let id = |number| RecordId::new(Source::AlfaCrm, number);
        holders.note("students", &"first".into(), [id(1), id(2)].iter());
        holders.note("students", &"second".into(), [id(2)].iter());
        assert_eq!(holders.of("students", &id(1)).as_deref(), Some("first"));
        assert_eq!(holders.of("students", &id(2)).as_deref(), Some("second"));
        assert_eq!(holders.of("groups", &id(1)), None);
        for round in 0..2 {
            let ids: Vec<RecordId> = (0..=MANY as u64).map(|at| id(round * 1_000_000 + at + 10)).collect();
            holders.note("students", &"long".into(), ids.iter());
        }
        assert_eq!(holders.of("students", &id(1)), None);
        assert_eq!(holders.of("students", &id(1_000_010)).as_deref(), Some("long"));
    }
}
