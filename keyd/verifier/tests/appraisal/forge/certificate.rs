//! Certificates, field by field: whatever a maker could write and some things that none would.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use wardkey_schemas::key::SigningKey;
use wardkey_verifier::der;

const GENERALIZED_TIME: u8 = 0x18;
const SET: u8 = 0x31;

/// A key that can sign certificates.
pub(crate) enum Signer {
    P256(SigningKey),
    Rsa(RsaKeyPair),
}

impl Signer {
    pub(crate) fn p256() -> Self {
        Self::P256(super::key())
    }

    pub(crate) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// `SubjectPublicKeyInfo`.
    pub(crate) fn spki(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => p256_spki(key.public().point()),
            Self::Rsa(key) => rsa_spki("1.2.840.113549.1.1.1", key.public_key().as_ref()),
        }
    }

    fn algorithm(&self) -> Vec<u8> {
        match self {
            Self::P256(_) => der::sequence(&[&oid("1.2.840.10045.4.3.2")]),
            Self::Rsa(_) => der::sequence(&[&oid("1.2.840.113549.1.1.11"), &null()]),
        }
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let signature = key.sign(bytes).unwrap();
                let (r, s) = signature.as_bytes().split_at(32);
                der::sequence(&[&integer(r), &integer(s)])
            }
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    bytes,
                    &mut signature,
                )
                .unwrap();
                signature
            }
        }
    }
}

pub(crate) fn p256_spki(point: &[u8]) -> Vec<u8> {
    let algorithm = der::sequence(&[&oid("1.2.840.10045.2.1"), &oid("1.2.840.10045.3.1.7")]);
    der::sequence(&[&algorithm, &bit_string(point)])
}

/// An RSA key (`RSAPublicKey`) under this algorithm.
pub(crate) fn rsa_spki(algorithm: &str, public: &[u8]) -> Vec<u8> {
    der::sequence(&[
        &der::sequence(&[&oid(algorithm), &null()]),
        &bit_string(public),
    ])
}

pub(crate) fn oid(text: &str) -> Vec<u8> {
    der::object_identifier(text)
}

fn null() -> Vec<u8> {
    der::element(der::NULL, &[])
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    der::element(der::BIT_STRING, &[&[0][..], bytes].concat())
}

/// A non-negative INTEGER from big-endian bytes.
pub(crate) fn integer(bytes: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = bytes
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    if digits.first().is_none_or(|first| first & 0x80 != 0) {
        digits.insert(0, 0);
    }
    der::element(der::INTEGER, &digits)
}

/// A name with these attributes, each in a set of its own.
pub(crate) fn name(attributes: &[(&str, &str)]) -> Vec<u8> {
    let sets: Vec<Vec<u8>> = attributes
        .iter()
        .map(|one| der::element(SET, &attribute(one)))
        .collect();
    der::element(der::SEQUENCE, &sets.concat())
}

/// A name with these attributes in one set, in the order given.
pub(crate) fn name_in_one_set(attributes: &[(&str, &str)]) -> Vec<u8> {
    let all: Vec<Vec<u8>> = attributes.iter().map(attribute).collect();
    der::sequence(&[&der::element(SET, &all.concat())])
}

fn attribute((kind, value): &(&str, &str)) -> Vec<u8> {
    der::sequence(&[
        &oid(kind),
        &der::element(der::UTF8_STRING, value.as_bytes()),
    ])
}

pub(crate) fn common_name(text: &str) -> Vec<u8> {
    name(&[("2.5.4.3", text)])
}

/// One extension: identifier, criticality, contents of `extnValue`.
pub(crate) type Extension = (&'static str, bool, Vec<u8>);

/// Basic constraints of an authority.
pub(crate) fn authority(path_length: Option<u8>) -> Extension {
    let is_ca = der::element(der::BOOLEAN, &[0xff]);
    let longest = path_length.map_or_else(Vec::new, |longest| integer(&[longest]));
    ("2.5.29.19", true, der::sequence(&[&is_ca, &longest]))
}

/// Basic constraints of an end entity.
pub(crate) fn end_entity() -> Extension {
    ("2.5.29.19", true, der::sequence(&[]))
}

/// Key usage, by its first octet.
pub(crate) fn key_usage(octet: u8) -> Extension {
    let bits = der::element(
        der::BIT_STRING,
        &[octet.trailing_zeros().try_into().unwrap(), octet],
    );
    ("2.5.29.15", true, bits)
}

pub(crate) const KEY_CERT_SIGN: u8 = 0x04;
pub(crate) const KEY_AGREEMENT: u8 = 0x08;
pub(crate) const KEY_ENCIPHERMENT: u8 = 0x20;
pub(crate) const DIGITAL_SIGNATURE: u8 = 0x80;

pub(crate) fn extended_key_usage(usage: &str) -> Extension {
    ("2.5.29.37", false, der::sequence(&[&oid(usage)]))
}

/// Everything that a certificate says, to be changed and signed.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) issuer: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) not_before: &'static str,
    pub(crate) not_after: &'static str,
    pub(crate) spki: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
}

impl Spec {
    /// A certificate of an authority by an authority.
    pub(crate) fn authority(subject: &str, issuer: &str, key: &Signer) -> Self {
        Self {
            issuer: common_name(issuer),
            subject: common_name(subject),
            not_before: "20200101000000Z",
            not_after: "99991231235959Z",
            spki: key.spki(),
            extensions: vec![authority(None), key_usage(KEY_CERT_SIGN)],
        }
    }

    /// Replaces one extension, or adds it.
    pub(crate) fn with(mut self, extension: Extension) -> Self {
        self = self.without(extension.0);
        self.extensions.push(extension);
        self
    }

    /// Takes one extension out.
    pub(crate) fn without(mut self, oid: &str) -> Self {
        self.extensions.retain(|(known, _, _)| *known != oid);
        self
    }

    /// The certificate, DER.
    pub(crate) fn signed(&self, key: &Signer) -> Vec<u8> {
        let time = |text: &str| der::element(GENERALIZED_TIME, text.as_bytes());
        let extensions: Vec<Vec<u8>> = self
            .extensions
            .iter()
            .map(|(kind, critical, value)| {
                let critical = if *critical {
                    der::element(der::BOOLEAN, &[0xff])
                } else {
                    Vec::new()
                };
                let value = der::element(der::OCTET_STRING, value);
                der::sequence(&[&oid(kind), &critical, &value])
            })
            .collect();
        let extensions = der::element(der::SEQUENCE, &extensions.concat());
        let tbs = der::sequence(&[
            &der::element(der::context_constructed(0), &integer(&[2])),
            &integer(&[0x5a; 16]),
            &key.algorithm(),
            &self.issuer,
            &der::sequence(&[&time(self.not_before), &time(self.not_after)]),
            &self.subject,
            &self.spki,
            &der::element(der::context_constructed(3), &extensions),
        ]);
        let signature = bit_string(&key.sign(&tbs));
        der::sequence(&[&tbs, &key.algorithm(), &signature])
    }
}
