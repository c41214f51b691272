//! Primary keys of the endorsement hierarchy: making them, and what the TPM says about that.
//!
//! The endorsement hierarchy, because only there are the counters and the firmware version in
//! what an AK signs the true ones (TPM 2.0 Library Part 1, 36.7).

use tpm2_protocol::{
    TpmUnmarshal,
    data::{Tpm2bPublic, TpmCc, TpmRh, TpmtPublic, TpmtTkCreation},
    frame::{TpmCreatePrimaryCommand, TpmCreatePrimaryResponse},
};

use crate::{
    MalformedAnswer, Tpm, TpmError,
    fields::Fields,
    frame::empty_password,
    template::{Point, parse_public},
    tpm::{Loaded, does_not_fit, malformed},
};

/// What the TPM says about the making of a key, as it marshalled it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Creation {
    /// `TPMS_CREATION_DATA`.
    pub data: Vec<u8>,
    /// SHA-256 of `data`.
    pub hash: [u8; 32],
    /// `TPMT_TK_CREATION`: lets the same TPM recognise the hash until its next reset.
    pub ticket: Vec<u8>,
}

/// A public key in a TPM, P-256.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EccPublicKey {
    area: Vec<u8>,
    name: Vec<u8>,
    point: Point,
}

impl EccPublicKey {
    /// The `TPMT_PUBLIC` as the TPM marshalled it.
    pub fn as_tpmt(&self) -> &[u8] {
        &self.area
    }

    /// The key's name as the TPM computed it: algorithm and hash of the public area.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The point, 32 bytes each for x and y, padded on the left.
    pub const fn coordinates(&self) -> (&[u8; 32], &[u8; 32]) {
        (&self.point.0, &self.point.1)
    }

    /// The point as SEC 1, 2.3.3 has it, uncompressed: 04, x, y.
    pub fn to_sec1(&self) -> [u8; 65] {
        let mut bytes = [4; 65];
        let coordinates = self.point.0.into_iter().chain(self.point.1);
        for (to, from) in bytes.iter_mut().skip(1).zip(coordinates) {
            *to = from;
        }
        bytes
    }
}

/// A primary key that is loaded.
#[derive(Debug)]
pub(crate) struct Primary {
    pub(crate) loaded: Loaded,
    pub(crate) parts: Parts,
}

/// What `TPM2_CreatePrimary` says besides the handle.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) area: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) point: Option<Point>,
    pub(crate) creation: Creation,
}

impl Primary {
    /// The public key of a primary made from an ECC template.
    pub(crate) fn ecc_public(&self) -> Result<EccPublicKey, TpmError> {
        let point = self
            .parts
            .point
            .ok_or(MalformedAnswer::NotAsAsked { field: "outPublic" });
        Ok(EccPublicKey {
            area: self.parts.area.clone(),
            name: self.parts.name.clone(),
            point: point.map_err(malformed(TpmCc::CreatePrimary))?,
        })
    }
}

impl Parts {
    fn parse(mut fields: Fields<'_>, template: &TpmtPublic) -> Result<Self, MalformedAnswer> {
        let area = fields.sized::<1024>()?;
        let point = parse_public(area, template)?;
        let data = fields.sized::<1024>()?;
        let hash = fields.sized_array("creationHash")?;
        let from = fields.rest();
        let (_, after) = TpmtTkCreation::unmarshal(from).map_err(MalformedAnswer::Codec)?;
        let ticket = fields.bytes(from.len().saturating_sub(after.len()))?;
        let name = fields.sized::<66>()?;
        fields.finish()?;
        Ok(Self {
            area: area.to_vec(),
            name: name.to_vec(),
            point,
            creation: Creation {
                data: data.to_vec(),
                hash,
                ticket: ticket.to_vec(),
            },
        })
    }
}

impl Tpm {
    /// Makes the key that belongs to `template`, or makes it again, and keeps it loaded.
    pub(crate) fn create_primary(&self, template: TpmtPublic) -> Result<Primary, TpmError> {
        let command = TpmCreatePrimaryCommand {
            handles: [TpmRh::Endorsement.value().into()],
            in_public: Tpm2bPublic {
                inner: template.clone(),
            },
            ..TpmCreatePrimaryCommand::default()
        };
        let reply = self.execute::<TpmCreatePrimaryResponse>(&command, &[empty_password()])?;
        let error = malformed(TpmCc::CreatePrimary);
        // First of all, so that the key is forgotten if the rest of the answer is wrong.
        let loaded = Loaded::new(self, reply.handle().map_err(&error)?);
        let parts = Parts::parse(reply.fields(), &template).map_err(&error)?;
        Ok(Primary { loaded, parts })
    }

    /// [`Tpm::create_primary`] for a template that may not fit.
    pub(crate) fn create_from(
        &self,
        template: Result<TpmtPublic, tpm2_protocol::TpmError>,
    ) -> Result<Primary, TpmError> {
        self.create_primary(template.map_err(does_not_fit(TpmCc::CreatePrimary))?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Salt, template};

    const DEVICE: &str = "0023000b0004047200000010001000030010\
        002043f9fcd4e91543d6dabf762ff2bf589dbe4668deb366b4dd4bd31568f30173c3\
        00207b2b9908af5022b617c371843edabcf668dbb2e2152c78042956d411b7953c7a";

    /// An answer about the device key: public area, creation data, hash, ticket, name.
    fn answer() -> Vec<u8> {
        let area = hex::decode(DEVICE).unwrap();
        let mut answer = u16::try_from(area.len()).unwrap().to_be_bytes().to_vec();
        answer.extend(&area);
        answer.extend([0, 3, 1, 2, 3]);
        answer.extend([0, 32]);
        answer.extend([7; 32]);
        answer.extend([0x80, 0x21, 0x40, 0, 0, 0x0b, 0, 2, 8, 8]);
        answer.extend([0, 2, 0, 0x0b]);
        answer
    }

    #[test]
    fn an_answer_is_kept_as_the_tpm_marshalled_it() {
        let template = template::device_key(Salt([0; 32])).unwrap();
        let parts = Parts::parse(Fields::new(&answer()), &template).unwrap();
        assert_eq!(parts.area, hex::decode(DEVICE).unwrap());
        assert_eq!(
            (parts.creation.data, parts.creation.hash),
            (vec![1, 2, 3], [7; 32])
        );
        assert_eq!(
            parts.creation.ticket,
            [0x80, 0x21, 0x40, 0, 0, 0x0b, 0, 2, 8, 8]
        );
        assert_eq!(parts.name, [0, 0x0b]);
    }

    proptest! {
        #[test]
        fn a_spoilt_answer_never_makes_the_parser_panic(
            at in 0_usize..170,
            value: u8,
            length in 0_usize..170,
        ) {
            let template = template::device_key(Salt([0; 32])).unwrap();
            let mut answer = answer();
            let whole = answer.len();
            if let Some(byte) = answer.get_mut(at) {
                *byte = value;
            }
            answer.truncate(length);
            let parsed = Parts::parse(Fields::new(&answer), &template);
            prop_assert!(parsed.is_err() || length >= whole);
        }
    }
}
