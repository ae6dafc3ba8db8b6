//! One call to a CRM as data.

use bytes::Bytes;
use http::Method;

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
