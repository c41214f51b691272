//! The laptop's security chip, as the gate uses it: a number that only goes up, and a secret that
//! no other laptop has.
//!
//! A disk can be copied and put back; the chip cannot. What the gate remembers carries the number,
//! and a seal by the secret, so a copy from before a stop is told apart from what was written last.
//!
//! The number is made by the enrolment ([`make_counter`]) and by nothing else: a laptop that is
//! enrolled and has none is one whose chip was cleared or exchanged.

use std::time::Duration;

use wardkey_tpm::{Deadlines, NvCounter, NvIndex, Salt, Tpm, TpmAddress, TpmError};

/// Where the counter is: in the range that the TCG leaves to the owner (TPM 2.0 Registry of
/// Reserved Handles and Localities, 2.2), a place that no other program is known to use.
const COUNTER: NvIndex = NvIndex::of_owner(0x57A9);

/// Which of the chip's keys makes the secret. No secret itself.
const SALT: Salt = Salt(*b"wardkey gate: state on the disk.");

/// What the secret is for.
const PURPOSE: &[u8] = b"wardkey-gate state 1";

/// How long the chip may take before a stop is acted on without it. Measured on swtpm: 1 ms;
/// makers of discrete chips promise some 50 ms, and another program's command may come first.
const DEADLINES: Deadlines = Deadlines {
    answer: Duration::from_secs(2),
    new_key: Duration::from_secs(20),
};

/// What the gate needs of a security chip. The product has [`SecurityChip`]; a test that lets it
/// fail between two steps has one of its own.
pub trait Chip {
    /// How the counter stands.
    ///
    /// # Errors
    ///
    /// [`TpmError`].
    fn counter(&mut self) -> Result<NvCounter, TpmError>;

    /// Adds one to the counter; gives what it is then.
    ///
    /// # Errors
    ///
    /// [`TpmError`]; the counter may have gone up all the same.
    fn advance(&mut self) -> Result<u64, TpmError>;

    /// The secret of this laptop.
    ///
    /// # Errors
    ///
    /// [`TpmError`].
    fn secret(&mut self) -> Result<[u8; 32], TpmError>;
}

/// The TPM, opened when it is needed and again after a connection that broke off.
#[derive(Debug)]
pub struct SecurityChip {
    address: TpmAddress,
    tpm: Option<Tpm>,
}

impl SecurityChip {
    /// The chip at `address`.
    pub const fn new(address: TpmAddress) -> Self {
        Self { address, tpm: None }
    }

    fn ask<T>(&mut self, ask: impl FnOnce(&Tpm) -> Result<T, TpmError>) -> Result<T, TpmError> {
        let tpm = match self.tpm.take() {
            Some(tpm) => tpm,
            None => Tpm::open_with(&self.address, DEADLINES)?,
        };
        let answer = ask(&tpm);
        let is_over = matches!(&answer, Err(error) if error.calls_for_reopening());
        if !is_over {
            self.tpm = Some(tpm);
        }
        answer
    }
}

impl Chip for SecurityChip {
    fn counter(&mut self) -> Result<NvCounter, TpmError> {
        self.ask(|tpm| tpm.read_nv_counter(COUNTER))
    }

    fn advance(&mut self) -> Result<u64, TpmError> {
        self.ask(|tpm| tpm.nv_increment(COUNTER))
    }

    fn secret(&mut self) -> Result<[u8; 32], TpmError> {
        self.ask(|tpm| tpm.secret_for(SALT, PURPOSE))
    }
}

/// Makes the counter anew, as an enrolment does: it is there and was never used. What was written
/// under the one before is then of the past for good.
///
/// # Errors
///
/// [`TpmError`]; `TPM_RC_BAD_AUTH` for a chip whose owner has a password.
pub fn make_counter(tpm: &Tpm) -> Result<(), TpmError> {
    match tpm.read_nv_counter(COUNTER) {
        Ok(NvCounter::Missing) => (),
        Ok(NvCounter::Fresh) => return Ok(()),
        // Whatever else stands in this place is in the way.
        Ok(NvCounter::At(_)) | Err(TpmError::Malformed { .. }) => tpm.nv_undefine(COUNTER)?,
        Err(error) => return Err(error),
    }
    tpm.nv_define_counter(COUNTER)
}
