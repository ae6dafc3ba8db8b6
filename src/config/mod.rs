//! What can be set, one file per section. [`Config::load`] lays three layers over one another: the embedded
//! defaults (`default.toml`), a TOML file, and environment variables named `CRM_GATEWAY__SECTION__KEY`. It
//! gives either a configuration in which everything has been checked, or every problem it has, at once.
//!
//! The environment is passed in, so that nothing here depends on the process it runs in. Files are read only
//! where the configuration names them: the file itself and the secrets given as `x_file`. Relative paths
//! start at the working directory.

mod alfacrm;
mod auth;
mod cache;
mod consumers;
mod cryptocrm;
mod environment;
mod key;
mod kind;
mod mapping;
pub mod operations;
mod problem;
mod reader;
mod secret;
mod server;
mod store;
mod telemetry;
mod tree;
mod units;
mod upstream;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use alfacrm::{AlfaCrm, Mark, MarkField};
pub use auth::{Jwks, Jwt};
pub use cache::{Cache, Policy, RESOURCES};
pub use consumers::{Access, BEARERS, Class, Consumer, Mask, RESERVED, Rights, SCOPE_RESOURCES, Scope};
pub use cryptocrm::{CryptoCrm, DynamicAt, Envelope, FilterDate, Semantics, Shape};
pub use key::{Key, KeyHash, parse_expires};
pub use mapping::{FieldKind, FieldRule};
pub use problem::{Problem, Problems};
pub use secret::Secret;
pub use server::Server;
pub use store::{Redis, Store};
pub use telemetry::{LogFormat, Telemetry};
pub use upstream::Quota;

use problem::Report;
use reader::Reader;
use tree::Table;
use writer::Writer;

const DEFAULTS: &str = include_str!("default.toml");

/// The whole configuration, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Listeners and limits.
    pub server: Server,
    /// AlfaCRM, when it is used. At least one CRM is.
    pub alfacrm: Option<AlfaCrm>,
    /// The Crypto CRM, when it is used.
    pub cryptocrm: Option<CryptoCrm>,
    /// What is kept, and how old it may be.
    pub cache: Cache,
    /// Who may call, in the order of the file.
    pub consumers: Vec<Consumer>,
    /// End users with tokens.
    pub jwt: Option<Jwt>,
    /// The durable store.
    pub store: Store,
    /// State shared by replicas.
    pub redis: Redis,
    /// Logs and traces.
    pub telemetry: Telemetry,
    /// Settings that are legal but deserve a second look, one sentence each, beginning with the key.
    pub warnings: Vec<String>,
}

impl Config {
    /// Loads defaults, then `file`, then the variables in `env` that begin with `CRM_GATEWAY__`.
    ///
    /// # Errors
    /// Every problem of the configuration at once. A file that cannot be read or is not TOML hides the
    /// problems of its content.
    pub fn load(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let Some(file) = file else {
            return Self::read("", String::new(), env);
        };
        let source = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| {
            let text = format!("cannot read the configuration: {error}");
            Problems(vec![Problem { key: String::new(), place: source.clone(), text }])
        })?;
        Self::read(&text, source, env)
    }

    /// Loads defaults and a TOML text, without any environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_toml(text: &str) -> Result<Self, Problems> {
        Self::read(text, String::new(), [])
    }

    fn read(
        text: &str,
        source: String,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let mut user = tree::parse(text, &source).map_err(Problems)?;
        let mut problems = Vec::new();
        environment::overlay(&mut user, env, &mut problems);
        Self::from_tree(tree::layered(user), Report::new(source, problems))
    }

    fn from_tree(tree: Table, report: Report) -> Result<Self, Problems> {
        let config = Reader::root(&tree, &report, |r| {
            let server = r.section("server", Server::read);
            let alfacrm = r.optional_section("alfacrm", AlfaCrm::read);
            let cryptocrm = r.optional_section("cryptocrm", CryptoCrm::read);
            let cache = r.section("cache", Cache::read);
            let consumers = r.section("consumers", Consumer::read_all);
            let jwt = r.section("auth", Jwt::read);
            let store = r.section("store", Store::read);
            let redis = r.section("redis", Redis::read);
            let telemetry = r.section("telemetry", Telemetry::read);
            let (alfacrm, cryptocrm, consumers) = (alfacrm?, cryptocrm?, consumers?);
            if alfacrm.is_none() && cryptocrm.is_none() {
                r.problem_here("no CRM is configured: add [alfacrm] or [cryptocrm]");
            }
            if consumers.is_empty() {
                r.warn("consumers", "there are none, so every call is refused");
            }
            warn_of_foreign_branches(r, alfacrm.as_ref(), &consumers);
            Some(Self {
                server: server?,
                alfacrm,
                cryptocrm,
                cache: cache?,
                consumers,
                jwt: jwt?,
                store: store?,
                redis: redis?,
                telemetry: telemetry?,
                warnings: Vec::new(),
            })
        });
        let (problems, warnings) = report.into_parts();
        match config {
            Some(config) if problems.is_empty() => Ok(Self { warnings, ..config }),
            _ => Err(Problems(problems)),
        }
    }

    /// The whole effective configuration as TOML, with secrets and key hashes written as `***`. Apart from
    /// those it can be loaded and gives the same configuration.
    pub fn effective(&self) -> String {
        let mut w = Writer::new();
        self.server.write(&mut w);
        if let Some(alfacrm) = &self.alfacrm {
            alfacrm.write(&mut w);
        }
        if let Some(cryptocrm) = &self.cryptocrm {
            cryptocrm.write(&mut w);
        }
        self.cache.write(&mut w);
        for consumer in &self.consumers {
            consumer.write(&mut w);
        }
        if let Some(jwt) = &self.jwt {
            jwt.write(&mut w);
        }
        self.store.write(&mut w);
        self.redis.write(&mut w);
        self.telemetry.write(&mut w);
        w.finish()
    }
}

/// A consumer limited to a branch that the gateway was told not to work with sees less than it is promised.
fn warn_of_foreign_branches(r: &Reader<'_>, alfacrm: Option<&AlfaCrm>, consumers: &[Consumer]) {
    let Some(branches) = alfacrm.map(|alfacrm| &alfacrm.branches).filter(|list| !list.is_empty()) else {
        return;
    };
    for consumer in consumers {
        let own = consumer.branches.iter().flatten();
        let foreign: Vec<_> = own.filter(|id| !branches.contains(id)).map(u64::to_string).collect();
        if !foreign.is_empty() {
            let text = format!("names branches that alfacrm.branches leaves out: {}", foreign.join(", "));
            r.warn("consumers", format!("`{}` {text}", consumer.name));
        }
    }
}
