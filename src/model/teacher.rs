//! A teacher.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::{Change, Custom, Draft, Fields, Object, Short, Word};
use super::expand::{Expand, Kin, to};
use super::filter::{Archived, chooses_among, contains, longest_word};
use super::people::{self, ContactsDraft};
use super::reference::Book;
use super::student::{Contacts, Gender};
use super::{Entity, Filter, Order, Query, Record, RecordId, Rows, Seen};

/// A person who teaches at the school.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Teacher {
    /// The person's name.
    #[schema(required)]
    pub name: Option<String>,
    /// Day of birth.
    #[schema(required)]
    pub birth_date: Option<Date>,
    /// Gender, where the CRM tells.
    pub gender: Gender,
    /// How to reach the person.
    pub contacts: Contacts,
    /// The branches the person teaches in.
    pub branch_ids: Vec<RecordId>,
    /// What the person teaches, in the CRM's words.
    pub skills: Vec<String>,
    /// Whether the person no longer works here.
    pub archived: bool,
    /// A picture.
    #[schema(required)]
    pub avatar_url: Option<String>,
    /// Free text.
    #[schema(required)]
    pub note: Option<String>,
}

/// What lists of teachers may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TeacherFilter {
    pub archived: Archived,
    pub q: Option<String>,
    pub contact: Option<String>,
    pub ids: Vec<RecordId>,
}

impl Filter<Teacher> for TeacherFilter {
    fn read(q: &mut Query) -> Self {
        let archived = q
            .choice("archived", "Those who work here (the default), those who no longer do, or both.")
            .unwrap_or_default();
        let name = q.one("q", "A part of the name.");
        let contact =
            q.one("contact", "A telephone number in any spelling, an e-mail address or any other contact.");
        q.masked_by("contacts");
        Self { archived, q: name, contact, ids: q.many("id", "Only these records.") }
    }

    fn narrows(&self, wider: &Self) -> bool {
        // How a CRM looks for a text is its own affair.
        self.q == wider.q
            && self.contact == wider.contact
            && self.archived.narrows(wider.archived)
            && chooses_among(&self.ids, &wider.ids)
    }

    fn matches(&self, record: &Record<Teacher>) -> bool {
        let teacher = &record.data;
        let name = teacher.name.as_deref().unwrap_or_default();
        self.archived.admits(teacher.archived)
            && self.q.as_deref().is_none_or(|part| contains(name, part))
            && self.contact.as_deref().is_none_or(|contact| teacher.contacts.hold(contact))
            && (self.ids.is_empty() || self.ids.contains(&record.id))
    }
}

/// What can be written of a teacher.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TeacherDraft {
    pub name: Change<Short<50>>,
    pub branches: Change<Vec<RecordId>>,
    pub contacts: Change<Object<ContactsDraft>>,
    pub birth_date: Change<Date>,
    pub gender: Change<Word<Gender>>,
    pub note: Change<String>,
    pub custom: Change<Custom>,
}

impl Draft for TeacherDraft {
    fn read(fields: &mut Fields) -> Self {
        let draft = Self {
            name: fields.required("name", "The person's name."),
            branches: fields.branches(),
            contacts: people::contacts(fields),
            birth_date: fields.one("birth_date", "Day of birth."),
            gender: people::gender(fields),
            note: fields.one("note", "Free text."),
            custom: fields.custom(),
        };
        fields.read_only("archived", "AlfaCRM documents no call that archives a teacher; do it there");
        fields.read_only("skills", "AlfaCRM documents no call that changes them; do it there");
        fields.read_only("avatar_url", "AlfaCRM documents no call that changes it; do it there");
        draft
    }

    fn branches(&self) -> &[RecordId] {
        self.branches.value().map(Vec::as_slice).unwrap_or_default()
    }

    fn branch_field(&self) -> Option<&'static str> {
        Some("/branch_ids")
    }
}

impl Entity for Teacher {
    const RESOURCE: &'static str = "teachers";
    const MASKED: &'static [(&'static str, &'static [&'static str])] =
        &[("contacts", &["contacts", "custom_fields", "raw"]), ("notes", &["note", "custom_fields", "raw"])];
    // Who teaches is told, by name; nothing of the person besides.
    const ROWS: Rows<Self> = Rows {
        see: |record, _, _| {
            let teacher = &record.data;
            Seen::Part(Self {
                name: teacher.name.clone(),
                birth_date: None,
                gender: Gender::Unknown,
                contacts: Contacts::default(),
                branch_ids: teacher.branch_ids.clone(),
                skills: teacher.skills.clone(),
                archived: teacher.archived,
                avatar_url: None,
                note: None,
            })
        },
        open: false,
        ..Rows::OPEN
    };
    type Filter = TeacherFilter;
    type Draft = TeacherDraft;
    const EXPANDS: &'static [Expand] = &[to("branches", "branch_ids", Kin::Entry(Book::Branches))];

    fn trail(_: &TeacherFilter, draft: &TeacherDraft) -> TeacherFilter {
        let q = draft.name.value().and_then(|name| longest_word(&name.0));
        TeacherFilter { archived: Archived::All, q, ..TeacherFilter::default() }
    }

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn branches(&self) -> Option<&[RecordId]> {
        Some(&self.branch_ids)
    }

    fn title(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn example() -> Value {
        json!({
            "id": "alfa-4", "source": "alfacrm", "source_id": "4", "name": "Учителева Мария", "birth_date": "1990-03-11", "gender": "FEMALE",
            "contacts": {"phones": [{"display": "+7(900)000-01-04", "e164": "+79000000104"}], "emails": ["teacher4@school.example"], "websites": [], "addresses": []},
            "branch_ids": ["alfa-1", "alfa-2"], "skills": ["Английский язык"], "archived": false, "avatar_url": null, "note": null,
            "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}
