//! Names of TPM objects: what a key is called by what it is, and by where it hangs.

use std::fmt;

use wardkey_schemas::bytes::{BytesError, Sha256};

use super::ENDORSEMENT;

/// Bytes of a name with SHA-256: `nameAlg` and digest.
const NAME_BYTES: usize = 34;

/// `TPM_ALG_SHA256`, the only `nameAlg` that is used here, big-endian.
const SHA256: [u8; 2] = [0x00, 0x0b];

/// Makes a newtype over the 34 bytes of a name.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, PartialEq)]
        pub struct $name([u8; NAME_BYTES]);

        impl $name {
            /// The 34 bytes: `nameAlg` (SHA-256) and digest.
            pub const fn as_bytes(&self) -> &[u8; NAME_BYTES] {
                &self.0
            }

            fn of(bytes: &[u8]) -> Self {
                let mut name = [0; NAME_BYTES];
                let digest = Sha256::of(bytes);
                name.iter_mut()
                    .zip(SHA256.iter().chain(digest.as_bytes()))
                    .for_each(|(to, from)| *to = *from);
                Self(name)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = BytesError;

            /// Takes 34 bytes back from where they were stored.
            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                bytes.try_into().map(Self).map_err(|_| BytesError::Length {
                    found: bytes.len(),
                    wanted: NAME_BYTES,
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

name!(
    /// The Name of an object: `nameAlg` and the digest of its `TPMT_PUBLIC` (Part 1 §16).
    Name
);

name!(
    /// The Qualified Name of an object: `nameAlg` and the digest of its parent's Qualified Name and
    /// its own Name (Part 1 §16). It says in which hierarchy a key lives.
    QualifiedName
);

impl Name {
    /// The Name of the object whose `TPMT_PUBLIC`, with SHA-256 as `nameAlg`, is `public`.
    pub(crate) fn of_public(public: &[u8]) -> Self {
        Self::of(public)
    }
}

impl QualifiedName {
    /// The Qualified Name of a primary key called `name` in the endorsement hierarchy, whose own
    /// Qualified Name is its handle.
    pub fn under_endorsement(name: &Name) -> Self {
        let mut both = [0; ENDORSEMENT.len() + NAME_BYTES];
        both.iter_mut()
            .zip(ENDORSEMENT.iter().chain(name.as_bytes()))
            .for_each(|(to, from)| *to = *from);
        Self::of(&both)
    }
}
