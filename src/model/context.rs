//! Who asks, how urgent it is, and until when the answer matters.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::allowance::Allowance;
use super::interest::Interest;
use super::rehearsal::Rehearsal;

/// How urgent a consumer's calls are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// People wait for the answer.
    Interactive,
    /// Another system waits.
    Partner,
    /// Nobody in particular waits.
    Batch,
}

impl Class {
    /// All there are, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Partner, Self::Batch];

    /// The name in configuration and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Partner => "partner",
            Self::Batch => "batch",
        }
    }
}

/// Why a call is made: what its quota is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A consumer asked and the cache could not answer.
    Miss,
    /// A consumer writes.
    Write,
    /// A stale entry is renewed in the background.
    Refresh,
    /// An attempt after a failed one.
    Retry,
    /// A call made again with a new token, because the CRM refused the old one: on the bill a retry, but nothing failed.
    Replay,
    /// Signing in.
    Auth,
}

impl Reason {
    /// All that are told apart on the bill.
    pub const ALL: [Self; 5] = [Self::Miss, Self::Write, Self::Retry, Self::Refresh, Self::Auth];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Write => "write",
            Self::Refresh => "refresh",
            Self::Retry | Self::Replay => "retry",
            Self::Auth => "auth",
        }
    }
}

/// How old an answer the consumer accepts (`Cache-Control` of the request).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freshness {
    /// Nothing older than this; zero asks the CRM now.
    pub max_age: Option<Duration>,
    /// Rather no answer than a call to the CRM.
    pub only_if_cached: bool,
}

/// Who pays for a call, and with what right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payer {
    /// The consumer the call is billed to.
    pub consumer: Arc<str>,
    /// Its urgency.
    pub class: Class,
    /// Its part among the consumers of its class; at least one.
    pub weight: u32,
    /// What it may spend in a day. The gateway itself, and who comes with a token, has none.
    pub allowance: Option<Allowance>,
}

/// What stands between the name that many consumers share and what tells them apart. No configured name holds it.
pub const APART: char = '#';

impl Payer {
    /// The configured name, for metrics and bills: bearers of tokens share one.
    pub fn label(&self) -> &str {
        self.consumer.split(APART).next().unwrap_or_default()
    }
}

/// The circumstances of one request, handed down to the wire.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// On whose bill and with what urgency.
    pub payer: Payer,
    /// Why the CRM is called.
    pub reason: Reason,
    /// When the answer can no longer matter.
    pub deadline: Instant,
    /// The longest stay in the waiting room the consumer accepts; the CRM's own `max_wait` bounds it from above.
    pub max_wait: Option<Duration>,
    /// How old an answer may be.
    pub freshness: Freshness,
    /// Who waits for it. Where nobody joined on terms of their own, those of this request count.
    pub interest: Interest,
    /// Where to note what would be done, when the request is only gone through and nothing is done.
    pub rehearsal: Option<Arc<Rehearsal>>,
}

impl Ctx {
    /// Those of a sign-in, which is nobody's own and everybody's concern.
    pub fn of_sign_in(deadline: Instant) -> Self {
        Self {
            payer: Payer {
                consumer: "gateway".into(),
                class: Class::Interactive,
                weight: 1,
                allowance: None,
            },
            reason: Reason::Auth,
            deadline,
            max_wait: None,
            freshness: Freshness::default(),
            interest: Interest::default(),
            rehearsal: None,
        }
    }
}
