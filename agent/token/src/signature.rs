//! Signatures: from the token's DER to the r||s of JWS.

use crate::tlv;

/// Size of a P-256 signature as r||s, in bytes (RFC 7518, 3.4).
pub const SIGNATURE_SIZE: usize = 64;

/// An ECDSA signature on P-256: r and s, 32 bytes each, padded on the left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signature([u8; SIGNATURE_SIZE]);

impl Signature {
    /// The 64 bytes of r||s.
    pub const fn as_bytes(&self) -> &[u8; SIGNATURE_SIZE] {
        &self.0
    }

    /// Reads an `Ecdsa-Sig-Value` (RFC 3279, 2.2.3) in strict DER; `None` for anything else.
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let (0x30, numbers, []) = tlv::split_first(der)? else {
            return None;
        };
        // Two numbers of at most 33 octets need no long form, and DER allows no other.
        if numbers.len() > 0x7f || der.len() != numbers.len().checked_add(2)? {
            return None;
        }
        let (r, rest) = split_number(numbers)?;
        let (s, []) = split_number(rest)? else {
            return None;
        };
        let mut bytes = [0; SIGNATURE_SIZE];
        for (to, from) in bytes.iter_mut().zip(r.into_iter().chain(s)) {
            *to = from;
        }
        Some(Self(bytes))
    }
}

impl From<Signature> for [u8; SIGNATURE_SIZE] {
    fn from(signature: Signature) -> Self {
        signature.0
    }
}

/// Reads one INTEGER (X.690 §8.3, §10.1): shortest form, positive, at most 32 octets; the number
/// padded on the left, and what follows it.
fn split_number(bytes: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (&[0x02, length @ 1..=33], rest) = bytes.split_first_chunk()? else {
        return None;
    };
    let (number, rest) = rest.split_at_checked(usize::from(length))?;
    let magnitude = match number {
        // Negative, zero, or with an octet too many.
        [0x80..=0xff, ..] | [0x00] | [0x00, 0x00..=0x7f, ..] => return None,
        [0x00, magnitude @ ..] | magnitude => magnitude,
    };
    let mut padded = [0; 32];
    let start = padded.len().checked_sub(magnitude.len())?;
    padded.get_mut(start..)?.copy_from_slice(magnitude);
    Some((padded, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn der_number(number: &[u8]) -> Vec<u8> {
        let start = number.iter().position(|octet| *octet != 0).unwrap();
        let shortest = &number[start..];
        let sign: &[u8] = if shortest[0] & 0x80 == 0 { &[] } else { &[0] };
        tlv::element(0x02, &[sign, shortest].concat())
    }

    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        tlv::element(0x30, &[der_number(r), der_number(s)].concat())
    }

    proptest! {
        #[test]
        fn numbers_of_every_length_are_padded(
            r in proptest::collection::vec(any::<u8>(), 1..=32),
            s in proptest::collection::vec(any::<u8>(), 1..=32),
        ) {
            prop_assume!(r.iter().any(|octet| *octet != 0) && s.iter().any(|octet| *octet != 0));
            let signature = Signature::from_der(&der(&r, &s)).unwrap();
            let (left, right) = signature.as_bytes().split_at(32);
            prop_assert_eq!(left, [vec![0; 32_usize.saturating_sub(r.len())], r].concat());
            prop_assert_eq!(right, [vec![0; 32_usize.saturating_sub(s.len())], s].concat());
        }

        #[test]
        fn one_octet_more_or_less_is_refused(cut in 0..70_usize) {
            let whole = der(&[0xff; 32], &[0xff; 32]);
            let cut = &whole[..cut.min(whole.len().saturating_sub(1))];
            prop_assert_eq!(Signature::from_der(cut), None);
        }
    }

    #[test]
    fn what_is_not_strict_der_is_refused() {
        let good = der(&[7; 32], &[9; 32]);
        assert!(Signature::from_der(&good).is_some());
        let (r, s) = (der_number(&[7]), der_number(&[9]));
        let sequence = |content: &[&[u8]]| tlv::element(0x30, &content.concat());
        let cases: [(&str, Vec<u8>); 9] = [
            ("an octet after it", [good.as_slice(), &[0]].concat()),
            ("an octet inside it", sequence(&[&r, &s, &[0]])),
            ("only r", sequence(&[&r])),
            ("r negative", sequence(&[&[2, 1, 0x87], &s])),
            ("r zero", sequence(&[&[2, 1, 0], &s])),
            ("r with a zero too many", sequence(&[&[2, 2, 0, 7], &s])),
            ("r of no length", sequence(&[&[2, 0], &s])),
            (
                "r of 33 octets",
                sequence(&[&tlv::element(2, &[7; 33]), &s]),
            ),
            (
                "length in long form",
                [&[0x30, 0x81, 6], r.as_slice(), &s].concat(),
            ),
        ];
        for (what, der) in cases {
            assert_eq!(Signature::from_der(&der), None, "{what}");
        }
    }
}
