//! What is known of a write, as it is stored.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claim::Fingerprint;

/// Names one write; later ones are greater. Unique, and short enough to be written into a field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId([u8; 10]);

/// Digits that nobody takes for each other (Crockford's).
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Bits that a digit tells.
const BITS: usize = 5;

impl OperationId {
    /// Of a moment in milliseconds since 1970, and something that tells those of one moment apart.
    pub fn new(millis: u64, salt: u32) -> Self {
        let mut bytes = [0; 10];
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&salt.to_be_bytes());
        Self(bytes)
    }

    /// A key in the store, in the order of time.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        for digit in (0..16).rev() {
            let digit = (number >> (digit * BITS)) as usize % DIGITS.len();
            write!(f, "{}", char::from(DIGITS[digit]))?;
        }
        Ok(())
    }
}

impl FromStr for OperationId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 16 {
            return Err(());
        }
        let number = text.bytes().try_fold(0_u128, |number, byte| {
            let digit = DIGITS.iter().position(|digit| *digit == byte).ok_or(())?;
            Ok(number << BITS | digit as u128)
        })?;
        let bytes = number.to_be_bytes();
        Ok(Self(std::array::from_fn(|at| bytes[6 + at])))
    }
}

impl Serialize for OperationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OperationId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| serde::de::Error::custom("no id of an operation"))
    }
}

/// A write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Operation {
    /// Its name.
    pub id: OperationId,
    /// When it began.
    pub at: Timestamp,
    /// Who asked for it.
    pub consumer: String,
    /// The key it was asked for with.
    pub key: Option<String>,
    /// What the key was used for.
    pub fingerprint: Fingerprint,
    /// The request.
    pub request: Request,
    /// What was to be sent.
    pub intent: Intent,
    /// What became of it.
    pub stage: Stage,
    /// Since when nobody works on it, where the process that began it ended.
    pub left_open_at: Option<Timestamp>,
}

impl Operation {
    /// What answers a repeated request. Once it is known what became of a write, the rest is in the log of writes alone: what
    /// is kept here for each key must be small.
    pub(super) fn without_what_the_audit_keeps(mut self) -> Self {
        if let Stage::Succeeded { after, .. } = &mut self.stage {
            *after = None;
        }
        if matches!(self.stage, Stage::Succeeded { .. } | Stage::Failed { .. }) {
            self.request.body = Value::Null;
            self.intent.sent = Value::Null;
            if let Deed::Change { before, .. } | Deed::Remove { before, .. } = &mut self.intent.deed {
                *before = Value::Null;
            }
        }
        self
    }
}

/// The request behind a write: enough to understand it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The id in the log.
    pub id: String,
    /// `POST`.
    pub method: String,
    /// `/students/alfa-7/subscriptions`.
    pub path: String,
    /// The resource's path: `/students/{id}/subscriptions`.
    pub route: String,
    /// What it says.
    pub body: Value,
    /// What whoever asked might see and do then, as a digest: who may less later is not shown what was answered.
    #[serde(default)]
    pub rights: String,
}

/// A call that writes, before it leaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Intent {
    /// The resource that is written to.
    pub resource: String,
    /// The address of the CRM that is called: only there can it be looked for.
    #[serde(default)]
    pub crm: Option<String>,
    /// What is done.
    pub deed: Deed,
    /// The branch in which.
    pub branch: Option<u64>,
    /// The body of the call, as the CRM is sent it.
    pub sent: Value,
    /// Of what is sent, what tells it from other writes; all of it, where nothing is known.
    #[serde(default)]
    pub identity: Option<Value>,
    /// Whether the call writes the operation's id into the record.
    pub marked: bool,
    /// The record's id, where it has that of what it hangs on, so that there is only one.
    pub parents_own: Option<String>,
}

/// What is done to a record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Deed {
    /// It is made.
    Create,
    /// It is changed.
    Change {
        /// Its id.
        id: String,
        /// How the CRM showed it before.
        before: Value,
    },
    /// It is removed.
    Remove {
        /// Its id.
        id: String,
        /// How the CRM showed it before.
        before: Value,
    },
}

impl Deed {
    /// The record that is written to, if there was one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Create => None,
            Self::Change { id, .. } | Self::Remove { id, .. } => Some(id),
        }
    }

    /// How it was before.
    pub fn before(&self) -> Option<&Value> {
        match self {
            Self::Create => None,
            Self::Change { before, .. } | Self::Remove { before, .. } => Some(before),
        }
    }
}

/// What became of a write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Stage {
    /// Nobody knows yet.
    Pending,
    /// It was carried out.
    Succeeded {
        /// What the consumer is told.
        answer: Answer,
        /// The record's id, where there is a record.
        record: Option<String>,
        /// How the CRM shows it now; nothing where it is gone.
        after: Option<Value>,
    },
    /// It surely had no effect.
    Failed {
        /// Why, as the consumer is told.
        problem: Value,
    },
    /// Nobody can find out without looking into the CRM.
    NeedsReview {
        /// What was found, as the consumer is told.
        evidence: Value,
    },
}

impl Stage {
    /// The name for consumers.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Succeeded { .. } => "SUCCEEDED",
            Self::Failed { .. } => "FAILED",
            Self::NeedsReview { .. } => "NEEDS_REVIEW",
        }
    }
}

/// What a consumer is answered, as it is given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers that belong to it.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_is_read_as_it_is_written_and_later_ones_are_greater(millis in 0..1_u64 << 48, salt: u32) {
            let id = OperationId::new(millis, salt);
            prop_assert_eq!(id.to_string().parse::<OperationId>(), Ok(id));
            prop_assert!(OperationId::new(millis + 1, 0) > id);
            prop_assert!(OperationId::new(millis + 1, 0).to_string() > id.to_string());
        }

        #[test]
        fn what_is_no_id_is_none(text in ".{0,20}") {
            if let Ok(id) = text.parse::<OperationId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
