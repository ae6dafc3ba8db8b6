//! How we talk to somebody else's API without upsetting it. One [`Upstream`] per CRM; everything that goes to that CRM
//! goes through its stack, signing in included.

pub mod call;
pub mod error;
pub mod quota;
pub mod retry;
pub mod transport;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tower::{ServiceBuilder, ServiceExt as _};

pub use call::Call;
pub use error::Error;

use crate::model::{Ctx, Source};
use crate::telemetry::Metrics;
use quota::Pacer;
use quota::service::{Quota, QuotaLayer};
use retry::{Retry, RetryLayer};
use wire::Wire;

/// A call on its way, with the circumstances of the request it is made for.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What is called.
    pub call: Arc<Call>,
    /// For whom, why and until when.
    pub ctx: Ctx,
}

/// What a CRM answered, whatever the status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Time spent waiting for a turn.
    pub queued: Duration,
    /// Time the CRM took.
    pub took: Duration,
}

impl Answer {
    /// The pause the CRM asks for.
    pub fn retry_after(&self) -> Option<Duration> {
        wire::retry_after(&self.headers)
    }
}

/// Who counts what goes to one CRM.
#[derive(Debug, Clone)]
pub struct Meter {
    /// The CRM.
    pub crm: Source,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
}

/// The way to one CRM.
#[derive(Clone)]
pub struct Upstream {
    stack: Retry<Quota<Wire>>,
    pacer: Pacer,
    meter: Meter,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("pacer", &self.pacer).finish_non_exhaustive()
    }
}

impl Upstream {
    /// The outbound stack, outermost first.
    pub fn new(pacer: Pacer, meter: &Meter, wire: Wire) -> Self {
        let stack = ServiceBuilder::new()
            // Outside the quota: every attempt pays its own turn.
            .layer(RetryLayer)
            // Wait for a turn. Nothing below may wait for anything but the CRM.
            .layer(QuotaLayer::new(pacer.clone(), meter.clone()))
            // Credentials, the limit on the CRM's time, and the wire.
            .service(wire);
        Self { stack, pacer, meter: meter.clone() }
    }

    /// Makes a call when it is its turn.
    pub async fn send(&self, ctx: &Ctx, call: &Call) -> Result<Answer, Error> {
        self.stack.clone().oneshot(Attempt { call: Arc::new(call.clone()), ctx: ctx.clone() }).await
    }

    /// Who counts what goes this way.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The pacer, for those who must tell it that credentials are being renewed.
    pub fn pacer(&self) -> &Pacer {
        &self.pacer
    }
}
