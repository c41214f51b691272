//! Messages that a person signs: prepared elsewhere, signed in the token, checked before they leave.

use wardkey_schemas::bytes::Signature;
use wardkey_schemas::jws::{Jws, Message, SigningError, Unsigned};
use wardkey_schemas::key::PublicKey;

use crate::error::TokenError;
use crate::exclusive::Exclusive;
use crate::slot::Slot;

/// Why a message was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The token did not sign.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The message cannot be signed, or the token holds another key than its certificate says.
    #[error("the message was not signed")]
    Signing(#[from] SigningError),
    /// What lies in the slot is not a certificate of a key on P-256.
    #[error("what the security key holds is not a certificate of a P-256 key")]
    Certificate,
}

/// The key of a certificate (DER) that a token gave; the certificate itself is not judged here.
///
/// # Errors
///
/// [`MessageError::Certificate`].
pub fn certified_key(certificate: &[u8]) -> Result<PublicKey, MessageError> {
    let parsed = yubikey::Certificate::from_bytes(certificate.to_vec())
        .map_err(|_| MessageError::Certificate)?;
    let point = parsed.subject_pki().subject_public_key.raw_bytes();
    PublicKey::from_point(point).map_err(|_| MessageError::Certificate)
}

/// Signs `unsigned` with the key in slot 9c of `exclusive`, to which the PIN was shown just before.
///
/// `key` is the key of the token's certificate, for which the message was prepared: a signature that
/// does not verify under it never leaves. `waiting` is called when the token is about to wait for a
/// touch; it may not take long.
///
/// # Errors
///
/// [`MessageError`]; [`SigningError::OtherKey`] within it if the token holds another key.
pub fn sign<T: Message>(
    unsigned: Unsigned<T>,
    exclusive: &mut Exclusive,
    key: &PublicKey,
    waiting: impl FnOnce(),
) -> Result<Jws<T>, MessageError> {
    let digest = unsigned.digest();
    let signature = exclusive.sign(Slot::Signature, digest.as_bytes(), waiting)?;
    Ok(unsigned.attach(Signature::new(signature.into()), key)?)
}
