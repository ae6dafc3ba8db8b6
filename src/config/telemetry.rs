//! `[telemetry]`: how the gateway tells what it does. Which events are told is set by `RUST_LOG`.

use super::kind::{self, Kind, word};
use super::reader::Reader;
use super::upstream::check_origin;
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

/// An address that may have a path: those who collect for many give each one of its own.
fn collector() -> Kind<String> {
    Kind::text("an address such as \"http://localhost:4318\"", |text| {
        let host = text.find("://").map_or(0, |at| at + 3);
        let path = text[host..].find('/').map_or(text.len(), |at| host + at);
        let origin = check_origin(&text[..path])?;
        let path = text[path..].trim_end_matches('/');
        if path.contains(['?', '#']) || !path.bytes().all(|letter| letter.is_ascii_graphic()) {
            return Err("only the scheme, the host, the port and a path belong here".into());
        }
        Ok(format!("{origin}{path}"))
    })
}

impl Telemetry {
    pub(super) fn read(r: &Reader<'_>) -> Option<Self> {
        let log_format = r.get("log_format", &kind::choice(&LOG_FORMATS));
        let otlp_endpoint = r.optional("otlp_endpoint", &collector())?;
        Some(Self { log_format: log_format?, otlp_endpoint })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.section(&["telemetry"]);
        w.text("log_format", word(&LOG_FORMATS, &self.log_format));
        w.optional("otlp_endpoint", self.otlp_endpoint.as_deref());
    }
}
