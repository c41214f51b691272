//! The token's side of enrolling a security key.
//!
//! [`NewToken::provision`] makes the key; [`NewToken::prove`] signs with it what the authority asked
//! for, with the PIN and touch of its holder; [`NewToken::write_certificate`] puts the certificate onto
//! the token and [`CertifiedToken::try_out`] shows that it works. How the messages travel is the
//! caller's business: over HTTP, or within one process.
//!
//! All of it is one run of one program: PIN and management key live in memory and nowhere else.

use std::fmt;

use wardkey_schemas::bytes::{Sha256, Signature};
use wardkey_schemas::jws::{Jws, SigningError, Unsigned};
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::key_enrolment::{
    Consent, KeyApproval, KeyChallenge, KeyCompletion, KeyPossession,
};
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::registration::KeyOffer;
use wardkey_schemas::role::Role;

use crate::error::TokenError;
use crate::exclusive::Exclusive;
use crate::message::{self, MessageError};
use crate::pin::Pin;
use crate::provision::{
    NewKey, NotWritten, Provisioning, ProvisioningSecrets, WhenUsed, provision,
};
use crate::readers::Readers;
use crate::slot::Slot;
use crate::token::Token;

/// A token with a new key in slot 9c, which waits to be certified.
pub struct NewToken {
    made: NewKey,
    key: PublicKey,
    pin: Pin,
    provisioning: Provisioning,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken")
            .field("serial", &self.made.serial)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl NewToken {
    /// Prepares token `serial` and makes its key, as [`provision`] does. `pin` is its holder's choice.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; [`TokenError::Malformed`] if the token made a key that is none.
    pub fn provision(
        readers: &Readers,
        serial: TokenSerial,
        pin: Pin,
        secrets: ProvisioningSecrets,
        when_used: WhenUsed,
    ) -> Result<Self, TokenError> {
        let (made, provisioning) = provision(readers, serial, &pin, secrets, when_used)?;
        let key = made
            .spki
            .last_chunk::<65>()
            .and_then(|point| PublicKey::from_point(point).ok())
            .ok_or(TokenError::Malformed {
                step: "generate a key",
            })?;
        Ok(Self {
            made,
            key,
            pin,
            provisioning,
        })
    }

    /// What the token shows for its key.
    pub const fn made(&self) -> &NewKey {
        &self.made
    }

    /// The key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Signs, with PIN and touch, what ca and keyd asked for.
    ///
    /// `offer` is keyd's, opened by the caller with the key that it believes.
    ///
    /// # Errors
    ///
    /// [`MessageError`]. After a touch that did not come it can be tried again while the challenge
    /// waits.
    pub fn prove(
        &self,
        readers: &Readers,
        challenge: &KeyChallenge,
        offer: &KeyOffer,
        role: Role,
        waiting: impl FnOnce(),
    ) -> Result<Proof, MessageError> {
        let said = KeyPossession {
            site: challenge.site.clone(),
            role,
            person: offer.person,
            enrolment: challenge.enrolment,
            registration: offer.registration,
            ca_nonce: challenge.nonce,
            keyd_nonce: offer.nonce,
            key: self.key,
            attestation: Sha256::of(&self.made.attestation),
            intermediate: Sha256::of(&self.made.f9_certificate),
            serial: self.made.serial,
        };
        let unsigned = Unsigned::new(&said, self.key.thumbprint())?;
        let payload = unsigned.payload_sha256();
        let mut exclusive = unlocked(readers, self.made.serial, &self.pin)?;
        let message = message::sign(unsigned, &mut exclusive, &self.key, waiting)?;
        Ok(Proof {
            message,
            said,
            payload,
        })
    }

    /// Everything that proves the new key, with the consent that was announced.
    pub fn completion(&self, proof: &Proof, consent: Consent) -> KeyCompletion {
        KeyCompletion {
            possession: proof.message.clone(),
            attestation: self.made.attestation.as_slice().into(),
            intermediate: self.made.f9_certificate.as_slice().into(),
            consent,
        }
    }

    /// Writes the certificate (DER) onto the token, reads it back, and forgets the management key.
    ///
    /// # Errors
    ///
    /// [`NotCertified`], with which it can be tried again once the reason is gone.
    pub fn write_certificate(
        self,
        readers: &Readers,
        certificate: &[u8],
    ) -> Result<CertifiedToken, Box<NotCertified>> {
        let Self {
            made,
            key,
            pin,
            provisioning,
        } = self;
        match provisioning.write_certificate(readers, certificate) {
            Ok(()) => Ok(CertifiedToken {
                serial: made.serial,
                key,
                pin,
            }),
            Err(not_written) => {
                let NotWritten {
                    provisioning,
                    reason,
                } = *not_written;
                Err(Box::new(NotCertified {
                    token: Self {
                        made,
                        key,
                        pin,
                        provisioning,
                    },
                    reason,
                }))
            }
        }
    }
}

/// The certificate is not on the token.
#[derive(Debug, thiserror::Error)]
#[error("the certificate was not written")]
pub struct NotCertified {
    /// What still waits for it.
    pub token: NewToken,
    /// Why.
    #[source]
    pub reason: TokenError,
}

/// What a new key signed: it exists, it works, it is for this enrolment.
#[derive(Clone, Debug)]
pub struct Proof {
    message: Jws<KeyPossession>,
    said: KeyPossession,
    payload: Sha256,
}

impl Proof {
    /// The check phrase: the same four words stand on the screen where the key is confirmed.
    pub fn phrase(&self) -> Phrase {
        Phrase::of(&self.payload)
    }

    /// What was signed.
    pub const fn said(&self) -> &KeyPossession {
        &self.said
    }

    /// What the person with key `approver` signs to vouch for it.
    pub fn approval(&self, approver: Thumbprint) -> KeyApproval {
        KeyApproval {
            site: self.said.site.clone(),
            enrolment: self.said.enrolment,
            registration: self.said.registration,
            role: self.said.role,
            person: self.said.person,
            key: self.said.key.thumbprint(),
            possession: self.payload,
            approver_key: approver,
        }
    }
}

/// A token that holds key and certificate.
pub struct CertifiedToken {
    serial: TokenSerial,
    key: PublicKey,
    pin: Pin,
}

impl fmt::Debug for CertifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertifiedToken")
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

/// What is signed to try a token out. Every message of ours begins with base64url, so this can
/// never be taken for one.
const TRIAL: &[u8] = b"\0wardkey: a trial signature, good for nothing";

impl CertifiedToken {
    /// The token's serial number.
    pub const fn serial(&self) -> TokenSerial {
        self.serial
    }

    /// Signs something that means nothing, as the holder will sign: the certificate on the token is
    /// that of its key, and PIN and touch work. It can be repeated.
    ///
    /// # Errors
    ///
    /// [`MessageError`].
    pub fn try_out(&self, readers: &Readers, waiting: impl FnOnce()) -> Result<(), MessageError> {
        let token = Token::open_by_serial(readers, self.serial)?;
        let slot = Slot::Signature;
        let certificate = token
            .find_certificate(slot)?
            .ok_or(TokenError::NoKey { slot })?;
        let certified = message::certified_key(&certificate)?;
        let mut exclusive = unlocked(readers, self.serial, &self.pin)?;
        let signature = exclusive.sign(slot, Sha256::of(TRIAL).as_bytes(), waiting)?;
        if certified != self.key || !certified.verifies(TRIAL, &Signature::new(signature.into())) {
            return Err(SigningError::OtherKey.into());
        }
        Ok(())
    }
}

fn unlocked(readers: &Readers, serial: TokenSerial, pin: &Pin) -> Result<Exclusive, TokenError> {
    let token = Token::open_by_serial(readers, serial)?;
    let mut exclusive = Exclusive::open(&token)?;
    exclusive.verify_pin(pin)?;
    Ok(exclusive)
}
