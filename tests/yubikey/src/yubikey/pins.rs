//! PIN and PUK: the applet counts and compares, the card follows what they are.

use trussed_auth::AuthClient;
use trussed_core::types::{Bytes, KeyId, Location, Mechanism, PathBuf};
use trussed_core::{CryptoClient, try_syscall};
use trussed_wrap_key_to_file::WrapKeyToFileClient;

use super::YubiKey;
use crate::apdu::Status;
use crate::memory::{DEFAULT_PIN, DEFAULT_PUK};

/// The applet's numbers of its two secrets.
const PIN: u8 = 0;
const PUK: u8 = 1;

/// The applet's file with the key under the PIN, wrapped under the PUK.
const PUK_BACKUP: &str = "puk-user-pin-key.bin";

impl YubiKey<'_, '_> {
    /// VERIFY (SP 800-73-4 part 2 §3.2.1).
    pub(super) fn verify(&mut self, p1: u8, data: &[u8]) -> Result<Vec<u8>, Status> {
        match (p1, data) {
            (0xff, []) => {
                self.session.pin_verified = false;
                self.log_out();
                Ok(Vec::new())
            }
            (0x00, []) if self.session.pin_verified => Ok(Vec::new()),
            (0x00, []) => Err(Status::wrong_code(self.pin_tries_left())),
            (0x00, _) => {
                let pin = padded(data)?;
                let verified = self
                    .ask(0x20, 0x00, 0x80, &self.spendable(pin))
                    .is_success();
                self.session.pin_verified = verified;
                self.session.pin_fresh = verified;
                if verified {
                    Ok(Vec::new())
                } else {
                    Err(Status::wrong_code(self.pin_tries_left()))
                }
            }
            _ => Err(Status::INCORRECT_PARAMETERS),
        }
    }

    /// CHANGE REFERENCE DATA for the PIN (§3.2.2).
    pub(super) fn change_pin(&mut self, data: &[u8]) -> Result<Vec<u8>, Status> {
        let (old, new) = pair(data)?;
        if !is_pin(new) {
            return Err(Status::INCORRECT_DATA);
        }
        let change = [self.spendable(old), new].concat();
        if !self.ask(0x24, 0x00, 0x80, &change).is_success() {
            return Err(Status::wrong_code(self.pin_tries_left()));
        }
        self.session.pin_verified = true;
        self.card.memory.codes.pin = new;
        self.save()?;
        Ok(Vec::new())
    }

    /// CHANGE REFERENCE DATA for the PUK (§3.2.2).
    pub(super) fn change_puk(&mut self, data: &[u8]) -> Result<Vec<u8>, Status> {
        let (_, new) = pair(data)?;
        if !self.ask(0x24, 0x00, 0x81, data).is_success() {
            return Err(Status::wrong_code(self.puk_tries_left()));
        }
        self.card.memory.codes.puk = new;
        self.save()?;
        Ok(Vec::new())
    }

    /// RESET RETRY COUNTER: a new PIN against the PUK (§3.2.3).
    pub(super) fn reset_retry_counter(&mut self, data: &[u8]) -> Result<Vec<u8>, Status> {
        let (_, new) = pair(data)?;
        if !is_pin(new) {
            // A PIN that cannot be is refused only to whoever knows the PUK.
            let (puk, _) = pair(data)?;
            self.demand(0x24, 0x00, 0x81, &[puk, puk].concat())
                .map_err(|_| Status::wrong_code(self.puk_tries_left()))?;
            return Err(Status::INCORRECT_DATA);
        }
        if !self.ask(0x2c, 0x00, 0x80, data).is_success() {
            return Err(Status::wrong_code(self.puk_tries_left()));
        }
        self.card.memory.codes.pin = new;
        // The applet went back to its own number of tries.
        let tries = self.card.memory.codes.pin_tries;
        let key = self.key_under(PIN, new)?;
        self.set_pin(new, tries, key)?;
        self.forget(key);
        self.save()?;
        Ok(Vec::new())
    }

    /// SET PIN RETRIES: both numbers of tries, and both secrets back to factory values.
    pub(super) fn set_tries(&mut self, pin: u8, puk: u8) -> Result<Vec<u8>, Status> {
        self.require_administrator()?;
        if !self.session.pin_verified {
            return Err(Status::SECURITY_STATUS_NOT_SATISFIED);
        }
        if pin == 0 || puk == 0 {
            return Err(Status::INCORRECT_PARAMETERS);
        }
        let user_key = self.key_under(PIN, self.card.memory.codes.pin)?;
        self.set_pin(DEFAULT_PIN, pin, user_key)?;
        try_syscall!(
            self.inner
                .set_pin(PUK, Bytes::from(&DEFAULT_PUK), Some(puk), true)
        )
        .map_err(|_| Status::FAULT)?;
        let puk_key = self.key_under(PUK, DEFAULT_PUK)?;
        let backup = PathBuf::try_from(PUK_BACKUP).map_err(|_| Status::FAULT)?;
        try_syscall!(self.inner.wrap_key_to_file(
            Mechanism::Chacha8Poly1305,
            puk_key,
            user_key,
            backup,
            Location::External,
            PUK_BACKUP.as_bytes(),
        ))
        .map_err(|_| Status::FAULT)?;
        self.forget(user_key);
        self.forget(puk_key);

        let codes = &mut self.card.memory.codes;
        (codes.pin, codes.pin_tries) = (DEFAULT_PIN, pin);
        (codes.puk, codes.puk_tries) = (DEFAULT_PUK, puk);
        self.session.pin_verified = false;
        self.log_out();
        self.save()?;
        Ok(Vec::new())
    }

    /// Tries of the PIN before it is blocked.
    pub(super) fn pin_tries_left(&mut self) -> u8 {
        self.tries_left(PIN)
    }

    /// Tries of the PUK before it is blocked.
    pub(super) fn puk_tries_left(&mut self) -> u8 {
        self.tries_left(PUK)
    }

    fn tries_left(&mut self, id: u8) -> u8 {
        try_syscall!(self.inner.pin_retries(id))
            .ok()
            .and_then(|left| left.retries)
            .unwrap_or(0)
    }

    /// Takes the PIN back from the applet.
    pub(super) fn log_out(&mut self) {
        self.ask(0x20, 0xff, 0x80, &[]);
    }

    fn set_pin(&mut self, pin: [u8; 8], tries: u8, key: KeyId) -> Result<(), Status> {
        try_syscall!(
            self.inner
                .set_pin_with_key(PIN, Bytes::from(&pin), Some(tries), key)
        )
        .map_err(|_| Status::FAULT)?;
        Ok(())
    }

    fn key_under(&mut self, id: u8, code: [u8; 8]) -> Result<KeyId, Status> {
        try_syscall!(self.inner.get_pin_key(id, Bytes::from(&code)))
            .ok()
            .and_then(|reply| reply.result)
            .ok_or(Status::FAULT)
    }

    fn forget(&mut self, key: KeyId) {
        // Volatile, so gone with the power at the latest.
        let _ = try_syscall!(self.inner.delete(key));
    }

    /// What to show the applet for a PIN that is to be tried. It refuses what is not digits
    /// without counting; a YubiKey counts, so the applet is shown digits that are wrong.
    fn spendable(&self, pin: [u8; 8]) -> [u8; 8] {
        const WRONG: [[u8; 8]; 2] = [*b"000000\xff\xff", *b"999999\xff\xff"];
        let [first, second] = WRONG;
        if is_pin(pin) {
            pin
        } else if self.card.memory.codes.pin == first {
            second
        } else {
            first
        }
    }
}

/// Six to eight digits, padded with FF.
fn is_pin(code: [u8; 8]) -> bool {
    let digits = code
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    digits >= 6 && code.iter().skip(digits).all(|octet| *octet == 0xff)
}

fn padded(data: &[u8]) -> Result<[u8; 8], Status> {
    data.try_into().map_err(|_| Status::INCORRECT_DATA)
}

fn pair(data: &[u8]) -> Result<([u8; 8], [u8; 8]), Status> {
    let (first, second) = data.split_at_checked(8).ok_or(Status::INCORRECT_DATA)?;
    Ok((padded(first)?, padded(second)?))
}
