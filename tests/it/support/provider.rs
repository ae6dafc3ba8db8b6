//! A school's identity provider: it publishes keys and signs tokens with them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crm_gateway::consumers::{Jwks, Provider};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://id.school.example";
pub(crate) const AUDIENCE: &str = "crm-gateway";
/// Made for these tests; it opens nothing.
const RSA: &[u8] = include_bytes!("../../fixtures/rsa-for-tests.der");

/// A key that signs.
pub(crate) struct Signer {
    pub(crate) id: String,
    pub(crate) algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn rs256(id: &str) -> Self {
        let pair = Pair::Rsa(RsaKeyPair::from_der(RSA).unwrap());
        Self { id: id.to_owned(), algorithm: "RS256", pair }
    }

    pub(crate) fn es256(id: &str) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), algorithm: "ES256", pair: Pair::Ec(pair) }
    }

    pub(crate) fn eddsa(id: &str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Pair::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap());
        Self { id: id.to_owned(), algorithm: "EdDSA", pair }
    }

    /// The key as it is published.
    pub(crate) fn jwk(&self) -> Value {
        let (id, algorithm) = (&self.id, self.algorithm);
        match &self.pair {
            Pair::Rsa(pair) => {
                let PublicKeyComponents { n, e }: PublicKeyComponents<Vec<u8>> = pair.public().into();
                json!({"kty": "RSA", "kid": id, "alg": algorithm, "use": "sig", "n": text(&n), "e": text(&e)})
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": id, "alg": algorithm, "x": text(x), "y": text(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": text(pair.public_key().as_ref())})
            }
        }
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({"typ": "JWT", "alg": self.algorithm, "kid": self.id}), claims)
    }

    /// The same with another header.
    pub(crate) fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let message =
            format!("{}.{}", text(header.to_string().as_bytes()), text(claims.to_string().as_bytes()));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", text(&signature))
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What the provider publishes, and how often it was asked.
#[derive(Default)]
pub(crate) struct School {
    published: Mutex<Vec<Value>>,
    asked: AtomicUsize,
    down: AtomicBool,
}

impl School {
    pub(crate) fn publishing(keys: &[&Signer]) -> Arc<Self> {
        let school = Self::default();
        school.publish(keys);
        Arc::new(school)
    }

    pub(crate) fn publish(&self, keys: &[&Signer]) {
        *self.published.lock().unwrap() = keys.iter().map(|key| key.jwk()).collect();
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Provider for School {
    fn fetch(&self) -> BoxFuture<'_, Result<Jwks, String>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = if self.down.load(Ordering::Relaxed) {
            Err("no answer in time".to_owned())
        } else {
            let set = json!({"keys": *self.published.lock().unwrap()});
            Jwks::read(set.to_string().as_bytes()).map_err(|error| error.to_string())
        };
        async move {
            tokio::task::yield_now().await;
            answer
        }
        .boxed()
    }
}

/// Seconds since 1970, by the clock that the gateway under test has.
pub(crate) fn seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The claims of somebody's token, good for an hour.
pub(crate) fn claims(subject: &str, students: &[&str]) -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": seconds() + 3600, "student_ids": students})
}
