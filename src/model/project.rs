//! A project of the Crypto CRM.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::expand::{Expand, Kin, to};
use super::filter::{Between, between, fits};
use super::{Entity, Filter, Money, Order, Query, Record, RecordId, Rows};

/// One project.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Project {
    /// Its name.
    #[schema(required)]
    pub name: Option<String>,
    /// The funnel it is in.
    #[schema(required)]
    pub funnel_id: Option<RecordId>,
    /// The funnel with its configured name.
    #[schema(required)]
    pub funnel: Option<Named>,
    /// The step it has reached.
    #[schema(required)]
    pub step_id: Option<RecordId>,
    /// The step with its configured name.
    #[schema(required)]
    pub step: Option<Named>,
    /// The responsible user.
    #[schema(required)]
    pub responsible_user_id: Option<RecordId>,
    /// The responsible user with the configured name.
    #[schema(required)]
    pub responsible_user: Option<Named>,
    /// The responsible group.
    #[schema(required)]
    pub responsible_group_id: Option<RecordId>,
    /// The responsible group with its configured name.
    #[schema(required)]
    pub responsible_group: Option<Named>,
    /// Its price.
    #[schema(required)]
    pub price: Option<Money>,
    /// Users who take part.
    pub participant_user_ids: Vec<RecordId>,
    /// Groups who take part.
    pub participant_group_ids: Vec<RecordId>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// The client, where a dynamic field names one.
    #[schema(required)]
    pub client_id: Option<RecordId>,
    /// The student of the other CRM, where a configured dynamic field links one.
    #[schema(required)]
    pub student_id: Option<RecordId>,
}

/// An id with the name the configuration gives it; `#5` when it gives none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Named {
    /// The id.
    pub id: RecordId,
    /// The name.
    #[schema(example = "Договор")]
    pub name: String,
}

/// How the conditions of a list are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// All must hold.
    #[default]
    And,
    /// One is enough.
    Or,
}

/// What a project must have, in the Crypto CRM's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Having {
    /// Events.
    Actions,
    /// Payments.
    Payments,
    /// Tasks.
    Tasks,
    /// Goods.
    Goods,
    /// No events.
    NoActions,
    /// No payments.
    NoPayments,
    /// No tasks.
    NoTasks,
    /// No goods.
    NoGoods,
    /// An overdue checklist.
    ChecklistsExpired,
}

/// In which order projects are listed; a minus turns it round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum Sort {
    /// By id, oldest first.
    #[default]
    #[serde(rename = "id")]
    Id,
    /// By id, newest first.
    #[serde(rename = "-id")]
    IdDown,
    /// By creation.
    #[serde(rename = "created")]
    Created,
    /// By creation, newest first.
    #[serde(rename = "-created")]
    CreatedDown,
    /// By name.
    #[serde(rename = "name")]
    Name,
    /// By name, from the end.
    #[serde(rename = "-name")]
    NameDown,
    /// By price.
    #[serde(rename = "price")]
    Price,
    /// By price, highest first.
    #[serde(rename = "-price")]
    PriceDown,
}

/// What lists of projects may be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectFilter {
    pub deleted: bool,
    pub sort: Sort,
    pub condition: Condition,
    pub having: Option<Having>,
    pub created: Between<Date>,
    pub funnel_ids: Vec<RecordId>,
    pub step_ids: Vec<RecordId>,
    pub user_ids: Vec<RecordId>,
    pub group_ids: Vec<RecordId>,
    pub price: Option<Decimal>,
    pub currency_ids: Vec<RecordId>,
    pub participant_user_ids: Vec<RecordId>,
    pub participant_group_ids: Vec<RecordId>,
    pub action_type_ids: Vec<RecordId>,
    pub good_ids: Vec<RecordId>,
    pub fields: BTreeMap<String, Vec<String>>,
    /// The student whose projects are listed, from the path.
    pub student: Option<RecordId>,
}

impl Filter<Project> for ProjectFilter {
    fn read(q: &mut Query) -> Self {
        let deleted =
            q.one("deleted", "`true` lists deleted projects instead of the others.").unwrap_or_default();
        let filter = Self {
            deleted,
            sort: q.choice("sort", "The order of the list; `id` by default.").unwrap_or_default(),
            condition: q
                .choice(
                    "condition",
                    "Whether all conditions must hold (`and`, the default) or one is enough (`or`).",
                )
                .unwrap_or_default(),
            having: q.choice("having", "Only projects that have this, or have none of it."),
            created: between(
                q,
                ("created_from", "Created on this day or later."),
                ("created_to", "Created on this day or earlier."),
                None,
            ),
            funnel_ids: q.many("funnel_id", "In one of these funnels."),
            step_ids: q.many("step_id", "At one of these steps."),
            user_ids: q.many("user_id", "One of these users is responsible."),
            group_ids: q.many("group_id", "One of these groups is responsible."),
            price: q.one("price", "Of exactly this price."),
            currency_ids: q.many("currency_id", "Priced in one of these currencies."),
            participant_user_ids: q.many("participant_user_id", "One of these users takes part."),
            participant_group_ids: q.many("participant_group_id", "One of these groups takes part."),
            action_type_ids: q.many("action_type_id", "With an event of one of these types."),
            good_ids: q.many("good_id", "With one of these goods."),
            fields: q.open(
                "field",
                "A dynamic field of the CRM, as `field[NAME]=VALUE`; repeat it for any of several values.",
            ),
            student: None,
        };
        if filter.condition == Condition::Or && filter.having.is_some() && filter.only_crm_can_tell() {
            q.refuse(
                "having",
                "cannot be combined with `condition=or` and conditions on currencies, events, goods or dynamic fields: what the CRM makes of it is not documented",
            );
        }
        filter
    }

    fn matches(&self, record: &Record<Project>) -> bool {
        let project = &record.data;
        let among = |wanted: &[RecordId], id: &Option<RecordId>| {
            (!wanted.is_empty()).then(|| id.as_ref().is_some_and(|id| wanted.contains(id)))
        };
        let overlap = |wanted: &[RecordId], ids: &[RecordId]| {
            (!wanted.is_empty()).then(|| ids.iter().any(|id| wanted.contains(id)))
        };
        let created = record.created_at.map(|at| at.local().date());
        let conditions = [
            (!self.created.is_open()).then(|| self.created.admits(created)),
            among(&self.funnel_ids, &project.funnel_id),
            among(&self.step_ids, &project.step_id),
            among(&self.user_ids, &project.responsible_user_id),
            among(&self.group_ids, &project.responsible_group_id),
            self.price.map(|price| project.price.as_ref().is_some_and(|money| money.amount == price)),
            overlap(&self.participant_user_ids, &project.participant_user_ids),
            overlap(&self.participant_group_ids, &project.participant_group_ids),
        ];
        let mut told = conditions.iter().flatten();
        // The CRM is asked for it by a field of the tenant's own, so it is checked here too.
        fits(&self.student, project.student_id.as_ref())
            && match self.condition {
                Condition::And => told.all(|holds| *holds),
                Condition::Or => {
                    self.only_crm_can_tell() || told.clone().next().is_none() || told.any(|holds| *holds)
                }
            }
    }
}

impl ProjectFilter {
    /// Whether a condition is set that a project's own record cannot answer.
    pub fn only_crm_can_tell(&self) -> bool {
        !(self.action_type_ids.is_empty()
            && self.good_ids.is_empty()
            && self.fields.is_empty()
            && self.currency_ids.is_empty())
    }
}

impl Entity for Project {
    const RESOURCE: &'static str = "projects";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("contacts", &["custom_fields", "raw"]),
        ("notes", &["custom_fields", "raw"]),
        ("balances", &["price", "raw"]),
    ];
    const ROWS: Rows<Self> = Rows {
        on: |filter| filter.student.as_ref(),
        narrow: |filter, own| {
            let of = |id: &RecordId| ProjectFilter { student: Some(id.clone()), ..filter.clone() };
            own.students.iter().map(of).collect()
        },
        see: |record, _, own| own.all_if(Kin::Student, record.data.student_id.as_ref()),
        ..Rows::CLOSED
    };
    type Filter = ProjectFilter;
    type Draft = ReadOnly;
    const EXPANDS: &'static [Expand] = &[to("student", "student_id", Kin::Student)];

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn title(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn example() -> Value {
        json!({
            "id": "crypto-101", "source": "cryptocrm", "source_id": "101", "name": "Летний лагерь", "funnel_id": "crypto-1",
            "funnel": {"id": "crypto-1", "name": "Лагеря"}, "step_id": "crypto-3", "step": {"id": "crypto-3", "name": "Договор"},
            "responsible_user_id": "crypto-2", "responsible_user": {"id": "crypto-2", "name": "#2"}, "responsible_group_id": "crypto-1",
            "responsible_group": {"id": "crypto-1", "name": "#1"}, "price": {"amount": "150000.00", "currency": "RUB"},
            "participant_user_ids": ["crypto-2", "crypto-4"], "participant_group_ids": ["crypto-1"], "deleted": false, "client_id": "crypto-3",
            "student_id": "alfa-101", "custom_fields": {"client_id": 3, "contract_number": "Д-17"}, "created_at": "2026-01-15T10:30:00+03:00",
            "updated_at": null
        })
    }
}
