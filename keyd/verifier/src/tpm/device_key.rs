//! The laptop's device key: what it must be, and its certification by the attestation key
//! (`TPM2_Certify`).

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::Attestation;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::{Code, Refusal};

use super::alg;
use super::attest::{Attest, Attested, Hex};
use super::attestation_key::{Described, VerifiedAk};
use super::name::Name;
use super::public::{KeyArea, PublicArea, Scheme, Symmetric};

/// *fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, sign*, and nothing else: not
/// *restricted*, because it signs our messages.
const ATTRIBUTES: u32 = 0x0004_0072;

/// A device key that lives in the same TPM as the attestation key that certified it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedDeviceKey {
    key: PublicKey,
    name: Name,
}

impl VerifiedDeviceKey {
    /// Verifies properties of the key `public` (`TPMT_PUBLIC`) and its certification by `ak`, which
    /// must cover `binding` (`EnrolmentBinding::certify`).
    ///
    /// # Errors
    ///
    /// `DEVICE_KEY_ATTRIBUTES`, `CERTIFY_MISMATCH`, `ATTEST_*` or `TPM_STRUCTURE`.
    pub fn verify(
        public: &[u8],
        certify: &Attestation,
        ak: &VerifiedAk,
        binding: &Sha256,
    ) -> Result<Self, Refusal> {
        let public = PublicArea::parse(public)?;
        let (key, name) = require_properties(&public)?;

        let attest = Attest::signed_by(certify, ak.key(), Code::CertifyMismatch)?;
        let Attested::Certify { name: certified } = *attest.attested() else {
            return Err(attest.another_type("CERTIFY"));
        };
        attest.require_signer(&ak.identity().qualified_name)?;
        attest.require_extra_data(binding.as_bytes(), Code::CertifyMismatch)?;
        if certified != name.as_bytes() {
            return Err(Refusal::new(
                Code::CertifyMismatch,
                format_args!("certification of {}", Hex(certified)),
                name,
            ));
        }
        Ok(Self { key, name })
    }

    /// The key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Its Name.
    pub const fn name(&self) -> &Name {
        &self.name
    }
}

fn require_properties(public: &PublicArea<'_>) -> Result<(PublicKey, Name), Refusal> {
    let refuse = |found: String| {
        Refusal::new(
            Code::DeviceKeyAttributes,
            found,
            format_args!("a signing key on P-256 with attributes {ATTRIBUTES:#010x} and no policy"),
        )
    };
    let (key, name) = p256_signer(public).ok_or_else(|| refuse(Described(public).to_string()))?;
    if !public.attributes().are(ATTRIBUTES) || !public.auth_policy().is_empty() {
        return Err(refuse(format!(
            "attributes {}, policy {}",
            public.attributes(),
            Hex(public.auth_policy())
        )));
    }
    Ok((key, name))
}

/// The key and its Name, if it signs on P-256: with ECDSA and SHA-256, or with no scheme fixed, where
/// the TPM takes the scheme with each request and its attributes already say that it only signs.
fn p256_signer(public: &PublicArea<'_>) -> Option<(PublicKey, Name)> {
    let KeyArea::Ecc(area) = public.key() else {
        return None;
    };
    let ecdsa_sha256 = Scheme::Fixed {
        algorithm: alg::ECDSA,
        hash: alg::SHA256,
    };
    let plain = (area.scheme == Scheme::Null || area.scheme == ecdsa_sha256)
        && area.symmetric == Symmetric::Null
        && area.kdf == Scheme::Null;
    if !plain {
        return None;
    }
    Some((area.p256()?, public.name()?))
}
