//! One call to a CRM as data.

use bytes::Bytes;
use http::Method;

use crate::model::rehearsal::Planned;

/// A call, relative to the CRM's base URL.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is called, for logs and metrics: `customer/index`. Never with ids.
    pub operation: &'static str,
    /// HTTP method.
    pub method: Method,
    /// Path with query, starting with `/`.
    pub target: String,
    /// JSON body.
    pub body: Option<Bytes>,
    /// Whether making it twice does no harm.
    pub safe: bool,
}

impl Call {
    /// Bytes that it holds while it waits, roughly.
    pub fn size(&self) -> usize {
        const CIRCUMSTANCES: usize = 512;
        CIRCUMSTANCES + self.target.len() + self.body.as_ref().map_or(0, Bytes::len)
    }
}

impl From<&Call> for Planned {
    fn from(call: &Call) -> Self {
        Self { operation: call.operation, bytes: call.size() }
    }
}
