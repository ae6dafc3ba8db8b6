//! API keys: how they are made, and the only form in which they are kept.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};

/// What every key starts with, so that scanners for leaked secrets can know it.
const PREFIX: &str = "crmgw_";

/// A new key: `crmgw_` and 32 random bytes in URL-safe base64.
pub fn new_key() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 of a key. Keys are random, so a slow hash would protect nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for KeyHash {
    fn from(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

/// A text that is no hash of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not `sha256:` and 64 hexadecimal digits; `crm-gateway key new NAME` prints one")]
pub struct BadKeyHash;

impl FromStr for KeyHash {
    type Err = BadKeyHash;

    fn from_str(text: &str) -> Result<Self, BadKeyHash> {
        let digits = text.strip_prefix("sha256:").ok_or(BadKeyHash)?.as_bytes();
        if digits.len() != 64 {
            return Err(BadKeyHash);
        }
        let mut hash = [0_u8; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(BadKeyHash);
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).map_err(|_| BadKeyHash)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = KeyHash::of("crmgw_example");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse::<KeyHash>(), Err(BadKeyHash));
        for bad in ["", "sha256:", "sha256:zz", "md5:00", &format!("sha256:{}", "ж".repeat(32))] {
            assert_eq!(bad.parse::<KeyHash>(), Err(BadKeyHash), "{bad}");
        }
    }

    #[test]
    fn keys_are_long_and_never_the_same() {
        let key = new_key();
        assert_eq!(key.len(), PREFIX.len() + 43);
        assert!(key.starts_with(PREFIX));
        assert_ne!(key, new_key());
    }

    #[test]
    fn a_hash_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", KeyHash::of("key")), "***");
    }
}
