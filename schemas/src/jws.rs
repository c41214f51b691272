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

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::bytes::{self, Sha256, Signature};
use crate::key::{KeyError, PublicKey, SigningKey, Thumbprint};

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
        if text.len() > T::MAX {
            return Err(EnvelopeError::TooLong {
                found: text.len(),
                most: T::MAX,
            });
        }
        let (header, payload, signature) = split(&text)?;
        let all_base64url = |part: &str| {
            part.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        // 64 bytes are 86 characters of base64url.
        if signature.len() != 86 || !all_base64url(signature) || !all_base64url(payload) {
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
        let (_, payload, signature) = split(&self.text)?;
        let signature: Signature = signature.parse().map_err(|_| EnvelopeError::Malformed)?;
        let (signed, _) = self.text.rsplit_once('.').ok_or(EnvelopeError::Malformed)?;
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

fn split(text: &str) -> Result<(&str, &str, &str), EnvelopeError> {
    let mut parts = text.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) => Ok((header, payload, signature)),
        _ => Err(EnvelopeError::Malformed),
    }
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

/// Signs `message` with a key in memory.
///
/// # Errors
///
/// [`SigningError`].
pub fn sign<T: Message>(message: &T, key: &SigningKey) -> Result<Jws<T>, SigningError> {
    Unsigned::new(message, key.public().thumbprint())?.sign(key)
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

impl<T: Message> fmt::Debug for Unsigned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unsigned({}, for {})", T::TYP, self.kid)
    }
}

impl<T> Serialize for Jws<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T: Message> Deserialize<'de> for Jws<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(text).map_err(de::Error::custom)
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
mod tests {
    use super::*;

    #[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Note {
        text: String,
    }

    impl Message for Note {
        const TYP: &'static str = "wardkey-test-note+jwt";
        const MAX: usize = 1000;
    }

    #[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Other {
        text: String,
    }

    impl Message for Other {
        const TYP: &'static str = "wardkey-test-other+jwt";
        const MAX: usize = 1000;
    }

    fn key() -> SigningKey {
        SigningKey::generate().unwrap().0
    }

    fn note() -> Note {
        Note {
            text: "hello".to_owned(),
        }
    }

    /// Signs a header and payload given as JSON text, whatever they say.
    fn forge(header: &str, payload: &[u8], key: &SigningKey) -> String {
        let signed = format!(
            "{}.{}",
            bytes::encode(header.as_bytes()),
            bytes::encode(payload)
        );
        format!("{signed}.{}", key.sign(signed.as_bytes()).unwrap())
    }

    #[test]
    fn a_signed_message_opens_under_its_key() {
        let key = key();
        let opened = sign(&note(), &key).unwrap().open(key.public()).unwrap();
        assert_eq!(*opened.message(), note());
        assert_eq!(opened.signer(), key.public().thumbprint());
        assert_eq!(opened.payload_sha256(), Sha256::of(br#"{"text":"hello"}"#));
    }

    #[test]
    fn another_key_is_refused_by_name() {
        let (key, other) = (key(), key());
        let error = sign(&note(), &key)
            .unwrap()
            .open(other.public())
            .unwrap_err();
        assert!(matches!(error, EnvelopeError::Key { .. }), "{error}");
    }

    #[test]
    fn another_keys_signature_under_the_right_name_is_refused() {
        let (key, other) = (key(), key());
        let kid = key.public().thumbprint();
        let header = format!(r#"{{"alg":"ES256","typ":"wardkey-test-note+jwt","kid":"{kid}"}}"#);
        let text = forge(&header, br#"{"text":"hello"}"#, &other);
        let jws = Jws::<Note>::parse(text).unwrap();
        assert_eq!(jws.open(key.public()), Err(EnvelopeError::Signature));
    }

    #[test]
    fn one_type_of_message_cannot_pass_for_another() {
        let jws = sign(&note(), &key()).unwrap();
        let error = Jws::<Other>::parse(jws.as_str().to_owned()).unwrap_err();
        assert!(matches!(error, EnvelopeError::Type { .. }), "{error}");
    }

    #[test]
    fn every_changed_character_is_refused() {
        let key = key();
        let text = sign(&note(), &key).unwrap().as_str().to_owned();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let opened = Jws::<Note>::parse(changed).and_then(|jws| jws.open(key.public()));
            assert!(opened.is_err(), "character {at}");
        }
    }

    #[test]
    fn headers_with_anything_more_or_less_are_refused() {
        let key = key();
        let kid = key.public().thumbprint();
        let typ = "wardkey-test-note+jwt";
        for header in [
            format!(r#"{{"alg":"none","typ":"{typ}","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"HS256","typ":"{typ}","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#),
            format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"ES256","typ":"{typ}","kid":"{kid}","crit":["b64"]}}"#),
            format!(r#"{{"alg":"ES256","typ":"{typ}","kid":"{kid}","jwk":{{}}}}"#),
            format!(r#"{{"alg":"ES256","alg":"ES256","typ":"{typ}","kid":"{kid}"}}"#),
        ] {
            let text = forge(&header, br#"{"text":"hello"}"#, &key);
            assert!(Jws::<Note>::parse(text).is_err(), "{header}");
        }
    }

    #[test]
    fn payloads_that_are_not_exactly_the_message_are_refused() {
        let key = key();
        let kid = key.public().thumbprint();
        let header = format!(r#"{{"alg":"ES256","typ":"wardkey-test-note+jwt","kid":"{kid}"}}"#);
        let payloads: [&[u8]; 7] = [
            b"",
            b"{}",
            br#"{"text":"a","more":1}"#,
            br#"{"text":"a","text":"b"}"#,
            br#"{"text":1}"#,
            b"{\"text\":\"\xff\"}",
            br#"{"text":"a"} {}"#,
        ];
        for payload in payloads {
            let jws = Jws::<Note>::parse(forge(&header, payload, &key)).unwrap();
            let error = jws.open(key.public()).unwrap_err();
            assert!(matches!(error, EnvelopeError::Payload { .. }), "{error}");
        }
    }

    #[test]
    fn a_long_message_is_neither_read_nor_written() {
        let long = Note {
            text: "x".repeat(1000),
        };
        assert!(matches!(
            sign(&long, &key()),
            Err(SigningError::TooLong { .. })
        ));
        let error = Jws::<Note>::parse("x".repeat(1001)).unwrap_err();
        assert_eq!(
            error,
            EnvelopeError::TooLong {
                found: 1001,
                most: 1000
            }
        );
    }

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
