//! Byte strings and their text on the wire: base64url without padding (RFC 4648 §5).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text;

/// Text that is not base64url without padding, or the wrong number of bytes.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BytesError {
    /// Not the alphabet of RFC 4648 §5, padded, or with stray bits at the end.
    #[error("not base64url without padding")]
    NotBase64Url,
    /// The right alphabet, the wrong length.
    #[error("{found} bytes where {wanted} are wanted")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes wanted.
        wanted: usize,
    },
}

/// Decodes base64url without padding.
///
/// # Errors
///
/// [`BytesError::NotBase64Url`] for any other text.
pub fn decode(text: &str) -> Result<Vec<u8>, BytesError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| BytesError::NotBase64Url)
}

/// Decodes base64url without padding into `room`; how many bytes, nothing if it is not that or does
/// not fit.
pub(crate) fn decode_into(text: &str, room: &mut [u8]) -> Option<usize> {
    URL_SAFE_NO_PAD.decode_slice(text, room).ok()
}

/// Encodes as base64url without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Writes base64url without padding at the end of `text`.
pub(crate) fn encode_onto(text: &mut String, bytes: &[u8]) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Bytes whose length the message type does not fix: a certificate, a TPM structure, a log.
#[derive(Clone, Default, Eq, Hash, PartialEq)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, owned.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }

    /// SHA-256 of the bytes.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(&self.0)
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} bytes, sha256 {})", self.0.len(), self.sha256())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, |text| decode(text).map(Self))
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "bytes as base64url without padding (RFC 4648 section 5)",
            "pattern": "^[A-Za-z0-9_-]*$",
        })
    }
}

/// Makes a newtype over a fixed number of bytes, written as base64url.
macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal, $chars:literal, $description:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Wraps the bytes.
            pub const fn new(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = $crate::bytes::BytesError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                bytes.try_into().map(Self).map_err(|_| $crate::bytes::BytesError::Length {
                    found: bytes.len(),
                    wanted: $length,
                })
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::bytes::BytesError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $length];
                if $crate::bytes::decode_into(text, &mut bytes) == Some($length) {
                    return Ok(Self(bytes));
                }
                // Not these bytes; what else it is makes the error.
                Self::try_from($crate::bytes::decode(text)?.as_slice())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::bytes::encode(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::deserialize(deserializer, str::parse)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": $description,
                    "pattern": concat!("^[A-Za-z0-9_-]{", $chars, "}$"),
                })
            }
        }
    };
}

pub(crate) use fixed_bytes;

fixed_bytes!(
    /// A SHA-256 digest.
    Sha256, 32, "43", "SHA-256 digest as base64url"
);

impl Sha256 {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        Self::copy(digest.as_ref())
    }

    /// Lower-case hexadecimal, as `sha256sum` and certificate viewers print it.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// Parses 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`BytesError::Length`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, BytesError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| BytesError::Length {
            found: text.len() / 2,
            wanted: 32,
        })?;
        Ok(Self(bytes))
    }

    fn copy(digest: &[u8]) -> Self {
        let mut bytes = [0; 32];
        // SHA-256 is 32 bytes by definition; zip copies without a length that could differ.
        bytes
            .iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = *from);
        Self(bytes)
    }
}

fixed_bytes!(
    /// 32 random bytes, given out once by one side and returned once by the other.
    Nonce, 32, "43", "32 random bytes as base64url, used once"
);

impl Nonce {
    /// SHA-256 of the nonce: what a store keeps instead of the nonce itself.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(&self.0)
    }
}

fixed_bytes!(
    /// An ECDSA P-256 signature: r and s, 32 bytes each, big-endian (RFC 7518 §3.4).
    Signature, 64, "86", "ECDSA P-256 signature r and s as base64url"
);

fixed_bytes!(
    /// HMAC-SHA256 of something, under a key that only the prover and the asker know.
    Mac, 32, "43", "HMAC-SHA256 as base64url"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_and_other_alphabets_are_refused() {
        assert_eq!(decode("AA=="), Err(BytesError::NotBase64Url));
        assert_eq!(decode("+/"), Err(BytesError::NotBase64Url));
        assert_eq!(
            decode("AB"),
            Err(BytesError::NotBase64Url),
            "stray bits at the end"
        );
        assert_eq!(decode("_-8"), Ok(vec![0xff, 0xef]));
    }

    #[test]
    fn a_digest_of_the_wrong_length_is_refused() {
        assert_eq!(
            Sha256::try_from(&[0_u8; 31][..]),
            Err(BytesError::Length {
                found: 31,
                wanted: 32
            })
        );
        let parse = |text: &str| text.parse::<Sha256>();
        let length = |found| Err(BytesError::Length { found, wanted: 32 });
        assert_eq!(parse(&"A".repeat(43)), Ok(Sha256([0; 32])));
        assert_eq!(parse(&"A".repeat(42)), length(31));
        assert_eq!(parse(&"A".repeat(44)), length(33));
        assert_eq!(parse(&"A".repeat(46)), length(34));
        assert_eq!(parse(""), length(0));
        let stray_bits = ["A".repeat(42), "B".to_owned()].concat();
        let padded = ["A".repeat(43), "=".to_owned()].concat();
        for text in [stray_bits, padded] {
            assert_eq!(parse(&text), Err(BytesError::NotBase64Url), "{text}");
        }
    }

    #[test]
    fn sha256_of_nothing_is_the_known_value() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::of(b"").to_hex(), hex);
        assert_eq!(Sha256::from_hex(hex), Ok(Sha256::of(b"")));
    }
}
