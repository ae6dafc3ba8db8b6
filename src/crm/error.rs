//! What went wrong with a CRM, in words that do not depend on which one: what it means, whether asking again helps, and
//! when.

use std::sync::Arc;
use std::time::Duration;

use crate::model::Source;

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The record is not there.
    NotFound,
    /// The CRM refuses what was asked for.
    Invalid,
    /// The CRM refuses our credentials.
    Unauthorized,
    /// Our CRM user lacks a right.
    Denied,
    /// The CRM has no such operation.
    Unsupported,
    /// It would wait past its deadline; nothing was sent.
    Overloaded,
    /// The CRM cannot be reached, or answers with an error of its own.
    Failed,
    /// The CRM does not take calls at the moment: it limits us.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// An answer that cannot be read.
    Unreadable,
    /// The answer is not in the cache and the caller did not want the CRM asked.
    NotCached,
    /// All callers left before it was sent.
    Abandoned,
}

/// A failure of a CRM.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{crm}: {detail}")]
pub struct Error {
    /// What it means.
    pub kind: Kind,
    /// Which CRM.
    pub crm: Source,
    /// One sentence for the consumer: no secret, no body, no personal data.
    pub detail: String,
    /// The status the CRM answered with, if it answered.
    pub status: Option<u16>,
    /// When asking again may help.
    pub retry_after: Option<Duration>,
    /// What lies behind it, for the log.
    #[source]
    pub cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure without further circumstances.
    pub fn new(crm: Source, kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            crm,
            detail: detail.into(),
            status: None,
            retry_after: None,
            cause: None,
        }
    }

    /// Whether the same question may be answered later.
    pub fn retryable(&self) -> bool {
        match self.kind {
            Kind::Overloaded | Kind::Failed | Kind::Unavailable | Kind::Timeout | Kind::Abandoned => true,
            Kind::NotFound
            | Kind::Invalid
            | Kind::Unauthorized
            | Kind::Denied
            | Kind::Unsupported
            | Kind::Unreadable
            | Kind::NotCached => false,
        }
    }
}
