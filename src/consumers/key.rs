//! API keys: how they are made, and the only form in which they are kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};

use crate::config::KeyHash;

/// What every key starts with, so that scanners for leaked secrets can know it.
const PREFIX: &str = "crmgw_";

/// A new key: `crmgw_` and 32 random bytes in URL-safe base64.
pub fn new_key() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The hash of a key. Keys are random, so a slow hash would protect nothing.
pub fn hash(key: &str) -> KeyHash {
    KeyHash(Sha256::digest(key.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_and_never_the_same() {
        let key = new_key();
        assert_eq!(key.len(), PREFIX.len() + 43);
        assert!(key.starts_with(PREFIX));
        assert_ne!(key, new_key());
    }

    #[test]
    fn a_hash_is_what_other_tools_say_it_is() {
        let known = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash("abc").to_string(), known);
    }
}
