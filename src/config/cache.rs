//! `[cache]`: how much is kept, and for each resource how old an answer may be. The three windows follow one
//! another: an answer is `fresh`; then, for `stale` longer, it is given at once while a new one is fetched;
//! and when the CRM cannot answer, it may still be given until `if_error` after its freshness ended.

use std::collections::BTreeMap;
use std::time::Duration;

use super::kind;
use super::reader::Reader;
use super::writer::Writer;

/// Every resource that has a policy; a policy for any other is a mistake.
pub const RESOURCES: [&str; 24] = [
    "students",
    "lessons",
    "schedules",
    "groups",
    "members",
    "teachers",
    "working_hours",
    "rates",
    "payments",
    "tasks",
    "tariffs",
    "subscriptions",
    "discounts",
    "bonus",
    "communications",
    "calendars",
    "projects",
    "steps",
    "actions",
    "checklists",
    "goods",
    "reference",
    "history",
    "messages",
];

/// Size and windows of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Memory for kept answers, in bytes.
    pub max_size: u64,
    /// One policy for each of [`RESOURCES`].
    pub policy: BTreeMap<String, Policy>,
}

/// How old an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Age up to which an answer is given without asking the CRM.
    pub fresh: Duration,
    /// How much longer it is given at once while a new one is fetched; zero: never.
    pub stale: Duration,
    /// How long after its freshness ended it is given when the CRM cannot answer; zero: never.
    pub if_error: Duration,
}

impl Cache {
    pub(super) fn read(r: &Reader<'_>) -> Option<Self> {
        let max_size = r.get("max_size", &kind::size("1MiB", "64GiB", "256MiB"));
        let policy = r.section("policy", |r| {
            let one = |name: &&str| r.section(name, Policy::read).map(|policy| ((*name).to_owned(), policy));
            let all: Vec<_> = RESOURCES.iter().map(one).collect();
            all.into_iter().collect::<Option<_>>()
        });
        Some(Self { max_size: max_size?, policy: policy? })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.section(&["cache"]);
        w.size("max_size", self.max_size);
        for (name, policy) in &self.policy {
            w.section(&["cache", "policy", name]);
            w.duration("fresh", policy.fresh);
            w.duration("stale", policy.stale);
            w.duration("if_error", policy.if_error);
        }
    }
}

impl Policy {
    fn read(r: &Reader<'_>) -> Option<Self> {
        let fresh = r.get("fresh", &kind::duration("0s", "30d", "60s"));
        let stale = r.get("stale", &kind::duration("0s", "30d", "10m"));
        let if_error = r.get("if_error", &kind::duration("0s", "30d", "24h"));
        let policy = Self { fresh: fresh?, stale: stale?, if_error: if_error? };
        if policy.if_error < policy.stale {
            r.warn(
                "if_error",
                "shorter than `stale`: an answer is then still given for the whole of `stale`",
            );
        }
        Some(policy)
    }
}
