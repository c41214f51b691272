//! The one place where a PIN goes to a token and a signature comes back.
//!
//! While this connection stands, no other program can speak to the token: none can use the PIN
//! that was given, or the touch that was meant for us. When it ends the card is reset, so what
//! was proved is forgotten before anybody else gets in.

use pcsc::ShareMode;
use wardkey_schemas::names::TokenSerial;
use zeroize::Zeroizing;

use crate::apdu::{Command, Status};
use crate::card::Connection;
use crate::error::TokenError;
use crate::metadata::{KeyMetadata, PinPolicy, TouchPolicy};
use crate::pin::Pin;
use crate::signature::Signature;
use crate::slot::Slot;
use crate::tlv;
use crate::token::{Token, find_key};

/// A token that nobody else can use, until this is dropped.
pub struct Exclusive {
    connection: Connection,
    serial: TokenSerial,
    /// The key in each slot that has one.
    keys: Vec<(Slot, KeyMetadata)>,
    pin: PinState,
}

/// What the token knows of the PIN in this connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum PinState {
    NotGiven,
    /// Given, and something was signed since.
    Given,
    /// Given, and nothing happened since.
    JustGiven,
}

impl std::fmt::Debug for Exclusive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exclusive")
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

impl Exclusive {
    /// Takes `token` for this program alone, if it is still there.
    ///
    /// # Errors
    ///
    /// [`TokenError::Busy`] while any other program is connected to it, shared or not;
    /// [`TokenError::WrongToken`], [`TokenError::Removed`]; [`TokenError::FirmwareTooOld`] before
    /// 5.3, whose tokens do not say what their keys want.
    pub fn open(token: &Token) -> Result<Self, TokenError> {
        let mut connection = Connection::open(token.reader(), ShareMode::Exclusive)?;
        let mut talk = connection.talk()?;
        talk.select_expecting(token.serial())?;
        let mut keys = Vec::new();
        for slot in [Slot::Authentication, Slot::Signature] {
            keys.extend(find_key(&mut talk, slot)?.map(|key| (slot, key)));
        }
        Ok(Self {
            connection,
            serial: token.serial(),
            keys,
            pin: PinState::NotGiven,
        })
    }

    /// The token's serial number.
    pub const fn serial(&self) -> TokenSerial {
        self.serial
    }

    /// What the token says of the key in `slot`; `None` if there is none.
    pub fn find_key(&self, slot: Slot) -> Option<KeyMetadata> {
        self.keys
            .iter()
            .find(|(place, _)| *place == slot)
            .map(|(_, key)| *key)
    }

    /// Shows the token the PIN (VERIFY, SP 800-73-4 part 2, §3.2.1).
    ///
    /// # Errors
    ///
    /// [`TokenError::WrongPin`] with the tries left, [`TokenError::PinBlocked`].
    pub fn verify_pin(&mut self, pin: &Pin) -> Result<(), TokenError> {
        const STEP: &str = "verify PIN";
        self.pin = PinState::NotGiven;
        let padded = pin.padded();
        let command = Command::new(0x20, 0x00, 0x80).with(padded.as_slice());
        let (_, status) = self.connection.talk()?.exchange(STEP, &command)?;
        code_accepted(STEP, status)?;
        self.pin = PinState::JustGiven;
        Ok(())
    }

    /// Signs `digest` with the key in `slot` (GENERAL AUTHENTICATE, part 2, §3.2.4).
    ///
    /// `waiting` is called when the token is about to wait for a touch; it may not take long, and
    /// the token waits no longer than about 15 s. A key that wants the PIN *always* wants
    /// [`Self::verify_pin`] before each signature.
    ///
    /// # Errors
    ///
    /// [`TokenError::TouchTimeout`] if nobody touched it; [`TokenError::PinNeeded`] without the
    /// token being asked, if the PIN was not given; [`TokenError::NoKey`].
    pub fn sign(
        &mut self,
        slot: Slot,
        digest: &[u8; 32],
        waiting: impl FnOnce(),
    ) -> Result<Signature, TokenError> {
        const STEP: &str = "sign";
        let key = self.find_key(slot).ok_or(TokenError::NoKey { slot })?;
        let pin_is_enough = match key.pin_policy {
            PinPolicy::Never => true,
            PinPolicy::Once => self.pin != PinState::NotGiven,
            PinPolicy::Always | PinPolicy::Other(_) => self.pin == PinState::JustGiven,
        };
        if !pin_is_enough {
            return Err(TokenError::PinNeeded { slot });
        }
        if self.pin == PinState::JustGiven {
            self.pin = PinState::Given;
        }
        let wants_touch = key.touch_policy != TouchPolicy::Never;
        if wants_touch {
            waiting();
        }
        let request = [tlv::element(0x82, &[]), tlv::element(0x81, digest)].concat();
        let template = tlv::element(0x7c, &request);
        let command = Command::new(0x87, key.algorithm, slot.reference()).with(&template);
        let (answer, status) = self.connection.talk()?.exchange(STEP, &command)?;
        match status {
            Status::SUCCESS => tlv::find(&answer, 0x7c)
                .and_then(|template| tlv::find(template, 0x82))
                .and_then(Signature::from_der)
                .ok_or(TokenError::Malformed { step: STEP }),
            // The same status as for a missing PIN; but the PIN was given.
            Status::SECURITY_STATUS_NOT_SATISFIED if wants_touch => Err(TokenError::TouchTimeout),
            Status::SECURITY_STATUS_NOT_SATISFIED => Err(TokenError::PinNeeded { slot }),
            Status(status) => Err(TokenError::Answered { step: STEP, status }),
        }
    }

    /// Changes the PIN (CHANGE REFERENCE DATA, part 2, §3.2.2).
    ///
    /// # Errors
    ///
    /// [`TokenError::TrivialPin`] without the token being asked; [`TokenError::WrongPin`] if
    /// `current` is wrong, [`TokenError::PinBlocked`].
    pub fn change_pin(&mut self, current: &Pin, new: &Pin) -> Result<(), TokenError> {
        if new.is_trivial() {
            return Err(TokenError::TrivialPin);
        }
        self.change_code("change PIN", 0x80, &current.padded(), &new.padded())
    }

    /// Gives a token that comes from the factory the PIN of its holder.
    pub(crate) fn change_factory_pin(&mut self, new: &Pin) -> Result<(), TokenError> {
        let factory = Zeroizing::new(*b"123456\xff\xff");
        self.change_code("change PIN", 0x80, &factory, &new.padded())
    }

    /// Changes the PUK.
    pub(crate) fn change_puk(
        &mut self,
        current: &Zeroizing<[u8; 8]>,
        new: &Zeroizing<[u8; 8]>,
    ) -> Result<(), TokenError> {
        self.change_code("change PUK", 0x81, current, new)
    }

    fn change_code(
        &mut self,
        step: &'static str,
        reference: u8,
        current: &Zeroizing<[u8; 8]>,
        new: &Zeroizing<[u8; 8]>,
    ) -> Result<(), TokenError> {
        self.pin = PinState::NotGiven;
        let mut both = Zeroizing::new([0; 16]);
        for (to, from) in both.iter_mut().zip(current.iter().chain(new.iter())) {
            *to = *from;
        }
        let command = Command::new(0x24, 0x00, reference).with(both.as_slice());
        let (_, status) = self.connection.talk()?.exchange(step, &command)?;
        code_accepted(step, status)
    }

    /// Sends a command without data whose status is for the caller to judge.
    pub(crate) fn exchange(
        &mut self,
        step: &'static str,
        command: &Command<'_>,
    ) -> Result<Status, TokenError> {
        self.pin = PinState::NotGiven;
        let (_, status) = self.connection.talk()?.exchange(step, command)?;
        Ok(status)
    }
}

/// Names the status after a PIN or PUK was shown.
fn code_accepted(step: &'static str, status: Status) -> Result<(), TokenError> {
    match (status, status.tries_left()) {
        (Status::SUCCESS, _) => Ok(()),
        (_, Some(0)) => Err(TokenError::PinBlocked),
        (_, Some(tries_left)) => Err(TokenError::WrongPin { tries_left }),
        (Status(status), None) => Err(TokenError::Answered { step, status }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_token_may_be_handed_to_another_thread() {
        const fn is_send<T: Send>() {}
        is_send::<Exclusive>();
        is_send::<TokenError>();
    }

    #[test]
    fn each_status_after_a_code_has_its_own_name() {
        let name = |status| code_accepted("verify PIN", Status(status));
        assert!(name(0x9000).is_ok());
        assert!(matches!(
            name(0x63c4),
            Err(TokenError::WrongPin { tries_left: 4 })
        ));
        assert!(matches!(name(0x63c0), Err(TokenError::PinBlocked)));
        assert!(matches!(name(0x6983), Err(TokenError::PinBlocked)));
        assert!(matches!(
            name(0x6a80),
            Err(TokenError::Answered { status: 0x6a80, .. })
        ));
    }
}
