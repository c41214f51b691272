//! The endorsement key's certificate: what it must say, and what is let pass (EK Credential Profile
//! §3.2).
//!
//! Let pass, because genuine chips have it: an empty subject, critical policies and alternative names,
//! an RSA key marked for OAEP, the year 9999, no authority key identifier, padding from the TPM's
//! memory, several attributes in one set.

use wardkey_schemas::oid;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use super::manufacturer::Manufacturer;
use super::{EkKey, broken, names};
use crate::certificate::{
    AUTHORITY_KEY_IDENTIFIER, BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, Certificate,
    EXTENDED_KEY_USAGE, KEY_USAGE, KeyUsage, SUBJECT_ALTERNATIVE_NAME, SubjectKey,
};
use crate::der;

/// `tpmManufacturer`, `tpmModel`, `tpmVersion` (EK Credential Profile §3.1.2).
const MANUFACTURER: &str = "2.23.133.2.1";
const MODEL: &str = "2.23.133.2.2";
const VERSION: &str = "2.23.133.2.3";

/// Subject directory attributes (RFC 5280 §4.2.1.8): the TPM specification that the chip follows.
const DIRECTORY_ATTRIBUTES: &str = "2.5.29.9";

/// Critical extensions that are known here.
const KNOWN: [&str; 7] = [
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    SUBJECT_ALTERNATIVE_NAME,
    CERTIFICATE_POLICIES,
    EXTENDED_KEY_USAGE,
    AUTHORITY_KEY_IDENTIFIER,
    DIRECTORY_ATTRIBUTES,
];

/// The exponent 65537, as a certificate has it.
const EXPONENT: [u8; 3] = [1, 0, 1];

/// A certificate that follows the profile; nobody has vouched for it yet.
#[derive(Debug)]
pub(super) struct EkCertificate {
    pub(super) certificate: Certificate,
    pub(super) manufacturer: Manufacturer,
    pub(super) model: String,
    pub(super) version: String,
}

impl EkCertificate {
    /// Reads the certificate, padding and wrapper of the TPM's memory taken off.
    pub(super) fn read(bytes: &[u8], now: Timestamp) -> Result<Self, Refusal> {
        if bytes.is_empty() {
            return Err(Refusal::new(
                Code::EkCertificateMissing,
                "no endorsement key certificate",
                "one from the TPM's maker",
            ));
        }
        let certificate = Certificate::parse(without_padding(bytes))
            .map_err(|error| broken(error, "one X.509 certificate"))?;
        require_extensions(&certificate)?;
        require_key_usage(&certificate)?;
        // The maker bounded its own word about this key; an ended one is refused.
        if !certificate.validity().covers(now) {
            return Err(broken(
                format_args!(
                    "valid from {} to {}",
                    certificate.validity().not_before,
                    certificate.validity().not_after
                ),
                format_args!("valid at {now}"),
            ));
        }
        let [manufacturer, model, version] = tpm_names(&certificate)?;
        let manufacturer = Manufacturer::parse(&manufacturer).ok_or_else(|| {
            broken(
                format_args!("tpmManufacturer {manufacturer}"),
                "id: and eight hexadecimal digits",
            )
        })?;
        Ok(Self {
            certificate,
            manufacturer,
            model,
            version,
        })
    }

    /// Refuses unless `key` is the key in the certificate.
    pub(super) fn require_key(&self, key: &EkKey) -> Result<(), Refusal> {
        let same = match (self.certificate.key(), key) {
            (SubjectKey::Rsa(certified), EkKey::Rsa2048(modulus)) => {
                certified.modulus() == modulus.as_slice() && certified.exponent() == EXPONENT
            }
            (SubjectKey::P256(certified), EkKey::P256(key)) => certified == key,
            (
                SubjectKey::P256(_)
                | SubjectKey::P384(_)
                | SubjectKey::P521(_)
                | SubjectKey::Rsa(_)
                | SubjectKey::Other { .. },
                _,
            ) => false,
        };
        if same {
            return Ok(());
        }
        let shown = match key {
            EkKey::Rsa2048(_) => "another key, RSA-2048",
            EkKey::P256(_) => "another key, P-256",
        };
        Err(Refusal::new(
            Code::EkKeyMismatch,
            shown,
            format_args!(
                "the {} key in certificate {}",
                self.certificate.key().kind(),
                self.certificate.sha256().to_hex()
            ),
        ))
    }
}

/// Takes off what a TPM's memory may hold round a certificate: in front the wrapper of older parts
/// (`10 01`, a type octet 00, two octets of length), behind it zeros or ones up to the end of the area.
fn without_padding(bytes: &[u8]) -> &[u8] {
    let inner = match bytes {
        [0x10, 0x01, 0x00, _, _, inner @ ..] => inner,
        _ => bytes,
    };
    let mut reader = der::Reader::new(inner);
    let Ok(certificate) = reader.element() else {
        return inner;
    };
    let padding = inner.get(certificate.whole.len()..).unwrap_or_default();
    if padding.iter().all(|byte| *byte == 0) || padding.iter().all(|byte| *byte == 0xff) {
        certificate.whole
    } else {
        inner
    }
}

fn require_extensions(certificate: &Certificate) -> Result<(), Refusal> {
    for extension in certificate.extensions() {
        if extension.is_critical() && !KNOWN.contains(&extension.oid()) {
            return Err(broken(
                format_args!("unknown critical extension {}", extension.oid()),
                "none",
            ));
        }
    }
    let constraints = certificate
        .basic_constraints()
        .map_err(|error| broken(error, "basic constraints that can be read"))?;
    if constraints.is_some_and(|found| found.is_ca) {
        return Err(broken("an authority's certificate", "an end entity's"));
    }
    let usages = certificate
        .extended_key_usages()
        .map_err(|error| broken(error, "extended key usages that can be read"))?
        .unwrap_or_default();
    if usages.iter().any(|usage| usage == oid::EKU_EK) {
        return Ok(());
    }
    Err(broken(
        format_args!("extended key usages {}", usages.join(", ")),
        format_args!("{} (tcg-kp-EKCertificate)", oid::EKU_EK),
    ))
}

fn require_key_usage(certificate: &Certificate) -> Result<(), Refusal> {
    let (wanted, word) = match certificate.key() {
        SubjectKey::Rsa(_) => (KeyUsage::KEY_ENCIPHERMENT, "keyEncipherment"),
        SubjectKey::P256(_)
        | SubjectKey::P384(_)
        | SubjectKey::P521(_)
        | SubjectKey::Other { .. } => (KeyUsage::KEY_AGREEMENT, "keyAgreement"),
    };
    let found = certificate
        .key_usage()
        .map_err(|error| broken(error, "a key usage that can be read"))?;
    if found.is_some_and(|usage| usage.contains(wanted)) {
        return Ok(());
    }
    let bits = found.map_or(0, KeyUsage::bits);
    Err(broken(format_args!("key usage {bits:#06x}"), word))
}

/// Maker, model and version from the directory names among the alternative names; each once.
fn tpm_names(certificate: &Certificate) -> Result<[String; 3], Refusal> {
    let unreadable = |error: &dyn std::fmt::Display| {
        broken(error, "alternative names with maker, model and version")
    };
    let alternative = certificate
        .alternative_names()
        .map_err(|error| unreadable(&error))?
        .unwrap_or_default();
    let mut attributes = Vec::new();
    for name in &alternative {
        if name.tag == der::context_constructed(4) {
            let parts = names::attributes(&name.contents);
            attributes.extend(parts.map_err(|error| unreadable(&error))?);
        }
    }
    let once = |oid: &str| {
        let mut values = attributes.iter().filter(|attribute| attribute.oid == oid);
        match (values.next(), values.next()) {
            (Some(attribute), None) => Ok(attribute.text().into_owned()),
            (found, _) => Err(broken(
                format_args!("attribute {oid} {}", found.map_or("absent", |_| "twice")),
                "maker, model and version, once each",
            )),
        }
    };
    Ok([once(MANUFACTURER)?, once(MODEL)?, once(VERSION)?])
}
