//! The places of a PIV token in which we keep keys.

use std::fmt;

/// A key slot (SP 800-73-4 part 1, table 4b).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Slot {
    /// 9A, PIV Authentication.
    Authentication,
    /// 9C, Digital Signature.
    Signature,
}

impl Slot {
    /// The key reference, as commands carry it.
    pub const fn reference(self) -> u8 {
        match self {
            Self::Authentication => 0x9a,
            Self::Signature => 0x9c,
        }
    }

    /// The object that holds its certificate (part 1, table 3).
    pub(crate) const fn certificate_object(self) -> ObjectId {
        match self {
            Self::Authentication => ObjectId([0x5f, 0xc1, 0x05]),
            Self::Signature => ObjectId([0x5f, 0xc1, 0x0a]),
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.reference())
    }
}

/// The BER-TLV tag of a data object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ObjectId(pub(crate) [u8; 3]);

impl ObjectId {
    /// The Card Holder Unique Identifier.
    pub(crate) const CHUID: Self = Self([0x5f, 0xc1, 0x02]);
    /// The certificate of the attestation key, Yubico's own.
    pub(crate) const F9_CERTIFICATE: Self = Self([0x5f, 0xff, 0x01]);

    /// As the crate `yubikey` numbers objects.
    pub(crate) const fn number(self) -> u32 {
        let Self([high, middle, low]) = self;
        u32::from_be_bytes([0, high, middle, low])
    }
}
