//! Students and leads: the model `customer` (section 9.5 of the reference).

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::client::{Client, List};
use super::filter::{Body, dotted, iso, ours};
use crate::crm::wire::Row;
use crate::crm::{Asked, Branches, Error, Lane, Position, Question, Source};
use crate::model::filter::Archived;
use crate::model::student::{
    Color, Contacts, Gender, Payer, PayerKind, Stage, StageFilter, Student, StudentFilter, is_phone,
    phone_digits,
};
use crate::model::{Ctx, RecordId, Source as CrmName};

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

/// Students of one account.
pub(super) struct Students(pub(super) Arc<Client>);

impl Students {
    fn list(&self, branch: Option<u64>) -> List<'static> {
        List { model: "customer", operation: "customer/index", branch, query: "" }
    }

    fn filter(&self, filter: &StudentFilter) -> Option<Map<String, Value>> {
        let mut body = Body::default();
        body.set(
            "is_study",
            match filter.stage {
                StageFilter::Lead => 0,
                StageFilter::Student => 1,
                StageFilter::All => 2,
            },
        );
        body.wish(
            "removed",
            match filter.archived {
                Archived::False => None,
                Archived::All => Some(1),
                Archived::True => Some(2),
            },
        );
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
        body.updated_since(filter.updated_since, &self.0.dialect().zone);
        body.finish()
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

impl Source<Student> for Students {
    fn crm(&self) -> CrmName {
        CrmName::AlfaCrm
    }

    fn has_branches(&self) -> bool {
        true
    }

    fn lanes(&self, filter: &StudentFilter, branches: &Branches) -> Result<Vec<Lane>, Error> {
        if self.filter(filter).is_none() {
            return Ok(Vec::new());
        }
        // Without a branch in the path the CRM looks in all of them (section 3.1): one list instead of one per branch.
        Ok(match branches {
            Branches::All(_) => vec![Lane::pages("alfa")],
            Branches::Only(branches) => {
                branches.iter().map(|branch| Lane::in_branch("alfa", *branch)).collect()
            }
        })
    }

    fn question(&self, filter: &StudentFilter, lane: &Lane, at: Position) -> Question {
        let body = self.filter(filter).unwrap_or_default();
        // Whether these filters are honoured is not known; they are checked record by record.
        let exact = filter.balance.is_open()
            && filter.birth_date.is_open()
            && filter.updated_since.is_none()
            && filter.lead_status_id.is_none();
        self.0.index(self.list(lane.branch), body, at, exact)
    }

    fn by_id(&self, id: &RecordId, _: &Branches) -> Vec<Question> {
        if !ours(id) {
            return Vec::new();
        }
        let Value::Object(body) = json!({"id": id.number(), "is_study": 2, "removed": 1}) else {
            return Vec::new();
        };
        vec![self.0.index(self.list(None), body, Position(0), true)]
    }

    fn ask<'a>(
        &'a self,
        ctx: &'a Ctx,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Asked<Student>, Error>> {
        self.0.page(ctx, question, |row| student(row, self.0.today())).boxed()
    }
}

pub(super) fn student(row: &Row<'_>, today: jiff::civil::Date) -> Student {
    // Active records end in a far future that reads as none; only a day that has come is the day of archiving.
    let archived_on = row.day("e_date").filter(|day| *day <= today);
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
        _ => PayerKind::Unknown,
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
        _ => Gender::Unknown,
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
