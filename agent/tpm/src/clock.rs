//! The TPM's clock and its counters of resets.

use tpm2_protocol::{
    data::TpmCc,
    frame::{TpmReadClockCommand, TpmReadClockResponse},
};

use crate::{MalformedAnswer, Tpm, TpmError, fields::Fields, tpm::malformed};

/// What `TPM2_ReadClock` says (TPM 2.0 Library Part 2, `TPMS_TIME_INFO`).
///
/// Not signed: for decisions on another machine use [`crate::AttestationKey::attest_time`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Clock {
    /// Milliseconds since the TPM was powered on.
    pub time: u64,
    /// Milliseconds the TPM has been powered in all its life, never set back by more than the
    /// interval in which it is saved.
    pub clock: u64,
    /// How often the TPM was reset (powered on without a saved state).
    pub reset_count: u32,
    /// How often it was resumed or restarted since the last reset.
    pub restart_count: u32,
    /// False if `clock` may have been shown before: power was cut without a shutdown.
    pub safe: bool,
}

impl Clock {
    pub(crate) fn parse(mut fields: Fields<'_>) -> Result<Self, MalformedAnswer> {
        let clock = Self {
            time: fields.u64()?,
            clock: fields.u64()?,
            reset_count: fields.u32()?,
            restart_count: fields.u32()?,
            safe: fields.yes_no("safe")?,
        };
        fields.finish()?;
        Ok(clock)
    }
}

impl Tpm {
    /// Reads the clock and the counters (`TPM2_ReadClock`).
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn read_clock(&self) -> Result<Clock, TpmError> {
        let reply =
            self.execute::<TpmReadClockResponse>(&TpmReadClockCommand { handles: [] }, &[])?;
        Clock::parse(reply.fields()).map_err(malformed(TpmCc::ReadClock))
    }
}
