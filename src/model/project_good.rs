//! A line of goods of a Crypto CRM project.

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::draft::ReadOnly;
use super::expand::Kin;
use super::filter::fits;
use super::{Entity, Filter, Money, Order, Query, Record, RecordId, Rows};

/// Something that a project sells.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProjectGood {
    /// The project.
    pub project_id: RecordId,
    /// What is sold.
    #[schema(required)]
    pub good_id: Option<RecordId>,
    /// Its name.
    #[schema(required)]
    pub name: Option<String>,
    /// How many, as decimal text.
    #[serde(serialize_with = "plain")]
    #[schema(required, value_type = Option<String>, pattern = r"^-?[0-9]+(\.[0-9]+)?$", example = "2.5")]
    pub quantity: Option<Decimal>,
    /// What one of it costs.
    #[schema(required)]
    pub price: Option<Money>,
    /// The discount as the CRM gives it, as decimal text. Whether it is a percentage or an amount is not known: show it,
    /// do not compute with it.
    #[serde(serialize_with = "plain")]
    #[schema(required, value_type = Option<String>, pattern = r"^-?[0-9]+(\.[0-9]+)?$", example = "10")]
    pub discount: Option<Decimal>,
    /// What the line costs, as the CRM says; never derived.
    #[schema(required)]
    pub sum: Option<Money>,
}

/// Exactly, without trailing zeros.
fn plain<S: Serializer>(number: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serializer.collect_str(&number.normalize()),
        None => serializer.serialize_none(),
    }
}

/// A project's goods cannot be narrowed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectGoodFilter {
    /// The project, from the path.
    pub project: Option<RecordId>,
}

impl Filter<ProjectGood> for ProjectGoodFilter {
    fn read(_: &mut Query) -> Self {
        Self::default()
    }

    fn matches(&self, record: &Record<ProjectGood>) -> bool {
        fits(&self.project, Some(&record.data.project_id))
    }
}

impl Entity for ProjectGood {
    const RESOURCE: &'static str = "goods";
    const MASKED: &'static [(&'static str, &'static [&'static str])] = &[
        ("contacts", &["custom_fields", "raw"]),
        ("notes", &["custom_fields", "raw"]),
        ("balances", &["price", "discount", "sum", "raw"]),
    ];
    const ROWS: Rows<Self> =
        Rows::of_project(|record, _, own| own.all_if(Kin::Project, Some(&record.data.project_id)));
    type Filter = ProjectGoodFilter;
    type Draft = ReadOnly;

    fn order() -> Order<Self> {
        Order::OneAfterTheOther
    }

    fn title(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn example() -> Value {
        json!({
            "id": "crypto-101-4002", "source": "cryptocrm", "source_id": "4002", "project_id": "crypto-101", "good_id": "crypto-11",
            "name": "Кабель, м", "quantity": "2.5", "price": {"amount": "800.00", "currency": "RUB"}, "discount": "10",
            "sum": {"amount": "1800.00", "currency": "RUB"}, "custom_fields": {}, "created_at": null, "updated_at": null
        })
    }
}
