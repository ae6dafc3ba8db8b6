//! Who asks, how urgent it is, until when the answer matters, and whether anybody still waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

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
    /// Signing in.
    Auth,
}

impl Reason {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Miss, Self::Write, Self::Retry, Self::Refresh, Self::Auth];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Write => "write",
            Self::Refresh => "refresh",
            Self::Retry => "retry",
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

/// The circumstances of one request, handed down to the wire.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// The consumer the call is billed to.
    pub consumer: Arc<str>,
    /// Its urgency.
    pub class: Class,
    /// Why the CRM is called.
    pub reason: Reason,
    /// When the answer can no longer matter.
    pub deadline: Instant,
    /// The longest stay in the waiting room the consumer accepts; the CRM's own `max_wait` bounds it from above.
    pub max_wait: Option<Duration>,
    /// How old an answer may be.
    pub freshness: Freshness,
    /// Whether anybody still waits.
    pub interest: Interest,
}

/// How many callers wait for a call. A call that nobody waits for any more is not sent; one that was sent is seen
/// through, because its answer is paid for.
#[derive(Debug, Clone, Default)]
pub struct Interest(Arc<InterestState>);

#[derive(Debug, Default)]
struct InterestState {
    waiting: AtomicUsize,
    sent: AtomicBool,
    left: Notify,
}

/// One caller's interest; dropping it is leaving.
#[derive(Debug)]
pub struct Waiting(Interest);

impl Interest {
    /// Joins the callers who wait.
    pub fn join(&self) -> Waiting {
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
        Waiting(self.clone())
    }

    /// Notes that the call has left for the CRM.
    pub fn sent(&self) {
        self.0.sent.store(true, Ordering::Release);
    }

    /// Completes when all callers have left before the call was sent.
    pub async fn lost(&self) {
        loop {
            let left = self.0.left.notified();
            if self.0.waiting.load(Ordering::Acquire) == 0 && !self.0.sent.load(Ordering::Acquire) {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.0.0.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.left.notify_waiters();
        }
    }
}
