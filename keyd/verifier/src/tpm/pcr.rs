//! Platform configuration registers: which ones, and what a quote says of them (Part 2 §10.6).

use std::fmt;

use aws_lc_rs::digest;
use wardkey_schemas::Refusal;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::limits;

use super::alg;
use super::wire::Wire;

/// A set of registers of the SHA-256 bank. Never empty.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct PcrSet(u32);

impl PcrSet {
    /// Makes a set from numbers in ascending order.
    ///
    /// `None` if there are none, one repeats or is out of order, or one is over 23: a demand that
    /// nothing be quoted is a mistake in the policy.
    pub fn new(ascending: &[u8]) -> Option<Self> {
        let mut bits = 0_u32;
        let mut least = 0_u8;
        for index in ascending {
            if *index < least || usize::from(*index) >= limits::PCRS {
                return None;
            }
            bits |= 1_u32.checked_shl(u32::from(*index))?;
            least = index.checked_add(1)?;
        }
        (bits != 0).then_some(Self(bits))
    }

    /// Whether register `index` belongs to the set.
    pub fn contains(self, index: u8) -> bool {
        1_u32
            .checked_shl(u32::from(index))
            .is_some_and(|bit| self.0 & bit != 0)
    }

    /// The numbers, ascending.
    pub fn indices(self) -> impl Iterator<Item = u8> {
        (0..=23).filter(move |index| self.contains(*index))
    }

    /// Whether `values` are exactly these registers, in ascending order.
    pub fn is_exactly(self, values: &[PcrValue]) -> bool {
        self.indices().eq(values.iter().map(|value| value.index))
    }
}

impl fmt::Display for PcrSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_indices(f, self.indices())
    }
}

impl fmt::Debug for PcrSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PcrSet({self})")
    }
}

/// Writes register numbers for people: `0, 2, 4, 7`.
fn write_indices(f: &mut fmt::Formatter<'_>, indices: impl Iterator<Item = u8>) -> fmt::Result {
    for (place, index) in indices.enumerate() {
        let separator = if place == 0 { "" } else { ", " };
        write!(f, "{separator}{index}")?;
    }
    Ok(())
}

/// The registers that some values speak of, for a refusal.
pub(crate) struct Indices<'a>(pub(crate) &'a [PcrValue]);

impl fmt::Display for Indices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A request may name any number of registers; 24 are enough to see what is wrong.
        write_indices(f, self.0.iter().take(24).map(|value| value.index))
    }
}

/// SHA-256 over the values one after the other, as a quote computes it (Part 3 §18.4).
pub(crate) fn digest_of(values: &[PcrValue]) -> Sha256 {
    let mut context = digest::Context::new(&digest::SHA256);
    for value in values {
        context.update(value.sha256.as_bytes());
    }
    let mut bytes = [0; 32];
    bytes
        .iter_mut()
        .zip(context.finish().as_ref())
        .for_each(|(to, from)| *to = *from);
    Sha256::new(bytes)
}

/// `TPML_PCR_SELECTION` as it stands in an attest structure or creation data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PcrSelection {
    banks: u32,
    only: Option<Bank>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Bank {
    hash: u16,
    registers: u32,
}

/// Banks in one selection (`HASH_COUNT`): no TPM implements as many hashes.
const MOST_BANKS: u32 = 16;

impl PcrSelection {
    pub(crate) fn parse(wire: &mut Wire<'_>) -> Result<Self, Refusal> {
        let banks = wire.u32()?;
        if banks > MOST_BANKS {
            return Err(wire.refuse(format_args!("{banks} PCR banks"), "at most 16"));
        }
        let mut only = None;
        for _ in 0..banks {
            let hash = wire.u16()?;
            let octets = usize::from(wire.u8()?);
            if octets > 4 {
                return Err(
                    wire.refuse(format_args!("a PCR bitmap of {octets} bytes"), "at most 4")
                );
            }
            let registers = wire
                .take(octets)?
                .iter()
                .rev()
                .fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
            only = Some(Bank { hash, registers });
        }
        Ok(Self { banks, only })
    }

    /// Whether exactly the registers of `set`, in the SHA-256 bank alone, were selected.
    pub fn is_exactly(&self, set: PcrSet) -> bool {
        let wanted = Bank {
            hash: alg::SHA256,
            registers: set.0,
        };
        self.banks == 1 && self.only == Some(wanted)
    }
}

impl fmt::Display for PcrSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.banks, self.only) {
            (1, Some(bank)) => {
                write!(f, "bank {:#06x}: ", bank.hash)?;
                let set = PcrSet(bank.registers);
                write_indices(f, (0..=31).filter(|index| set.contains(*index)))
            }
            (banks, _) => write!(f, "{banks} banks"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_ascending_and_never_empty() {
        let set = PcrSet::new(&[0, 2, 4, 7, 23]).unwrap();
        assert_eq!(set.to_string(), "0, 2, 4, 7, 23");
        assert!(set.contains(7) && !set.contains(8) && !set.contains(200));
        for wrong in [&[][..], &[24], &[1, 1], &[2, 1], &[255]] {
            assert_eq!(PcrSet::new(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_selection_must_be_one_sha256_bank_with_exactly_these_registers() {
        let set = PcrSet::new(&[0, 1, 2, 3, 4, 5, 6, 7, 9, 10]).unwrap();
        let parse = |bytes: &[u8]| {
            let mut wire = Wire::whole(bytes, "test").unwrap();
            PcrSelection::parse(&mut wire).map(|selection| selection.is_exactly(set))
        };
        assert_eq!(parse(&[0, 0, 0, 1, 0, 11, 3, 0xff, 6, 0]), Ok(true));
        assert_eq!(
            parse(&[0, 0, 0, 1, 0, 4, 3, 0xff, 6, 0]),
            Ok(false),
            "SHA-1"
        );
        assert_eq!(
            parse(&[0, 0, 0, 1, 0, 11, 3, 0xff, 7, 0]),
            Ok(false),
            "one more"
        );
        assert_eq!(parse(&[0, 0, 0, 0]), Ok(false), "nothing");
        let two = [0, 0, 0, 2, 0, 4, 3, 0, 0, 0, 0, 11, 3, 0xff, 6, 0];
        assert_eq!(parse(&two), Ok(false), "two banks");
        assert!(parse(&[0, 0, 0, 1, 0, 11, 5, 0, 0, 0, 0, 0]).is_err());
        assert!(parse(&[0xff, 0, 0, 1, 0, 11, 3, 0xff, 6, 0]).is_err());
    }
}
