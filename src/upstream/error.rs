//! What happened on the way to a CRM. Each case knows whether the call left: that decides whether repeating is safe.

use std::sync::Arc;
use std::time::Duration;

use crate::model::allowance::Exhausted;

/// Why a call was given no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its turn would come after its deadline, or did not come before.
    Deadline,
    /// All places to wait are taken, or all that its consumer may have.
    Full,
    /// It was tried before, and enough is being tried again.
    RetryBudget,
}

impl Refusal {
    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Full => "full",
            Self::RetryBudget => "retry_budget",
        }
    }
}

/// A call that got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The waiting room has no turn for it. Nothing was sent.
    #[error("the waiting room has no turn for the call ({})", .refusal.name())]
    Overloaded {
        /// Why not.
        refusal: Refusal,
        /// When a call like it would be served.
        retry_after: Duration,
    },
    /// Nobody who wants the call may cause more calls today. Nothing was sent.
    #[error("the daily budget of {} calls is used up", .0.budget)]
    Exhausted(Exhausted),
    /// The CRM fails, so nothing is sent for a while. Nothing was sent.
    #[error("the CRM fails and is given a pause")]
    Unavailable {
        /// When it will be tried again.
        retry_after: Duration,
    },
    /// Every caller left, or the gateway stops. Nothing was sent.
    #[error("nobody waits for the call any more")]
    Abandoned,
    /// A sign-in under way takes longer than the call may wait. Nothing was sent.
    #[error("signing in takes too long")]
    NoSignIn,
    /// There is nothing to prove who we are with: signing in has just failed. Nothing was sent.
    #[error("not signed in")]
    NotSignedIn,
    /// It was sent; no answer came in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection failed.
    #[error("the connection failed")]
    Transport {
        /// Whether the call may have reached the CRM.
        sent: bool,
        /// What the HTTP client says.
        #[source]
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is larger than the configured limit.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
}

impl Error {
    /// Whether the CRM may have seen the call.
    pub fn may_have_been_sent(&self) -> bool {
        match self {
            Self::Overloaded { .. }
            | Self::Exhausted(_)
            | Self::Unavailable { .. }
            | Self::Abandoned
            | Self::NoSignIn
            | Self::NotSignedIn => false,
            Self::Transport { sent, .. } => *sent,
            Self::Timeout(_) | Self::TooLarge(_) => true,
        }
    }
}
