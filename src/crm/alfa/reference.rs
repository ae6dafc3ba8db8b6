//! Reference books (sections 9.1 to 9.4, 9.12 and 9.22 of the reference).

use super::filter::Body;
use super::model::{Branching, Calls, Ids, Model, Scene};
use crate::crm::wire::Row;
use crate::model::reference::{Book, ReferenceEntry, ReferenceFilter};

/// Reference books.
pub(super) struct Reference;

/// Each book of this CRM with the call that lists it and the branch in its path (section 3.1): books that belong to
/// branches are asked for each, of the others any branch gives all.
const BOOKS: [(Book, &str, Branching); 19] = [
    (Book::Branches, "branch/index", Branching::Never),
    (Book::Locations, "location/index", Branching::Each),
    (Book::Rooms, "room/index", Branching::Each),
    (Book::Subjects, "subject/index", Branching::Optional),
    (Book::LessonTypes, "lesson-type/index", Branching::Any),
    (Book::StudyStatuses, "study-status/index", Branching::Optional),
    (Book::LeadStatuses, "lead-status/index", Branching::Optional),
    (Book::LeadSources, "lead-source/index", Branching::Optional),
    (Book::LeadRejects, "lead-reject/index", Branching::Any),
    (Book::CustomerRejects, "customer-reject/index", Branching::Any),
    (Book::Pipelines, "pipeline/index", Branching::Any),
    (Book::Levels, "level/index", Branching::Any),
    (Book::PayAccounts, "pay-account/index", Branching::Each),
    (Book::PayItems, "pay-item/index", Branching::Each),
    (Book::PayItemCategories, "pay-item-category/index", Branching::Any),
    (Book::PayTypes, "pay-type/index", Branching::Any),
    (Book::Users, "user/index", Branching::Any),
    (Book::Companies, "company/index", Branching::Never),
    (Book::Streamings, "streaming/index", Branching::Any),
];

fn known(filter: &ReferenceFilter) -> Option<(&'static str, Branching)> {
    let found = BOOKS.iter().find(|(book, ..)| Some(*book) == filter.book);
    found.map(|(_, list, branching)| (*list, *branching))
}

impl Model for Reference {
    type Record = ReferenceEntry;
    const CALLS: Calls = Calls::reads("branch/index");
    const OF_MANY_KINDS: bool = true;

    fn has(filter: &ReferenceFilter) -> bool {
        known(filter).is_some()
    }

    fn list(filter: &ReferenceFilter) -> &'static str {
        known(filter).map_or(Self::CALLS.list, |(list, _)| list)
    }

    fn branching(filter: &ReferenceFilter) -> Branching {
        match known(filter) {
            // Without a branch only those that the CRM user may see are looked in, which is what `Optional` is for;
            // who is limited to some sees the same book from any of them.
            Some((_, Branching::Optional)) | None => Branching::Never,
            Some((_, branching)) => branching,
        }
    }

    fn ask(filter: &ReferenceFilter, body: &mut Body) {
        body.impossible_if(known(filter).is_none());
    }

    /// Few books can be asked for one entry, and all are short.
    fn ask_for(_: Ids<'_>, _: &mut Body) -> bool {
        false
    }

    fn read(row: &Row<'_>, scene: &Scene) -> ReferenceEntry {
        entry(row, scene)
    }
}

fn entry(row: &Row<'_>, scene: &Scene) -> ReferenceEntry {
    // A branch belongs to itself: who may not see it does not see its entry.
    let itself = row.id("id").filter(|_| scene.call == Reference::CALLS.list);
    let branches =
        [row.ids("branch_ids"), row.id("branch_id").into_iter().collect(), itself.into_iter().collect()]
            .concat();
    ReferenceEntry {
        name: row.text("name"),
        active: row.flag("is_active").or_else(|| row.flag("is_enabled")),
        weight: row.whole("weight").or_else(|| row.whole("sort")),
        branch_ids: branches,
    }
}
