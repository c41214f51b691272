//! The writing half of the envelope: messages made ready to be signed, by a key in hardware or in
//! memory.

use std::fmt;
use std::marker::PhantomData;

use super::{Header, Jws, Message};
use crate::bytes::{self, Sha256, Signature};
use crate::key::{KeyError, PublicKey, SigningKey, Thumbprint};

/// A message made ready to be signed, wherever the key lives.
///
/// A token or TPM signs [`Self::digest`]; a key in memory goes through [`Self::sign`].
pub struct Unsigned<T> {
    signed: String,
    payload_sha256: Sha256,
    kid: Thumbprint,
    message: PhantomData<fn() -> T>,
}

/// Why a message could not be made ready or signed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The message has no JSON form.
    #[error("the message cannot be written as JSON: {0}")]
    Json(String),
    /// It is longer than its type allows.
    #[error("the message would have {found} characters; at most {most} are allowed")]
    TooLong {
        /// Characters it would have.
        found: usize,
        /// The most that is allowed.
        most: usize,
    },
    /// The key did not sign.
    #[error("the key did not sign")]
    Key(#[from] KeyError),
    /// The key signed, but the signature does not verify under the key it was prepared for.
    #[error("the signature was made with another key than the message names")]
    OtherKey,
}

impl<T: Message> Unsigned<T> {
    /// Prepares `message` to be signed by the key with this thumbprint.
    ///
    /// # Errors
    ///
    /// [`SigningError::Json`] or [`SigningError::TooLong`].
    pub fn new(message: &T, kid: Thumbprint) -> Result<Self, SigningError> {
        let json = |error: serde_json::Error| SigningError::Json(error.to_string());
        let header = Header {
            alg: "ES256".into(),
            typ: T::TYP.into(),
            kid,
        };
        let header = serde_json::to_vec(&header).map_err(json)?;
        let payload = serde_json::to_vec(message).map_err(json)?;
        let signed = format!("{}.{}", bytes::encode(&header), bytes::encode(&payload));
        let found = signed.len().saturating_add(87);
        if found > T::MAX {
            return Err(SigningError::TooLong {
                found,
                most: T::MAX,
            });
        }
        let payload_sha256 = Sha256::of(&payload);
        Ok(Self {
            signed,
            payload_sha256,
            kid,
            message: PhantomData,
        })
    }

    /// What a token or TPM signs: SHA-256 of the JWS signing input.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.signed.as_bytes())
    }

    /// SHA-256 of the payload bytes: what a check phrase is made from before anybody signs.
    pub const fn payload_sha256(&self) -> Sha256 {
        self.payload_sha256
    }

    /// Joins the signature that hardware made over [`Self::digest`].
    ///
    /// # Errors
    ///
    /// [`SigningError::OtherKey`] if the signature does not verify under `key`, or the message was
    /// prepared for another key: a token that was swapped is noticed here and not by the server.
    pub fn attach(self, signature: Signature, key: &PublicKey) -> Result<Jws<T>, SigningError> {
        if key.thumbprint() != self.kid || !key.verifies(self.signed.as_bytes(), &signature) {
            return Err(SigningError::OtherKey);
        }
        Ok(self.join(&signature))
    }

    /// Signs with a key in memory.
    ///
    /// # Errors
    ///
    /// [`SigningError::OtherKey`] if the message was prepared for another key.
    pub fn sign(self, key: &SigningKey) -> Result<Jws<T>, SigningError> {
        if key.public().thumbprint() != self.kid {
            return Err(SigningError::OtherKey);
        }
        let signature = key.sign(self.signed.as_bytes())?;
        Ok(self.join(&signature))
    }

    fn join(self, signature: &Signature) -> Jws<T> {
        let text = format!("{}.{signature}", self.signed);
        Jws {
            text,
            kid: self.kid,
            message: PhantomData,
        }
    }
}

/// Signs `message` with a key in memory.
///
/// # Errors
///
/// [`SigningError`].
pub fn sign<T: Message>(message: &T, key: &SigningKey) -> Result<Jws<T>, SigningError> {
    Unsigned::new(message, key.public().thumbprint())?.sign(key)
}

impl<T: Message> fmt::Debug for Unsigned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unsigned({}, for {})", T::TYP, self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{key, note};
    use super::*;

    #[test]
    fn a_signature_from_a_swapped_token_is_noticed_at_once() {
        let (key, other) = (key(), key());
        let unsigned = Unsigned::new(&note(), key.public().thumbprint()).unwrap();
        let signature = other.sign(unsigned.signed.as_bytes()).unwrap();
        assert_eq!(
            unsigned.attach(signature, key.public()),
            Err(SigningError::OtherKey)
        );
    }
}
