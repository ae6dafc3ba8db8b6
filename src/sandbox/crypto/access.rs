//! Who may call the simulator: the base path it answers under and the pair of secrets a caller must show.
//! The secrets are invented; they open nothing but this simulator.

use http::HeaderMap;
use subtle::ConstantTimeEq;

use super::refusal::Refusal;

/// First header of a call, see section 2 of the CRM's reference.
pub(super) const TOKEN_HEADER: &str = "x-crypto-token";
/// Second header of a call.
pub(super) const SECRET_HEADER: &str = "x-crypto-secret";

/// Shorter header values are no secrets; taking them out of a text would only spoil it.
const SHORTEST_SECRET: usize = 8;

const INVENTED_TOKEN: &str = "5a9d0c1e5a9d0c1e5a9d0c1e5a9d0c1e5a9d0c1e5a9d0c1e5a9d0c1e5a9d0c1e";
const INVENTED_SECRET: &str = "b7e46f20b7e46f20b7e46f20b7e46f20b7e46f20b7e46f20b7e46f20b7e46f20\
                               b7e46f20b7e46f20b7e46f20b7e46f20b7e46f20b7e46f20b7e46f20b7e46f20";

/// The pair of secrets that every call must carry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Value of `X-Crypto-Token`; samples have 64 hexadecimal characters.
    pub token: String,
    /// Value of `X-Crypto-Secret`; samples have 128 hexadecimal characters.
    pub secret: String,
}

impl Default for Credentials {
    /// The invented pair of the demo.
    fn default() -> Self {
        Self { token: INVENTED_TOKEN.to_owned(), secret: INVENTED_SECRET.to_owned() }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(***)")
    }
}

impl Credentials {
    /// Checks both headers: one missing or empty is "who are you", a wrong one is "not you" (assumption A27).
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let (Some(token), Some(secret)) = (shown(headers, TOKEN_HEADER), shown(headers, SECRET_HEADER))
        else {
            return Err(Refusal::Unauthorized);
        };
        // Both are always compared, so that the time does not tell which one was wrong.
        let right = token.ct_eq(self.token.as_bytes()) & secret.ct_eq(self.secret.as_bytes());
        if bool::from(right) { Ok(()) } else { Err(Refusal::Forbidden("Access denied")) }
    }

    /// `text` without any secret that is known here or was shown with the call.
    pub(super) fn scrub(&self, text: &str, headers: &HeaderMap) -> String {
        let shown = [TOKEN_HEADER, SECRET_HEADER]
            .into_iter()
            .filter_map(|name| headers.get(name)?.to_str().ok())
            .filter(|value| value.len() >= SHORTEST_SECRET);
        [self.token.as_str(), self.secret.as_str()]
            .into_iter()
            .chain(shown)
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

fn shown<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    headers.get(name).map(http::HeaderValue::as_bytes).filter(|value| !value.is_empty())
}

/// Where the simulator answers and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Path in front of `/projects`; the document has `/backend/public`.
    pub base_path: String,
    /// What a caller must show.
    pub credentials: Credentials,
}

impl Default for Access {
    fn default() -> Self {
        Self { base_path: "/backend/public".to_owned(), credentials: Credentials::default() }
    }
}

impl Access {
    /// The base path with one leading slash and none at the end; empty for the root.
    pub(super) fn prefix(&self) -> String {
        let path = self.base_path.trim_matches('/');
        if path.is_empty() { String::new() } else { format!("/{path}") }
    }
}
