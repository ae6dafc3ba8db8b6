//! Ids that name their CRM: `alfa-101`, `crypto-7`, and for a project's payment `crypto-101-3001`. Opaque to
//! consumers, reversible for us: what a list gives, a read by id finds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// Which CRM a record lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// AlfaCRM.
    AlfaCrm,
    /// The Crypto CRM.
    CryptoCrm,
}

impl Source {
    /// The name in JSON, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::AlfaCrm => "alfacrm",
            Self::CryptoCrm => "cryptocrm",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::AlfaCrm => "alfa",
            Self::CryptoCrm => "crypto",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The id of a record in the gateway: the CRM and the CRM's own id, with its parent's in front where the CRM's id is
/// only unique below a parent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId {
    source: Source,
    parent: Option<u64>,
    number: u64,
}

impl RecordId {
    /// `alfa-101`.
    pub fn new(source: Source, number: u64) -> Self {
        Self { source, parent: None, number }
    }

    /// `crypto-101-3001`.
    pub fn under(source: Source, parent: u64, number: u64) -> Self {
        Self { source, parent: Some(parent), number }
    }

    /// The CRM it lives in.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The CRM's own id of the record.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The CRM's own id of the record it hangs on, where the id has one.
    pub fn parent(&self) -> Option<u64> {
        self.parent
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parent {
            Some(parent) => write!(f, "{}-{parent}-{}", self.source.prefix(), self.number),
            None => write!(f, "{}-{}", self.source.prefix(), self.number),
        }
    }
}

/// A text that is no id of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an id of this gateway; ids look like `alfa-101` or `crypto-7`")]
pub struct NotAnId;

impl FromStr for RecordId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (prefix, rest) = text.split_once('-').ok_or(NotAnId)?;
        let source = match prefix {
            "alfa" => Source::AlfaCrm,
            "crypto" => Source::CryptoCrm,
            _ => return Err(NotAnId),
        };
        let id = match rest.split_once('-') {
            Some((parent, number)) => Self::under(source, whole(parent)?, whole(number)?),
            None => Self::new(source, whole(rest)?),
        };
        // One record has one id: `alfa-007` and `alfa-+7` are none.
        if id.to_string() == text { Ok(id) } else { Err(NotAnId) }
    }
}

fn whole(text: &str) -> Result<u64, NotAnId> {
    text.parse().map_err(|_| NotAnId)
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for RecordId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some(r"^(alfa|crypto)(-(0|[1-9][0-9]{0,18})){1,2}$"))
            .examples([serde_json::json!("alfa-101")])
            .into()
    }
}

impl ToSchema for RecordId {
    fn name() -> std::borrow::Cow<'static, str> {
        "RecordId".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_round_trip(parent in proptest::option::of(any::<u64>()), number: u64, alfa: bool) {
            let source = if alfa { Source::AlfaCrm } else { Source::CryptoCrm };
            let id = RecordId { source, parent, number };
            prop_assert_eq!(id.to_string().parse::<RecordId>(), Ok(id));
        }

        #[test]
        fn any_text_is_an_id_or_refused_and_an_id_has_one_spelling(text in "\\PC{0,20}|(alfa|crypto)-[0-9+-]{0,8}") {
            if let Ok(id) = text.parse::<RecordId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
