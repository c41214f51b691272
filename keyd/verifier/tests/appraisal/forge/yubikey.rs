//! A token in memory, as far as its attestation goes.

use wardkey_schemas::bundle::TokenAnchor;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::{PublicKey, SigningKey};
use wardkey_schemas::names::{Firmware, TokenSerial};
use wardkey_verifier::der;
use wardkey_verifier::piv::{FormFactor, TokenAnchors, TokenPolicy};

use super::certificate::{Signer, Spec, authority, common_name, integer, p256_spki};

pub(crate) const FIRMWARE: &str = "1.3.6.1.4.1.41482.3.3";
pub(crate) const SERIAL: &str = "1.3.6.1.4.1.41482.3.7";
pub(crate) const POLICY: &str = "1.3.6.1.4.1.41482.3.8";
pub(crate) const FORM_FACTOR: &str = "1.3.6.1.4.1.41482.3.9";

/// A token with a key in slot 9c, below a root of its own.
pub(crate) struct Token {
    pub(crate) key: SigningKey,
    pub(crate) serial: TokenSerial,
    root_key: Signer,
    f9_key: Signer,
}

impl Token {
    pub(crate) fn new() -> Self {
        Self {
            key: super::key(),
            serial: TokenSerial::new(33_162_554),
            root_key: Signer::rsa(),
            f9_key: Signer::rsa(),
        }
    }

    pub(crate) fn root_spec(&self) -> Spec {
        Spec::authority("Maker's root", "Maker's root", &self.root_key).with(authority(Some(1)))
    }

    pub(crate) fn root(&self) -> Vec<u8> {
        self.root_spec().signed(&self.root_key)
    }

    /// The certificate in slot F9, before it is signed.
    pub(crate) fn f9_spec(&self) -> Spec {
        Spec {
            subject: common_name("YubiKey PIV Attestation"),
            extensions: vec![authority(Some(0)), (FIRMWARE, false, vec![5, 7, 4])],
            ..Spec::authority("", "Maker's root", &self.f9_key)
        }
    }

    pub(crate) fn sign_f9(&self, spec: &Spec) -> Vec<u8> {
        spec.signed(&self.root_key)
    }

    pub(crate) fn f9(&self) -> Vec<u8> {
        self.sign_f9(&self.f9_spec())
    }

    /// The attestation certificate, before it is signed.
    pub(crate) fn leaf_spec(&self) -> Spec {
        Spec {
            issuer: common_name("YubiKey PIV Attestation"),
            subject: common_name("YubiKey PIV Attestation 9c"),
            spki: p256_spki(self.key.public().point()),
            extensions: vec![
                (FIRMWARE, false, vec![5, 7, 4]),
                (SERIAL, false, integer(&self.serial.number().to_be_bytes())),
                (POLICY, false, vec![3, 2]),
                (FORM_FACTOR, false, vec![3]),
            ],
            ..self.f9_spec()
        }
    }

    pub(crate) fn sign_leaf(&self, spec: &Spec) -> Vec<u8> {
        spec.signed(&self.f9_key)
    }

    pub(crate) fn leaf(&self) -> Vec<u8> {
        self.sign_leaf(&self.leaf_spec())
    }

    pub(crate) fn public(&self) -> &PublicKey {
        self.key.public()
    }

    /// Anchors that believe in this token's root alone.
    pub(crate) fn anchors(&self) -> TokenAnchors {
        anchors(&[self.root()])
    }
}

/// Anchors that believe in these certificates.
pub(crate) fn anchors(certificates: &[Vec<u8>]) -> TokenAnchors {
    let pins: Vec<TokenAnchor> = certificates
        .iter()
        .map(|der| TokenAnchor {
            sha256: Sha256::of(der),
        })
        .collect();
    TokenAnchors::new(&pins, certificates).unwrap()
}

pub(crate) fn policy() -> TokenPolicy {
    TokenPolicy {
        oldest_firmware: Firmware {
            major: 5,
            minor: 7,
            patch: 0,
        },
        form_factors: FormFactor::ALL.to_vec(),
    }
}

/// An OCTET STRING round the raw bytes, as some test tokens write them.
pub(crate) fn wrapped(bytes: &[u8]) -> Vec<u8> {
    der::element(der::OCTET_STRING, bytes)
}
