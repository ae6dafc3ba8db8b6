//! Who asks, how urgent it is, until when the answer matters, and whether anybody still waits for it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

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

/// Who pays for a call, and with what right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payer {
    /// The consumer the call is billed to.
    pub consumer: Arc<str>,
    /// Its urgency.
    pub class: Class,
    /// Its part among the consumers of its class; at least one.
    pub weight: u32,
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
    /// Whether anybody still waits.
    pub interest: Interest,
    /// Where to note what would be done, when the request is only gone through and nothing is done.
    pub rehearsal: Option<Arc<Rehearsal>>,
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
    /// Who joined with more urgency than whoever asked first.
    urgent: Mutex<Option<Payer>>,
    raised: Notify,
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

    /// Makes the call as urgent as `payer` is, who joined: nobody waits behind the lower class of whoever asked first.
    pub fn raise(&self, payer: &Payer) {
        let mut urgent = self.urgent();
        if urgent.as_ref().is_none_or(|known| payer.class < known.class) {
            *urgent = Some(payer.clone());
            self.0.raised.notify_waiters();
        }
    }

    /// Who joined with more urgency than `payer`.
    pub fn more_urgent_than(&self, payer: &Payer) -> Option<Payer> {
        self.urgent().clone().filter(|urgent| urgent.class < payer.class)
    }

    /// Completes when somebody more urgent than `payer` has joined.
    pub async fn raised_above(&self, payer: &Payer) -> Payer {
        loop {
            let raised = self.0.raised.notified();
            tokio::pin!(raised);
            // Listening begins before looking, so that nobody is missed.
            raised.as_mut().enable();
            if let Some(urgent) = self.more_urgent_than(payer) {
                return urgent;
            }
            raised.await;
        }
    }

    fn urgent(&self) -> MutexGuard<'_, Option<Payer>> {
        self.0.urgent.lock().expect("no code panics while it holds the payer")
    }

    /// Notes that the call has left for the CRM.
    pub fn sent(&self) {
        self.0.sent.store(true, Ordering::Release);
    }

    /// Notes that what was sent came to nothing and waits to be sent again.
    pub fn not_sent(&self) {
        self.0.sent.store(false, Ordering::Release);
        self.0.left.notify_waiters();
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
