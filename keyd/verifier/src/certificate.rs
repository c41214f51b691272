//! X.509 certificates (RFC 5280): parsed once, owned, offered field by field.
//!
//! Nothing here decides whom to trust. [`Certificate::parse`] takes what makers of tokens and TPMs
//! issue as well as what we issue; the strict profile of ours stands elsewhere.
//! [`verify_link`] is one step of a path; which certificates a path consists of, and which of them
//! may issue, is for the module that walks it.
//!
//! # Invariants
//!
//! - A [`Certificate`] is exactly one certificate: no byte before or after it, the frame in DER,
//!   the inner and the outer signature algorithm equal, no extension twice.
//! - Nothing is found out by searching: no path building, no fetching, no system store.

mod extensions;
mod key;
mod link;

use std::fmt::{self, Write as _};

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::limits;
use wardkey_schemas::time::Timestamp;
use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::X509CertificateParser;
use x509_parser::nom::Parser as _;
use x509_parser::x509::AlgorithmIdentifier;

pub use self::extensions::{
    AUTHORITY_KEY_IDENTIFIER, BASIC_CONSTRAINTS, BasicConstraints, CERTIFICATE_POLICIES,
    EXTENDED_KEY_USAGE, Extension, GeneralName, KEY_USAGE, KeyUsage, NAME_CONSTRAINTS,
    SUBJECT_ALTERNATIVE_NAME, SUBJECT_KEY_IDENTIFIER,
};
pub use self::key::{RsaKey, SubjectKey};
pub use self::link::{LinkError, verify_link, verify_signature};
use crate::der::{self, DerError, Reader};

/// Why bytes are not a certificate that is looked at.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// More bytes than any certificate has.
    #[error("{found} bytes; at most {} are looked at", limits::CERTIFICATE_BYTES)]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// The frame (certificate, algorithm, signature) is not DER, or bytes follow it.
    #[error("the frame is not that of one certificate")]
    Frame(#[source] DerError),
    /// The signed part is not a `TBSCertificate`; which field, in the parser's words.
    #[error("the signed part is not a certificate's: {0}")]
    Signed(String),
    /// The algorithm outside the signed part is not the one inside (RFC 5280 §4.1.1.2).
    #[error("the signature algorithm outside the signed part is not the one inside")]
    AlgorithmsDiffer,
    /// One extension stands there twice (RFC 5280 §4.2).
    #[error("extension {oid} stands there twice")]
    RepeatedExtension {
        /// Which.
        oid: String,
    },
    /// An extension does not hold what its type demands.
    #[error("extension {oid} cannot be read")]
    Extension {
        /// Which.
        oid: String,
        /// Why.
        #[source]
        source: DerError,
    },
    /// The subject's key says that it is on a curve and is not, or is no key at all.
    #[error("the subject's public key is not a key")]
    Key,
}

/// From when to when a certificate is valid (RFC 5280 §4.1.2.5); both ends belong to it.
///
/// Times outside the years that [`Timestamp`] can hold are moved to its nearest end:
/// 9999-12-31T23:59:59Z, which stands for *no end*, becomes [`Timestamp::MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// Whether `now` is before the first second.
    pub const fn begins_after(&self, now: Timestamp) -> bool {
        now.seconds() < self.not_before.seconds()
    }

    /// Whether `now` is after the last second.
    pub const fn ended_before(&self, now: Timestamp) -> bool {
        now.seconds() > self.not_after.seconds()
    }

    /// Whether `now` lies in it.
    pub const fn covers(&self, now: Timestamp) -> bool {
        !self.begins_after(now) && !self.ended_before(now)
    }
}

/// One certificate.
#[derive(Clone, Eq, PartialEq)]
pub struct Certificate {
    der: Vec<u8>,
    sha256: Sha256,
    tbs: Vec<u8>,
    algorithm: link::Algorithm,
    signature: Vec<u8>,
    version: u32,
    serial: Vec<u8>,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    validity: Validity,
    spki: Vec<u8>,
    key: SubjectKey,
    extensions: Vec<Extension>,
}

impl Certificate {
    /// Parses `der`, which must be exactly one certificate of at most
    /// [`limits::CERTIFICATE_BYTES`] bytes.
    ///
    /// # Errors
    ///
    /// [`CertificateError`]; never a panic, whatever the bytes.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > limits::CERTIFICATE_BYTES {
            return Err(CertificateError::TooLong { found: der.len() });
        }
        let frame = Frame::read(der).map_err(CertificateError::Frame)?;
        let (rest, x509) = X509CertificateParser::new()
            .with_deep_parse_extensions(false)
            .parse(der)
            .map_err(|error| CertificateError::Signed(error.to_string()))?;
        if !rest.is_empty() || x509.tbs_certificate.as_ref() != frame.tbs {
            return Err(CertificateError::Frame(DerError::Contents));
        }
        if !frame.same_algorithm(&x509.signature_algorithm) {
            return Err(CertificateError::AlgorithmsDiffer);
        }
        let mut extensions: Vec<Extension> = Vec::new();
        for extension in x509.extensions() {
            let oid = dotted(&extension.oid);
            if extensions.iter().any(|earlier| earlier.oid() == oid) {
                return Err(CertificateError::RepeatedExtension { oid });
            }
            extensions.push(Extension::new(oid, extension.critical, extension.value));
        }
        let validity = x509.validity();
        Ok(Self {
            der: der.to_vec(),
            sha256: Sha256::of(der),
            tbs: frame.tbs.to_vec(),
            algorithm: link::Algorithm::of(&x509.signature_algorithm),
            signature: frame.signature.to_vec(),
            version: x509.version().0.saturating_add(1),
            serial: x509.raw_serial().to_vec(),
            issuer: x509.issuer().as_raw().to_vec(),
            subject: x509.subject().as_raw().to_vec(),
            validity: Validity {
                not_before: nearest(validity.not_before.timestamp()),
                not_after: nearest(validity.not_after.timestamp()),
            },
            spki: x509.public_key().raw.to_vec(),
            key: SubjectKey::of(x509.public_key())?,
            extensions,
        })
    }

    /// The whole certificate.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the whole certificate.
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// The signed part, `TBSCertificate`.
    pub fn tbs(&self) -> &[u8] {
        &self.tbs
    }

    /// The version: 3 for every certificate with extensions.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The contents of the serial number INTEGER, big-endian, as they stand there.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The issuer's name as DER.
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// The subject's name as DER; [`Self::EMPTY_NAME`] if it has none.
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// A name without any part, as DER.
    pub const EMPTY_NAME: &'static [u8] = &[0x30, 0x00];

    /// From when to when it is valid.
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// `SubjectPublicKeyInfo` as DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The subject's public key.
    pub const fn key(&self) -> &SubjectKey {
        &self.key
    }

    /// The subject's public key, if it is one on P-256.
    pub const fn p256(&self) -> Option<&PublicKey> {
        match &self.key {
            SubjectKey::P256(key) => Some(key),
            SubjectKey::P384(_)
            | SubjectKey::P521(_)
            | SubjectKey::Rsa(_)
            | SubjectKey::Other { .. } => None,
        }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Certificate({} bytes, sha256 {})",
            self.der.len(),
            self.sha256
        )
    }
}

/// The frame of a certificate (RFC 5280 §4.1): what the signature covers, the signature, and its
/// algorithm as it stands inside and outside the signed part.
struct Frame<'a> {
    tbs: &'a [u8],
    signature: &'a [u8],
    inner: &'a [u8],
    outer: &'a [u8],
}

impl<'a> Frame<'a> {
    fn read(der: &'a [u8]) -> Result<Self, DerError> {
        let mut parts = Reader::new(der::only(der, der::SEQUENCE)?);
        let tbs = parts.element()?;
        let outer = parts.element()?;
        let bits = parts.expect(der::BIT_STRING)?;
        parts.finish()?;
        // A signature is a whole number of octets: no unused bits.
        let Some((0, signature)) = bits.split_first() else {
            return Err(DerError::Contents);
        };

        let mut fields = Reader::new(der::only(tbs.whole, der::SEQUENCE)?);
        if fields.peek() == Some(der::context_constructed(0)) {
            fields.element()?;
        }
        fields.expect(der::INTEGER)?;
        let inner = fields.element()?;
        Ok(Self {
            tbs: tbs.whole,
            signature,
            inner: inner.whole,
            outer: outer.whole,
        })
    }

    /// Whether inner and outer algorithm are the same, byte for byte. For RSA with PKCS#1 v1.5
    /// absent parameters and NULL mean the same (RFC 4055 §5 demands NULL, and not every maker
    /// writes it).
    fn same_algorithm(&self, algorithm: &AlgorithmIdentifier<'_>) -> bool {
        if self.inner == self.outer {
            return true;
        }
        let oid = dotted(&algorithm.algorithm);
        let alone = der::object_identifier(&oid);
        let forms = [
            der::sequence(&[&alone]),
            der::sequence(&[&alone, &[der::NULL, 0]]),
        ];
        let either = |bytes: &[u8]| forms.iter().any(|form| form == bytes);
        link::is_pkcs1(&oid) && either(self.inner) && either(self.outer)
    }
}

/// An object identifier in dotted decimals. The library's own way makes a string of each number, and
/// a dozen identifiers stand in each certificate.
fn dotted(oid: &Oid<'_>) -> String {
    let Some(arcs) = oid.iter() else {
        // Numbers beyond 64 bits.
        return oid.to_id_string();
    };
    let mut text = String::with_capacity(32);
    for arc in arcs {
        let dot = if text.is_empty() { "" } else { "." };
        // Writing into a string cannot fail.
        let _ = write!(text, "{dot}{arc}");
    }
    text
}

fn nearest(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds.max(0)).unwrap_or(Timestamp::MAX)
}
