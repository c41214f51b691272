//! The signed envelope: compact JWS (RFC 7515 §3.1), ES256 only.
//!
//! # Invariants
//!
//! - The protected header is exactly `alg`, `typ`, `kid`, in any order, nothing else: no `crit`, no
//!   embedded key, no URL to fetch one from.
//! - [`Jws::open`] is the only way to the payload, and it pins the algorithm, the type and the key
//!   before it parses a byte of it. What comes out is [`Opened`], which nothing else can make.
//! - A message is never identified by its signature: (r, s) and (r, n−s) both verify. Its name is
//!   the SHA-256 of its payload, or of the whole text where the signature belongs to it.

mod signing;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::signing::{SigningError, Unsigned, sign};
use crate::bytes::{self, Sha256, Signature};
use crate::key::{PublicKey, Thumbprint};
use crate::text;

/// A message that travels signed.
pub trait Message: Serialize + DeserializeOwned {
    /// The `typ` of its envelope (RFC 7515 §4.1.9, RFC 8725 §3.11).
    const TYP: &'static str;
    /// The longest envelope that is looked at, in characters.
    const MAX: usize;
}

/// Why an envelope was not opened. Each is a refusal of the whole message.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Longer than its type allows.
    #[error("the message has {found} characters; at most {most} are looked at")]
    TooLong {
        /// Characters found.
        found: usize,
        /// The most that is allowed.
        most: usize,
    },
    /// Not three base64url parts, or a header that is not exactly alg, typ and kid.
    #[error("not a compact JWS with the header members alg, typ and kid")]
    Malformed,
    /// An algorithm other than ES256.
    #[error("signed with {found:?}; only ES256 is accepted")]
    Algorithm {
        /// The `alg` found.
        found: String,
    },
    /// Another type of message.
    #[error("a message of type {found:?} where {wanted:?} is wanted")]
    Type {
        /// The `typ` found.
        found: String,
        /// The `typ` wanted.
        wanted: &'static str,
    },
    /// Signed by another key than the one that must have signed.
    #[error("signed by key {found}; wanted {wanted}")]
    Key {
        /// The `kid` found.
        found: Thumbprint,
        /// The thumbprint wanted.
        wanted: Thumbprint,
    },
    /// The signature does not verify.
    #[error("the signature does not match the message")]
    Signature,
    /// Genuine, but its payload is not this message.
    #[error("the signed content is not a {typ} message: {reason}")]
    Payload {
        /// The `typ` of the message.
        typ: &'static str,
        /// Which field, and why.
        reason: String,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    typ: Cow<'a, str>,
    kid: Thumbprint,
}

/// A signed message as it arrived: well formed, of type `T` by its own word, not yet believed.
pub struct Jws<T> {
    text: String,
    kid: Thumbprint,
    message: PhantomData<fn() -> T>,
}

impl<T: Message> Jws<T> {
    /// Takes a text that looks like an envelope of this type.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`] if it is too long, malformed, or says it is something else.
    pub fn parse(text: String) -> Result<Self, EnvelopeError> {
        require_length::<T>(&text)?;
        let Parts {
            header,
            payload,
            signature,
            ..
        } = Parts::of(&text)?;
        // 64 bytes are 86 characters of base64url.
        if signature.len() != 86 || !is_base64url(signature) || !is_base64url(payload) {
            return Err(EnvelopeError::Malformed);
        }
        let header = bytes::decode(header).map_err(|_| EnvelopeError::Malformed)?;
        let header: Header<'_> =
            serde_json::from_slice(&header).map_err(|_| EnvelopeError::Malformed)?;
        if header.alg != "ES256" {
            return Err(EnvelopeError::Algorithm {
                found: header.alg.into_owned(),
            });
        }
        if header.typ != T::TYP {
            return Err(EnvelopeError::Type {
                found: header.typ.into_owned(),
                wanted: T::TYP,
            });
        }
        let kid = header.kid;
        Ok(Self {
            text,
            kid,
            message: PhantomData,
        })
    }

    /// The key that the message says signed it: good for finding a key, for nothing else.
    pub const fn claimed_key(&self) -> Thumbprint {
        self.kid
    }

    /// The text as it travels.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the whole text, signature included.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(self.text.as_bytes())
    }

    /// Opens the envelope: it must name `key`, be signed by it, and hold exactly a `T`.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`]; the payload is not parsed unless the signature verified.
    pub fn open(&self, key: &PublicKey) -> Result<Opened<T>, EnvelopeError> {
        let wanted = key.thumbprint();
        if self.kid != wanted {
            return Err(EnvelopeError::Key {
                found: self.kid,
                wanted,
            });
        }
        let Parts {
            signed,
            payload,
            signature,
            ..
        } = Parts::of(&self.text)?;
        let signature: Signature = signature.parse().map_err(|_| EnvelopeError::Malformed)?;
        if !key.verifies(signed.as_bytes(), &signature) {
            return Err(EnvelopeError::Signature);
        }
        let payload = bytes::decode(payload).map_err(|_| EnvelopeError::Malformed)?;
        let message = serde_json::from_slice(&payload).map_err(|error| EnvelopeError::Payload {
            typ: T::TYP,
            reason: error.to_string(),
        })?;
        Ok(Opened {
            message,
            signer: wanted,
            payload_sha256: Sha256::of(&payload),
        })
    }
}

fn require_length<T: Message>(text: &str) -> Result<(), EnvelopeError> {
    if text.len() <= T::MAX {
        return Ok(());
    }
    Err(EnvelopeError::TooLong {
        found: text.len(),
        most: T::MAX,
    })
}

/// An envelope's text in its parts; a dot more is in the payload, which has no such character.
struct Parts<'a> {
    /// Header and payload with the dot between them: what is signed.
    signed: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, EnvelopeError> {
        let (signed, signature) = text.rsplit_once('.').ok_or(EnvelopeError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(EnvelopeError::Malformed)?;
        Ok(Self {
            signed,
            header,
            payload,
            signature,
        })
    }
}

/// Whether `part` has characters of base64url only. It looks at all of them whatever it finds: most
/// of the text is here, and so many are compared at once.
fn is_base64url(part: &str) -> bool {
    let belongs = |b: u8| matches!(b, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    part.bytes().fold(true, |so_far, b| so_far & belongs(b))
}

/// A message whose envelope was opened: its signature verified under the key that was demanded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened<T> {
    message: T,
    signer: Thumbprint,
    payload_sha256: Sha256,
}

impl<T> Opened<T> {
    /// The message.
    pub const fn message(&self) -> &T {
        &self.message
    }

    /// The message, owned.
    pub fn into_message(self) -> T {
        self.message
    }

    /// The key that signed.
    pub const fn signer(&self) -> Thumbprint {
        self.signer
    }

    /// SHA-256 of the exact payload bytes that were signed.
    pub const fn payload_sha256(&self) -> Sha256 {
        self.payload_sha256
    }
}

/// The body of a request or an answer that is one signed message.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, bound = "T: Message")]
pub struct Sealed<T: Message> {
    /// The message.
    pub message: Jws<T>,
}

impl<T: Message> Sealed<T> {
    /// Wraps a message.
    pub const fn new(message: Jws<T>) -> Self {
        Self { message }
    }
}

impl<T> Clone for Jws<T> {
    fn clone(&self) -> Self {
        Self {
            text: self.text.clone(),
            kid: self.kid,
            message: PhantomData,
        }
    }
}

impl<T> Eq for Jws<T> {}

impl<T> PartialEq for Jws<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T: Message> fmt::Debug for Jws<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Jws({}, {} characters, by {})",
            T::TYP,
            self.text.len(),
            self.kid
        )
    }
}

impl<T> Serialize for Jws<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T: Message> Deserialize<'de> for Jws<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, |text| {
            // What is too long is not copied.
            require_length::<T>(text)?;
            Self::parse(text.to_owned())
        })
    }
}

impl<T: Message> JsonSchema for Jws<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Jws-{}", T::TYP).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": format!("compact JWS, alg ES256, typ {}", T::TYP),
            "maxLength": T::MAX,
            "pattern": "^[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]{86}$",
        })
    }
}

#[cfg(test)]
mod tests;
