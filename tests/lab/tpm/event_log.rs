//! Reads from a firmware's event log what was measured into which PCR, to measure it again.
//!
//! Crypto-agile format (TCG PC Client Platform Firmware Profile 1.06, 10). No more than the lab
//! needs: the verifier has the parser that judges.

use super::VirtualTpmError;

const EV_NO_ACTION: u32 = 3;
const SHA256: u16 = 0x000B;
const SIGNATURE: &[u8] = b"Spec ID Event03\0";
const STARTUP_LOCALITY: &[u8] = b"StartupLocality\0";

/// A boot as the firmware recorded it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordedBoot {
    /// The locality that started the TPM, which is PCR 0's first value: 0 or 3.
    pub startup_locality: u8,
    /// PCR and SHA-256 digest of each measurement, in order.
    pub measurements: Vec<(u8, [u8; 32])>,
}

impl RecordedBoot {
    /// Reads a log.
    ///
    /// # Errors
    ///
    /// [`VirtualTpmError::EventLog`] if it is no crypto-agile log with a SHA-256 bank, or starts
    /// at locality 4: then a hardware root of trust hashed code that is not in the log.
    pub fn parse(log: &[u8]) -> Result<Self, VirtualTpmError> {
        let mut rest = log;
        let sizes = parse_header(&mut rest)?;
        let mut boot = Self {
            startup_locality: 0,
            measurements: Vec::new(),
        };
        while !rest.is_empty() {
            let pcr = u32::from_le_bytes(array(&mut rest)?);
            let kind = u32::from_le_bytes(array(&mut rest)?);
            let count = u32::from_le_bytes(array(&mut rest)?);
            let mut sha256 = None;
            for _ in 0..count {
                let algorithm = u16::from_le_bytes(array(&mut rest)?);
                let size = sizes.iter().find(|(known, _)| *known == algorithm);
                let (_, size) = size.ok_or(malformed("a digest of an unknown kind"))?;
                let digest = bytes(&mut rest, (*size).into())?;
                if algorithm == SHA256 {
                    sha256 = digest.try_into().ok();
                }
            }
            let size = u32::from_le_bytes(array(&mut rest)?);
            let size = usize::try_from(size).map_err(|_| malformed("an event too large"))?;
            let data = bytes(&mut rest, size)?;
            if kind == EV_NO_ACTION {
                if let Some([locality]) = data.strip_prefix(STARTUP_LOCALITY) {
                    boot.startup_locality = *locality;
                }
                continue;
            }
            let pcr = u8::try_from(pcr).map_err(|_| malformed("an event of no PCR"))?;
            boot.measurements
                .push((pcr, sha256.ok_or(malformed("no SHA-256 digest"))?));
        }
        match boot.startup_locality {
            0 | 3 => Ok(boot),
            _ => Err(malformed("a start of the TPM that cannot be repeated")),
        }
    }
}

/// Reads the first event, which is in the old format and lists the sizes of digests.
fn parse_header(rest: &mut &[u8]) -> Result<Vec<(u16, u16)>, VirtualTpmError> {
    bytes(rest, 4)?; // PCR
    if u32::from_le_bytes(array(rest)?) != EV_NO_ACTION {
        return Err(malformed("not crypto-agile"));
    }
    bytes(rest, 20)?; // SHA-1 digest
    let size = u32::from_le_bytes(array(rest)?);
    let size = usize::try_from(size).map_err(|_| malformed("a header too large"))?;
    let mut inner = bytes(rest, size)?
        .strip_prefix(SIGNATURE)
        .ok_or(malformed("not crypto-agile"))?;
    bytes(&mut inner, 8)?; // platform class, version, size of integers
    let count = u32::from_le_bytes(array(&mut inner)?);
    (0..count)
        .map(|_| {
            Ok((
                u16::from_le_bytes(array(&mut inner)?),
                u16::from_le_bytes(array(&mut inner)?),
            ))
        })
        .collect()
}

const fn malformed(what: &'static str) -> VirtualTpmError {
    VirtualTpmError::EventLog { what }
}

fn bytes<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], VirtualTpmError> {
    let (head, tail) = rest
        .split_at_checked(count)
        .ok_or(malformed("it ends too early"))?;
    *rest = tail;
    Ok(head)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], VirtualTpmError> {
    let (head, tail) = rest
        .split_first_chunk()
        .ok_or(malformed("it ends too early"))?;
    *rest = tail;
    Ok(*head)
}
