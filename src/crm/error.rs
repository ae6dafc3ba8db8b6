//! What went wrong with a CRM, in words that do not depend on which one: what it means, whether asking again helps, and
//! when.

use std::sync::Arc;
use std::time::Duration;

use crate::model::Source;
use crate::model::interest::Refused;
use crate::upstream::{self, Refusal, Upstream};

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The record is not there.
    NotFound,
    /// The CRM refuses what was asked for.
    Invalid,
    /// The CRM refuses our credentials.
    Unauthorized,
    /// Our CRM user lacks a right.
    Denied,
    /// The CRM has no such operation.
    Unsupported,
    /// It would wait past its deadline; nothing was sent.
    Overloaded,
    /// The consumer may cause no more calls today; nothing was sent.
    Exhausted,
    /// The CRM cannot be reached, or answers with an error of its own.
    Failed,
    /// The CRM does not take calls at the moment: it limits us.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// An answer that cannot be read.
    Unreadable,
    /// The answer is not in the cache and the caller did not want the CRM asked.
    NotCached,
    /// All callers left before it was sent.
    Abandoned,
}

/// The pause after a CRM limits us without saying for how long.
const PAUSE: Duration = Duration::from_secs(1);

/// A failure of a CRM.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{crm}: {detail}")]
pub struct Error {
    /// What it means.
    pub kind: Kind,
    /// Which CRM.
    pub crm: Source,
    /// One sentence for the consumer: no secret, no body, no personal data.
    pub detail: String,
    /// The status the CRM answered with, if it answered.
    pub status: Option<u16>,
    /// When asking again may help.
    pub retry_after: Option<Duration>,
    /// What is wrong with which field: a pointer into the consumer's body and the CRM's sentence.
    pub fields: Vec<(String, String)>,
    /// Whether the call had left, as far as can be told.
    pub sent: bool,
    /// Whether a write may have been carried out all the same.
    pub maybe_applied: bool,
    /// What lies behind it, for the log.
    #[source]
    pub cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure without further circumstances.
    pub fn new(crm: Source, kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            crm,
            detail: detail.into(),
            status: None,
            retry_after: None,
            fields: Vec::new(),
            sent: true,
            maybe_applied: false,
            cause: None,
        }
    }

    /// Whether an older answer is better than this failure: the CRM cannot answer now, which says nothing about the record.
    pub fn is_covered_by_memory(&self) -> bool {
        matches!(
            self.kind,
            Kind::Overloaded
                | Kind::Exhausted
                | Kind::Failed
                | Kind::Unavailable
                | Kind::Timeout
                | Kind::Unreadable
                | Kind::Unauthorized
        )
    }

    /// Its name in answers, one of the codes of errors.
    pub fn code(&self) -> &'static str {
        match self.kind {
            Kind::NotFound => "not_found",
            Kind::Invalid => "validation_failed",
            Kind::Unauthorized | Kind::Denied | Kind::Failed => "upstream_error",
            Kind::Unsupported => "not_supported",
            Kind::Overloaded | Kind::Abandoned => "overloaded",
            Kind::Exhausted => "rate_limited",
            Kind::Unavailable => "upstream_unavailable",
            Kind::Timeout => "upstream_timeout",
            Kind::Unreadable => "upstream_invalid",
            Kind::NotCached => "not_cached",
        }
    }

    /// Whether the same question may be answered later.
    pub fn retryable(&self) -> bool {
        match self.kind {
            // Below 500 it is the question or the configuration that is wrong.
            _ if self.maybe_applied => false,
            Kind::Failed => self.status.is_none_or(|status| status >= 500),
            Kind::Overloaded | Kind::Exhausted | Kind::Unavailable | Kind::Timeout | Kind::Abandoned => true,
            Kind::NotFound
            | Kind::Invalid
            | Kind::Unauthorized
            | Kind::Denied
            | Kind::Unsupported
            | Kind::Unreadable
            | Kind::NotCached => false,
        }
    }

    /// The same failure of a write: where the call had left and no clear refusal came back, it may have been applied.
    #[must_use]
    pub fn of_write(mut self) -> Self {
        self.maybe_applied = match self.kind {
            Kind::Timeout | Kind::Unreadable => self.sent,
            Kind::Failed => self.sent && self.status.is_none_or(|status| !(400..500).contains(&status)),
            _ => false,
        };
        if self.maybe_applied {
            // It is to be looked at, not to be repeated.
            self.retry_after = None;
        }
        self
    }

    /// What happened, as a sentence for the consumer.
    pub fn sentence(&self) -> String {
        let mut letters = self.detail.chars();
        let first = letters.next().map(char::to_uppercase).into_iter().flatten();
        let mut sentence: String = first.chain(letters).collect();
        if !sentence.ends_with(['.', '?', '…']) {
            sentence.push('.');
        }
        sentence
    }
}

/// What a failure on the way to a CRM means; the same for every CRM.
pub fn on_the_way(upstream: &Upstream, error: upstream::Error) -> Error {
    let error = meaning(upstream.meter().crm, error);
    // Those that find a CRM dead before all are told so are told as well when it is tried again.
    Error { retry_after: error.retry_after.or_else(|| upstream.pacer().closed_for()), ..error }
}

fn meaning(crm: Source, error: upstream::Error) -> Error {
    use upstream::Error as Way;
    if let Way::Exhausted(exhausted) = &error {
        let budget = exhausted.budget;
        let detail = format!(
            "the daily budget of this key, {budget} calls of the CRMs, is used up, and nothing was sent; it begins anew at 00:00 \
             UTC, and what is remembered is answered meanwhile"
        );
        let retry_after = Some(exhausted.retry_after);
        return Error { retry_after, sent: false, cause: None, ..Error::new(crm, Kind::Exhausted, detail) };
    }
    let (kind, detail) = match &error {
        Way::Overloaded { refusal, .. } => (
            Kind::Overloaded,
            match refusal {
                Refusal::Deadline => "the call would wait past its deadline; nothing was sent",
                Refusal::Full => "the waiting room is full; nothing was sent",
                Refusal::RetryBudget => "too many calls are being tried again; this one was not",
            },
        ),
        Way::Exhausted(_) => (Kind::Exhausted, "the daily budget is used up; nothing was sent"),
        Way::Unavailable { .. } => {
            (Kind::Unavailable, "the CRM fails and is given a pause; nothing was sent")
        }
        Way::Abandoned => (Kind::Abandoned, "nobody waits for the call any more; nothing was sent"),
        Way::NoSignIn => (Kind::Timeout, "signing in to the CRM takes too long; nothing was sent"),
        Way::NotSignedIn => (Kind::Unauthorized, "signing in to the CRM has just failed; nothing was sent"),
        Way::Timeout(_) => (Kind::Timeout, "no answer in time"),
        Way::Transport { sent: false, .. } => (Kind::Failed, "the CRM cannot be reached"),
        Way::Transport { sent: true, .. } => {
            (Kind::Failed, "the connection broke before the whole answer had come")
        }
        Way::TooLarge(_) => (Kind::Unreadable, "the answer is larger than the configured limit"),
    };
    let retry_after = match &error {
        Way::Overloaded { retry_after, .. } | Way::Unavailable { retry_after } => Some(*retry_after),
        _ => None,
    };
    let sent = error.may_have_been_sent();
    Error { retry_after, sent, cause: Some(Arc::new(error)), ..Error::new(crm, kind, detail) }
}

/// What a call is answered that is refused before it leaves.
pub fn refused(crm: Source, refused: Refused) -> Error {
    let error = match refused {
        Refused::Wait(retry_after) => upstream::Error::Overloaded { refusal: Refusal::Deadline, retry_after },
        Refused::Closed(retry_after) => upstream::Error::Unavailable { retry_after },
        Refused::SignIn => upstream::Error::NoSignIn,
        Refused::Exhausted(exhausted) => upstream::Error::Exhausted(exhausted),
    };
    meaning(crm, error)
}

/// What is answered to who wants nothing but what memory has.
pub fn not_cached(crm: Source) -> Error {
    Error::new(crm, Kind::NotCached, "the answer is not in memory and the request asked for nothing else")
}

/// What is answered to a write that the CRM has no call for.
pub fn no_such_write(crm: Source) -> Error {
    Error::new(crm, Kind::Unsupported, "this CRM has no call that writes such a record")
}

/// When a call that failed may be made again: as the CRM says, but not before calls pass; else soon after it limited us.
pub fn retry_after(answer: &upstream::Answer) -> Option<Duration> {
    answer.retry_after.max(answer.closed_for).or_else(|| (answer.status == 429).then_some(PAUSE))
}

/// A message of a CRM as it may be passed on: short, printable, without markup, and without words that may be a key, an
/// address or a telephone number. CRMs quote what they were sent, our credentials included.
pub fn passed_on(message: &str) -> String {
    if message.contains('<') {
        return "(a web page)".to_owned();
    }
    let message = without_numbers(message);
    let words = message.split_whitespace().map(|word| if is_confidential(word) { "***" } else { word });
    let words: Vec<&str> = words.collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Puts `***` for every number that is long enough for a telephone, also when it is written in groups.
fn without_numbers(message: &str) -> String {
    let grouping = |c: char| c.is_ascii_digit() || " ()+-.".contains(c);
    let mut kept = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| grouping(c) != grouping(first)).unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        kept.push_str(if grouping(first) && digits >= 7 { " *** " } else { part });
        rest = tail;
    }
    kept
}

/// Whether a word may be a key (long, with digits) or an e-mail address.
fn is_confidential(word: &str) -> bool {
    word.contains('@') || (word.len() >= 16 && word.bytes().any(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crms_words_are_passed_on_without_what_is_nobody_elses_business() {
        for (message, passed) in [
            ("Unknown field: colour", "Unknown field: colour"),
            ("count must be at most 500", "count must be at most 500"),
            ("Token 5c0f7e2a-9b1d-4c3e-8f60 is unknown", "Token *** is unknown"),
            ("+7(900)000-00-01 belongs to anna@mail.example", "*** belongs to ***"),
            ("Телефон +7 900 000 00 01 занят", "Телефон *** занят"),
            ("<html>5c0f7e2a</html>", "(a web page)"),
            ("two\nlines\u{7}", "two lines"),
        ] {
            assert_eq!(passed_on(message), passed);
        }
        assert_eq!(passed_on(&"long ".repeat(100)).chars().count(), 200);
    }
}
