//! What is wrong with a configuration, in words its author can act on. Each problem names the key, the
//! place it was written (file and line, or the environment variable) and what was expected instead. No
//! text here ever holds the value of a secret.

use std::cell::RefCell;
use std::fmt;

use super::tree::Origin;

/// One thing that is wrong. `Display` gives the whole line an operator reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key, such as `consumers.web-app.scopes[1]`; empty when the whole file is meant.
    pub key: String,
    /// Where the value was written: `gateway.toml line 12` or an environment variable; empty when nowhere.
    pub place: String,
    /// What is wrong and what would be right.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.is_empty(), self.place.is_empty()) {
            (false, false) => write!(f, "{} ({}): {}", self.key, self.place, self.text),
            (false, true) => write!(f, "{}: {}", self.key, self.text),
            (true, false) => write!(f, "{}: {}", self.place, self.text),
            (true, true) => f.write_str(&self.text),
        }
    }
}

/// Everything that is wrong with a configuration, found in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => writeln!(f, "the configuration has 1 problem:")?,
            n => writeln!(f, "the configuration has {n} problems:")?,
        }
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Problems and warnings of one run.
pub(super) struct Report {
    /// Name of the file, for the place of a problem.
    source: String,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<String>>,
}

impl Report {
    pub(super) fn new(source: String, problems: Vec<Problem>) -> Self {
        Self { source, problems: RefCell::new(problems), warnings: RefCell::default() }
    }

    /// Writes down what is wrong with `key`; `origin` is where it stands, if it stands anywhere.
    pub(super) fn problem(&self, key: String, origin: Option<&Origin>, text: String) {
        let place = origin.map(|origin| origin.place(&self.source)).unwrap_or_default();
        self.problems.borrow_mut().push(Problem { key, place, text });
    }

    /// Writes down a setting that deserves a second look.
    pub(super) fn warning(&self, text: String) {
        self.warnings.borrow_mut().push(text);
    }

    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<String>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }
}

/// The known name that `word` was probably meant to be, if one is close enough to be worth saying.
pub(super) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong: `lisen` finds `listen`, while `x` finds nothing at all.
    let limit = (word.chars().count() / 3).clamp(1, 4);
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&word, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= limit && *distance < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The end of a sentence about a name that is not known: a suggestion, else everything that is known.
pub(super) fn suggest(word: &str, what: &str, known: &[&str]) -> String {
    match closest(word, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known {what}: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_word_and_nonsense_finds_none() {
        let known = ["listen", "admin_listen", "base_path"];
        for (word, want) in [
            ("lisen", Some("listen")),
            ("Listen", Some("listen")),
            ("basepath", Some("base_path")),
            ("adminlisten", Some("admin_listen")),
            ("x", None),
            ("", None),
            ("port", None),
        ] {
            assert_eq!(closest(word, known), want, "{word}");
        }
    }

    #[test]
    fn a_problem_names_what_it_knows() {
        let problem = |key: &str, place: &str| {
            Problem { key: key.into(), place: place.into(), text: "bad".into() }.to_string()
        };
        assert_eq!(problem("a.b", "x.toml line 3"), "a.b (x.toml line 3): bad");
        assert_eq!(problem("a.b", ""), "a.b: bad");
        assert_eq!(problem("", "x.toml line 3"), "x.toml line 3: bad");
        assert_eq!(problem("", ""), "bad");
    }
}
