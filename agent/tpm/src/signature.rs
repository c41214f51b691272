//! Signatures of a TPM in the form the rest of the world uses.

use tpm2_protocol::data::TpmAlgId;

use crate::{MalformedAnswer, fields::Fields};

/// Size of a P-256 signature as r||s, in bytes (RFC 7518, 3.4).
pub const SIGNATURE_SIZE: usize = 64;

/// An ECDSA signature on P-256 with SHA-256.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signature {
    tpmt: Vec<u8>,
    r_s: [u8; SIGNATURE_SIZE],
}

impl Signature {
    /// The `TPMT_SIGNATURE` as the TPM marshalled it.
    pub fn as_tpmt(&self) -> &[u8] {
        &self.tpmt
    }

    /// r and s, 32 bytes each, padded on the left.
    pub const fn as_r_s(&self) -> &[u8; SIGNATURE_SIZE] {
        &self.r_s
    }

    /// Reads a `TPMT_SIGNATURE` that must be ECDSA with SHA-256, neither r nor s being zero.
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Self, MalformedAnswer> {
        let whole = fields.rest();
        fields.expect_u16("sigAlg", TpmAlgId::Ecdsa.value())?;
        fields.expect_u16("signature.hash", TpmAlgId::Sha256.value())?;
        let r = fields.padded_number::<32>("signatureR")?;
        let s = fields.padded_number::<32>("signatureS")?;
        for (field, number) in [("signatureR", &r), ("signatureS", &s)] {
            if number.iter().all(|byte| *byte == 0) {
                return Err(MalformedAnswer::Unexpected {
                    field,
                    found: 0,
                    wanted: 1,
                });
            }
        }
        let length = whole.len().saturating_sub(fields.rest().len());
        let tpmt = whole.get(..length).unwrap_or_default().to_vec();
        let mut r_s = [0; SIGNATURE_SIZE];
        for (to, from) in r_s.iter_mut().zip(r.into_iter().chain(s)) {
            *to = from;
        }
        Ok(Self { tpmt, r_s })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The quote's signature of a recorded boot (tests/data/measured-boot/sb3).
    const RECORDED: &str = "0018000b\
        0020dd229195efd7bb4ffb0ccde0ee1fe948b012625685948b173912fee87a39fdad\
        0020204f0c1c85b8c5fb110191748a70dd0b740c41758077e6a42b34d3d30207c3d5";

    fn parse(bytes: &[u8]) -> Result<Signature, MalformedAnswer> {
        let mut fields = Fields::new(bytes);
        let signature = Signature::parse(&mut fields)?;
        fields.finish()?;
        Ok(signature)
    }

    #[test]
    fn a_recorded_signature_becomes_r_and_s() {
        let bytes = hex::decode(RECORDED).unwrap();
        let signature = parse(&bytes).unwrap();
        assert_eq!(signature.as_tpmt(), bytes);
        assert_eq!(signature.as_r_s()[..32], bytes[6..38]);
        assert_eq!(signature.as_r_s()[32..], bytes[40..]);
    }

    #[test]
    fn a_short_s_is_padded_on_the_left() {
        let signature = parse(&hex::decode("0018000b0001aa0002bbcc").unwrap()).unwrap();
        assert_eq!(signature.as_r_s()[30..34], [0, 0xaa, 0, 0]);
        assert_eq!(signature.as_r_s()[61..], [0, 0xbb, 0xcc]);
    }

    #[test]
    fn one_thing_wrong_is_enough() {
        let long = format!("0018000b0021{}0001aa", "01".repeat(33));
        let cases = [
            ("RSASSA", "0014000b0001aa0001bb"),
            ("SHA-1", "001800040001aa0001bb"),
            ("r is zero", "0018000b0002 00000001bb"),
            ("s is zero", "0018000b0001aa000100"),
            ("r is empty", "0018000b00000001bb"),
            ("r is too long", &long),
            ("s is missing", "0018000b0001aa"),
            ("a byte too many", "0018000b0001aa0001bb00"),
        ];
        for (what, case) in cases {
            let bytes = hex::decode(case.replace(' ', "")).unwrap();
            assert!(parse(&bytes).is_err(), "{what}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let mut hostile = vec![0x00, 0x18, 0x00, 0x0b];
            hostile.extend(&bytes);
            let parsed = parse(&hostile);
            prop_assert!(parsed.is_err() || bytes.len() >= 6);
        }
    }
}
