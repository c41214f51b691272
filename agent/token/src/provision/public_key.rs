//! The public key of a new key pair.

/// `SubjectPublicKeyInfo` of an uncompressed point on P-256, up to the point (RFC 5480, 2).
const HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A point on P-256, uncompressed: 65 octets, the first of them 04.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct PublicKey([u8; 65]);

impl PublicKey {
    /// Takes an uncompressed point. Whether it lies on the curve is for a verifier to check.
    pub(super) fn new(point: &[u8]) -> Option<Self> {
        match <[u8; 65]>::try_from(point) {
            Ok(point @ [0x04, ..]) => Some(Self(point)),
            _ => None,
        }
    }

    /// `SubjectPublicKeyInfo`, DER.
    pub(super) fn spki(&self) -> Vec<u8> {
        [&HEADER[..], &self.0].concat()
    }

    /// Whether `certificate` (DER) is one for this key (RFC 5280, 4.1.2.7).
    pub(super) fn is_certified_by(&self, certificate: &[u8]) -> bool {
        yubikey::Certificate::from_bytes(certificate.to_vec())
            .is_ok_and(|parsed| parsed.subject_pki().subject_public_key.raw_bytes() == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uncompressed_points_are_taken() {
        assert!(PublicKey::new(&[4; 65]).is_some());
        for wrong in [&[2; 33][..], &[3; 65], &[4; 64], &[4; 66], &[]] {
            assert_eq!(PublicKey::new(wrong), None);
        }
    }

    #[test]
    fn what_is_no_certificate_certifies_nothing() {
        let key = PublicKey::new(&[4; 65]).unwrap();
        assert!(!key.is_certified_by(&[]));
        assert!(!key.is_certified_by(&key.spki()));
    }
}
