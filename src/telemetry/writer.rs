//! The thread that writes log lines, many at a time.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait to be written.
const BACKLOG: usize = 16_384;
/// How long lines gather before they are written: without it each line wakes the thread and costs a system call.
const GATHER: Duration = Duration::from_millis(5);
/// Bytes written at once at most, give or take a line.
const BATCH: usize = 64 * 1024;

enum Message {
    Line(Vec<u8>),
    End,
}

/// Hands each line over as a whole.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    lines: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

/// Writes out what is still waiting when dropped.
#[derive(Debug)]
pub(super) struct Flush {
    lines: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

pub(super) fn start() -> io::Result<(Writer, Flush)> {
    let (lines, waiting) = sync_channel(BACKLOG);
    let lost = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&lost);
    let thread = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_out(&waiting, &counter, &mut io::stderr().lock()))?;
    let writer = Writer { lines: lines.clone(), lost };
    let flush = Flush { lines, thread: Some(thread) };
    Ok((writer, flush))
}

fn write_out(waiting: &Receiver<Message>, lost: &AtomicU64, to: &mut dyn Write) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(first) = waiting.recv() {
        gather();
        let mut next = Some(first);
        let mut ended = false;
        while let Some(message) = next.take() {
            match message {
                Message::Line(line) => batch.extend_from_slice(&line),
                Message::End => ended = true,
            }
            if !ended && batch.len() < BATCH {
                next = waiting.try_recv().ok();
            }
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            batch.extend_from_slice(
                format!("{lost} log lines were lost: writing them is too slow\n").as_bytes(),
            );
        }
        // There is nowhere to complain that stderr is gone.
        let _ = to.write_all(&batch).and_then(|()| to.flush());
        batch.clear();
        if ended {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this thread has nothing else to do")]
fn gather() {
    std::thread::sleep(GATHER);
}

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Message::Line(line.to_vec())) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let _ = self.lines.send(Message::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_in_order_and_losses_are_told() {
        let (lines, waiting) = sync_channel(2);
        let lost = Arc::new(AtomicU64::new(0));
        let mut writer = Writer { lines: lines.clone(), lost: Arc::clone(&lost) };
        for line in ["one\n", "two\n", "three\n"] {
            writer.write_all(line.as_bytes()).unwrap();
        }
        drop((lines, writer));
        let mut out = Vec::new();
        write_out(&waiting, &lost, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "one\ntwo\n1 log lines were lost: writing them is too slow\n");
    }
}
