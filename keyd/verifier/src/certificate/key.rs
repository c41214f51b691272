//! The key in a certificate: which kind it is, and its parts.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ParsedPublicKey};
use wardkey_schemas::key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::{CertificateError, dotted};
use crate::der::{self, Reader};

const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
const RSAES_OAEP: &str = "1.2.840.113549.1.1.7";
const RSASSA_PSS: &str = "1.2.840.113549.1.1.10";
const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const P521: &str = "1.3.132.0.35";

/// An RSA public key (RFC 8017 §A.1.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RsaKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    encoded: Vec<u8>,
    may_sign: bool,
}

impl RsaKey {
    /// The modulus, big-endian, without leading zeroes.
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The public exponent, big-endian, without leading zeroes.
    pub fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// Bits of the modulus.
    pub fn bits(&self) -> usize {
        let spare = self
            .modulus
            .first()
            .map_or(0, |first| first.leading_zeros());
        self.modulus
            .len()
            .saturating_mul(8)
            .saturating_sub(usize::try_from(spare).unwrap_or(0))
    }

    /// `RSAPublicKey` as DER.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Whether its algorithm identifier lets it sign; one for RSAES-OAEP does not.
    pub(super) const fn may_sign(&self) -> bool {
        self.may_sign
    }
}

/// A public key in a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SubjectKey {
    /// On P-256; a point that was checked to lie on the curve.
    P256(PublicKey),
    /// On P-384: 97 bytes, an uncompressed point that was checked to lie on the curve.
    P384(Vec<u8>),
    /// On P-521: 133 bytes, an uncompressed point that was checked to lie on the curve.
    P521(Vec<u8>),
    /// RSA of any size.
    Rsa(RsaKey),
    /// Something else, which nothing here verifies with.
    Other {
        /// The algorithm in dotted decimals.
        algorithm: String,
    },
}

impl SubjectKey {
    /// The kind, in words.
    pub fn kind(&self) -> String {
        match self {
            Self::P256(_) => "P-256".to_owned(),
            Self::P384(_) => "P-384".to_owned(),
            Self::P521(_) => "P-521".to_owned(),
            Self::Rsa(key) => format!("RSA-{}", key.bits()),
            Self::Other { algorithm } => format!("a key of algorithm {algorithm}"),
        }
    }

    pub(super) fn of(spki: &SubjectPublicKeyInfo<'_>) -> Result<Self, CertificateError> {
        let algorithm = dotted(&spki.algorithm.algorithm);
        let bits = &spki.subject_public_key;
        if bits.unused_bits != 0 {
            return Err(CertificateError::Key);
        }
        match algorithm.as_str() {
            RSA_ENCRYPTION | RSAES_OAEP | RSASSA_PSS => {
                rsa(&bits.data, algorithm != RSAES_OAEP).map(Self::Rsa)
            }
            EC_PUBLIC_KEY => {
                let curve = spki.algorithm.parameters.as_ref();
                let curve = curve
                    .and_then(|any| any.as_oid().ok())
                    .map(|oid| dotted(&oid));
                point(curve.as_deref(), &bits.data)
            }
            _ => Ok(Self::Other { algorithm }),
        }
    }
}

fn point(curve: Option<&str>, data: &[u8]) -> Result<SubjectKey, CertificateError> {
    let wrong = CertificateError::Key;
    match curve {
        Some(P256) => match PublicKey::from_point(data) {
            Ok(key) => Ok(SubjectKey::P256(key)),
            Err(_) => Err(wrong),
        },
        Some(P384) if data.len() == 97 => {
            ParsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, data).map_err(|_| wrong)?;
            Ok(SubjectKey::P384(data.to_vec()))
        }
        Some(P521) if data.len() == 133 => {
            ParsedPublicKey::new(&ECDSA_P521_SHA512_ASN1, data).map_err(|_| wrong)?;
            Ok(SubjectKey::P521(data.to_vec()))
        }
        Some(P384 | P521) => Err(wrong),
        Some(other) => Ok(SubjectKey::Other {
            algorithm: format!("{EC_PUBLIC_KEY} on curve {other}"),
        }),
        None => Ok(SubjectKey::Other {
            algorithm: format!("{EC_PUBLIC_KEY} without a named curve"),
        }),
    }
}

fn rsa(encoded: &[u8], may_sign: bool) -> Result<RsaKey, CertificateError> {
    let read = || {
        let mut fields = Reader::new(der::only(encoded, der::SEQUENCE)?);
        let modulus = fields.expect(der::INTEGER)?;
        let exponent = fields.expect(der::INTEGER)?;
        fields.finish()?;
        Ok::<_, der::DerError>((modulus, exponent))
    };
    let (modulus, exponent) = read().map_err(|_| CertificateError::Key)?;
    Ok(RsaKey {
        modulus: positive(modulus)?,
        exponent: positive(exponent)?,
        encoded: encoded.to_vec(),
        may_sign,
    })
}

/// The magnitude of a positive INTEGER.
fn positive(contents: &[u8]) -> Result<Vec<u8>, CertificateError> {
    let magnitude: Vec<u8> = contents
        .iter()
        .copied()
        .skip_while(|octet| *octet == 0)
        .collect();
    let negative = contents.first().is_some_and(|first| first & 0x80 != 0);
    if magnitude.is_empty() || negative {
        return Err(CertificateError::Key);
    }
    Ok(magnitude)
}
