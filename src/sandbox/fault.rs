//! What can go wrong on the way to a CRM, on demand: a list of rules, each for some operations and some calls.

use std::sync::Mutex;
use std::time::Duration;

/// One way to misbehave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answer after this long.
    Latency(Duration),
    /// Never answer; the connection stays open.
    Hang,
    /// Close the connection without an answer, before the operation had any effect.
    DropBefore,
    /// Carry the operation out, then close the connection without an answer.
    DropAfter,
    /// Answer with this status and body instead, without effect.
    Status { code: u16, body: String, content_type: &'static str, retry_after: Option<String> },
    /// Carry the operation out, then answer with this status all the same.
    StatusAfter { code: u16 },
    /// The right answer, cut in the middle of its body with the connection closed.
    DropMidBody,
    /// The right answer cut short, but ended as if it were whole: truncated JSON.
    Truncated,
    /// A login page with status 200.
    LoginPage,
    /// A redirect to this address.
    Redirect(String),
    /// The right answer behind a UTF-8 byte order mark.
    ByteOrderMark,
    /// The right answer behind a line of warning text, as a PHP back end prints it.
    WarningText,
    /// A body that never ends, in small pieces.
    Endless,
}

/// A fault for some calls.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The operation it is for (`customer/index`); `None` for all.
    pub operation: Option<String>,
    /// How many matching calls go through before it strikes.
    pub after: usize,
    /// How often it strikes, `usize::MAX` for always.
    pub times: usize,
    /// What happens.
    pub fault: Fault,
}

/// The rules in force. The first one that fits a call is used up by one.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    /// Adds a rule behind those there are.
    pub fn inject(&self, rule: Rule) {
        self.lock().push(rule);
    }

    /// Makes the next `times` calls of `operation` (all operations for `None`) go wrong.
    pub fn next(&self, operation: Option<&str>, times: usize, fault: Fault) {
        self.inject(Rule { operation: operation.map(str::to_owned), after: 0, times, fault });
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The fault for a call of `operation` that arrives now, if any.
    pub fn strike(&self, operation: &str) -> Option<Fault> {
        let mut rules = self.lock();
        for rule in rules.iter_mut() {
            if rule.operation.as_deref().is_some_and(|wanted| wanted != operation) || rule.times == 0 {
                continue;
            }
            if rule.after > 0 {
                rule.after -= 1;
                continue;
            }
            if rule.times != usize::MAX {
                rule.times -= 1;
            }
            return Some(rule.fault.clone());
        }
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.0.lock().expect("no code panics while it holds the rules")
    }
}
