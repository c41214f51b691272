//! Platform configuration registers, SHA-256 bank.

use std::{collections::BTreeMap, fmt};

use tpm2_protocol::{
    basic::TpmBuffer,
    data::{
        TpmAlgId, TpmCc, TpmlDigestValues, TpmlPcrSelection, TpmsPcrSelect, TpmsPcrSelection,
        TpmtHa, TpmuHa,
    },
    frame::{TpmPcrExtendCommand, TpmPcrExtendResponse, TpmPcrReadCommand, TpmPcrReadResponse},
};

use crate::{
    MalformedAnswer, Tpm, TpmError,
    fields::Fields,
    frame::empty_password,
    limits::{MAX_PCR_READS, MAX_PCR_RESTARTS},
    tpm::{does_not_fit, malformed},
};

/// How many PCRs a PC Client TPM has: 0 to 23.
const PCRS: u8 = 24;

/// Which PCRs are meant; never none. Shown as `0,2,4,7`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PcrSelection {
    bits: u32,
}

/// Why a list of PCRs is no [`PcrSelection`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PcrSelectionError {
    /// A quote over no PCR would say nothing about the boot.
    #[error("no PCR is selected")]
    Empty,
    /// There is no such register.
    #[error("there is no PCR {found}: they are numbered 0 to 23")]
    NoSuchPcr {
        /// The number.
        found: u8,
    },
}

impl PcrSelection {
    /// The selection of `pcrs`, in any order, twice or once.
    ///
    /// # Errors
    ///
    /// If there are none, or one is above 23.
    pub fn new(pcrs: impl IntoIterator<Item = u8>) -> Result<Self, PcrSelectionError> {
        let mut bits = 0_u32;
        for pcr in pcrs {
            bits |= mask(pcr).ok_or(PcrSelectionError::NoSuchPcr { found: pcr })?;
        }
        if bits == 0 {
            Err(PcrSelectionError::Empty)
        } else {
            Ok(Self { bits })
        }
    }

    /// The selected PCRs in ascending order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..PCRS).filter(move |pcr| self.contains(*pcr))
    }

    /// True if `pcr` is selected.
    pub fn contains(self, pcr: u8) -> bool {
        mask(pcr).is_some_and(|mask| self.bits & mask != 0)
    }

    /// As `TPML_PCR_SELECTION` with one bank and three octets, as PC Client TPMs write it.
    pub(crate) fn marshalled(self) -> Result<TpmlPcrSelection, tpm2_protocol::TpmError> {
        let [first, second, third, _] = self.bits.to_le_bytes();
        let mut list = TpmlPcrSelection::new();
        list.try_push(TpmsPcrSelection {
            hash: TpmAlgId::Sha256,
            pcr_select: TpmsPcrSelect::try_from([first, second, third].as_slice())?,
        })?;
        Ok(list)
    }
}

impl fmt::Display for PcrSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, pcr) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            write!(f, "{pcr}")?;
        }
        Ok(())
    }
}

fn mask(pcr: u8) -> Option<u32> {
    (pcr < PCRS)
        .then(|| 1_u32.checked_shl(pcr.into()))
        .flatten()
}

/// One answer to `TPM2_PCR_Read`.
#[derive(Debug, Eq, PartialEq)]
struct PcrPage {
    update_counter: u32,
    values: BTreeMap<u8, [u8; 32]>,
}

impl PcrPage {
    fn parse(mut fields: Fields<'_>, asked: u32) -> Result<Self, MalformedAnswer> {
        let update_counter = fields.u32()?;
        fields.expect_u32("pcrSelectionOut.count", 1)?;
        fields.expect_u16("pcrSelectionOut.hash", TpmAlgId::Sha256.value())?;
        let size = fields.u8()?;
        let mut bits = [0; 4];
        for (to, from) in bits.iter_mut().zip(fields.bytes(size.into())?) {
            *to = *from;
        }
        let bits = u32::from_le_bytes(bits);
        if size > 4 || bits & !asked != 0 {
            return Err(MalformedAnswer::NotAsAsked {
                field: "pcrSelectionOut",
            });
        }
        fields.expect_u32("pcrValues.count", bits.count_ones())?;
        let mut values = BTreeMap::new();
        for pcr in (0..PCRS).filter(|pcr| mask(*pcr).is_some_and(|mask| bits & mask != 0)) {
            values.insert(pcr, fields.sized_array("pcrValues.digest")?);
        }
        fields.finish()?;
        Ok(Self {
            update_counter,
            values,
        })
    }
}

impl Tpm {
    /// Reads PCRs of the SHA-256 bank (`TPM2_PCR_Read`, as often as it takes: a TPM gives eight at
    /// most at a time). All values are of one moment: if a PCR is extended in between, the reading
    /// starts again, a few times.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`]; [`MalformedAnswer::NotAsAsked`] if the TPM has no SHA-256 bank or its
    /// PCRs would not keep still.
    pub fn read_pcrs(&self, selection: PcrSelection) -> Result<BTreeMap<u8, [u8; 32]>, TpmError> {
        let error = malformed(TpmCc::PcrRead);
        for _ in 0..=MAX_PCR_RESTARTS {
            if let Some(values) = self.read_pcrs_once(selection)? {
                return Ok(values);
            }
        }
        Err(error(MalformedAnswer::NotAsAsked {
            field: "pcrUpdateCounter",
        }))
    }

    /// `None` if a PCR was extended between two answers.
    fn read_pcrs_once(
        &self,
        selection: PcrSelection,
    ) -> Result<Option<BTreeMap<u8, [u8; 32]>>, TpmError> {
        let error = malformed(TpmCc::PcrRead);
        let mut values = BTreeMap::new();
        let mut counter = None;
        let mut left = selection;
        for _ in 0..MAX_PCR_READS {
            let command = TpmPcrReadCommand {
                handles: [],
                pcr_selection_in: left.marshalled().map_err(does_not_fit(TpmCc::PcrRead))?,
            };
            let reply = self.execute::<TpmPcrReadResponse>(&command, &[])?;
            let page = PcrPage::parse(reply.fields(), left.bits).map_err(&error)?;
            if counter.is_some_and(|counter| counter != page.update_counter) {
                return Ok(None);
            }
            counter = Some(page.update_counter);
            if page.values.is_empty() {
                break;
            }
            values.extend(page.values);
            let unread = selection.iter().filter(|pcr| !values.contains_key(pcr));
            match PcrSelection::new(unread) {
                Ok(unread) => left = unread,
                Err(_) => return Ok(Some(values)),
            }
        }
        Err(error(MalformedAnswer::NotAsAsked {
            field: "pcrSelectionOut",
        }))
    }

    /// Extends `pcr` by `digest` (`TPM2_PCR_Extend`).
    ///
    /// # Errors
    ///
    /// Any [`TpmError`]; `TPM_RC_LOCALITY` for PCRs that this locality may not extend.
    pub fn pcr_extend(&self, pcr: u8, digest: &[u8; 32]) -> Result<(), TpmError> {
        let fits = does_not_fit(TpmCc::PcrExtend);
        let mut digests = TpmlDigestValues::new();
        let digest = TpmBuffer::try_from(digest.as_slice()).map_err(&fits)?;
        digests
            .try_push(TpmtHa {
                hash_alg: TpmAlgId::Sha256,
                digest: TpmuHa::Digest(digest),
            })
            .map_err(&fits)?;
        // A PCR's handle is its number.
        let command = TpmPcrExtendCommand {
            handles: [u32::from(pcr).into()],
            digests,
        };
        self.execute::<TpmPcrExtendResponse>(&command, &[empty_password()])
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_selection_is_shown_in_ascending_order() {
        assert_eq!(
            PcrSelection::new([7, 0, 23, 7]).unwrap().to_string(),
            "0,7,23"
        );
    }

    #[test]
    fn no_pcr_and_a_pcr_above_23_are_refused() {
        assert_eq!(PcrSelection::new([]), Err(PcrSelectionError::Empty));
        assert_eq!(
            PcrSelection::new([0, 24]),
            Err(PcrSelectionError::NoSuchPcr { found: 24 })
        );
        assert_eq!(
            PcrSelection::new([255]),
            Err(PcrSelectionError::NoSuchPcr { found: 255 })
        );
    }

    /// One PCR, number 8, of digest 5a…5a.
    fn page() -> Vec<u8> {
        let mut page = hex::decode("0000001500000001000b0300010000000001").unwrap();
        page.extend([0, 32]);
        page.extend([0x5a; 32]);
        page
    }

    #[test]
    fn an_answer_is_read_by_its_bitmap() {
        let read = PcrPage::parse(Fields::new(&page()), 1 << 8 | 1 << 9).unwrap();
        let values = BTreeMap::from([(8, [0x5a; 32])]);
        assert_eq!(
            read,
            PcrPage {
                update_counter: 21,
                values
            }
        );
    }

    #[test]
    fn one_thing_wrong_is_enough() {
        let spoilt = |at: usize, value: u8| {
            let mut page = page();
            page[at] = value;
            PcrPage::parse(Fields::new(&page), 1 << 8 | 1 << 9)
        };
        assert!(spoilt(0, 1).is_ok(), "the counter may be anything");
        assert!(spoilt(7, 2).is_err(), "two banks");
        assert!(spoilt(9, 4).is_err(), "SHA-1");
        assert!(spoilt(10, 5).is_err(), "a bitmap of five octets");
        assert!(spoilt(11, 1).is_err(), "a PCR that was not asked for");
        assert!(spoilt(12, 3).is_err(), "two PCRs, one digest");
        assert!(spoilt(17, 2).is_err(), "two digests, one PCR");
        assert!(spoilt(19, 31).is_err(), "a short digest");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>, asked: u32) {
            let mut hostile = page()[..10].to_vec();
            hostile.extend(bytes);
            let read = PcrPage::parse(Fields::new(&hostile), asked);
            prop_assert!(read.is_err() || hostile.len() >= 15);
        }

        #[test]
        fn a_selection_holds_what_was_put_in(pcrs in proptest::collection::btree_set(0_u8..24, 1..24)) {
            let selection = PcrSelection::new(pcrs.iter().copied()).unwrap();
            prop_assert!(selection.iter().eq(pcrs.iter().copied()));
        }
    }
}
