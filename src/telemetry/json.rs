//! An event as one line of JSON: time, level, message, fields. There is one for every request, so it is written straight
//! into the line's buffer; the formatter that comes with `tracing-subscriber` builds a tree first and costs ten times as
//! much.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes events as JSON.
#[derive(Debug)]
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        line.write_str("{\"timestamp\":\"")?;
        time(&mut line)?;
        write!(line, "\",\"level\":\"{}\"", event.metadata().level())?;
        let mut fields = Fields { line, outcome: Ok(()) };
        event.record(&mut fields);
        fields.outcome?;
        fields.line.write_str("}\n")
    }
}

/// Now, with microseconds. The text of a second is made once.
fn time(line: &mut Writer<'_>) -> fmt::Result {
    thread_local! {
        static SECOND: RefCell<(u64, String)> = RefCell::default();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.as_secs() || text.is_empty() {
            *second = now.as_secs();
            let start = Timestamp::from_second(now.as_secs().cast_signed()).unwrap_or_default();
            *text = start.to_string().trim_end_matches('Z').to_owned();
        }
        line.write_str(text)
    })?;
    write!(line, ".{:06}Z", now.subsec_micros())
}

struct Fields<'a> {
    line: Writer<'a>,
    outcome: fmt::Result,
}

impl Fields<'_> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.outcome.is_ok() {
            self.outcome = write!(self.line, ",\"{}\":", field.name()).and_then(|()| value(&mut self.line));
        }
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is no number.
        self.field(
            field,
            |line| {
                if value.is_finite() { write!(line, "{value}") } else { line.write_str("null") }
            },
        );
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |line| write!(line, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |line| write!(line, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |line| write!(line, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |line| quoted(line, |line| escape(line, value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |line| quoted(line, |line| write!(Escaped(line), "{value:?}")));
    }
}

fn quoted(line: &mut Writer<'_>, text: impl FnOnce(&mut Writer<'_>) -> fmt::Result) -> fmt::Result {
    line.write_char('"')?;
    text(line)?;
    line.write_char('"')
}

struct Escaped<'a, 'b>(&'a mut Writer<'b>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text)
    }
}

fn escape(line: &mut Writer<'_>, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        line.write_str(&rest[..at])?;
        match rest.as_bytes()[at] {
            b'"' => line.write_str("\\\"")?,
            b'\\' => line.write_str("\\\\")?,
            b'\n' => line.write_str("\\n")?,
            control => write!(line, "\\u{control:04x}")?,
        }
        rest = &rest[at + 1..];
    }
    line.write_str(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_an_object_with_time_level_message_and_fields_of_their_types() {
        let lines = Lines::default();
        let to = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().event_format(Json).with_writer(move || to.clone()).finish();
        // Whether anybody listens is remembered per line of code, so there are two who might.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        tracing::subscriber::with_default(subscriber, || {
            let error = io::Error::other("it \"broke\"");
            let (text, none) = ("a\\b\n\u{1}ж", f64::NAN);
            tracing::warn!(text, count = 7_u16, less = -1, part = 0.25, none, yes = true, %error, "said {}", 1);
            tracing::info!("plain");
        });
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let told: Vec<serde_json::Value> =
            written.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let at: Timestamp = told[0]["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(at.duration_until(Timestamp::now()).as_secs() < 60);
        assert_eq!(told[0]["level"], "WARN");
        assert_eq!(told[0]["message"], "said 1");
        assert_eq!(told[0]["text"], "a\\b\n\u{1}ж");
        assert_eq!(told[0]["error"], "it \"broke\"");
        let numbers = ["count", "less", "part", "none", "yes"].map(|name| told[0][name].to_string());
        assert_eq!(numbers, ["7", "-1", "0.25", "null", "true"]);
        assert_eq!((&told[1]["message"], &told[1]["level"]), (&"plain".into(), &"INFO".into()));
    }
}
