//! The Card Holder Unique Identifier (SP 800-73-4 part 1, table 9).
//!
//! Operating systems cache what is on a token by this identifier, so it is made anew whenever a
//! certificate is written.

use crate::tlv;

/// FASC-N of a card outside the federal government (part 1, §3.1.2): agency code 9999.
const FASC_N: [u8; 25] = [
    0xd4, 0xe7, 0x39, 0xda, 0x73, 0x9c, 0xed, 0x39, 0xce, 0x73, 0x9d, 0x83, 0x68, 0x58, 0x21, 0x08,
    0x42, 0x10, 0x84, 0x21, 0xc8, 0x42, 0x10, 0xc3, 0xeb,
];

/// YYYYMMDD, far away: what expires is the certificate.
const EXPIRY: [u8; 8] = *b"20991231";

/// The identifier of a card whose GUID is made of `random`.
pub(crate) fn chuid(random: [u8; 16]) -> Vec<u8> {
    [
        tlv::element(0x30, &FASC_N),
        tlv::element(0x34, &uuid_v4(random)),
        tlv::element(0x35, &EXPIRY),
        tlv::element(0x3e, &[]),
        tlv::element(0xfe, &[]),
    ]
    .concat()
}

/// Marks random octets as a UUID of version 4 (RFC 9562, 5.4).
fn uuid_v4(mut octets: [u8; 16]) -> [u8; 16] {
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut octets;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_has_the_elements_piv_wants() {
        let chuid = chuid([0xff; 16]);
        assert_eq!(chuid.len(), 59);
        let guid = tlv::find(&chuid, 0x34).unwrap();
        assert_eq!(hex::encode(guid), "ffffffffffff4fffbfffffffffffffff");
        assert_eq!(tlv::find(&chuid, 0x35), Some(&EXPIRY[..]));
        assert_eq!(tlv::find(&chuid, 0xfe), Some(&[][..]));
    }
}
