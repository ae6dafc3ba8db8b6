//! Students and leads: the model `customer` (section 9.5 of the reference).

use serde_json::Value;

use super::filter::{Body, dotted, iso};
use super::form::Form;
use super::model::{Calls, Ids, Model, Scene};
use super::people::{contact, contacts, gender, people};
use crate::crm::Place;
use crate::crm::wire::Row;
use crate::model::Record;
use crate::model::draft::{Change, Object};
use crate::model::student::{Color, Payer, PayerKind, Stage, StageFilter, Student, StudentFilter};
use crate::model::student_draft::{PayerDraft, StudentDraft};

/// The colours as the vendor's letter gives them (section 9.5.1).
const COLORS: [(Color, &str); 7] = [
    (Color::Red, "#ea394c"),
    (Color::Orange, "#ffcd70"),
    (Color::Yellow, "#ffff00"),
    (Color::Green, "#00aa00"),
    (Color::LightBlue, "#9acfea"),
    (Color::Blue, "#1a7bb9"),
    (Color::Violet, "#3C578C"),
];

/// Students and leads.
pub(super) struct Students;

impl Model for Students {
    type Record = Student;
    const CALLS: Calls = Calls {
        create: Some("customer/create"),
        update: Some("customer/update"),
        ..Calls::reads("customer/index")
    };
    const TEXT: Option<(&'static str, usize)> = Some(("note", 10_000));
    const CUSTOM: bool = true;
    const ID_LISTS: bool = true;

    fn ask(filter: &StudentFilter, body: &mut Body) {
        body.set(
            "is_study",
            match filter.stage {
                StageFilter::Lead => 0,
                StageFilter::Student => 1,
                StageFilter::All => 2,
            },
        );
        body.archived(filter.archived);
        body.wish("name", filter.q.as_deref());
        body.wish("phone", filter.contact.as_deref().map(contact));
        body.ids("id", &filter.ids);
        body.id("study_status_id", filter.status_id.as_ref());
        body.id("lead_status_id", filter.lead_status_id.as_ref());
        body.id("lead_source_id", filter.lead_source_id.as_ref());
        body.id("assigned_id", filter.assigned_user_id.as_ref());
        body.wish("color", filter.color.map(hex));
        body.days("dob", &filter.birth_date, dotted);
        body.days("next_lesson_date", &filter.next_lesson, iso);
        body.days("last_attend_date", &filter.last_attended, iso);
        body.days("created_at", &filter.created, dotted);
        body.updated_since(filter.updated_since);
        // Whether these filters are honoured is not known; they are checked record by record.
        body.inexact_if(
            !filter.balance.is_open() || !filter.birth_date.is_open() || filter.lead_status_id.is_some(),
        );
    }

    fn ask_for(ids: Ids<'_>, body: &mut Body) -> bool {
        body.set("id", ids);
        // Whoever it is: leads and the archive are hidden otherwise.
        body.set("is_study", 2);
        body.set("removed", 1);
        true
    }

    fn read(row: &Row<'_>, scene: &Scene) -> Student {
        student(row, scene)
    }

    /// A name, the kind of the payer and whether it is a lead must be sent with a new one (section 9.5). A lead becomes
    /// a student by `is_study` alone.
    fn write(
        draft: &StudentDraft,
        before: Option<&Record<Student>>,
        _: &Place<'_, StudentFilter>,
        form: &mut Form,
    ) {
        let new = before.is_none();
        form.text("name", "name", &draft.name);
        form.change("is_study", "stage", &draft.stage, 1.into(), |word| {
            u8::from(word.0 != Stage::Lead).into()
        });
        form.branches(&draft.branches, new);
        form.contacts(&draft.contacts);
        form.day("dob", "birth_date", &draft.birth_date);
        payer(form, &draft.payer);
        form.change("color", "color", &draft.color, Value::Null, |word| hex(word.0).into());
        form.id("study_status_id", "status_id", &draft.status);
        form.id("lead_status_id", "lead_status_id", &draft.lead_status);
        form.id("lead_reject_id", "lead_reject_id", &draft.lead_reject);
        form.id("lead_source_id", "lead_source_id", &draft.lead_source);
        form.id("customer_reject_id", "customer_reject_id", &draft.customer_reject);
        form.id("assigned_id", "assigned_user_id", &draft.assigned_user);
        form.ids("teacher_ids", "teacher_ids", &draft.teachers);
        form.text("barcode", "barcode", &draft.barcode);
        form.long("note", "note", &draft.note);
        form.custom(&draft.custom);
        if new {
            form.otherwise("is_study", "stage", 1);
            form.otherwise("legal_type", "payer/kind", PERSON);
        }
    }
}

/// The CRM's codes of who pays.
const PERSON: u64 = 1;
const ORGANIZATION: u64 = 2;

fn payer(form: &mut Form, change: &Change<Object<PayerDraft>>) {
    match change {
        Change::Keep => {}
        Change::Clear => form.set("legal_name", "payer/name", ""),
        Change::Set(Object(payer)) => {
            form.change("legal_type", "payer/kind", &payer.kind, PERSON.into(), |word| match word.0 {
                PayerKind::Organization => ORGANIZATION.into(),
                PayerKind::Person | PayerKind::Unknown => PERSON.into(),
            });
            form.text("legal_name", "payer/name", &payer.name);
        }
    }
}

fn hex(color: Color) -> &'static str {
    // A colour without a name has no code either; nothing has it.
    COLORS.iter().find(|(named, _)| *named == color).map_or("none", |(_, hex)| hex)
}

fn student(row: &Row<'_>, scene: &Scene) -> Student {
    // Active records end in a far future that reads as none; only a day that has come is the day of archiving.
    let archived_on = row.day("e_date").filter(|day| *day <= scene.today);
    let stage = match row.number("is_study") {
        Some(0) => Stage::Lead,
        Some(1) => Stage::Student,
        _ => Stage::Unknown,
    };
    if stage == Stage::Unknown {
        row.note("is_study");
    }
    let (teacher_ids, teacher_names) = people(row, "teacher_ids");
    let payer_kind = match row.number("legal_type") {
        Some(PERSON) => PayerKind::Person,
        Some(ORGANIZATION) => PayerKind::Organization,
        Some(0) | None => PayerKind::Unknown,
        Some(_) => {
            row.note("legal_type");
            PayerKind::Unknown
        }
    };
    let payer_name = row.text("legal_name");
    Student {
        name: row.text("name"),
        stage,
        archived: archived_on.is_some(),
        archived_on,
        birth_date: row.day("dob"),
        gender: gender(row),
        contacts: contacts(row),
        payer: (payer_name.is_some() || payer_kind != PayerKind::Unknown)
            .then_some(Payer { kind: payer_kind, name: payer_name }),
        color: row.text("color").map(|hex| color(row, &hex)),
        balance: row.money("balance"),
        base_balance: row.money("balance_base"),
        bonus_balance: row.whole("balance_bonus"),
        lessons_left: row.whole("paid_count"),
        paid_lessons_left: row.whole("paid_lesson_count"),
        paid_until: row.moment("paid_till"),
        next_lesson_at: row.moment("next_lesson_date"),
        last_attended_on: row.day("last_attend_date"),
        status_id: row.id("study_status_id"),
        lead_status_id: row.id("lead_status_id"),
        lead_reject_id: row.id("lead_reject_id"),
        lead_source_id: row.id("lead_source_id"),
        customer_reject_id: row.id("customer_reject_id"),
        assigned_user_id: row.id("assigned_id"),
        branch_ids: row.ids("branch_ids"),
        teacher_ids,
        teacher_names,
        barcode: row.text("barcode"),
        note: row.text("note"),
    }
}

fn color(row: &Row<'_>, hex: &str) -> Color {
    let named = COLORS.iter().find(|(_, known)| known.eq_ignore_ascii_case(hex)).map(|(color, _)| *color);
    named.unwrap_or_else(|| {
        row.note("color");
        Color::Unknown
    })
}
