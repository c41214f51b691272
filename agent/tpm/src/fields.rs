//! Reads the fields of an answer one after the other, never past its end.
//!
//! The codec's owned structures would lose the bytes as the TPM marshalled them, which is what
//! servers hash; so answers are walked by field and structures are handed on as they came.

use tpm2_protocol::basic::Tpm2b;

use crate::MalformedAnswer;

/// The part of an answer that has not been read yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends the reading; bytes that are left over are an error.
    pub(crate) fn finish(self) -> Result<(), MalformedAnswer> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(MalformedAnswer::TrailingBytes { count }),
        }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], MalformedAnswer> {
        let (head, rest) =
            self.rest
                .split_at_checked(count)
                .ok_or_else(|| MalformedAnswer::Truncated {
                    missing: count.saturating_sub(self.rest.len()),
                })?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], MalformedAnswer> {
        let (head, rest) =
            self.rest
                .split_first_chunk::<N>()
                .ok_or_else(|| MalformedAnswer::Truncated {
                    missing: N.saturating_sub(self.rest.len()),
                })?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, MalformedAnswer> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, MalformedAnswer> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, MalformedAnswer> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, MalformedAnswer> {
        self.array().map(u64::from_be_bytes)
    }

    /// A `TPMI_YES_NO`: 0 or 1.
    pub(crate) fn yes_no(&mut self, field: &'static str) -> Result<bool, MalformedAnswer> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(MalformedAnswer::Unexpected {
                field,
                found: found.into(),
                wanted: 1,
            }),
        }
    }

    /// A 16-bit field that can have one value only.
    pub(crate) fn expect_u16(
        &mut self,
        field: &'static str,
        wanted: u16,
    ) -> Result<(), MalformedAnswer> {
        expect(field, self.u16()?.into(), wanted.into())
    }

    /// A 32-bit field that can have one value only.
    pub(crate) fn expect_u32(
        &mut self,
        field: &'static str,
        wanted: u32,
    ) -> Result<(), MalformedAnswer> {
        expect(field, self.u32()?.into(), wanted.into())
    }

    /// A count of things, at most `most`.
    pub(crate) fn count(&mut self, field: &'static str, most: u32) -> Result<u32, MalformedAnswer> {
        let found = self.u32()?;
        if found <= most {
            Ok(found)
        } else {
            Err(MalformedAnswer::Unexpected {
                field,
                found: found.into(),
                wanted: most.into(),
            })
        }
    }

    /// What is inside a `TPM2B`, at most `MOST` bytes.
    pub(crate) fn sized<const MOST: usize>(&mut self) -> Result<&'a [u8], MalformedAnswer> {
        let (value, rest) =
            Tpm2b::<MOST>::cast_prefix(self.rest).map_err(MalformedAnswer::Codec)?;
        self.rest = rest;
        Ok(value.data())
    }

    /// What is inside a `TPM2B` that always holds `N` bytes.
    pub(crate) fn sized_array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], MalformedAnswer> {
        let value = self.sized::<N>()?;
        value.try_into().map_err(|_| MalformedAnswer::Unexpected {
            field,
            found: tpm2_protocol::tpm_value(value.len()),
            wanted: tpm2_protocol::tpm_value(N),
        })
    }

    /// A big-endian number in a `TPM2B`, padded on the left to `N` bytes.
    ///
    /// TPMs leave leading zero octets out (TPM 2.0 Library Part 1, C.8), so about one coordinate
    /// in 256 arrives shorter than its curve's field.
    pub(crate) fn padded_number<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], MalformedAnswer> {
        let value = self.sized::<N>()?;
        let mut number = [0; N];
        let tail = N
            .checked_sub(value.len())
            .and_then(|start| number.get_mut(start..))
            .filter(|tail| !tail.is_empty())
            .ok_or_else(|| MalformedAnswer::Unexpected {
                field,
                found: tpm2_protocol::tpm_value(value.len()),
                wanted: tpm2_protocol::tpm_value(N),
            })?;
        tail.copy_from_slice(value);
        Ok(number)
    }
}

/// An error unless `found` is `wanted`.
pub(crate) fn expect(field: &'static str, found: u64, wanted: u64) -> Result<(), MalformedAnswer> {
    if found == wanted {
        Ok(())
    } else {
        Err(MalformedAnswer::Unexpected {
            field,
            found,
            wanted,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_number_is_padded_on_the_left() {
        let mut fields = Fields::new(&[0, 2, 0x12, 0x34]);
        assert_eq!(fields.padded_number::<4>("x"), Ok([0, 0, 0x12, 0x34]));
        assert_eq!(fields.finish(), Ok(()));
    }

    #[test]
    fn an_empty_number_and_a_long_number_are_refused() {
        assert!(Fields::new(&[0, 0]).padded_number::<4>("x").is_err());
        assert!(
            Fields::new(&[0, 5, 1, 2, 3, 4, 5])
                .padded_number::<4>("x")
                .is_err()
        );
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let mut fields = Fields::new(&[0, 1, 9]);
        assert_eq!(fields.u16(), Ok(1));
        assert_eq!(
            fields.finish(),
            Err(MalformedAnswer::TrailingBytes { count: 1 })
        );
    }

    #[test]
    fn yes_is_one_and_no_is_zero() {
        assert_eq!(Fields::new(&[1]).yes_no("safe"), Ok(true));
        assert_eq!(Fields::new(&[0]).yes_no("safe"), Ok(false));
        assert!(Fields::new(&[2]).yes_no("safe").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic_or_read_past_their_end(bytes: Vec<u8>, count: usize) {
            let whole = Fields::new(&bytes);
            let reads: [fn(&mut Fields<'_>, usize) -> bool; 6] = [
                |fields, _| fields.u64().is_ok(),
                |fields, count| fields.bytes(count).is_ok(),
                |fields, _| fields.sized::<8>().is_ok(),
                |fields, _| fields.sized_array::<4>("f").is_ok(),
                |fields, _| fields.padded_number::<4>("f").is_ok(),
                |fields, _| fields.count("f", 3).is_ok(),
            ];
            for read in reads {
                let mut fields = whole;
                let understood = read(&mut fields, count);
                prop_assert!(bytes.ends_with(fields.rest()));
                prop_assert!(!understood || fields.rest().len() < bytes.len() || count == 0);
            }
        }

        #[test]
        fn a_number_keeps_its_value_when_padded(number: [u8; 6], zeros in 0_usize..6) {
            let mut number = number;
            number[..zeros].fill(0);
            number[5] |= 1;
            let short: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
            let mut sized = vec![0, u8::try_from(short.len()).unwrap()];
            sized.extend(&short);
            prop_assert_eq!(Fields::new(&sized).padded_number::<6>("n"), Ok(number));
        }
    }
}
