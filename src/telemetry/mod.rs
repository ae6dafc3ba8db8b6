//! Logs and metrics. Logs go to stderr as text or JSON; `RUST_LOG` narrows or widens them, `info` without it.
//!
//! Lines are written by one thread in batches, so that a slow terminal or disk never holds up a request; when that
//! thread is far behind, lines are dropped and counted rather than piled up.

mod json;
pub mod metrics;
mod recent;
mod samples;
mod writer;

pub use metrics::{Hits, Metrics};
pub use recent::{Failure, Recent};
pub use samples::{Sample, Samples, Spread};
pub use writer::Flush;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Logs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The filter of `RUST_LOG` cannot be read.
    #[error("the log filter `{0}` cannot be read")]
    Filter(String, #[source] tracing_subscriber::filter::ParseError),
    /// Somebody else has set up logs already.
    #[error("logs are set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
    /// The thread that writes cannot be started.
    #[error("the thread that writes logs cannot be started")]
    Thread(#[from] std::io::Error),
}

/// Sets up logs for the whole process. `filter` is the value of `RUST_LOG`. What is kept alive by the answer is written
/// out when it is dropped.
pub fn init(format: LogFormat, filter: Option<&str>) -> Result<Flush, SetupError> {
    let text = filter.filter(|text| !text.trim().is_empty()).unwrap_or("info");
    let filter = EnvFilter::try_new(text).map_err(|error| SetupError::Filter(text.to_owned(), error))?;
    let (writer, flush) = writer::start()?;
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Text => registry
            .with(tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(writer))
            .try_init()?,
        LogFormat::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_ansi(false)
                    .event_format(json::Json)
                    .with_writer(writer),
            )
            .try_init()?,
    }
    Ok(flush)
}
