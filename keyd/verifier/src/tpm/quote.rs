//! The quote: what started on this laptop, said now and for this request.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{PcrValue, Quote};
use wardkey_schemas::{Code, Refusal};

use super::attest::{Attest, Attested, ClockInfo, Hex};
use super::attestation_key::AkIdentity;
use super::pcr::{Indices, PcrSet, digest_of};

/// Register values that the TPM quoted for exactly this request.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedQuote<'a> {
    pcrs: &'a [PcrValue],
    clock: ClockInfo,
    firmware_version: u64,
}

impl<'a> VerifiedQuote<'a> {
    /// Verifies `quote`: signed by `ak`, for `binding`, over exactly the registers of `wanted` in the
    /// SHA-256 bank, with these values.
    ///
    /// # Errors
    ///
    /// `QUOTE_SIGNATURE`, `QUOTE_CONTEXT`, `QUOTE_PCRS`, `PCR_DIGEST`, `ATTEST_*` or `TPM_STRUCTURE`.
    pub fn verify(
        quote: &'a Quote,
        ak: &AkIdentity,
        binding: &Sha256,
        wanted: PcrSet,
    ) -> Result<Self, Refusal> {
        let attest = Attest::signed_by(&quote.attestation, &ak.key, Code::QuoteSignature)?;
        let Attested::Quote { selection, digest } = *attest.attested() else {
            return Err(attest.another_type("QUOTE"));
        };
        attest.require_signer(&ak.qualified_name)?;
        attest.require_extra_data(binding.as_bytes(), Code::QuoteContext)?;
        if !selection.is_exactly(wanted) {
            return Err(Refusal::new(
                Code::QuotePcrs,
                format_args!("quoted {selection}"),
                format_args!("the SHA-256 bank (0x000b): {wanted}"),
            ));
        }
        if !wanted.is_exactly(&quote.pcrs) {
            return Err(Refusal::new(
                Code::QuotePcrs,
                format_args!("values of {}", Indices(&quote.pcrs)),
                format_args!("values of {wanted}, ascending"),
            ));
        }
        let computed = digest_of(&quote.pcrs);
        if digest != computed.as_bytes() {
            return Err(Refusal::new(
                Code::PcrDigest,
                format_args!("values with digest {}", computed.to_hex()),
                format_args!("the quoted digest {}", Hex(digest)),
            ));
        }
        Ok(Self {
            pcrs: &quote.pcrs,
            clock: attest.clock(),
            firmware_version: attest.firmware_version(),
        })
    }

    /// The values, ascending.
    pub const fn pcrs(&self) -> &'a [PcrValue] {
        self.pcrs
    }

    /// The TPM's clock when it quoted.
    pub const fn clock(&self) -> ClockInfo {
        self.clock
    }

    /// The TPM's firmware version.
    pub const fn firmware_version(&self) -> u64 {
        self.firmware_version
    }
}
