//! `[auth.jwt]`: end users of mobile apps who come with a token of the school's own identity provider. The
//! section is read and checked whole, but this version cannot verify tokens, so switching it on is refused:
//! a gateway that ignored it would turn away users whom its operator believes to be let in.

use std::path::PathBuf;

use super::consumers::{Class, Mask, Rights, Scope};
use super::kind;
use super::reader::Reader;
use super::store::not_available;
use super::writer::Writer;

/// How tokens are verified and what their bearers may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// Where the provider publishes its keys.
    pub jwks_url: Option<String>,
    /// The keys in a file instead.
    pub jwks_file: Option<PathBuf>,
    /// The `iss` a token must have.
    pub issuer: Option<String>,
    /// The `aud` a token must have.
    pub audience: Option<String>,
    /// The most a token may have; its `scope` claim narrows this.
    pub scopes: Vec<Scope>,
    /// The claim that lists the only students a token may see.
    pub student_claim: String,
    /// How urgent the calls are.
    pub class: Class,
    /// Share of each subject among those of its class.
    pub weight: u32,
    /// Requests per second of each subject.
    pub rate_limit: u32,
    /// Fields the bearers may not see.
    pub mask: Vec<Mask>,
}

impl Jwt {
    /// Reads `[auth]`. `None` inside: tokens are switched off.
    pub(super) fn read(r: &Reader<'_>) -> Option<Option<Self>> {
        r.section("jwt", |r| {
            let jwks_url = r.optional("jwks_url", &kind::text("https://id.example/keys"));
            let jwks_file = r.optional("jwks_file", &kind::path("keys.json"));
            let issuer = r.optional("issuer", &kind::text("https://id.example"));
            let audience = r.optional("audience", &kind::text("crm-gateway"));
            let student_claim = r.get("student_claim", &kind::text("student_ids"));
            let rights = Rights::read(r);
            let (jwks_url, jwks_file, issuer, audience) = (jwks_url?, jwks_file?, issuer?, audience?);
            let set = [
                ("jwks_url", jwks_url.is_some()),
                ("jwks_file", jwks_file.is_some()),
                ("issuer", issuer.is_some()),
                ("audience", audience.is_some()),
            ];
            not_available(r, &set);
            let (student_claim, rights) = (student_claim?, rights?);
            if set.iter().all(|(_, set)| !set) {
                return Some(None);
            }
            Some(Some(Self {
                jwks_url,
                jwks_file,
                issuer,
                audience,
                scopes: rights.scopes,
                student_claim,
                class: rights.class,
                weight: rights.weight,
                rate_limit: rights.rate_limit,
                mask: rights.mask,
            }))
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.section(&["auth", "jwt"]);
        w.optional("jwks_url", self.jwks_url.as_deref());
        w.path("jwks_file", self.jwks_file.as_ref());
        w.optional("issuer", self.issuer.as_deref());
        w.optional("audience", self.audience.as_deref());
        w.text("student_claim", &self.student_claim);
        Rights::write(w, &self.scopes, self.class, self.weight, self.rate_limit, &self.mask);
    }
}
