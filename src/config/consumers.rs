//! `[consumers.NAME]`: who may call the gateway, what each may see and do, and how its calls rank. A key is
//! stored as its hash only; `crm-gateway key new` makes both. `[auth.jwt]` shares these words.

use std::fmt;
use std::str::FromStr;

use super::key::{Key, key};
use super::kind::{self, Kind, word};
use super::problem::suggest;
use super::reader::Reader;
use super::secret::MASK;
use super::writer::{Writer, quote};

/// One who calls the gateway with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its name in metrics and logs.
    pub name: String,
    /// Its keys; two while one is exchanged for another.
    pub key_hashes: Vec<Key>,
    /// AlfaCRM branches it may see; `None`: all.
    pub branches: Option<Vec<u64>>,
    /// What else it may, and how its calls rank.
    pub rights: Rights,
}

/// Something a consumer may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything, written `*`.
    All,
    /// One kind of access to one resource, written `students:read`.
    Of {
        /// One of [`SCOPE_RESOURCES`].
        resource: String,
        /// What may be done with it.
        access: Access,
    },
}

/// What may be done with a resource. `Write` does not include `Read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Look.
    Read,
    /// Create, change, delete.
    Write,
}

impl Access {
    /// The word in scopes.
    pub fn name(self) -> &'static str {
        word(&ACCESSES, &self)
    }
}

/// How urgent a consumer's calls are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A person is waiting.
    Interactive,
    /// Another company's system.
    Partner,
    /// Nightly work that may wait.
    Batch,
}

impl Mask {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        word(&MASKS, &self)
    }
}

/// A group of fields that can be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// Phones, addresses, e-mail.
    Contacts,
    /// Money on account.
    Balances,
    /// Free text about people.
    Notes,
}

/// The first segments of the API's paths, after which scopes are named, and `admin`: what operators see besides.
pub const SCOPE_RESOURCES: [&str; 15] = [
    "students",
    "lessons",
    "schedules",
    "groups",
    "teachers",
    "payments",
    "tasks",
    "tariffs",
    "projects",
    "reference",
    "history",
    "messages",
    "search",
    "quota",
    "admin",
];

/// The name under which is counted what the gateway does for all; no consumer has it.
pub const RESERVED: &str = "gateway";

/// The name under which bearers of tokens are counted, all of them; no consumer has it either.
pub const BEARERS: &str = "jwt";

/// Resources that nothing can be written to, so that `:write` promises what it cannot give.
const READ_ONLY: [&str; 8] =
    ["tariffs", "projects", "reference", "history", "messages", "search", "quota", "admin"];

const ACCESSES: [(&str, Access); 2] = [("read", Access::Read), ("write", Access::Write)];
const CLASSES: [(&str, Class); 3] =
    [("interactive", Class::Interactive), ("partner", Class::Partner), ("batch", Class::Batch)];
const MASKS: [(&str, Mask); 3] =
    [("contacts", Mask::Contacts), ("balances", Mask::Balances), ("notes", Mask::Notes)];

/// What a consumer and the bearer of a token have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What it may do; of a token, the most that it may.
    pub scopes: Vec<Scope>,
    /// How urgent its calls are.
    pub class: Class,
    /// Its share of the budget among consumers of its class.
    pub weight: u32,
    /// Requests per second it may send to the gateway.
    pub rate_limit: u32,
    /// Calls of the CRMs that it may cause in a day; `None`: as many as there are.
    pub daily_budget: Option<u64>,
    /// Fields it may not see.
    pub mask: Vec<Mask>,
}

impl Rights {
    pub(super) fn read(r: &Reader<'_>) -> Option<Self> {
        let scopes = r.list("scopes", &scope());
        let class = r.get("class", &kind::choice(&CLASSES));
        let weight = r.get("weight", &kind::whole(1..=1000, 1));
        let rate_limit = r.get("rate_limit", &kind::whole(1..=1_000_000, 100));
        let daily_budget = r.optional("daily_budget", &kind::whole(0..=1_000_000_000, 20_000));
        let mask = r.list("mask", &kind::choice(&MASKS));
        let (scopes, class) = (scopes?, class?);
        for scope in &scopes {
            if let Scope::Of { resource, access: Access::Write } = scope
                && READ_ONLY.contains(&resource.as_str())
            {
                r.warn("scopes", format!("\"{resource}:write\" grants nothing, {resource} can only be read"));
            }
        }
        if class == Class::Partner && scopes.contains(&Scope::All) {
            r.warn("scopes", "\"*\" lets another company read and change everything");
        }
        let (weight, rate_limit, daily_budget) = (weight?, rate_limit?, daily_budget?);
        Some(Self { scopes, class, weight, rate_limit, daily_budget, mask: mask? })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.texts("scopes", self.scopes.iter().map(Scope::to_string));
        w.text("class", word(&CLASSES, &self.class));
        w.plain("weight", self.weight);
        w.plain("rate_limit", self.rate_limit);
        match self.daily_budget {
            Some(calls) => w.plain("daily_budget", calls),
            None => w.comment("daily_budget: no bound"),
        }
        w.texts("mask", self.mask.iter().map(|mask| word(&MASKS, mask)));
    }
}

impl Consumer {
    /// Reads `[consumers]`, in the order of the file.
    pub(super) fn read_all(r: &Reader<'_>) -> Option<Vec<Self>> {
        let all = r.named(|name, r| {
            let consumer = Self::read(name, r);
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let good = name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphanumeric());
            if !good || name.len() > 64 {
                r.problem_here(
                    "a consumer's name has up to 64 letters, digits, dashes, dots and underscores",
                );
                return None;
            }
            if name == RESERVED {
                r.problem_here("this name is the gateway's own: what it does for all is counted under it");
                return None;
            }
            if name == BEARERS {
                r.problem_here("this name is that of all who come with tokens");
                return None;
            }
            consumer
        })?;
        let all: Vec<Self> = all.into_iter().map(|(_, consumer)| consumer).collect();
        let mut unique = true;
        for (i, consumer) in all.iter().enumerate() {
            for other in &all[..i] {
                let same = |key: &Key| other.key_hashes.iter().any(|theirs| theirs.hash == key.hash);
                if consumer.key_hashes.iter().any(same) {
                    let text = format!("a key of `{}` is listed here too; a key tells who calls", other.name);
                    r.problem(&consumer.name, text);
                    unique = false;
                }
            }
        }
        unique.then_some(all)
    }

    fn read(name: &str, r: &Reader<'_>) -> Option<Self> {
        let key_hashes = r.list("key_hashes", &key());
        let rights = Rights::read(r);
        let branches = r.optional_list("branches", &kind::id());
        let (key_hashes, rights, branches) = (key_hashes?, rights?, branches?);
        if key_hashes.is_empty() {
            r.warn("key_hashes", "no key, so nobody can call as this consumer");
        }
        if rights.scopes.is_empty() {
            r.warn("scopes", "no scope, so this consumer may do nothing");
        }
        if branches.as_ref().is_some_and(Vec::is_empty) {
            r.warn("branches", "an empty list shows no branch; leave the key out to show all");
        }
        Some(Self { name: name.to_owned(), key_hashes, branches, rights })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.section(&["consumers", &self.name]);
        let keys = self.key_hashes.iter().map(|key| match key.expires {
            None => quote(MASK),
            Some(expires) => format!("{{ hash = {}, expires = {expires} }}", quote(MASK)),
        });
        w.plain("key_hashes", format!("[{}]", keys.collect::<Vec<_>>().join(", ")));
        self.rights.write(w);
        match &self.branches {
            Some(branches) => w.numbers("branches", branches),
            None => w.comment("branches: all"),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Of { resource, access } => write!(f, "{resource}:{}", access.name()),
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::All);
        }
        let Some((resource, access)) = text.split_once(':') else {
            return Err("a resource and what may be done with it, joined by a colon".into());
        };
        if !SCOPE_RESOURCES.contains(&resource) {
            let hint = suggest(resource, "resources", &SCOPE_RESOURCES);
            return Err(format!("there is no resource of that name; {hint}"));
        }
        match ACCESSES.iter().find(|(word, _)| *word == access) {
            Some((_, access)) => Ok(Self::Of { resource: resource.to_owned(), access: *access }),
            None => Err("after the colon stands read or write".into()),
        }
    }
}

fn scope() -> Kind<Scope> {
    Kind::text("a scope such as \"students:read\", or \"*\"", str::parse)
}
