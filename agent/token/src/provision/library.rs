//! The crate `yubikey`, fenced in: its errors named, its panics caught.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wardkey_schemas::names::TokenSerial;
use yubikey::{MgmAlgorithmId, MgmKey, PinPolicy, TouchPolicy, YubiKey, piv, reader};
use zeroize::Zeroizing;

use super::public_key::PublicKey;
use crate::card::explain;
use crate::error::TokenError;
use crate::slot::{ObjectId, Slot};
use crate::token::Token;

/// Whose management key to use.
pub(super) enum Administrator {
    /// The one every token comes with.
    Factory,
    /// An AES-192 key. The copy the crate makes of it while it is used is not wiped.
    Random(Zeroizing<[u8; 24]>),
}

impl Administrator {
    fn key(&self, yubikey: &YubiKey) -> yubikey::Result<MgmKey> {
        match self {
            Self::Factory => MgmKey::get_default(yubikey),
            Self::Random(key) => MgmKey::from_bytes(key.as_slice(), Some(MgmAlgorithmId::Aes192)),
        }
    }
}

/// An open token. Other programs can come in between its steps, so each of them can find that
/// what the step before it proved is no longer so; it then fails.
pub(super) struct Library {
    yubikey: YubiKey,
    reader: String,
}

impl Library {
    /// Opens `token` if it is still where it was.
    pub(super) fn open(token: &Token) -> Result<Self, TokenError> {
        const STEP: &str = "open the token";
        let reader = token.reader().to_owned();
        let opened = contained(STEP, || {
            let mut context = reader::Context::open()?;
            let found = context
                .iter()?
                .find(|candidate| candidate.name() == reader.as_str());
            found.ok_or(yubikey::Error::NotFound)?.open()
        })?;
        let yubikey = opened.map_err(|source| named(STEP, &reader, source))?;
        let found = TokenSerial::new(yubikey.serial().into());
        if found != token.serial() {
            return Err(TokenError::WrongToken {
                found,
                wanted: token.serial(),
                reader,
            });
        }
        Ok(Self { yubikey, reader })
    }

    /// Proves knowledge of the management key.
    pub(super) fn authenticate(&mut self, whose: &Administrator) -> Result<(), TokenError> {
        let done = self.step("authenticate as administrator", |yubikey| {
            let key = whose.key(yubikey)?;
            yubikey.authenticate(&key)
        });
        match done {
            Err(TokenError::Library {
                source: yubikey::Error::AuthenticationError,
                ..
            }) => Err(TokenError::ManagementKeyRefused),
            done => done,
        }
    }

    /// Sets how often PIN and PUK may be wrong, which puts both back to factory values.
    pub(super) fn set_tries(&mut self, pin: u8, puk: u8) -> Result<(), TokenError> {
        self.step("set the number of tries", |yubikey| {
            // The factory's PIN is no secret, so the crate may keep its copy.
            yubikey.verify_pin(b"123456")?;
            yubikey.set_pin_retries(pin, puk)
        })
    }

    /// Replaces the management key; whoever is administrator stays so.
    pub(super) fn set_management_key(&mut self, new: &Administrator) -> Result<(), TokenError> {
        self.step("set the management key", |yubikey| {
            let key = new.key(yubikey)?;
            key.set_manual(yubikey, false)
        })
    }

    /// Makes a P-256 key, PIN *always* and touch *always*; its public key.
    pub(super) fn generate(&mut self, slot: Slot) -> Result<PublicKey, TokenError> {
        const STEP: &str = "generate a key";
        let spki = self.step(STEP, |yubikey| {
            let (pin, touch) = (PinPolicy::Always, TouchPolicy::Always);
            piv::generate(yubikey, place(slot), piv::AlgorithmId::EccP256, pin, touch)
        })?;
        PublicKey::new(spki.subject_public_key.raw_bytes())
            .ok_or(TokenError::Malformed { step: STEP })
    }

    /// The token's statement about the key in `slot`, DER.
    pub(super) fn attest(&mut self, slot: Slot) -> Result<Vec<u8>, TokenError> {
        // The crate indexes into an empty answer, which is what a vanished card can give.
        let statement = self.step("attest", |yubikey| piv::attest(yubikey, place(slot)))?;
        Ok(statement.to_vec())
    }

    /// Writes a data object.
    pub(super) fn write(&mut self, object: ObjectId, content: &[u8]) -> Result<(), TokenError> {
        let mut content = content.to_vec();
        self.step("write an object", |yubikey| {
            yubikey.save_object(object.number(), &mut content)
        })
    }

    fn step<R>(
        &mut self,
        step: &'static str,
        act: impl FnOnce(&mut YubiKey) -> yubikey::Result<R>,
    ) -> Result<R, TokenError> {
        let done = contained(step, || act(&mut self.yubikey));
        let error = match done {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(source)) => named(step, &self.reader, source),
            Err(error) => error,
        };
        // Whatever it says: if the token is not there any more, that is why.
        match Token::open(&self.reader) {
            Err(gone) if gone.is_gone() => Err(gone),
            Err(lost @ TokenError::ServiceUnavailable { .. }) => Err(lost),
            Ok(_) | Err(_) => Err(error),
        }
    }
}

/// Runs `act`, turning a panic of the crate into an error.
fn contained<R>(step: &'static str, act: impl FnOnce() -> R) -> Result<R, TokenError> {
    // What `act` borrows is dropped or reported as failed afterwards, never used half-changed.
    catch_unwind(AssertUnwindSafe(act)).map_err(|_| TokenError::LibraryPanicked { step })
}

fn named(step: &'static str, reader: &str, source: yubikey::Error) -> TokenError {
    if let yubikey::Error::PcscError {
        inner: Some(source),
    } = source
    {
        return if source == pcsc::Error::SharingViolation {
            TokenError::Busy {
                reader: reader.to_owned(),
            }
        } else {
            explain(step, reader, source)
        };
    }
    if source == yubikey::Error::NotFound {
        return TokenError::Removed {
            reader: reader.to_owned(),
        };
    }
    TokenError::Library { step, source }
}

const fn place(slot: Slot) -> piv::SlotId {
    match slot {
        Slot::Authentication => piv::SlotId::Authentication,
        Slot::Signature => piv::SlotId::Signature,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_library_is_an_error() {
        let empty: &[u8] = &[];
        let outcome = contained("attest", || empty[std::hint::black_box(0)]);
        assert!(matches!(
            outcome,
            Err(TokenError::LibraryPanicked { step: "attest" })
        ));
        assert_eq!(contained("attest", || 7).unwrap(), 7);
    }
}
