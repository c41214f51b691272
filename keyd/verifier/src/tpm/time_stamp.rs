//! The TPM's own time stamp, `TPM2_GetTime`: cheap proof that this TPM still runs.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::Attestation;
use wardkey_schemas::{Code, Refusal};

use super::attest::{Attest, Attested, ClockInfo};
use super::attestation_key::AkIdentity;

/// The TPM's clock, said for exactly this request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VerifiedTimeStamp {
    clock: ClockInfo,
}

impl VerifiedTimeStamp {
    /// Verifies `stamp`: signed by `ak`, for `binding`.
    ///
    /// # Errors
    ///
    /// `QUOTE_SIGNATURE`, `QUOTE_CONTEXT`, `ATTEST_*` or `TPM_STRUCTURE`.
    pub fn verify(stamp: &Attestation, ak: &AkIdentity, binding: &Sha256) -> Result<Self, Refusal> {
        let attest = Attest::signed_by(stamp, &ak.key, Code::QuoteSignature)?;
        let Attested::Time = attest.attested() else {
            return Err(attest.another_type("TIME"));
        };
        attest.require_signer(&ak.qualified_name)?;
        attest.require_extra_data(binding.as_bytes(), Code::QuoteContext)?;
        Ok(Self {
            clock: attest.clock(),
        })
    }

    /// The TPM's clock when it stamped.
    pub const fn clock(&self) -> ClockInfo {
        self.clock
    }
}
