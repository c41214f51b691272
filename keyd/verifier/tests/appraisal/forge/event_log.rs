//! Event logs, record by record.

use wardkey_schemas::bytes::Sha256;

/// The header of a crypto-agile log with these banks: algorithm and digest length.
pub(crate) fn header(banks: &[(u16, u16)]) -> Vec<u8> {
    let mut data = b"Spec ID Event03\0".to_vec();
    data.extend([0, 0, 0, 0, 0, 2, 0, 2]);
    data.extend(length(banks.len()));
    for (algorithm, length) in banks {
        data.extend(algorithm.to_le_bytes());
        data.extend(length.to_le_bytes());
    }
    data.push(0);
    let mut record = [0_u32.to_le_bytes(), 3_u32.to_le_bytes()].concat();
    record.extend([0; 20]);
    record.extend(length(data.len()));
    record.extend(data);
    record
}

/// A header with the SHA-256 bank alone.
pub(crate) fn sha256_header() -> Vec<u8> {
    header(&[(0x000b, 32)])
}

/// A record with these digests.
pub(crate) fn record(pcr: u32, kind: u32, digests: &[(u16, &[u8])], data: &[u8]) -> Vec<u8> {
    let mut record = [pcr.to_le_bytes(), kind.to_le_bytes(), length(digests.len())].concat();
    for (algorithm, digest) in digests {
        record.extend(algorithm.to_le_bytes());
        record.extend_from_slice(digest);
    }
    record.extend(length(data.len()));
    record.extend_from_slice(data);
    record
}

/// An event whose digest is that of its data.
pub(crate) fn event(pcr: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    record(pcr, kind, &[(0x000b, Sha256::of(data).as_bytes())], data)
}

/// A startup locality event.
pub(crate) fn startup_locality(locality: u8) -> Vec<u8> {
    let data = [&b"StartupLocality\0"[..], &[locality]].concat();
    record(0, 3, &[(0x000b, &[0; 32])], &data)
}

/// A small honest boot.
pub(crate) fn boot() -> Vec<u8> {
    [
        sha256_header(),
        event(0, 8, b"firmware 1.0"),
        event(7, 0x8000_0001, b"SecureBoot = 1"),
        event(4, 0x8000_0003, b"boot loader"),
        event(0, 4, &[0; 4]),
        event(2, 4, &[0; 4]),
        event(4, 4, &[0; 4]),
        event(7, 4, &[0; 4]),
    ]
    .concat()
}

/// A length as four bytes.
fn length(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap().to_le_bytes()
}
