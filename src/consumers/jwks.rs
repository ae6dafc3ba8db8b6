//! The keys that tokens are signed with, as their provider publishes them (RFC 7517). Public keys alone: a secret that
//! signs would let anybody sign who can read the set.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::signature::{Error as BadSignature, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;

/// Keys that are kept of one set.
const MOST: usize = 100;

/// A set of keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Jwks(Vec<Key>);

#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
    /// As it was published, to know it again.
    text: String,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Why a text is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadJwks {
    /// Something else.
    #[error("is no JWK set: a JSON object with a list `keys`")]
    NotASet,
    /// A set of other keys.
    #[error("holds no public key for RS256, ES256 or EdDSA")]
    Useless,
}

impl Jwks {
    /// Reads a set. Keys of kinds that are not known here, or for other uses than signing, are passed over.
    pub fn read(text: &[u8]) -> std::result::Result<Self, BadJwks> {
        let set: Value = serde_json::from_slice(text).map_err(|_| BadJwks::NotASet)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(BadJwks::NotASet)?;
        let keys: Vec<Key> = keys.iter().filter_map(Key::read).take(MOST).collect();
        if keys.is_empty() { Err(BadJwks::Useless) } else { Ok(Self(keys)) }
    }

    /// The key a token says it was signed with; without a name, the only one of that kind.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut found = self.0.iter().filter(|key| key.algorithm == algorithm);
        match id {
            Some(id) => found.find(|key| key.id.as_deref() == Some(id)).map(|key| &key.key),
            None => found.next().filter(|_| found.next().is_none()).map(|key| &key.key),
        }
    }
}

impl Key {
    fn read(value: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => return None,
        };
        let named = match jwk.common.key_algorithm {
            None => true,
            Some(KeyAlgorithm::RS256) => algorithm == Algorithm::RS256,
            Some(KeyAlgorithm::ES256) => algorithm == Algorithm::ES256,
            Some(KeyAlgorithm::EdDSA) => algorithm == Algorithm::EdDSA,
            Some(_) => false,
        };
        let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| named && signs)?;
        Some(Self { id: jwk.common.key_id, algorithm, key, text: value.to_string() })
    }
}

/// Has signatures checked by the cryptography that the rest of the gateway uses.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Whoever was before us in this process brought the same algorithms.
        let _ = RING.install_default();
    });
}

/// Checks signatures with ring. Nothing is signed here.
static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    match algorithm {
        Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA if key.family() == algorithm.family() => {
            Ok(Box::new(Ring { algorithm: *algorithm, key: key.clone() }))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

struct Ring {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), BadSignature> {
        let good = match (self.algorithm, self.key.kind()) {
            (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Algorithm::ES256, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, signature)
            }
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
            }
            _ => return Err(BadSignature::new()),
        };
        good.map_err(|_| BadSignature::new())
    }
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(keys: Value) -> std::result::Result<Jwks, BadJwks> {
        Jwks::read(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn keys_of_other_kinds_and_uses_are_passed_over() {
        let ed = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let with = |field: &str, value: &str| {
            let mut key = ed.clone();
            key[field] = value.into();
            key
        };
        let set =
            read(json!([{"kty": "strange"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "h"}, 7, ed])).unwrap();
        assert!(set.find(Some("a"), Algorithm::EdDSA).is_some());
        assert!(set.find(None, Algorithm::EdDSA).is_some());
        assert!(set.find(Some("h"), Algorithm::HS256).is_none(), "a secret signs nothing here");
        assert!(set.find(Some("a"), Algorithm::RS256).is_none(), "a key has one algorithm");
        for useless in [json!([]), json!([with("use", "enc")]), json!([with("alg", "HS256")])] {
            assert_eq!(read(useless).unwrap_err(), BadJwks::Useless);
        }
        for text in ["", "[]", "{\"keys\": 1}", "{\"keys\": "] {
            assert_eq!(Jwks::read(text.as_bytes()).unwrap_err(), BadJwks::NotASet, "{text}");
        }
        let two = read(json!([ed, with("kid", "b")])).unwrap();
        assert!(two.find(None, Algorithm::EdDSA).is_none(), "which of the two is not said");
    }
}
