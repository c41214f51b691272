//! The extensions of a certificate (RFC 5280 §4.2): raw, and read where they have a standard form.
//!
//! A standard extension is read only when somebody asks for it, so that one that nobody asks for
//! may be as odd as its maker made it.

use super::{Certificate, CertificateError};
use crate::der::{self, DerError, Reader};

/// Extension: subject key identifier (RFC 5280 §4.2.1.2).
pub const SUBJECT_KEY_IDENTIFIER: &str = "2.5.29.14";
/// Extension: key usage (RFC 5280 §4.2.1.3).
pub const KEY_USAGE: &str = "2.5.29.15";
/// Extension: subject alternative name (RFC 5280 §4.2.1.6).
pub const SUBJECT_ALTERNATIVE_NAME: &str = "2.5.29.17";
/// Extension: basic constraints (RFC 5280 §4.2.1.9).
pub const BASIC_CONSTRAINTS: &str = "2.5.29.19";
/// Extension: name constraints (RFC 5280 §4.2.1.10).
pub const NAME_CONSTRAINTS: &str = "2.5.29.30";
/// Extension: certificate policies (RFC 5280 §4.2.1.4).
pub const CERTIFICATE_POLICIES: &str = "2.5.29.32";
/// Extension: authority key identifier (RFC 5280 §4.2.1.1).
pub const AUTHORITY_KEY_IDENTIFIER: &str = "2.5.29.35";
/// Extension: extended key usage (RFC 5280 §4.2.1.12).
pub const EXTENDED_KEY_USAGE: &str = "2.5.29.37";

/// One extension.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Extension {
    oid: String,
    critical: bool,
    value: Vec<u8>,
}

impl Extension {
    pub(super) fn new(oid: String, critical: bool, value: &[u8]) -> Self {
        Self {
            oid,
            critical,
            value: value.to_vec(),
        }
    }

    /// What it is, in dotted decimals.
    pub fn oid(&self) -> &str {
        &self.oid
    }

    /// Whether whoever does not know it must refuse the certificate.
    pub const fn is_critical(&self) -> bool {
        self.critical
    }

    /// The contents of `extnValue`. Makers put bytes there that are no DER.
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

/// What a key may do (RFC 5280 §4.2.1.3), as a set of bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// Sign something other than certificates and lists.
    pub const DIGITAL_SIGNATURE: Self = Self(0x8000);
    /// Sign so that the signer cannot deny it later (nonRepudiation, contentCommitment).
    pub const NON_REPUDIATION: Self = Self(0x4000);
    /// Wrap keys.
    pub const KEY_ENCIPHERMENT: Self = Self(0x2000);
    /// Encrypt data.
    pub const DATA_ENCIPHERMENT: Self = Self(0x1000);
    /// Agree on keys.
    pub const KEY_AGREEMENT: Self = Self(0x0800);
    /// Sign certificates.
    pub const KEY_CERT_SIGN: Self = Self(0x0400);
    /// Sign revocation lists.
    pub const CRL_SIGN: Self = Self(0x0200);

    /// Whether everything in `other` is in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits in the order of RFC 5280: digitalSignature is the highest.
    pub const fn bits(self) -> u16 {
        self.0
    }
}

/// Whether the subject may issue certificates, and how long paths below it may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BasicConstraints {
    /// Whether it is an authority.
    pub is_ca: bool,
    /// How many authorities may stand between it and an end entity.
    pub path_length: Option<u32>,
}

/// One of the subject alternative names (RFC 5280 §4.2.1.6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GeneralName {
    /// Its identifier octet: which kind of name it is.
    pub tag: u8,
    /// Its contents octets.
    pub contents: Vec<u8>,
}

impl Certificate {
    /// All extensions, in their order.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// One extension by its dotted decimals.
    pub fn find_extension(&self, oid: &str) -> Option<&Extension> {
        self.extensions
            .iter()
            .find(|extension| extension.oid == oid)
    }

    /// The key usage; `None` if the extension is absent, which RFC 5280 reads as *everything*.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Extension`] if it is no BIT STRING.
    pub fn key_usage(&self) -> Result<Option<KeyUsage>, CertificateError> {
        self.read(KEY_USAGE, |value| {
            let bits = der::only(value, der::BIT_STRING)?;
            let (unused, octets) = bits.split_first().ok_or(DerError::Contents)?;
            if *unused > 7 || octets.is_empty() {
                return Err(DerError::Contents);
            }
            let high = octets.first().copied().unwrap_or(0);
            let low = octets.get(1).copied().unwrap_or(0);
            Ok(KeyUsage(u16::from_be_bytes([high, low])))
        })
    }

    /// The basic constraints; `None` if the extension is absent.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Extension`] if it does not hold what RFC 5280 §4.2.1.9 says.
    pub fn basic_constraints(&self) -> Result<Option<BasicConstraints>, CertificateError> {
        self.read(BASIC_CONSTRAINTS, |value| {
            let mut fields = Reader::new(der::only(value, der::SEQUENCE)?);
            let is_ca = match fields.peek() {
                Some(der::BOOLEAN) => match fields.expect(der::BOOLEAN)? {
                    // DER leaves FALSE out; some makers write it all the same.
                    [0x00] => false,
                    [0xff] => true,
                    _ => return Err(DerError::Contents),
                },
                _ => false,
            };
            let path_length = match fields.peek() {
                Some(der::INTEGER) => Some(small_number(fields.expect(der::INTEGER)?)?),
                _ => None,
            };
            fields.finish()?;
            Ok(BasicConstraints { is_ca, path_length })
        })
    }

    /// The extended key usages in dotted decimals; `None` if the extension is absent.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Extension`] if it is no sequence of object identifiers, or an empty one.
    pub fn extended_key_usages(&self) -> Result<Option<Vec<String>>, CertificateError> {
        self.read(EXTENDED_KEY_USAGE, |value| {
            let mut usages = Reader::new(der::only(value, der::SEQUENCE)?);
            let mut texts = Vec::new();
            while !usages.is_empty() {
                texts.push(der::oid_text(usages.expect(der::OBJECT_IDENTIFIER)?)?);
            }
            not_empty(texts)
        })
    }

    /// The certificate policies in dotted decimals, without qualifiers; `None` if the extension is
    /// absent.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Extension`] if it does not hold what RFC 5280 §4.2.1.4 says.
    pub fn policies(&self) -> Result<Option<Vec<String>>, CertificateError> {
        self.read(CERTIFICATE_POLICIES, |value| {
            let mut policies = Reader::new(der::only(value, der::SEQUENCE)?);
            let mut texts = Vec::new();
            while !policies.is_empty() {
                let mut policy = Reader::new(policies.expect(der::SEQUENCE)?);
                texts.push(der::oid_text(policy.expect(der::OBJECT_IDENTIFIER)?)?);
            }
            not_empty(texts)
        })
    }

    /// The subject alternative names: `None` if the extension is absent.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Extension`] if it is no sequence of elements.
    pub fn alternative_names(&self) -> Result<Option<Vec<GeneralName>>, CertificateError> {
        self.read(SUBJECT_ALTERNATIVE_NAME, |value| {
            let mut names = Reader::new(der::only(value, der::SEQUENCE)?);
            let mut found = Vec::new();
            while !names.is_empty() {
                let name = names.element()?;
                found.push(GeneralName {
                    tag: name.tag,
                    contents: name.contents.to_vec(),
                });
            }
            Ok(found)
        })
    }

    /// The dNSNames among the subject alternative names; empty if there are none.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Extension`] if the extension cannot be read or a name is not ASCII.
    pub fn dns_names(&self) -> Result<Vec<String>, CertificateError> {
        self.alternative_names()?
            .unwrap_or_default()
            .into_iter()
            .filter(|name| name.tag == der::context(2))
            .map(|name| match String::from_utf8(name.contents) {
                Ok(name) if name.is_ascii() => Ok(name),
                _ => Err(CertificateError::Extension {
                    oid: SUBJECT_ALTERNATIVE_NAME.to_owned(),
                    source: DerError::Contents,
                }),
            })
            .collect()
    }

    /// The subject key identifier; `None` if the extension is absent.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Extension`] if it is no OCTET STRING.
    pub fn subject_key_identifier(&self) -> Result<Option<Vec<u8>>, CertificateError> {
        self.read(SUBJECT_KEY_IDENTIFIER, |value| {
            der::only(value, der::OCTET_STRING).map(<[u8]>::to_vec)
        })
    }

    fn read<T>(
        &self,
        oid: &str,
        read: impl FnOnce(&[u8]) -> Result<T, DerError>,
    ) -> Result<Option<T>, CertificateError> {
        let Some(extension) = self.find_extension(oid) else {
            return Ok(None);
        };
        read(&extension.value)
            .map(Some)
            .map_err(|source| CertificateError::Extension {
                oid: oid.to_owned(),
                source,
            })
    }
}

fn not_empty(texts: Vec<String>) -> Result<Vec<String>, DerError> {
    if texts.is_empty() {
        Err(DerError::Contents)
    } else {
        Ok(texts)
    }
}

/// A non-negative INTEGER of at most four octets.
fn small_number(contents: &[u8]) -> Result<u32, DerError> {
    match contents {
        [first, ..] if first & 0x80 == 0 && contents.len() <= 4 => Ok(contents
            .iter()
            .fold(0, |sum, octet| (sum << 8) | u32::from(*octet))),
        _ => Err(DerError::Contents),
    }
}
