//! Logs, metrics and traces. Logs go to stderr as text or JSON; `RUST_LOG` narrows or widens them, `info` without it.
//!
//! Lines are written by one thread in batches, so that a slow terminal or disk never holds up a request; when that
//! thread is far behind, lines are dropped and counted rather than piled up.

mod json;
pub mod metrics;
mod recent;
mod samples;
pub mod trace;
mod writer;

pub use metrics::{Hits, Metrics};
pub use recent::{Failure, Recent};
pub use samples::{Sample, Samples, Spread};
pub use trace::Export;

use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
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
    /// The address that traces are sent to is none.
    #[error("traces cannot be sent to `telemetry.otlp_endpoint`: {0}")]
    Traces(Box<dyn std::error::Error + Send + Sync>),
}

/// Writes and delivers what is left when dropped.
#[derive(Debug)]
pub struct Flush {
    traces: Option<SdkTracerProvider>,
    _lines: writer::Flush,
}

impl Drop for Flush {
    fn drop(&mut self) {
        // Before the lines, because it may have something to say.
        if let Some(traces) = &self.traces {
            trace::end(traces);
        }
    }
}

/// Sets up logs, and traces where there is somebody to send them to, for the whole process. `filter` is the value of
/// `RUST_LOG`. What is kept alive by the answer is written out when it is dropped. With traces it must be called within a
/// runtime.
pub fn init(format: LogFormat, filter: Option<&str>, traces: Option<Export>) -> Result<Flush, SetupError> {
    let text = filter.filter(|text| !text.trim().is_empty()).unwrap_or("info");
    let filter = EnvFilter::try_new(text).map_err(|error| SetupError::Filter(text.to_owned(), error))?;
    // A span is no line, and costs nothing where nobody watches.
    let no_spans: Directive = format!("{}=off", trace::TARGET).parse().expect("a target and a level");
    let filter = filter.add_directive(no_spans);
    let (writer, flush) = writer::start()?;
    let (provider, tracer) = traces.map(trace::start).transpose().map_err(SetupError::Traces)?.unzip();
    let registry = tracing_subscriber::registry();
    match (format, tracer) {
        (LogFormat::Text, None) => registry.with(filter).with(text_lines(writer)).try_init()?,
        (LogFormat::Json, None) => registry.with(filter).with(json_lines(writer)).try_init()?,
        (LogFormat::Text, Some(tracer)) => {
            registry.with(text_lines(writer).with_filter(filter)).with(spans(tracer)).try_init()?;
        }
        (LogFormat::Json, Some(tracer)) => {
            registry.with(json_lines(writer).with_filter(filter)).with(spans(tracer)).try_init()?;
        }
    }
    Ok(Flush { traces: provider, _lines: flush })
}

fn text_lines<S: Subscriber + for<'a> LookupSpan<'a>>(writer: writer::Writer) -> impl Layer<S> {
    tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(writer)
}

fn json_lines<S: Subscriber + for<'a> LookupSpan<'a>>(writer: writer::Writer) -> impl Layer<S> {
    tracing_subscriber::fmt::layer().with_ansi(false).event_format(json::Json).with_writer(writer)
}

/// Takes spans and no lines: those go where lines go.
fn spans<S: Subscriber + for<'a> LookupSpan<'a>>(tracer: SdkTracer) -> impl Layer<S> {
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_filter(Targets::new().with_target(trace::TARGET, LevelFilter::INFO))
}
