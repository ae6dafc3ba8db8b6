//! A text that must not be seen. It prints `***` wherever it is printed, so that a log line, a panic or a
//! debug dump of the configuration gives nothing away; the only way to the value is to ask for it by name.
//! Here too is how a secret is read: from its key, or from the file that `x_file` names.

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use super::kind::{self, Kind};
use super::reader::Reader;

/// What is printed in place of a secret.
pub(super) const MASK: &str = "***";

/// A secret: `Debug` and `Display` print `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that must not be printed.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that sends or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Reader<'_> {
    /// A secret, given as `key` or, as the path of a file that holds it, as `key_file`.
    pub(super) fn secret(&self, key: &str) -> Option<Option<Secret>> {
        let file_key = format!("{key}_file");
        let given = self.optional(key, &secret_kind());
        let file = self.optional(&file_key, &kind::path("/run/secrets/crm"));
        match (given?, file?) {
            (Some(_), Some(_)) => {
                self.problem(&file_key, format!("`{key}` is set as well; keep only one of the two"));
                None
            }
            (given, None) => Some(given),
            (None, Some(path)) => match read_secret(&path) {
                Ok(secret) => Some(Some(secret)),
                Err(text) => {
                    self.problem(&file_key, text);
                    None
                }
            },
        }
    }

    /// A secret without which the section makes no sense.
    pub(super) fn required_secret(&self, key: &str) -> Option<Secret> {
        let secret = self.secret(key)?;
        if secret.is_none() {
            self.problem(
                key,
                format!("required: a text, or `{key}_file` with the path of a file that holds it"),
            );
        }
        secret
    }
}

/// Secrets travel in headers and JSON, where anything but visible ASCII is a pasting accident.
fn secret_kind() -> Kind<Secret> {
    Kind::text("a secret in visible ASCII characters", |text| check_secret(text).map_err(str::to_owned))
        .unquoted()
}

fn check_secret(text: &str) -> Result<Secret, &'static str> {
    if text == MASK {
        return Err("these stars only stand for a secret in what `crm-gateway check` prints");
    }
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Secret::new(text)),
        false => Err("it holds a space, a line break or a letter outside ASCII"),
    }
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    const LIMIT: u64 = 64 * 1024;
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LIMIT).read_to_string(&mut text))
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    check_secret(line)
        .map_err(|hint| format!("{}: expected a secret in visible ASCII characters: {hint}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_stars_and_gives_its_value_when_asked() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
