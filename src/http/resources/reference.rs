//! Reference books: one list for each, told apart by the path.

use crate::http::resource::{PathValues, Resource};
use crate::model::reference::{Book, ReferenceEntry, ReferenceFilter};

pub(super) struct Reference;

impl Resource for Reference {
    type Record = ReferenceEntry;
    const PATH: &'static str = "/reference/{book}";
    const NAMES: (&'static str, &'static str) = ("reference_entry", "reference");
    const ABOUT: &'static str =
        "Reference books: branches, rooms, statuses, tills … that ids in other records point into.";

    fn narrow(filter: &mut ReferenceFilter, path: &[&str]) -> bool {
        filter.book = path.first().and_then(|name| Book::named(name));
        filter.book.is_some()
    }

    fn path_values() -> &'static [PathValues] {
        &[PathValues {
            name: "book",
            about: "Which book.",
            values: || Book::ALL.iter().map(|(_, name)| *name).collect(),
        }]
    }
}
