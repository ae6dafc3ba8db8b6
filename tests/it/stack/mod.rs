//! The order of layers is behaviour: each test would fail if two of them changed places.

mod inbound_order;
mod outbound_order;
mod shortcut;

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// Everything that is logged on this thread while it lives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Listens to everything, down to traces.
    ///
    /// Whether anybody listens is remembered per line of code: while there is one subscriber in the process, by what
    /// the thread that came first thinks. Hence the second one.
    pub(crate) fn listen() -> (Self, (DefaultGuard, Dispatch)) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        let second = Dispatch::new(tracing_subscriber::registry());
        (log, (tracing::subscriber::set_default(subscriber), second))
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.0.lock().unwrap()).lines().map(str::to_owned).collect()
    }

    /// The only line that holds all of these.
    pub(crate) fn line(&self, parts: &[&str]) -> String {
        let lines = self.lines();
        let mut fitting = lines.iter().filter(|line| parts.iter().all(|part| line.contains(part)));
        let line =
            fitting.next().unwrap_or_else(|| panic!("no line with {parts:?} in\n{}", lines.join("\n")));
        assert_eq!(fitting.next(), None, "more than one line with {parts:?}");
        line.clone()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
