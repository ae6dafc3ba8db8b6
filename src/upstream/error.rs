//! What happened on the way to a CRM. Each case knows whether the call left: that decides whether repeating is safe.

use std::sync::Arc;
use std::time::Duration;

/// A call that got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It would have waited past its deadline, or the waiting room is full. Nothing was sent.
    #[error("the waiting room cannot serve the call in time")]
    Overloaded {
        /// When a call like it would be served.
        retry_after: Duration,
    },
    /// The CRM fails, so nothing is sent for a while. Nothing was sent.
    #[error("the CRM fails and is given a pause")]
    Unavailable {
        /// When it will be tried again.
        retry_after: Duration,
    },
    /// Every caller left, or the gateway stops. Nothing was sent.
    #[error("nobody waits for the call any more")]
    Abandoned,
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
            Self::Overloaded { .. } | Self::Unavailable { .. } | Self::Abandoned => false,
            Self::Transport { sent, .. } => *sent,
            Self::Timeout(_) | Self::TooLarge(_) => true,
        }
    }
}
