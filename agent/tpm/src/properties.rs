//! Who made the TPM, which firmware it runs, and what it holds (`TPM2_GetCapability`).

use tpm2_protocol::{
    data::{TpmCap, TpmCc},
    frame::{TpmGetCapabilityCommand, TpmGetCapabilityResponse},
};

use crate::{
    MalformedAnswer, Tpm, TpmError,
    fields::{Fields, expect},
    limits::{MAX_CAPABILITIES, MAX_CAPABILITY_PAGES, NV_BLOCK},
    tpm::malformed,
};

// TPM 2.0 Library Part 2, table of TPM_PT: all start from PT_FIXED, 0x100.
const FAMILY: u32 = 0x100;
const LEVEL: u32 = 0x101;
const REVISION: u32 = 0x102;
const MANUFACTURER: u32 = 0x105;
const VENDOR_STRINGS: [u32; 4] = [0x106, 0x107, 0x108, 0x109];
const FIRMWARE_HIGH: u32 = 0x10B;
const FIRMWARE_LOW: u32 = 0x10C;
const NV_BUFFER_MAX: u32 = 0x12C;

/// What a TPM says about itself. Not signed: the EK certificate says who made it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TpmProperties {
    /// The maker's id as registered with the TCG, such as `IFX\0` (`TPM_PT_MANUFACTURER`).
    pub manufacturer: [u8; 4],
    /// The four vendor strings in one, without zeros and without blanks at the end.
    pub vendor_string: String,
    /// The firmware version as the maker numbers it (`TPM_PT_FIRMWARE_VERSION_1` and `_2`).
    pub firmware_version: u64,
    /// `2.0` (`TPM_PT_FAMILY_INDICATOR`).
    pub family: String,
    /// The level of the specification (`TPM_PT_LEVEL`).
    pub level: u32,
    /// The revision of the specification times 100: 164 for 1.64 (`TPM_PT_REVISION`).
    pub revision: u32,
}

impl Tpm {
    /// Reads what the TPM says about itself.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`]; a property that is not there is [`MalformedAnswer::NotAsAsked`].
    pub fn properties(&self) -> Result<TpmProperties, TpmError> {
        let values = self.capabilities(TpmCap::TpmProperties, FAMILY, |fields| {
            Ok((fields.u32()?, fields.u32()?))
        })?;
        properties(&values).map_err(malformed(TpmCc::GetCapability))
    }

    /// The handles from `first` on that are in use, in ascending order. They stay within the kind
    /// of `first` (its top octet).
    pub(crate) fn handles_from(&self, first: u32) -> Result<Vec<u32>, TpmError> {
        self.capabilities(TpmCap::Handles, first, |fields| {
            let handle = fields.u32()?;
            Ok((handle, handle))
        })
        .map(|handles| handles.into_iter().map(|(handle, _)| handle).collect())
    }

    /// The most bytes of NV memory that one command reads or writes.
    pub(crate) fn nv_block(&self) -> Result<u16, TpmError> {
        let values = self.capabilities(TpmCap::TpmProperties, NV_BUFFER_MAX, |fields| {
            Ok((fields.u32()?, fields.u32()?))
        })?;
        let most = find(&values, NV_BUFFER_MAX).and_then(|most| u16::try_from(most).ok());
        Ok(most.unwrap_or(NV_BLOCK).clamp(1, NV_BLOCK))
    }

    /// Reads a list of capabilities to its end. `item` reads one, with the number it goes by;
    /// numbers have to ascend, so that a TPM that repeats itself does not keep us for ever.
    fn capabilities<T>(
        &self,
        kind: TpmCap,
        first: u32,
        item: impl Fn(&mut Fields<'_>) -> Result<(u32, T), MalformedAnswer>,
    ) -> Result<Vec<(u32, T)>, TpmError> {
        let mut all: Vec<(u32, T)> = Vec::new();
        let mut next = first;
        for _ in 0..MAX_CAPABILITY_PAGES {
            let command = TpmGetCapabilityCommand {
                handles: [],
                cap: kind,
                property: next.into(),
                property_count: MAX_CAPABILITIES.into(),
            };
            let reply = self.execute::<TpmGetCapabilityResponse>(&command, &[])?;
            let (more, page) = parse_page(reply.fields(), kind, next, &item)
                .map_err(malformed(TpmCc::GetCapability))?;
            let last = page.last().map(|(number, _)| *number);
            all.extend(page);
            match last.and_then(|last| last.checked_add(1)) {
                Some(after) if more => next = after,
                _ => break,
            }
        }
        Ok(all)
    }
}

/// Reads one answer: whether there is more, and its items.
fn parse_page<T>(
    mut fields: Fields<'_>,
    kind: TpmCap,
    first: u32,
    item: impl Fn(&mut Fields<'_>) -> Result<(u32, T), MalformedAnswer>,
) -> Result<(bool, Vec<(u32, T)>), MalformedAnswer> {
    let more = fields.yes_no("moreData")?;
    fields.expect_u32("capability", kind.value())?;
    let count = fields.count("count", MAX_CAPABILITIES)?;
    let mut items = Vec::new();
    let mut least = Some(first);
    for _ in 0..count {
        let (number, value) = item(&mut fields)?;
        if least.is_none_or(|least| number < least) {
            return Err(MalformedAnswer::NotAsAsked {
                field: "capabilityData",
            });
        }
        least = number.checked_add(1);
        items.push((number, value));
    }
    fields.finish()?;
    Ok((more, items))
}

fn find(values: &[(u32, u32)], wanted: u32) -> Option<u32> {
    values
        .iter()
        .find(|(property, _)| *property == wanted)
        .map(|(_, value)| *value)
}

fn properties(values: &[(u32, u32)]) -> Result<TpmProperties, MalformedAnswer> {
    let value = |wanted, field| find(values, wanted).ok_or(MalformedAnswer::NotAsAsked { field });
    let family = value(FAMILY, "TPM_PT_FAMILY_INDICATOR")?;
    let manufacturer = value(MANUFACTURER, "TPM_PT_MANUFACTURER")?;
    expect(
        "TPM_PT_FAMILY_INDICATOR",
        family.into(),
        u32::from_be_bytes(*b"2.0\0").into(),
    )?;
    let vendor_string: Vec<u8> = VENDOR_STRINGS
        .iter()
        .filter_map(|property| find(values, *property))
        .flat_map(u32::to_be_bytes)
        .collect();
    let high = value(FIRMWARE_HIGH, "TPM_PT_FIRMWARE_VERSION_1")?;
    let low = value(FIRMWARE_LOW, "TPM_PT_FIRMWARE_VERSION_2")?;
    Ok(TpmProperties {
        manufacturer: manufacturer.to_be_bytes(),
        vendor_string: printable(&vendor_string),
        firmware_version: (u64::from(high) << 32) | u64::from(low),
        family: printable(&family.to_be_bytes()),
        level: value(LEVEL, "TPM_PT_LEVEL")?,
        revision: value(REVISION, "TPM_PT_REVISION")?,
    })
}

/// Text of a TPM for people and logs: printable ASCII alone.
fn printable(bytes: &[u8]) -> String {
    let text: String = bytes
        .iter()
        .filter(|byte| **byte != 0)
        .map(|byte| {
            if byte.is_ascii_graphic() || *byte == b' ' {
                char::from(*byte)
            } else {
                '?'
            }
        })
        .collect();
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(fields: &mut Fields<'_>) -> Result<(u32, u32), MalformedAnswer> {
        Ok((fields.u32()?, fields.u32()?))
    }

    fn good() -> Vec<(u32, u32)> {
        vec![
            (FAMILY, u32::from_be_bytes(*b"2.0\0")),
            (LEVEL, 0),
            (REVISION, 164),
            (MANUFACTURER, u32::from_be_bytes(*b"IBM\0")),
            (VENDOR_STRINGS[0], u32::from_be_bytes(*b"SW  ")),
            (VENDOR_STRINGS[1], u32::from_be_bytes(*b" TPM")),
            (FIRMWARE_HIGH, 0x2019_1023),
            (FIRMWARE_LOW, 0x0016_3636),
        ]
    }

    #[test]
    fn properties_are_read_as_found() {
        let read = properties(&good()).unwrap();
        assert_eq!(read.manufacturer, *b"IBM\0");
        assert_eq!(read.vendor_string, "SW   TPM");
        assert_eq!(read.firmware_version, 0x2019_1023_0016_3636);
        assert_eq!(
            (read.family.as_str(), read.level, read.revision),
            ("2.0", 0, 164)
        );
    }

    #[test]
    fn an_absent_property_is_refused() {
        for missing in [
            FAMILY,
            LEVEL,
            REVISION,
            MANUFACTURER,
            FIRMWARE_HIGH,
            FIRMWARE_LOW,
        ] {
            let mut values = good();
            values.retain(|(property, _)| *property != missing);
            assert!(properties(&values).is_err(), "{missing:#x}");
        }
        let mut values = good();
        values[0].1 = u32::from_be_bytes(*b"1.2\0");
        assert!(properties(&values).is_err(), "TPM 1.2");
    }

    #[test]
    fn what_a_tpm_calls_itself_cannot_break_a_terminal() {
        assert_eq!(printable(b"A\x1b[2J\xffB \0"), "A?[2J?B");
    }

    #[test]
    fn a_list_has_to_ascend() {
        let page = |numbers: [u32; 2]| {
            let mut bytes = vec![0, 0, 0, 0, 6, 0, 0, 0, 2];
            for number in numbers {
                bytes.extend(number.to_be_bytes());
                bytes.extend([0; 4]);
            }
            parse_page(Fields::new(&bytes), TpmCap::TpmProperties, 0x100, pairs).map(|page| page.1)
        };
        assert_eq!(page([0x100, 0x101]), Ok(vec![(0x100, 0), (0x101, 0)]));
        assert!(page([0x100, 0x100]).is_err());
        assert!(page([0x101, 0x100]).is_err());
        assert!(page([0xff, 0x100]).is_err());
        assert!(page([u32::MAX, u32::MAX]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_list_reader_panic(bytes: Vec<u8>) {
            let mut hostile = vec![1, 0, 0, 0, 6];
            hostile.extend(bytes);
            let page = parse_page(Fields::new(&hostile), TpmCap::TpmProperties, 0x100, pairs);
            prop_assert!(page.is_err() || hostile.len() >= 9);
        }
    }
}
