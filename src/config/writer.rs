//! Writes the effective configuration as TOML that can be loaded again, apart from the secrets, which are
//! written as `***`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::show_key;
use super::secret::{MASK, Secret};
use super::units::{show_duration, show_size};

pub(super) struct Writer(String);

impl Writer {
    pub(super) fn new() -> Self {
        Self(String::new())
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    /// Begins a table; the parts of its path are quoted where they must be.
    pub(super) fn section(&mut self, path: &[&str]) {
        let path: Vec<_> = path.iter().map(|part| show_key(part)).collect();
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.0 += &format!("{gap}[{}]\n", path.join("."));
    }

    pub(super) fn comment(&mut self, text: &str) {
        self.0 += &format!("# {text}\n");
    }

    pub(super) fn plain(&mut self, key: &str, value: impl Display) {
        self.0 += &format!("{} = {value}\n", show_key(key));
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.plain(key, quote(value));
    }

    pub(super) fn optional(&mut self, key: &str, value: Option<&str>) {
        self.text(key, value.unwrap_or_default());
    }

    pub(super) fn path(&mut self, key: &str, value: Option<&PathBuf>) {
        self.text(key, &value.map(|path| path.display().to_string()).unwrap_or_default());
    }

    pub(super) fn secret(&mut self, key: &str, value: Option<&Secret>) {
        self.text(key, if value.is_some() { MASK } else { "" });
    }

    pub(super) fn duration(&mut self, key: &str, value: Duration) {
        self.text(key, &show_duration(value));
    }

    pub(super) fn size(&mut self, key: &str, value: u64) {
        self.text(key, &show_size(value));
    }

    pub(super) fn texts(&mut self, key: &str, items: impl IntoIterator<Item = impl AsRef<str>>) {
        self.plain(key, quoted_list(items));
    }

    pub(super) fn numbers(&mut self, key: &str, items: &[u64]) {
        self.plain(key, format!("{items:?}"));
    }

    /// `{ 1 = "RUB" }` on one line.
    pub(super) fn numbered(&mut self, key: &str, items: &BTreeMap<u64, String>) {
        let pairs: Vec<_> = items.iter().map(|(id, name)| format!("{id} = {}", quote(name))).collect();
        self.plain(key, format!("{{ {} }}", pairs.join(", ")));
    }

    /// `{ batch = 0.1 }` on one line.
    pub(super) fn pairs<V: std::fmt::Debug>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = (impl AsRef<str>, V)>,
    ) {
        let pairs: Vec<_> = items
            .into_iter()
            .map(|(name, value)| format!("{} = {value:?}", show_key(name.as_ref())))
            .collect();
        self.plain(
            key,
            if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) },
        );
    }
}

/// A text as TOML writes it, on one line.
pub(super) fn quote(text: &str) -> String {
    let escape = |c: char| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

pub(super) fn quoted_list(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| quote(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}
