//! Endorsement keys: is there a genuine TPM behind this key (TCG EK Credential Profile for TPM 2.0)?
//!
//! The maker puts the endorsement key into the chip and certifies it. Makers' certificates break many
//! rules of RFC 5280 that strict validators enforce, so the path is walked explicitly and each rule
//! stands here with its reason.
//!
//! # Invariants
//!
//! - A path ends at a certificate whose hash the trust bundle pins, and that anchor must be allowed to
//!   speak for the maker whom the endorsement key's certificate names.
//! - A software TPM passes only below an anchor that is pinned for software TPMs.
//! - The public area of the key, not only its certificate, must follow a TCG template: what a template
//!   forbids, this key cannot do.
//!
//! # Where to start
//!
//! [`VerifiedEk::verify`].

mod anchors;
mod manufacturer;
mod names;
mod path;
mod profile;
mod roca;
mod template;

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{EndorsementKey, TpmProperties};
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

pub use self::anchors::EkAnchors;
pub use self::manufacturer::Manufacturer;

use self::profile::EkCertificate;

/// An endorsement key with which a credential can be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EkKey {
    /// RSA with 2048 bits and exponent 65537: the modulus, big-endian, its first bit and its last set.
    Rsa2048(Box<[u8; 256]>),
    /// On P-256.
    P256(PublicKey),
}

/// An endorsement key whose maker vouches for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedEk {
    sha256: Sha256,
    key: EkKey,
    manufacturer: Manufacturer,
    model: String,
    version: String,
    certificate: Sha256,
    anchor: Sha256,
}

impl VerifiedEk {
    /// Verifies the key `ek` with its certificate, against what its TPM says of itself and the
    /// makers that are believed, at time `now`.
    ///
    /// # Errors
    ///
    /// `EK_CERTIFICATE_MISSING`, `EK_CERTIFICATE`, `EK_UNTRUSTED`, `TPM_SOFTWARE`,
    /// `TPM_MANUFACTURER`, `TPM_STRUCTURE`, `EK_TEMPLATE`, `EK_KEY_MISMATCH` or `TPM_VULNERABLE`.
    pub fn verify(
        ek: &EndorsementKey,
        tpm: &TpmProperties,
        anchors: &EkAnchors,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let certificate = EkCertificate::read(ek.certificate.as_slice(), now)?;
        let manufacturer = certificate.manufacturer;
        anchors.require_any_for_software(manufacturer)?;
        let anchor = path::walk(&certificate.certificate, &ek.chain, anchors, now)?;
        anchor.require_speaks_for(manufacturer)?;
        manufacturer.require_reported(tpm.manufacturer)?;

        let key = template::read(ek.public.as_slice())?;
        certificate.require_key(&key)?;
        if let EkKey::Rsa2048(modulus) = &key {
            roca::require_strong(modulus)?;
        }
        Ok(Self {
            sha256: ek.public.sha256(),
            key,
            manufacturer,
            certificate: certificate.certificate.sha256(),
            model: certificate.model,
            version: certificate.version,
            anchor: anchor.sha256(),
        })
    }

    /// SHA-256 of the key's `TPMT_PUBLIC`: by this a laptop is known for ever.
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// The key.
    pub const fn key(&self) -> &EkKey {
        &self.key
    }

    /// Who made the TPM.
    pub const fn manufacturer(&self) -> Manufacturer {
        self.manufacturer
    }

    /// The TPM's model, as its certificate says.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The TPM's version, as its certificate says.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// SHA-256 of the certificate.
    pub const fn certificate(&self) -> Sha256 {
        self.certificate
    }

    /// SHA-256 of the anchor to which the path led.
    pub const fn anchor(&self) -> Sha256 {
        self.anchor
    }
}

fn broken(found: impl std::fmt::Display, wanted: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::EkCertificate, found, wanted)
}
