//! Where all keys and numbers of a fleet come from.

use p256::elliptic_curve::sec1::ToSec1Point as _;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::key::SigningKey;

/// The beginning of everything: the same seed gives the same keys, ids and nonces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seed([u8; 32]);

/// Before and after the private scalar in a PKCS#8 key on P-256 (RFC 5958, RFC 5915).
const PKCS8_HEAD: &str = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420";
const PKCS8_MIDDLE: &str = "a144034200";

impl Seed {
    /// The seed with this number.
    pub fn new(number: u64) -> Self {
        Self(*Sha256::of(&number.to_be_bytes()).as_bytes())
    }

    /// A seed of its own for something within.
    #[must_use]
    pub fn child(&self, label: &str) -> Self {
        Self(self.bytes(label))
    }

    /// A seed of its own for one of many.
    #[must_use]
    pub fn nth(&self, number: u64) -> Self {
        self.child(&number.to_string())
    }

    /// 32 bytes for this label.
    pub fn bytes(&self, label: &str) -> [u8; 32] {
        *Sha256::of(&[&self.0[..], label.as_bytes()].concat()).as_bytes()
    }

    /// 16 bytes for this label, as an id takes them.
    pub fn id(&self, label: &str) -> [u8; 16] {
        *self.bytes(label).first_chunk().unwrap()
    }

    /// A nonce for this label.
    pub fn nonce(&self, label: &str) -> Nonce {
        Nonce::new(self.bytes(label))
    }

    /// A private scalar on P-256 for this label.
    pub(crate) fn scalar(&self, label: &str) -> p256::SecretKey {
        // All but one of 2^32 strings are below the order of the curve.
        p256::SecretKey::from_slice(&self.bytes(label)).unwrap()
    }

    /// A key on P-256 for this label, as a file of a program holds it (PKCS#8).
    pub fn pkcs8(&self, label: &str) -> Vec<u8> {
        let secret = self.scalar(label);
        let point = secret.public_key().to_sec1_point(false);
        [
            hex::decode(PKCS8_HEAD).unwrap(),
            secret.to_bytes().to_vec(),
            hex::decode(PKCS8_MIDDLE).unwrap(),
            point.as_bytes().to_vec(),
        ]
        .concat()
    }

    /// A key on P-256 for this label.
    pub fn key(&self, label: &str) -> SigningKey {
        SigningKey::from_pkcs8(&self.pkcs8(label)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_key_and_another_gives_another() {
        let key = |number| *Seed::new(number).child("person").key("9c").public();
        assert_eq!(key(1), key(1));
        assert_ne!(key(1), key(2));
        let seed = Seed::new(1);
        assert_ne!(seed.key("a").public(), seed.key("b").public());
    }

    #[test]
    fn a_key_from_a_seed_signs() {
        let key = Seed::new(7).key("any");
        let signature = key.sign(b"message").unwrap();
        assert!(key.public().verifies(b"message", &signature));
    }
}
