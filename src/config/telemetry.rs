//! `[telemetry]`: how the gateway tells what it does. Which events are told is set by `RUST_LOG`.

use super::kind::{self, word};
use super::reader::Reader;
use super::store::not_available;
use super::writer::Writer;

/// Logs and traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// The form of a log line.
    pub log_format: LogFormat,
    /// Where traces are sent.
    pub otlp_endpoint: Option<String>,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors, one object per line.
    Json,
}

const LOG_FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

impl Telemetry {
    pub(super) fn read(r: &Reader<'_>) -> Option<Self> {
        let log_format = r.get("log_format", &kind::choice(&LOG_FORMATS));
        let otlp_endpoint = r.optional("otlp_endpoint", &kind::text("http://localhost:4318"))?;
        not_available(r, &[("otlp_endpoint", otlp_endpoint.is_some())]);
        Some(Self { log_format: log_format?, otlp_endpoint })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.section(&["telemetry"]);
        w.text("log_format", word(&LOG_FORMATS, &self.log_format));
        w.optional("otlp_endpoint", self.otlp_endpoint.as_deref());
    }
}
