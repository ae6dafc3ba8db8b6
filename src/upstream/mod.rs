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
use tower::{Service as _, ServiceBuilder};

pub use call::Call;
pub use error::{Error, Refusal};

use crate::model::{Ctx, Source};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Server;
use quota::Pacer;
use quota::service::{Quota, QuotaLayer};
use retry::{Retry, RetryLayer};
use wire::{Credentials, Wire};

/// A call on its way, with the circumstances of the request it is made for.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What is called.
    pub call: Arc<Call>,
    /// For whom, why and until when.
    pub ctx: Arc<Ctx>,
}

/// What a CRM answered, whatever the status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The pause the CRM asks for.
    pub retry_after: Option<Duration>,
    /// The whole body.
    pub body: Bytes,
    /// Time spent waiting for a turn.
    pub queued: Duration,
    /// Time the CRM took.
    pub took: Duration,
    /// The number of what it was proved with who asked.
    pub signed: u64,
    /// How long no further call passes, where this one failed and enough others did.
    pub closed_for: Option<Duration>,
}

impl Answer {
    /// A good answer that was given before.
    pub fn kept(body: Bytes) -> Self {
        let (queued, took) = (Duration::ZERO, Duration::ZERO);
        Self { status: 200, retry_after: None, body, queued, took, signed: 0, closed_for: None }
    }

    /// Whether the body begins like JSON, or there is none: a page of a proxy or a PHP notice does not.
    pub fn may_be_json(&self) -> bool {
        let text = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        text.trim_ascii_start().first().is_none_or(|first| b"{[\"-0123456789tfn".contains(first))
    }
}

/// Who counts what goes to one CRM.
#[derive(Debug, Clone)]
pub struct Meter {
    /// The CRM.
    pub crm: Source,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// Where it goes.
    pub server: Arc<Server>,
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
    pub async fn send(&self, ctx: &Arc<Ctx>, call: &Arc<Call>) -> Result<Answer, Error> {
        let attempt = Attempt { call: Arc::clone(call), ctx: Arc::clone(ctx) };
        let mut answer = self.stack.clone().call(attempt).await?;
        if answer.status >= 500 {
            answer.closed_for = self.pacer.closed_for();
        }
        Ok(answer)
    }

    /// The same way, with the same turns, for who proves otherwise who it is.
    #[must_use]
    pub fn signed_by(&self, credentials: &Arc<dyn Credentials>) -> Self {
        let stack = self.stack.around(|quota| quota.around(|wire| wire.signed_by(Arc::clone(credentials))));
        Self { stack, pacer: self.pacer.clone(), meter: self.meter.clone() }
    }

    /// Why a call of these circumstances would be refused now, if it would. Nothing is sent to find out.
    pub fn refuses(&self, ctx: &Ctx) -> Option<Error> {
        self.pacer.refuses(ctx)
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
