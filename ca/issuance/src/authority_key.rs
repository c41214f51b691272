//! Keys that sign certificates: P-384 for the root, P-256 for the authorities below it.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ParsedPublicKey, UnparsedPublicKey,
    VerificationAlgorithm,
};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData, SignatureAlgorithm};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";

/// Bytes of an uncompressed point on P-384.
const P384_POINT: usize = 97;

/// A key that is no key of an authority.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Another kind of key, by its own algorithm identifier.
    #[error("a key of another kind than P-256 or P-384")]
    Kind,
    /// Not an uncompressed point of the curve that it names.
    #[error("not an uncompressed point on its curve")]
    NotOnCurve,
}

/// The public key of an authority.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuthorityKey {
    /// On P-256; signs with SHA-256.
    P256(PublicKey),
    /// On P-384; signs with SHA-384.
    P384(P384Key),
}

/// A point that was checked to lie on P-384.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct P384Key(Vec<u8>);

impl P384Key {
    /// Takes an uncompressed point (97 bytes).
    ///
    /// # Errors
    ///
    /// [`KeyError::NotOnCurve`] for anything else.
    pub fn from_point(point: &[u8]) -> Result<Self, KeyError> {
        if point.len() != P384_POINT
            || ParsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point).is_err()
        {
            return Err(KeyError::NotOnCurve);
        }
        Ok(Self(point.to_vec()))
    }

    /// The uncompressed point, 97 bytes.
    pub fn point(&self) -> &[u8] {
        &self.0
    }
}

impl AuthorityKey {
    /// Takes the key of a parsed `SubjectPublicKeyInfo`, by the curve that it names itself.
    pub(crate) fn of(spki: &SubjectPublicKeyInfo<'_>) -> Result<Self, KeyError> {
        if spki.algorithm.algorithm.to_id_string() != EC_PUBLIC_KEY {
            return Err(KeyError::Kind);
        }
        let curve = spki.algorithm.parameters.as_ref();
        let curve = curve
            .and_then(|any| any.as_oid().ok())
            .map(|oid| oid.to_id_string());
        let point = &spki.subject_public_key.data;
        match curve.as_deref() {
            Some(P256) => PublicKey::from_point(point)
                .map(Self::P256)
                .map_err(|_| KeyError::NotOnCurve),
            Some(P384) => P384Key::from_point(point).map(Self::P384),
            _ => Err(KeyError::Kind),
        }
    }

    /// The uncompressed point: 65 bytes on P-256, 97 on P-384.
    pub fn point(&self) -> &[u8] {
        match self {
            Self::P256(key) => key.point(),
            Self::P384(key) => key.point(),
        }
    }

    /// The key identifier: the first 160 bits of SHA-256 over the point (RFC 7093 §2, method 1).
    pub fn key_identifier(&self) -> Vec<u8> {
        let digest = Sha256::of(self.point());
        digest.as_bytes().iter().copied().take(20).collect()
    }

    /// Bytes of r and of s each.
    pub(crate) fn scalar_length(&self) -> usize {
        match self {
            Self::P256(_) => 32,
            Self::P384(_) => 48,
        }
    }

    /// Whether `signature` (DER) over `message` was made with this key.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self {
            Self::P256(_) => &ECDSA_P256_SHA256_ASN1,
            Self::P384(_) => &ECDSA_P384_SHA384_ASN1,
        };
        UnparsedPublicKey::new(algorithm, self.point())
            .verify(message, signature)
            .is_ok()
    }
}

impl From<PublicKey> for AuthorityKey {
    fn from(key: PublicKey) -> Self {
        Self::P256(key)
    }
}

impl From<P384Key> for AuthorityKey {
    fn from(key: P384Key) -> Self {
        Self::P384(key)
    }
}

impl PublicKeyData for AuthorityKey {
    fn der_bytes(&self) -> &[u8] {
        self.point()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self {
            Self::P256(_) => &PKCS_ECDSA_P256_SHA256,
            Self::P384(_) => &PKCS_ECDSA_P384_SHA384,
        }
    }
}
