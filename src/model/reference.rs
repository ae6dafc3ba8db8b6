//! An entry of a reference book: branches, rooms, statuses, tills …

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Entity, Filter, Order, Query, Record, RecordId};

/// One entry of a reference book.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReferenceEntry {
    /// Its name.
    #[schema(required)]
    pub name: Option<String>,
    /// Whether it is in use; `null` where the CRM does not tell.
    #[schema(required)]
    pub active: Option<bool>,
    /// Its place in the CRM's order, lowest first.
    #[schema(required)]
    pub weight: Option<i64>,
    /// The branches it belongs to; none means all.
    pub branch_ids: Vec<RecordId>,
}

/// The books there are, as path segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Book {
    /// The school's branches.
    Branches,
}

impl Book {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Branches];

    /// The path segment.
    pub fn name(self) -> &'static str {
        match self {
            Self::Branches => "branches",
        }
    }

    /// The book of a path segment.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|book| book.name() == name)
    }
}

/// What a reference book may be narrowed by. The book itself comes from the path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReferenceFilter {
    pub book: Option<Book>,
}

impl Filter<ReferenceEntry> for ReferenceFilter {
    fn read(_: &mut Query) -> Self {
        Self::default()
    }

    fn matches(&self, _: &Record<ReferenceEntry>) -> bool {
        true
    }
}

impl Entity for ReferenceEntry {
    const RESOURCE: &'static str = "reference";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[];
    type Filter = ReferenceFilter;

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn branches(&self) -> Option<&[RecordId]> {
        Some(&self.branch_ids)
    }

    fn example() -> Value {
        json!({
            "id": "alfa-1", "source": "alfacrm", "source_id": "1", "name": "Центр", "active": true, "weight": 1, "branch_ids": ["alfa-1"],
            "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}
