//! A measured boot: an event log and the registers that it leads to.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::PcrValue;
use wardkey_verifier::event_log::EventLog;

/// One measured boot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Boot {
    /// The event log.
    pub log: Vec<u8>,
    /// The quoted registers, ascending.
    pub pcrs: Vec<PcrValue>,
}

impl Boot {
    /// The boot of a laptop with this image; quotes are about `pcrs`.
    pub fn of(image: &str, pcrs: &[u8]) -> Self {
        let log = event_log(image);
        let values = EventLog::parse(&log).unwrap().replay().values();
        let quoted = |value: &PcrValue| pcrs.contains(&value.index);
        Self {
            pcrs: values.into_iter().filter(quoted).collect(),
            log,
        }
    }

    /// SHA-256 of the log.
    pub fn log_sha256(&self) -> Sha256 {
        Sha256::of(&self.log)
    }
}

/// The event log of a small honest boot; another `image` gives other values in PCR 4.
pub fn event_log(image: &str) -> Vec<u8> {
    [
        header(),
        event(0, 8, b"firmware 1.0"),
        event(7, 0x8000_0001, b"SecureBoot = 1"),
        event(4, 0x8000_0003, image.as_bytes()),
        event(0, 4, &[0; 4]),
        event(2, 4, &[0; 4]),
        event(4, 4, &[0; 4]),
        event(7, 4, &[0; 4]),
    ]
    .concat()
}

/// The header of a crypto-agile log with the SHA-256 bank alone (TCG PC Client profile §10.4.5).
fn header() -> Vec<u8> {
    let mut data = b"Spec ID Event03\0".to_vec();
    data.extend([0, 0, 0, 0, 0, 2, 0, 2]);
    data.extend(1_u32.to_le_bytes());
    data.extend(0x000b_u16.to_le_bytes());
    data.extend(32_u16.to_le_bytes());
    data.push(0);
    let mut record = [0_u32.to_le_bytes(), 3_u32.to_le_bytes()].concat();
    record.extend([0; 20]);
    record.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    record.extend(data);
    record
}

/// An event whose digest is that of its data.
fn event(pcr: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    [
        &pcr.to_le_bytes()[..],
        &kind.to_le_bytes(),
        &1_u32.to_le_bytes(),
        &0x000b_u16.to_le_bytes(),
        Sha256::of(data).as_bytes(),
        &u32::try_from(data.len()).unwrap().to_le_bytes(),
        data,
    ]
    .concat()
}
