//! The TPM's non-volatile memory: areas and counters.

use std::fmt;

use tpm2_protocol::{
    data::{
        Tpm2bAuth, Tpm2bDigest, Tpm2bMaxNvBuffer, Tpm2bNvPublic, TpmAlgId, TpmCc, TpmRcBase, TpmRh,
        TpmaNv, TpmsNvPublic,
    },
    frame::{
        TpmNvDefineSpaceCommand, TpmNvDefineSpaceResponse, TpmNvIncrementCommand,
        TpmNvIncrementResponse, TpmNvReadCommand, TpmNvReadPublicCommand, TpmNvReadPublicResponse,
        TpmNvReadResponse, TpmNvUndefineSpaceCommand, TpmNvUndefineSpaceResponse,
        TpmNvWriteCommand, TpmNvWriteResponse,
    },
};

use crate::{
    MalformedAnswer, Tpm, TpmError,
    fields::{Fields, expect},
    frame::empty_password,
    limits::MAX_NV_INDEX,
    tpm::{does_not_fit, malformed},
};

/// A counter is a number of eight octets.
const COUNTER_SIZE: u16 = 8;

/// The index of an NV area: 0x01000000 to 0x01FFFFFF.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NvIndex(u32);

impl NvIndex {
    /// `None` if `index` is outside the range of NV indices.
    pub const fn new(index: u32) -> Option<Self> {
        if index >> 24 == 0x01 {
            Some(Self(index))
        } else {
            None
        }
    }

    /// The index at `place` in the range that is left to the laptop's owner: 0x01800000 and on (TCG
    /// Registry of Reserved TPM 2.0 Handles and Localities, 2.2).
    pub const fn of_owner(place: u16) -> Self {
        let [high, low] = place.to_be_bytes();
        Self(u32::from_be_bytes([0x01, 0x80, high, low]))
    }

    /// The number.
    pub const fn value(self) -> u32 {
        self.0
    }
}

impl fmt::Display for NvIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// In whose name an area is made and written. Both need to have no password, as on laptops whose
/// owner was never taken and, for [`NvAuthority::Platform`], before the firmware locks its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NvAuthority {
    /// The owner: what `TPM2_Clear` takes away.
    Owner,
    /// The firmware's maker: how EK certificates come into a TPM.
    Platform,
}

impl NvAuthority {
    const fn handle(self) -> u32 {
        match self {
            Self::Owner => TpmRh::Owner.value(),
            Self::Platform => TpmRh::Platform.value(),
        }
    }

    /// Everyone may read; only this authority may write; wrong tries do not count.
    fn attributes(self) -> TpmaNv {
        let all = TpmaNv::OWNERREAD | TpmaNv::AUTHREAD | TpmaNv::NO_DA;
        match self {
            Self::Owner => all | TpmaNv::OWNERWRITE,
            Self::Platform => all | TpmaNv::PPWRITE | TpmaNv::PPREAD | TpmaNv::PLATFORMCREATE,
        }
    }
}

/// How a counter stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NvCounter {
    /// There is none.
    Missing,
    /// It was made and never incremented, so it has no value yet.
    Fresh,
    /// It has this value.
    At(u64),
}

/// What `TPM2_NV_ReadPublic` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct NvPublic {
    attributes: TpmaNv,
    size: u16,
}

impl NvPublic {
    fn parse(mut fields: Fields<'_>, index: NvIndex) -> Result<Self, MalformedAnswer> {
        let mut public = Fields::new(fields.sized::<256>()?);
        fields.sized::<66>()?; // the name, which only HMAC sessions need
        fields.finish()?;
        public.expect_u32("nvIndex", index.0)?;
        public.u16()?; // nameAlg
        let attributes = TpmaNv::from_bits_truncate(public.u32()?);
        public.sized::<64>()?; // authPolicy
        let size = public.u16()?;
        public.finish()?;
        Ok(Self { attributes, size })
    }
}

impl Tpm {
    /// Reads a whole area; `None` if there is none at `index` or it was never written.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`]; an area larger than 16 KiB is [`MalformedAnswer::Unexpected`].
    pub fn find_nv(&self, index: NvIndex) -> Result<Option<Vec<u8>>, TpmError> {
        let Some(public) = self.find_nv_public(index)? else {
            return Ok(None);
        };
        if !public.attributes.contains(TpmaNv::WRITTEN) {
            return Ok(None);
        }
        if public.size > MAX_NV_INDEX {
            let (found, wanted) = (public.size.into(), MAX_NV_INDEX.into());
            let source = MalformedAnswer::Unexpected {
                field: "dataSize",
                found,
                wanted,
            };
            return Err(malformed(TpmCc::NvReadPublic)(source));
        }
        let block = self.nv_block()?;
        let mut contents = Vec::new();
        let mut offset = 0_u16;
        while offset < public.size {
            let size = block.min(public.size.saturating_sub(offset));
            let data = self.read_block(index, public, offset, size)?;
            contents.extend_from_slice(&data);
            offset = offset.saturating_add(size);
        }
        Ok(Some(contents))
    }

    /// Makes an area of `contents.len()` bytes and writes it.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`]; `TPM_RC_NV_DEFINED` if there is an area at `index` already.
    pub fn nv_store(
        &self,
        index: NvIndex,
        authority: NvAuthority,
        contents: &[u8],
    ) -> Result<(), TpmError> {
        let block = self.nv_block()?;
        let fits = does_not_fit(TpmCc::NvWrite);
        let size = u16::try_from(contents.len()).map_err(|_| {
            fits(tpm2_protocol::TpmError::TooManyBytes {
                offset: 0,
                limit: u16::MAX.into(),
                actual: contents.len(),
            })
        })?;
        self.nv_define(index, authority, TpmaNv::default(), size)?;
        let mut offset = 0_u16;
        for data in contents.chunks(block.into()) {
            let command = TpmNvWriteCommand {
                handles: [authority.handle().into(), index.0.into()],
                data: Tpm2bMaxNvBuffer::try_from(data).map_err(&fits)?,
                offset: offset.into(),
            };
            self.execute::<TpmNvWriteResponse>(&command, &[empty_password()])?;
            offset = offset.saturating_add(block);
        }
        Ok(())
    }

    /// Makes a counter that only goes up, and outlives everything but `TPM2_Clear`. It has no
    /// value before its first [`Tpm::nv_increment`], which starts it above every counter that was
    /// ever deleted, so that making one anew does not set it back.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`]; `TPM_RC_NV_DEFINED` if there is something at `index` already.
    pub fn nv_define_counter(&self, index: NvIndex) -> Result<(), TpmError> {
        self.nv_define(index, NvAuthority::Owner, TpmaNv::COUNTER, COUNTER_SIZE)
    }

    /// Adds one to a counter; gives what it is then. NV memory wears out: a TPM bears some 100,000
    /// of these.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`]; the counter may have gone up all the same.
    pub fn nv_increment(&self, index: NvIndex) -> Result<u64, TpmError> {
        let handles = [TpmRh::Owner.value().into(), index.0.into()];
        let command = TpmNvIncrementCommand { handles };
        self.execute::<TpmNvIncrementResponse>(&command, &[empty_password()])?;
        match self.read_nv_counter(index)? {
            NvCounter::At(value) => Ok(value),
            NvCounter::Missing | NvCounter::Fresh => {
                let field = "attributes";
                let source = MalformedAnswer::NotAsAsked { field };
                Err(malformed(TpmCc::NvReadPublic)(source))
            }
        }
    }

    /// Reads a counter.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`]; an area that is no counter is [`MalformedAnswer::NotAsAsked`].
    pub fn read_nv_counter(&self, index: NvIndex) -> Result<NvCounter, TpmError> {
        let Some(public) = self.find_nv_public(index)? else {
            return Ok(NvCounter::Missing);
        };
        if !public.attributes.contains(TpmaNv::COUNTER) {
            let source = MalformedAnswer::NotAsAsked {
                field: "attributes",
            };
            return Err(malformed(TpmCc::NvReadPublic)(source));
        }
        if !public.attributes.contains(TpmaNv::WRITTEN) {
            return Ok(NvCounter::Fresh);
        }
        let data = self.read_block(index, public, 0, COUNTER_SIZE)?;
        let value = Fields::new(&data).u64();
        value.map(NvCounter::At).map_err(malformed(TpmCc::NvRead))
    }

    /// Takes away an area or a counter that [`NvAuthority::Owner`] made. A counter made later at
    /// the same place starts above the last value of this one.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn nv_undefine(&self, index: NvIndex) -> Result<(), TpmError> {
        let handles = [TpmRh::Owner.value().into(), index.0.into()];
        let command = TpmNvUndefineSpaceCommand { handles };
        self.execute::<TpmNvUndefineSpaceResponse>(&command, &[empty_password()])
            .map(drop)
    }

    fn read_block(
        &self,
        index: NvIndex,
        public: NvPublic,
        offset: u16,
        size: u16,
    ) -> Result<Vec<u8>, TpmError> {
        // By the area's own, empty, password where that is allowed: it works for every program
        // that may open the TPM, whatever became of the owner's password.
        let by = if public.attributes.contains(TpmaNv::AUTHREAD) {
            index.0
        } else {
            TpmRh::Owner.value()
        };
        let command = TpmNvReadCommand {
            handles: [by.into(), index.0.into()],
            size: size.into(),
            offset: offset.into(),
        };
        let reply = self.execute::<TpmNvReadResponse>(&command, &[empty_password()])?;
        parse_block(reply.fields(), size).map_err(malformed(TpmCc::NvRead))
    }

    fn nv_define(
        &self,
        index: NvIndex,
        authority: NvAuthority,
        kind: TpmaNv,
        size: u16,
    ) -> Result<(), TpmError> {
        let command = TpmNvDefineSpaceCommand {
            handles: [authority.handle().into()],
            auth: Tpm2bAuth::default(),
            public_info: Tpm2bNvPublic {
                inner: TpmsNvPublic {
                    nv_index: index.0.into(),
                    name_alg: TpmAlgId::Sha256,
                    attributes: authority.attributes() | kind,
                    auth_policy: Tpm2bDigest::default(),
                    data_size: size.into(),
                },
            },
        };
        self.execute::<TpmNvDefineSpaceResponse>(&command, &[empty_password()])
            .map(drop)
    }

    fn find_nv_public(&self, index: NvIndex) -> Result<Option<NvPublic>, TpmError> {
        let command = TpmNvReadPublicCommand {
            handles: [index.0.into()],
        };
        match self.execute::<TpmNvReadPublicResponse>(&command, &[]) {
            Ok(reply) => NvPublic::parse(reply.fields(), index)
                .map(Some)
                .map_err(malformed(TpmCc::NvReadPublic)),
            Err(TpmError::Answered { code, .. }) if code.base() == Some(TpmRcBase::Handle) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads one block, which has to be as long as was asked for.
fn parse_block(mut fields: Fields<'_>, size: u16) -> Result<Vec<u8>, MalformedAnswer> {
    let data = fields.sized::<{ tpm2_protocol::constant::MAX_NV_BUFFER_SIZE }>()?;
    expect(
        "data.size",
        tpm2_protocol::tpm_value(data.len()),
        size.into(),
    )?;
    let data = data.to_vec();
    fields.finish()?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An area of 1016 bytes at 0x01C00002, as swtpm describes it, with an empty name.
    const PUBLIC: &str = "000e01c00002000b6207240100000 3f80000";

    fn parse(hex: &str) -> Result<NvPublic, MalformedAnswer> {
        let bytes = hex::decode(hex.replace(' ', "")).unwrap();
        NvPublic::parse(Fields::new(&bytes), NvIndex(0x01C0_0002))
    }

    #[test]
    fn an_index_lies_between_0x01000000_and_0x01ffffff() {
        assert_eq!(
            NvIndex::new(0x01C0_0002).map(NvIndex::value),
            Some(0x01C0_0002)
        );
        assert_eq!(NvIndex::new(0x00FF_FFFF), None);
        assert_eq!(NvIndex::new(0x0200_0000), None);
        assert_eq!(NvIndex(0x01C0_0002).to_string(), "0x01c00002");
        assert_eq!(NvIndex::of_owner(0x57a9).value(), 0x0180_57a9);
    }

    #[test]
    fn an_area_is_described_by_its_public_part() {
        let public = parse(PUBLIC).unwrap();
        assert_eq!(public.size, 0x3f8);
        assert!(
            public
                .attributes
                .contains(TpmaNv::PLATFORMCREATE | TpmaNv::WRITTEN)
        );
        assert!(public.attributes.contains(TpmaNv::AUTHREAD));
    }

    #[test]
    fn the_public_part_of_another_area_is_refused() {
        assert!(parse(&PUBLIC.replace("01c00002", "01c00003")).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(bytes: Vec<u8>, size: u16) {
            let public = NvPublic::parse(Fields::new(&bytes), NvIndex(0x01C0_0002));
            prop_assert!(public.is_err() || bytes.len() >= 18);
            let block = parse_block(Fields::new(&bytes), size);
            prop_assert!(block.is_err() || bytes.len() >= 2);
        }
    }
}
