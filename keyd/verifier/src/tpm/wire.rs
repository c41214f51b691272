//! Reading big-endian bytes with nothing missing and nothing left over.

use wardkey_schemas::{Code, Refusal, limits};

/// The rest of a TPM structure that is being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Wire<'a> {
    /// Begins at the first byte of `bytes`, which must be one whole structure called `what`.
    pub(crate) fn whole(bytes: &'a [u8], what: &'static str) -> Result<Self, Refusal> {
        if bytes.len() > limits::TPM_STRUCTURE_BYTES {
            return Err(Refusal::new(
                Code::TpmStructure,
                format_args!("{what} of {} bytes", bytes.len()),
                format_args!("at most {} bytes", limits::TPM_STRUCTURE_BYTES),
            ));
        }
        Ok(Self { rest: bytes, what })
    }

    /// A refusal about this structure.
    pub(crate) fn refuse(&self, found: impl std::fmt::Display, wanted: &str) -> Refusal {
        let what = self.what;
        Refusal::new(
            Code::TpmStructure,
            format_args!("{what}: {found}"),
            format_args!("{wanted}"),
        )
    }

    fn cut_short(&self, wanted: usize) -> Refusal {
        Refusal::new(
            Code::TpmStructure,
            format_args!("{}: {} bytes left", self.what, self.rest.len()),
            format_args!("{wanted} more bytes"),
        )
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.cut_short(count))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.cut_short(N))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next byte.
    pub(crate) fn u8(&mut self) -> Result<u8, Refusal> {
        self.array().map(u8::from_be_bytes)
    }

    /// The next two bytes.
    pub(crate) fn u16(&mut self) -> Result<u16, Refusal> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four bytes.
    pub(crate) fn u32(&mut self) -> Result<u32, Refusal> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight bytes.
    pub(crate) fn u64(&mut self) -> Result<u64, Refusal> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next `TPM2B_*`: two bytes of length, then that many bytes.
    pub(crate) fn sized(&mut self) -> Result<&'a [u8], Refusal> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// The end: nothing may be left.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.refuse(
            format_args!("{} bytes left over", self.rest.len()),
            "the end of the structure",
        ))
    }
}
