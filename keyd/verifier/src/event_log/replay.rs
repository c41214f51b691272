//! What the registers would hold if the log were all that happened (PFP §10, TPM 2.0 Part 3 §22).

use std::fmt;

use aws_lc_rs::digest;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::{Code, Refusal, limits};

use super::EventLog;

/// Registers that start at ones: those of a dynamic launch (PC Client PTP §4.6). All others start at
/// zeros, PCR 0 with the startup locality in its last byte.
const DYNAMIC: std::ops::RangeInclusive<usize> = 17..=22;

/// Values for some or all registers of the SHA-256 bank, from a log.
pub trait RegisterValues {
    /// The value of register `index`, if the log gives one.
    fn find_value(&self, index: u8) -> Option<Sha256>;
}

/// What a log comes to.
#[derive(Clone, Eq, PartialEq)]
pub struct ReplayedLog {
    sha256: Sha256,
    values: [Sha256; limits::PCRS],
}

impl ReplayedLog {
    /// SHA-256 of the log.
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// The values of all 24 registers, ascending: what keyd keeps, so that the log need not be sent
    /// again ([`KnownLog`]).
    pub fn values(&self) -> Vec<PcrValue> {
        (0..)
            .zip(self.values)
            .map(|(index, sha256)| PcrValue { index, sha256 })
            .collect()
    }
}

impl RegisterValues for ReplayedLog {
    fn find_value(&self, index: u8) -> Option<Sha256> {
        self.values.get(usize::from(index)).copied()
    }
}

impl fmt::Debug for ReplayedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayedLog(of {})", self.sha256)
    }
}

/// A log that this service replayed before, as it kept it: what [`ReplayedLog`] gave out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownLog {
    /// SHA-256 of the log.
    pub sha256: Sha256,
    /// The values of its registers.
    pub values: Vec<PcrValue>,
}

impl RegisterValues for KnownLog {
    fn find_value(&self, index: u8) -> Option<Sha256> {
        self.values
            .iter()
            .find(|value| value.index == index)
            .map(|value| value.sha256)
    }
}

impl EventLog<'_> {
    /// Extends every event in order.
    pub fn replay(&self) -> ReplayedLog {
        let mut registers = [[0_u8; 32]; limits::PCRS];
        for (index, register) in registers.iter_mut().enumerate() {
            if DYNAMIC.contains(&index) {
                *register = [0xff; 32];
            }
        }
        if let Some([.., last]) = registers.first_mut() {
            *last = self.startup_locality;
        }
        for event in self.events() {
            // The parser let no register past 23 through.
            if let Some(register) = registers.get_mut(usize::from(event.pcr)) {
                extend(register, event.sha256.as_bytes());
            }
        }
        ReplayedLog {
            sha256: self.sha256(),
            values: registers.map(Sha256::new),
        }
    }
}

/// `TPM2_PCR_Extend`: the new value is the digest of the old value and what is extended.
fn extend(register: &mut [u8; 32], measured: &[u8; 32]) {
    let mut both = [0; 64];
    both.iter_mut()
        .zip(register.iter().chain(measured))
        .for_each(|(to, from)| *to = *from);
    let value = digest::digest(&digest::SHA256, &both);
    register
        .iter_mut()
        .zip(value.as_ref())
        .for_each(|(to, from)| *to = *from);
}

/// Refuses unless the log gives exactly the value of each of `quoted`.
///
/// # Errors
///
/// `LOG_REPLAY_MISMATCH`, naming the first register that the log does not explain; also if nothing
/// was quoted.
pub fn require_explained(quoted: &[PcrValue], log: &impl RegisterValues) -> Result<(), Refusal> {
    let refuse = |found: fmt::Arguments<'_>, wanted: fmt::Arguments<'_>| {
        Err(Refusal::new(Code::LogReplayMismatch, found, wanted))
    };
    if quoted.is_empty() {
        return refuse(
            format_args!("no register"),
            format_args!("quoted registers"),
        );
    }
    for PcrValue { index, sha256 } in quoted {
        match log.find_value(*index) {
            Some(value) if value == *sha256 => {}
            Some(value) => {
                return refuse(
                    format_args!("the log gives PCR {index} = {}", value.to_hex()),
                    format_args!("as quoted, {}", sha256.to_hex()),
                );
            }
            None => {
                return refuse(
                    format_args!("no value for PCR {index} from the log"),
                    format_args!("as quoted, {}", sha256.to_hex()),
                );
            }
        }
    }
    Ok(())
}
