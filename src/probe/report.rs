//! What a probe found, and the lines of the configuration that follow from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a probe found.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
    /// By section: key and value, as they stand in the configuration.
    lines: BTreeMap<String, BTreeMap<String, String>>,
    /// What only somebody who knows the account can complete.
    hints: Vec<String>,
    failed: bool,
    calls: usize,
}

#[derive(Debug)]
struct Finding {
    crm: &'static str,
    question: String,
    answer: String,
}

impl Report {
    /// An answer to a question about a CRM.
    pub(super) fn found(
        &mut self,
        crm: &'static str,
        question: impl Into<String>,
        answer: impl Into<String>,
    ) {
        self.findings.push(Finding { crm, question: question.into(), answer: answer.into() });
    }

    /// The CRM cannot be asked, and why.
    pub(super) fn failed(&mut self, crm: &'static str, question: &str, why: impl Into<String>) {
        self.failed = true;
        self.found(crm, question, why);
    }

    /// A line that makes the gateway treat the CRM as it was found to be.
    pub(super) fn line(&mut self, section: &str, key: &str, value: impl Into<String>) {
        self.lines.entry(section.to_owned()).or_default().insert(key.to_owned(), value.into());
    }

    /// Something to complete by hand.
    pub(super) fn hint(&mut self, line: String) {
        self.hints.push(line);
    }

    pub(super) fn calls(&mut self, calls: usize) {
        self.calls += calls;
    }

    /// Whether every configured CRM could be asked.
    pub fn is_good(&self) -> bool {
        !self.failed
    }

    /// The keys to set in the configuration and their values, as TOML: `cryptocrm.page_size`, `50`.
    pub fn settings(&self) -> Vec<(String, String)> {
        let all = self.lines.iter().flat_map(|(section, lines)| {
            lines.iter().map(move |(key, value)| (format!("{section}.{key}"), value.clone()))
        });
        all.collect()
    }

    /// What was found, for people.
    pub fn words(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for Finding { crm, question, answer } in &self.findings {
            if *crm != last {
                let _ = writeln!(text, "\n{crm}");
                last = crm;
            }
            let _ = writeln!(text, "  {question:<42} {answer}");
        }
        let _ = writeln!(text, "\n{} calls were made.", self.calls);
        text
    }

    /// The lines to add to the configuration. Keys with dots, so that they can stand below the sections there are, or
    /// be merged into them.
    pub fn configuration(&self) -> String {
        let mut text = String::new();
        if self.lines.is_empty() && self.hints.is_empty() {
            return "# Nothing to add: the defaults fit.\n".to_owned();
        }
        for (section, lines) in &self.lines {
            let _ = writeln!(text, "[{section}]");
            for (key, value) in lines {
                let _ = writeln!(text, "{key} = {value}");
            }
            text.push('\n');
        }
        for hint in &self.hints {
            let _ = writeln!(text, "# {hint}");
        }
        text
    }
}
