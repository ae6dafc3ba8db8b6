//! `[auth.jwt]`: end users of mobile apps who come with a token of the school's own identity provider. As long as
//! neither address nor file of its keys is set, tokens are not accepted.

use std::path::PathBuf;
use std::time::Duration;

use super::consumers::Rights;
use super::kind::{self, Kind};
use super::reader::Reader;
use super::upstream::{is_clear, split_origin};
use super::writer::Writer;

/// How tokens are verified and what their bearers may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// Where the keys are.
    pub jwks: Jwks,
    /// The `iss` a token must have.
    pub issuer: String,
    /// The `aud` a token must have.
    pub audience: String,
    /// How far the provider's clock may be from ours.
    pub clock_skew: Duration,
    /// The claim that lists the only students a token may see.
    pub student_claim: String,
    /// The most a token may have (its `scope` claim narrows the scopes), and how the calls of each subject rank.
    pub rights: Rights,
}

/// Where the provider's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jwks {
    /// Published at an address: scheme and host, and the rest.
    Url {
        /// `https://id.example`
        origin: String,
        /// `/keys`
        path: String,
    },
    /// In a file.
    File(PathBuf),
}

impl Jwt {
    /// Reads `[auth]`. `None` inside: tokens are switched off.
    pub(super) fn read(r: &Reader<'_>) -> Option<Option<Self>> {
        r.section("jwt", |r| {
            let url = r.optional("jwks_url", &address());
            let file = r.optional("jwks_file", &kind::path("keys.json"));
            let issuer = r.optional("issuer", &kind::text("https://id.example"));
            let audience = r.optional("audience", &kind::text("crm-gateway"));
            let clock_skew = r.get("clock_skew", &kind::duration("0s", "10m", "60s"));
            let student_claim = r.get("student_claim", &kind::text("student_ids"));
            let rights = Rights::read(r);
            let (url, file, issuer, audience) = (url?, file?, issuer?, audience?);
            let (student_claim, rights, clock_skew) = (student_claim?, rights?, clock_skew?);
            let jwks = match (url, file) {
                (None, None) => {
                    // Whoever set these believes that tokens are let in.
                    for (key, set) in [("issuer", issuer.is_some()), ("audience", audience.is_some())] {
                        if set {
                            r.problem(
                                key,
                                "says whose tokens are good, and jwks_url or jwks_file is missing",
                            );
                        }
                    }
                    return Some(None);
                }
                (Some(_), Some(_)) => {
                    r.problem("jwks_file", "jwks_url is set as well; keep only one of the two");
                    return None;
                }
                (Some((origin, path)), None) => {
                    if is_clear(&origin) {
                        r.warn(
                            "jwks_url",
                            "over http:// anybody on the way can put keys of his own in; use https://",
                        );
                    }
                    Jwks::Url { origin, path }
                }
                (None, Some(file)) => Jwks::File(file),
            };
            let needed = |key: &str, value: Option<String>| {
                if value.is_none() {
                    r.problem(key, "is needed: without it any token of the provider would be good here");
                }
                value
            };
            let (issuer, audience) = (needed("issuer", issuer), needed("audience", audience));
            Some(Some(Self { jwks, issuer: issuer?, audience: audience?, clock_skew, student_claim, rights }))
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.section(&["auth", "jwt"]);
        match &self.jwks {
            Jwks::Url { origin, path } => w.text("jwks_url", &format!("{origin}{path}")),
            Jwks::File(file) => w.path("jwks_file", Some(file)),
        }
        w.text("issuer", &self.issuer);
        w.text("audience", &self.audience);
        w.duration("clock_skew", self.clock_skew);
        w.text("student_claim", &self.student_claim);
        self.rights.write(w);
    }
}

/// A fixed address: nothing in a token can make the gateway ask another.
fn address() -> Kind<(String, String)> {
    Kind::text("an address such as \"https://id.example/keys\"", split_origin)
}
