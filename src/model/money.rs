//! An exact amount with its currency. It never passes through a float.

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// `{"amount": "1250.00", "currency": "RUB"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Money {
    /// Decimal text with at least two places.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, pattern = r"^-?[0-9]+\.[0-9]{2,}$", example = "1250.00")]
    pub amount: Decimal,
    /// ISO 4217 code, from the configuration; `null` when the CRM names a currency that is not configured.
    #[schema(required, value_type = Option<String>, example = "RUB")]
    pub currency: Option<std::sync::Arc<str>>,
}

impl Money {
    /// An amount in a currency.
    pub fn new(amount: Decimal, currency: Option<std::sync::Arc<str>>) -> Self {
        Self { amount, currency }
    }
}

fn as_text<S: Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&text(*amount))
}

/// The amount as consumers read it: at least two places, no exponent.
pub fn text(amount: Decimal) -> Decimal {
    let mut amount = amount.normalize();
    if amount.scale() < 2 {
        amount.rescale(2);
    }
    amount
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_show_at_least_two_places() {
        for (given, shown) in
            [("95", "95.00"), ("-31.00", "-31.00"), ("0.125", "0.125"), ("1000.0", "1000.00"), ("0", "0.00")]
        {
            assert_eq!(text(given.parse().unwrap()).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn no_amount_changes_its_value(units in -10_i64.pow(15)..10_i64.pow(15), scale in 0_u32..6) {
            let amount = Decimal::new(units, scale);
            prop_assert_eq!(text(amount), amount);
        }
    }
}
