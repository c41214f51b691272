//! A maker of security keys, and tokens as far as their attestation goes.

use wardkey_schemas::bundle::TokenAnchor;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::names::TokenSerial;

use crate::seed::Seed;
use crate::x509::{Spec, authority, common_name, integer, p256_spki};

const FIRMWARE: &str = "1.3.6.1.4.1.41482.3.3";
const SERIAL: &str = "1.3.6.1.4.1.41482.3.7";
const POLICY: &str = "1.3.6.1.4.1.41482.3.8";
const FORM_FACTOR: &str = "1.3.6.1.4.1.41482.3.9";

/// The firmware of all tokens: 5.7.4.
const VERSION: [u8; 3] = [5, 7, 4];

/// A maker.
#[derive(Debug)]
pub struct TokenMaker {
    root_key: SigningKey,
    /// Its root (DER): an anchor of the test bundle.
    pub root: Vec<u8>,
}

/// A token with a key in slot 9c.
#[derive(Debug)]
pub struct Token {
    /// The 9c key.
    pub key: SigningKey,
    /// The number printed on it.
    pub serial: TokenSerial,
    /// The attestation certificate of slot 9c (DER).
    pub attestation: Vec<u8>,
    /// The token's f9 certificate (DER).
    pub intermediate: Vec<u8>,
}

impl TokenMaker {
    /// A maker.
    pub fn new(seed: &Seed) -> Self {
        let root_key = seed.key("token root");
        let root = Spec::authority("Token root", "Token root", &root_key).with(authority(Some(1)));
        Self {
            root: root.signed(&root_key),
            root_key,
        }
    }

    /// How a bundle names it.
    pub fn anchor(&self) -> TokenAnchor {
        TokenAnchor {
            sha256: Sha256::of(&self.root),
        }
    }

    /// A token as the enrolment program leaves it: PIN and touch always.
    pub fn token(&self, seed: &Seed, serial: TokenSerial) -> Token {
        self.token_with(seed, serial, |_| ())
    }

    /// A token whose statement is changed before it is signed.
    pub fn token_with(
        &self,
        seed: &Seed,
        serial: TokenSerial,
        change: impl FnOnce(&mut Spec),
    ) -> Token {
        let (key, f9_key) = (seed.key("9c"), seed.key("f9"));
        let f9 = Spec {
            subject: common_name("YubiKey PIV Attestation"),
            extensions: vec![authority(Some(0)), (FIRMWARE, false, VERSION.to_vec())],
            ..Spec::authority("", "Token root", &f9_key)
        };
        let mut leaf = Spec {
            issuer: common_name("YubiKey PIV Attestation"),
            subject: common_name("YubiKey PIV Attestation 9c"),
            spki: p256_spki(key.public().point()),
            extensions: vec![
                (FIRMWARE, false, VERSION.to_vec()),
                (SERIAL, false, integer(&serial.number().to_be_bytes())),
                (POLICY, false, vec![3, 2]),
                (FORM_FACTOR, false, vec![3]),
            ],
            ..f9.clone()
        };
        change(&mut leaf);
        Token {
            attestation: leaf.signed(&f9_key),
            intermediate: f9.signed(&self.root_key),
            key,
            serial,
        }
    }
}
