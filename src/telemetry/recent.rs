//! The last failures, for whoever looks at the gateway without its log at hand.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// So many are remembered.
const KEPT: usize = 50;

/// A request that failed through no fault of its caller. It says what the log says of it, so nothing of a query, a body
/// or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When it was answered.
    pub at: Timestamp,
    /// The method.
    pub method: &'static str,
    /// The route, as a template.
    pub route: String,
    /// The status of the answer.
    pub status: u16,
    /// The code of the problem.
    pub code: &'static str,
    /// Who found it: `gateway`, or the name of a CRM.
    pub source: &'static str,
    /// What lies behind it.
    pub cause: Option<String>,
    /// Who asked.
    pub consumer: String,
    /// Under which it stands in the log.
    pub request_id: String,
}

/// The last failures.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<Failure>>);

impl Recent {
    /// Remembers one, and forgets the oldest when there are too many.
    pub fn note(&self, failure: Failure) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.push_front(failure);
    }

    /// All that are remembered, the newest first.
    pub fn all(&self) -> Vec<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first_and_the_oldest_are_forgotten() {
        let recent = Recent::default();
        for number in 0..60_u16 {
            recent.note(Failure {
                at: Timestamp::UNIX_EPOCH,
                method: "GET",
                route: "/students".to_owned(),
                status: 500 + number,
                code: "internal",
                source: "gateway",
                cause: None,
                consumer: "web-app".to_owned(),
                request_id: String::new(),
            });
        }
        let kept: Vec<u16> = recent.all().iter().map(|failure| failure.status - 500).collect();
        assert_eq!(kept, (10..60).rev().collect::<Vec<_>>());
    }
}
