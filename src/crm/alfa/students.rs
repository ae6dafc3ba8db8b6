//! Students and leads: the model `customer` (section 9.5 of the reference).

use super::filter::{Body, dotted, iso};
use super::model::{Calls, Ids, Model, Scene};
use crate::crm::wire::Row;
use crate::model::RecordId;
use crate::model::student::{
    Color, Contacts, Gender, Payer, PayerKind, Stage, StageFilter, Student, StudentFilter, is_phone,
    phone_digits,
};

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
    const CALLS: Calls = Calls::reads("customer/index");
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
}

/// The filter `phone` finds any contact; a telephone number is sent without punctuation, in the international form.
fn contact(text: &str) -> String {
    if !is_phone(text) {
        return text.to_owned();
    }
    let digits = phone_digits(text);
    if digits.len() == 10 && digits.starts_with('9') { format!("7{digits}") } else { digits }
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
        Some(1) => PayerKind::Person,
        Some(2) => PayerKind::Organization,
        Some(1_u64..) => {
            row.note("legal_type");
            PayerKind::Unknown
        }
        Some(0) | None => PayerKind::Unknown,
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

/// Older servers give names where newer ones give ids (section 8.1).
fn people(row: &Row<'_>, field: &'static str) -> (Vec<RecordId>, Vec<String>) {
    let names: Vec<String> =
        row.texts(field).into_iter().filter(|text| text.trim().parse::<u64>().is_err()).collect();
    if names.is_empty() { (row.ids(field), names) } else { (Vec::new(), names) }
}

pub(super) fn gender(row: &Row<'_>) -> Gender {
    match row.number("gender").or_else(|| row.number("sex")) {
        Some(1) => Gender::Male,
        Some(2) => Gender::Female,
        Some(1_u64..) => {
            row.note("gender");
            Gender::Unknown
        }
        Some(0) | None => Gender::Unknown,
    }
}

pub(super) fn contacts(row: &Row<'_>) -> Contacts {
    Contacts {
        phones: row.phones("phone"),
        emails: row.texts("email"),
        websites: row.texts("web"),
        addresses: row.texts("addr"),
    }
}
