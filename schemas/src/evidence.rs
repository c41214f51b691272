//! Evidence from a TPM, as it travels: the exact bytes that the TPM made (RFC 9334 §8).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Sha256, Signature};

/// One register of the SHA-256 bank.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PcrValue {
    /// Its number, 0 to 23.
    pub index: u8,
    /// Its value.
    pub sha256: Sha256,
}

/// An attest structure with the attestation key's signature over it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// `TPMS_ATTEST` (TPM 2.0 Part 2 §10.12), as the TPM marshalled it.
    pub attest: Bytes,
    /// ECDSA P-256 with SHA-256 over it.
    pub signature: Signature,
}

/// A quote with the register values that it covers, in ascending order.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// The quote (`TPMS_ATTEST` of type `TPM_ST_ATTEST_QUOTE`) and its signature.
    pub attestation: Attestation,
    /// The values; believed only once their digest equals the quoted one.
    pub pcrs: Vec<PcrValue>,
}

impl Quote {
    /// SHA-256 of the attest structure: what the staff member's signature covers.
    pub fn sha256(&self) -> Sha256 {
        self.attestation.attest.sha256()
    }
}

/// What the TPM says of itself (`TPM2_GetCapability`); claims, not proofs.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TpmProperties {
    /// `TPM2_PT_MANUFACTURER`, as a number.
    pub manufacturer: u32,
    /// `TPM2_PT_VENDOR_STRING_1` to `_4`, joined, without padding.
    pub vendor: String,
    /// `TPM2_PT_FIRMWARE_VERSION_1` and `_2` as one number.
    pub firmware_version: u64,
    /// `TPM2_PT_LEVEL`.
    pub level: u32,
    /// `TPM2_PT_REVISION` (times 100).
    pub revision: u32,
}

/// The endorsement key with its certificate, as read from the TPM.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EndorsementKey {
    /// The certificate (DER), padding and wrapper removed.
    pub certificate: Bytes,
    /// Certificates between it and its root, if the TPM holds any.
    pub chain: Vec<Bytes>,
    /// `TPMT_PUBLIC` of the key.
    pub public: Bytes,
}

/// The attestation key with the proof of how it was made.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AttestationKey {
    /// `TPMT_PUBLIC` of the key.
    pub public: Bytes,
    /// `TPMS_CREATION_DATA`.
    pub creation_data: Bytes,
    /// `TPM2_CertifyCreation` of the key by itself.
    pub creation: Attestation,
}

/// A secret that only the TPM with this EK and AK can open (`TPM2_MakeCredential`).
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// `TPM2B_ID_OBJECT`, size included.
    pub id_object: Bytes,
    /// `TPM2B_ENCRYPTED_SECRET`, size included.
    pub encrypted_secret: Bytes,
}
