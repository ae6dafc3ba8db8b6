//! What can be written of a student or lead.

use jiff::civil::Date;

use super::RecordId;
use super::draft::{Change, Custom, Draft, Fields, Object, Part, Short, Word, listed};
use super::expand::Kin;
use super::people::{self, ContactsDraft};
use super::reference::Book;
use super::student::{Color, PayerKind, Stage};

/// A payment is a document of its own; nothing else moves what is derived from it.
const BALANCE: &str = "payments and lessons change it; use `POST /payments`";
const DERIVED: &str = "the CRM derives it from payments and lessons";

/// What can be written of a student or lead.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StudentDraft {
    pub name: Change<Short<50>>,
    pub stage: Change<Word<Stage>>,
    pub branches: Change<Vec<RecordId>>,
    pub contacts: Change<Object<ContactsDraft>>,
    pub birth_date: Change<Date>,
    pub payer: Change<Object<PayerDraft>>,
    pub color: Change<Word<Color>>,
    pub status: Change<RecordId>,
    pub lead_status: Change<RecordId>,
    pub lead_reject: Change<RecordId>,
    pub lead_source: Change<RecordId>,
    pub customer_reject: Change<RecordId>,
    pub assigned_user: Change<RecordId>,
    pub teachers: Change<Vec<RecordId>>,
    pub barcode: Change<Short<50>>,
    pub note: Change<String>,
    pub custom: Change<Custom>,
}

/// Who pays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PayerDraft {
    /// A person or an organisation.
    pub kind: Change<Word<PayerKind>>,
    /// The payer's name.
    pub name: Change<Short<255>>,
}

impl Part for PayerDraft {
    fn read(fields: &mut Fields) -> Self {
        let kind = fields.always("kind", "A person (the default of a new record) or an organisation.");
        let unknown = kind.value() == Some(&Word(PayerKind::Unknown));
        fields.never("kind", "UNKNOWN", unknown, "use `PERSON` or `ORGANIZATION`");
        Self { kind, name: fields.one("name", "The payer's name.") }
    }
}

impl Draft for StudentDraft {
    fn read(fields: &mut Fields) -> Self {
        let draft = Self {
            name: fields.required("name", "The person's name."),
            stage: fields.always(
                "stage",
                "`STUDENT` (the default of a new record) or `LEAD`. A lead that is changed to `STUDENT` keeps its id.",
            ),
            branches: fields.branches(),
            contacts: people::contacts(fields),
            birth_date: fields.one("birth_date", "Day of birth."),
            payer: fields
                .one::<Object<PayerDraft>>("payer", "Who pays; `null` removes the payer's name.")
                .unless_empty(),
            color: fields.one("color", "Colour mark."),
            status: fields.one("status_id", "Study status, a record of `/reference/study-statuses`."),
            lead_status: fields.one("lead_status_id", "Funnel stage, a record of `/reference/lead-statuses`."),
            lead_reject: fields
                .one("lead_reject_id", "Why the lead was lost, a record of `/reference/lead-rejects`."),
            lead_source: fields
                .one("lead_source_id", "Where the lead came from, a record of `/reference/lead-sources`."),
            customer_reject: fields
                .one("customer_reject_id", "Why the student left, a record of `/reference/customer-rejects`."),
            assigned_user: fields
                .one("assigned_user_id", "The responsible user, a record of `/reference/users`."),
            teachers: fields.always("teacher_ids", "The teachers, all of them."),
            barcode: fields.one("barcode", "Card number."),
            note: fields.one("note", "Free text."),
            custom: fields.custom(),
        };
        let unknown = draft.stage.value() == Some(&Word(Stage::Unknown));
        fields.never("stage", "UNKNOWN", unknown, "use `STUDENT` or `LEAD`");
        let unknown = draft.color.value() == Some(&Word(Color::Unknown));
        fields.never("color", "UNKNOWN", unknown, "use one of the others, or `null`");
        for field in ["balance", "base_balance"] {
            fields.read_only(field, BALANCE);
        }
        fields.read_only("gender", "the CRM takes none for students");
        fields.read_only("bonus_balance", "use `POST /students/{id}/bonus`");
        for field in ["lessons_left", "paid_lessons_left", "paid_until", "next_lesson_at", "last_attended_on"]
        {
            fields.read_only(field, DERIVED);
        }
        for field in ["archived", "archived_on"] {
            fields.read_only(field, "AlfaCRM documents no call that archives a student; do it there");
        }
        fields.read_only("teacher_names", "`teacher_ids` says it");
        draft
    }

    fn refers(&self) -> Vec<(Kin, &'static str, &RecordId)> {
        let user =
            self.assigned_user.value().map(|user| (Kin::Entry(Book::Users), "/assigned_user_id", user));
        listed(Kin::Teacher, "/teacher_ids", &self.teachers).chain(user).collect()
    }

    fn branches(&self) -> &[RecordId] {
        self.branches.value().map(Vec::as_slice).unwrap_or_default()
    }

    fn branch_field(&self) -> Option<&'static str> {
        Some("/branch_ids")
    }
}
