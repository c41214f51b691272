//! Certificates of makers, field by field: whatever a maker could write.

use wardkey_schemas::key::SigningKey;
use wardkey_verifier::der;

const GENERALIZED_TIME: u8 = 0x18;
const SET: u8 = 0x31;

/// Key usage: signs certificates.
pub const KEY_CERT_SIGN: u8 = 0x04;
/// Key usage: agrees on keys.
pub const KEY_AGREEMENT: u8 = 0x08;
/// Key usage: decrypts keys.
pub const KEY_ENCIPHERMENT: u8 = 0x20;

/// `SubjectPublicKeyInfo` of a point on P-256.
pub fn p256_spki(point: &[u8]) -> Vec<u8> {
    let algorithm = der::sequence(&[&oid("1.2.840.10045.2.1"), &oid("1.2.840.10045.3.1.7")]);
    der::sequence(&[&algorithm, &bit_string(point)])
}

fn oid(text: &str) -> Vec<u8> {
    der::object_identifier(text)
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    der::element(der::BIT_STRING, &[&[0][..], bytes].concat())
}

/// A non-negative INTEGER from big-endian bytes.
pub fn integer(bytes: &[u8]) -> Vec<u8> {
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
pub fn name(attributes: &[(&str, &str)]) -> Vec<u8> {
    let sets: Vec<Vec<u8>> = attributes
        .iter()
        .map(|(kind, value)| {
            let value = der::element(der::UTF8_STRING, value.as_bytes());
            der::element(SET, &der::sequence(&[&oid(kind), &value]))
        })
        .collect();
    der::element(der::SEQUENCE, &sets.concat())
}

/// A name that is one common name.
pub fn common_name(text: &str) -> Vec<u8> {
    name(&[("2.5.4.3", text)])
}

/// One extension: identifier, criticality, contents of `extnValue`.
pub type Extension = (&'static str, bool, Vec<u8>);

/// Basic constraints of an authority.
pub fn authority(path_length: Option<u8>) -> Extension {
    let is_ca = der::element(der::BOOLEAN, &[0xff]);
    let longest = path_length.map_or_else(Vec::new, |longest| integer(&[longest]));
    ("2.5.29.19", true, der::sequence(&[&is_ca, &longest]))
}

/// Basic constraints of an end entity.
pub fn end_entity() -> Extension {
    ("2.5.29.19", true, der::sequence(&[]))
}

/// Key usage, by its first octet.
pub fn key_usage(octet: u8) -> Extension {
    let unused = u8::try_from(octet.trailing_zeros()).unwrap();
    let bits = der::element(der::BIT_STRING, &[unused, octet]);
    ("2.5.29.15", true, bits)
}

/// Extended key usage with one purpose.
pub fn extended_key_usage(usage: &str) -> Extension {
    ("2.5.29.37", false, der::sequence(&[&oid(usage)]))
}

/// Alternative names that are one directory name.
pub fn alternative_names(directory_name: &[u8]) -> Extension {
    let general = der::element(der::context_constructed(4), directory_name);
    ("2.5.29.17", true, der::sequence(&[&general]))
}

/// Everything that a certificate says, to be changed and signed.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The issuer's name (DER).
    pub issuer: Vec<u8>,
    /// The subject's name (DER).
    pub subject: Vec<u8>,
    /// The beginning of its time.
    pub not_before: &'static str,
    /// The end of its time.
    pub not_after: &'static str,
    /// The subject's key.
    pub spki: Vec<u8>,
    /// The extensions, in this order.
    pub extensions: Vec<Extension>,
}

impl Spec {
    /// A certificate of an authority.
    pub fn authority(subject: &str, issuer: &str, key: &SigningKey) -> Self {
        Self {
            issuer: common_name(issuer),
            subject: common_name(subject),
            not_before: "20200101000000Z",
            not_after: "99991231235959Z",
            spki: p256_spki(key.public().point()),
            extensions: vec![authority(None), key_usage(KEY_CERT_SIGN)],
        }
    }

    /// Replaces one extension, or adds it.
    #[must_use]
    pub fn with(mut self, extension: Extension) -> Self {
        self.extensions
            .retain(|(known, _, _)| *known != extension.0);
        self.extensions.push(extension);
        self
    }

    /// The certificate, DER.
    pub fn signed(&self, key: &SigningKey) -> Vec<u8> {
        let ecdsa_sha256 = der::sequence(&[&oid("1.2.840.10045.4.3.2")]);
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
            &ecdsa_sha256,
            &self.issuer,
            &der::sequence(&[&time(self.not_before), &time(self.not_after)]),
            &self.subject,
            &self.spki,
            &der::element(der::context_constructed(3), &extensions),
        ]);
        let signature = key.sign(&tbs).unwrap();
        let (r, s) = signature.as_bytes().split_at(32);
        let signature = bit_string(&der::sequence(&[&integer(r), &integer(s)]));
        der::sequence(&[&tbs, &ecdsa_sha256, &signature])
    }
}
