//! An entry of a reference book: branches, rooms, statuses, tills …

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::{Entity, Filter, Order, Query, Record, RecordId, Rows, Seen};

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
    /// Places where a branch teaches.
    Locations,
    /// Rooms.
    Rooms,
    /// Subjects taught.
    Subjects,
    /// Kinds of lessons: individual, group, trial …
    LessonTypes,
    /// How a student's studies stand.
    StudyStatuses,
    /// Stages of the funnel of leads.
    LeadStatuses,
    /// Where leads come from.
    LeadSources,
    /// Why leads are lost.
    LeadRejects,
    /// Why students leave.
    CustomerRejects,
    /// Funnels of leads.
    Pipelines,
    /// Levels of knowledge.
    Levels,
    /// Tills and accounts that payments go to.
    PayAccounts,
    /// Articles that payments are booked under.
    PayItems,
    /// Groups of such articles.
    PayItemCategories,
    /// Kinds of payments: income, expense …
    PayTypes,
    /// People who work in the CRM; of both CRMs.
    Users,
    /// Legal entities.
    Companies,
    /// Ways of teaching online.
    Streamings,
    /// Funnels of projects.
    Funnels,
    /// Steps of those funnels.
    Steps,
    /// Currencies of projects.
    Currencies,
    /// Kinds of events of projects.
    ActionTypes,
    /// Groups of users, responsible for projects.
    UserGroups,
    /// Goods sold in projects.
    Goods,
    /// Clients of projects.
    Clients,
}

impl Book {
    /// All of them with their path segments.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Branches, "branches"),
        (Self::Locations, "locations"),
        (Self::Rooms, "rooms"),
        (Self::Subjects, "subjects"),
        (Self::LessonTypes, "lesson-types"),
        (Self::StudyStatuses, "study-statuses"),
        (Self::LeadStatuses, "lead-statuses"),
        (Self::LeadSources, "lead-sources"),
        (Self::LeadRejects, "lead-rejects"),
        (Self::CustomerRejects, "customer-rejects"),
        (Self::Pipelines, "pipelines"),
        (Self::Levels, "levels"),
        (Self::PayAccounts, "pay-accounts"),
        (Self::PayItems, "pay-items"),
        (Self::PayItemCategories, "pay-item-categories"),
        (Self::PayTypes, "pay-types"),
        (Self::Users, "users"),
        (Self::Companies, "companies"),
        (Self::Streamings, "streamings"),
        (Self::Funnels, "funnels"),
        (Self::Steps, "steps"),
        (Self::Currencies, "currencies"),
        (Self::ActionTypes, "action-types"),
        (Self::UserGroups, "groups"),
        (Self::Goods, "goods"),
        (Self::Clients, "clients"),
    ];

    /// The path segment.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(book, _)| *book == self).map_or("", |(_, name)| name)
    }

    /// The book of a path segment.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(book, _)| *book)
    }
}

/// What a reference book may be narrowed by. The book itself comes from the path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReferenceFilter {
    pub book: Option<Book>,
}

impl ReferenceFilter {
    /// Whether the book is one of people. A book that is not known may be.
    fn is_of_people(&self) -> bool {
        self.book.is_none_or(|book| matches!(book, Book::Users | Book::Clients | Book::Companies))
    }
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
    // Books of people are the school's own.
    const ROWS: Rows<Self> = Rows {
        narrow: |filter, _| if filter.is_of_people() { Vec::new() } else { vec![filter.clone()] },
        see: |_, filter, _| if filter.is_of_people() { Seen::Nothing } else { Seen::Whole },
        ..Rows::OPEN
    };
    type Filter = ReferenceFilter;
    type Draft = ReadOnly;

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn branches(&self) -> Option<&[RecordId]> {
        // Most books are the whole school's.
        (!self.branch_ids.is_empty()).then_some(&self.branch_ids)
    }

    fn title(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn example() -> Value {
        json!({
            "id": "alfa-1", "source": "alfacrm", "source_id": "1", "name": "Центр", "active": true, "weight": 1, "branch_ids": ["alfa-1"],
            "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_of_people_are_nobodys_who_sees_some_students_only() {
        let own = super::super::Own::default();
        let entry = Record {
            id: RecordId::new(super::super::Source::AlfaCrm, 1),
            source: super::super::Source::AlfaCrm,
            source_id: "1".to_owned(),
            data: ReferenceEntry { name: None, active: None, weight: None, branch_ids: Vec::new() },
            custom_fields: serde_json::Map::new(),
            created_at: None,
            updated_at: None,
            raw: super::super::Raw::of(&json!({})),
        };
        for (book, name) in Book::ALL {
            let filter = ReferenceFilter { book: Some(*book) };
            let of_people = ["users", "clients", "companies"].contains(name);
            let seen = !matches!((ReferenceEntry::ROWS.see)(&entry, &filter, &own), Seen::Nothing);
            assert_eq!(seen, !of_people, "{name}");
            assert_eq!(ReferenceEntry::ROWS.narrowed(&filter, &own).is_empty(), of_people, "{name}");
        }
        let unknown = ReferenceFilter::default();
        assert!(matches!((ReferenceEntry::ROWS.see)(&entry, &unknown, &own), Seen::Nothing));
    }
}
