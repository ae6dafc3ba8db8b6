//! Cursors go out sealed. A mark holds which records were read last and how many there are, and among those are some
//! that a consumer may not see.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

/// Seals and opens with one key.
pub(super) struct Seal {
    key: LessSafeKey,
    nonces: hmac::Key,
}

impl Seal {
    /// With what nobody outside knows. The same secret opens what it sealed.
    pub(super) fn of(secret: &[u8]) -> Self {
        let derive = |what: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), what);
        let key = UnboundKey::new(&CHACHA20_POLY1305, derive(b"cursors").as_ref())
            .expect("a digest is as long as a key");
        let nonces = hmac::Key::new(hmac::HMAC_SHA256, derive(b"nonces of cursors").as_ref());
        Self { key: LessSafeKey::new(key), nonces }
    }

    /// The same text is sealed the same way, so that equal answers stay equal.
    pub(super) fn seal(&self, text: &[u8]) -> Vec<u8> {
        let mut sealed = hmac::sign(&self.nonces, text).as_ref()[..NONCE_LEN].to_vec();
        let mut inside = text.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(&sealed).expect("it was cut to length");
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut inside)
            .expect("a cursor is not that long");
        sealed.extend_from_slice(&inside);
        sealed
    }

    /// What was sealed, if it was.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, inside) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut inside = inside.to_vec();
        let text = self.key.open_in_place(nonce, Aad::empty(), &mut inside).ok()?;
        Some(text.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_tells_nothing_and_is_opened_by_the_same_secret_alone() {
        let (one, other) = (Seal::of(b"one"), Seal::of(b"other"));
        let sealed = one.seal(b"alfa-101 was read last");
        assert!(!sealed.windows(8).any(|part| part == b"alfa-101"));
        assert_eq!(sealed, Seal::of(b"one").seal(b"alfa-101 was read last"));
        assert_ne!(sealed[..NONCE_LEN], one.seal(b"alfa-102 was read last")[..NONCE_LEN]);
        assert_eq!(one.open(&sealed).as_deref(), Some(&b"alfa-101 was read last"[..]));
        assert_eq!(other.open(&sealed), None);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(one.open(&damaged), None, "byte {at}");
        }
        assert_eq!(one.open(&sealed[..NONCE_LEN]), None);
        assert_eq!(one.open(b""), None);
    }
}
