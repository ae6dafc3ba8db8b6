//! `[store]` and `[redis]`: where the gateway remembers what must outlive it. This version shares nothing; a Redis
//! address is refused rather than ignored, because replicas that only seem to share a budget would overspend it
//! together.

use std::path::PathBuf;

use super::kind;
use super::reader::Reader;
use super::secret::Secret;
use super::writer::Writer;

/// The embedded durable store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Its directory; made when missing.
    pub path: PathBuf,
    /// Bytes of the log of writes.
    pub audit_size: u64,
}

/// State shared by replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// Its address, which may hold a password.
    pub url: Option<Secret>,
}

impl Store {
    pub(super) fn read(r: &Reader<'_>) -> Option<Self> {
        let path = r.get("path", &kind::path("data"));
        let audit_size = r.get("audit_size", &kind::size("64KiB", "16GiB", "64MiB"));
        Some(Self { path: path?, audit_size: audit_size? })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.section(&["store"]);
        w.path("path", Some(&self.path));
        w.size("audit_size", self.audit_size);
    }
}

impl Redis {
    pub(super) fn read(r: &Reader<'_>) -> Option<Self> {
        let url = r.secret("url")?;
        not_available(r, &[("url", url.is_some())]);
        Some(Self { url })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.section(&["redis"]);
        w.secret("url", self.url.as_ref());
    }
}

/// Refuses settings that this version knows but cannot honour.
pub(super) fn not_available(r: &Reader<'_>, set: &[(&str, bool)]) {
    for (key, _) in set.iter().filter(|(_, set)| *set) {
        r.problem(key, "not available in this version; remove it");
    }
}
