//! The table of what can be called: model and action to the code that answers, with the parameters that must stand in
//! the query. Ids that belong there are not looked for in the body.

use serde_json::{Value, json};

use super::accounts;
use super::call::Call;
use super::cell::int;
use super::desk::Desk;
use super::errors::{Errors, Fault, Refusal};
use super::list;
use super::models::{customer, lesson};
use super::schema::{Model, Writes};
use super::write;

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Login,
    LeadForm,
    Index(Model),
    Create(Model),
    Update(Model),
    Delete(Model),
    MembershipsOfCustomer,
    Teach,
    Calendar,
    BonusBalance,
    BonusAdd,
    BonusSpend,
}

impl Action {
    /// Finds the action; `None` is a 404.
    pub(super) fn of(call: &Call) -> Option<Self> {
        let action = call.action.as_str();
        Some(match (call.model.as_str(), action) {
            ("auth", "login") => Self::Login,
            ("lead-form", "save") => Self::LeadForm,
            ("cgi", "customer") => Self::MembershipsOfCustomer,
            ("lesson", "teach") => Self::Teach,
            ("calendar", "customer" | "group" | "teacher") => Self::Calendar,
            ("bonus", "balance-bonus") => Self::BonusBalance,
            ("bonus", "bonus-add") => Self::BonusAdd,
            ("bonus", "bonus-spend") => Self::BonusSpend,
            ("teacher", "teacher-rate") => Self::Index(Model::TeacherRate),
            ("teacher", "working-hour") => Self::Index(Model::WorkingHour),
            (model, action) => {
                let model = Model::named(model).filter(|model| model.has_path())?;
                let writes = model.spec().writes;
                match action {
                    "index" => Self::Index(model),
                    "create" if writes != Writes::None => Self::Create(model),
                    "update" if writes != Writes::None => Self::Update(model),
                    "delete" if writes == Writes::CreateUpdateDelete => Self::Delete(model),
                    _ => return None,
                }
            }
        })
    }

    /// Whether it works without a token.
    pub(super) fn is_public(self) -> bool {
        matches!(self, Self::Login | Self::LeadForm)
    }

    /// What the query must hold.
    fn required(self) -> Vec<&'static str> {
        let owner: &[&'static str] = match self {
            Self::Index(model) | Self::Create(model) | Self::Update(model) | Self::Delete(model) => {
                match (self, model) {
                    (_, Model::Communication) => &["class", "related_id"],
                    (_, Model::Cgi) => &["group_id"],
                    (Self::Index(_), _) => &[],
                    (_, Model::CustomerTariff) => &["customer_id"],
                    (_, Model::RegularLesson) => &["related_class", "related_id"],
                    _ => &[],
                }
            }
            Self::MembershipsOfCustomer | Self::BonusBalance | Self::BonusAdd | Self::BonusSpend => {
                &["customer_id"]
            }
            Self::Teach | Self::LeadForm => &["id"],
            Self::Calendar => &["id", "date1", "date2"],
            Self::Login => &[],
        };
        let mut names = owner.to_vec();
        if matches!(self, Self::Update(_) | Self::Delete(_)) {
            names.push("id");
        }
        names
    }
}

/// Carries a permitted call out.
pub(super) fn perform(desk: &mut Desk<'_>, action: Action, call: &Call) -> Result<Value, Refusal> {
    let mut missing = action.required();
    missing.retain(|name| call.query(name).is_none());
    // `cgi/index?customer_id=` is in use as well.
    if action == Action::Index(Model::Cgi) && call.query("customer_id").is_some() {
        missing.clear();
    }
    if !missing.is_empty() {
        return Err(Refusal::Missing(missing));
    }
    let id = call.query_id("id").unwrap_or(0);
    match action {
        Action::Login => Err(Refusal::BadLogin),
        Action::LeadForm => Ok(write::lead_form(desk, call)),
        Action::Index(model) => Ok(list::index(desk, model, call)),
        Action::MembershipsOfCustomer => Ok(list::index(desk, Model::Cgi, call)),
        Action::Create(model) => write::create(desk, model, call),
        Action::Update(model) => write::update(desk, model, id, call),
        Action::Delete(model) => write::delete(desk, model, id, call),
        Action::Teach => {
            let mut call = call.clone();
            call.body.entry("status").or_insert_with(|| json!(lesson::CONDUCTED));
            write::update(desk, Model::Lesson, id, &call)
        }
        Action::Calendar => {
            let day = |name| call.query(name).unwrap_or_default();
            Ok(lesson::calendar(desk, call, id, day("date1"), day("date2")))
        }
        Action::BonusBalance => bonus(desk, call).map(|(_, points)| json!({"balance_bonus": points})),
        Action::BonusAdd => change_bonus(desk, call, 1),
        Action::BonusSpend => change_bonus(desk, call, -1),
    }
}

/// The client in the query and his points.
fn bonus(desk: &Desk<'_>, call: &Call) -> Result<(u64, i64), Refusal> {
    let customer = call.query_id("customer_id").unwrap_or(0);
    desk.store
        .get(Model::Customer, customer)
        .filter(|row| desk.linked(row, call.branch))
        .map(|row| (customer, row.int("balance_bonus").unwrap_or(0)))
        .ok_or(Refusal::NotFound)
}

fn change_bonus(desk: &mut Desk<'_>, call: &Call, sign: i64) -> Result<Value, Refusal> {
    let (customer, points) = bonus(desk, call)?;
    let amount = call.body.get("amount").and_then(int).filter(|amount| *amount > 0);
    let column = &customer::CUSTOMER.columns[customer::CUSTOMER.at("balance_bonus")];
    let mut errors = Errors::default();
    match amount {
        None => errors.add(column, Fault::Format),
        Some(amount) if sign < 0 && amount > points => errors.add(column, Fault::NotEnough),
        Some(_) => {}
    }
    errors.verdict(desk.switches.message_language, &call.body)?;
    let change = sign * amount.unwrap_or(0);
    accounts::add_bonus(desk.store, customer, change);
    Ok(json!({"success": true, "errors": [], "model": {"balance_bonus": points + change}}))
}
