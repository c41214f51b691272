//! The operator's PIN: asked for once a command, kept in memory for its next signature, wiped with
//! the command.

use std::path::Path;

use wardkey_schemas::{Code, Refusal};
use wardkey_token::pin_entry::{PinEntry, PinRequest};
use wardkey_token::{Exclusive, Pin, Token, TokenError, TokenSerial};

use crate::failure::Failure;

/// Where the operator's PIN comes from, and the PIN once it was right.
#[derive(Debug)]
pub struct Pins {
    entry: PinEntry,
    right: Option<(TokenSerial, Pin)>,
}

/// Somebody to ask: a file descriptor if one was named, else a window.
///
/// # Errors
///
/// [`Failure::Pin`] if the descriptor is not open.
pub fn entry(descriptor: Option<u32>, pinentry: &Path) -> Result<PinEntry, Failure> {
    match descriptor {
        Some(number) => Ok(PinEntry::descriptor(number)?),
        None => Ok(PinEntry::window(pinentry)),
    }
}

impl Pins {
    /// Asks `entry`.
    pub const fn new(entry: PinEntry) -> Self {
        Self { entry, right: None }
    }

    /// Forgets the PIN: whoever needs it again asks again.
    pub fn forget(&mut self) {
        self.right = None;
    }

    /// Takes `token` for this program alone and shows it the PIN of whoever it belongs to. A wrong
    /// one is asked for again where there is somebody to ask.
    ///
    /// # Errors
    ///
    /// `PIN_IS_DEFAULT`, before a PIN is asked for; `PIN_WRONG`, `PIN_BLOCKED`, `TOKEN_…`;
    /// [`Failure::Pin`].
    pub fn unlock(
        &mut self,
        token: &Token,
        whose: &str,
        purpose: &str,
    ) -> Result<(Exclusive, &Pin), Failure> {
        let serial = token.serial();
        let kept = self.right.take().filter(|(of, _)| *of == serial);
        if kept.is_none() {
            if token.defaults()?.pin {
                return Err(Failure::Refused(Box::new(Refusal::new(
                    Code::PinIsDefault,
                    "the PIN it was sold with",
                    "a PIN that its holder chose",
                ))));
            }
            if token.pin_tries()?.left == 0 {
                return Err(TokenError::PinBlocked.into());
            }
        }
        let mut next = kept.map(|(_, pin)| pin);
        let mut wrong: Option<String> = None;
        loop {
            let pin = match next.take() {
                Some(pin) => pin,
                None => self.entry.ask(&PinRequest {
                    title: "Wardkey",
                    description: &format!(
                        "The PIN of security key {serial} ({whose}), to {purpose}"
                    ),
                    error: wrong.as_deref(),
                })?,
            };
            // Not before there is a PIN: nobody else is kept from the token while a person types.
            let mut exclusive = Exclusive::open(token)?;
            match exclusive.verify_pin(&pin) {
                Ok(()) => {
                    let (_, pin) = self.right.insert((serial, pin));
                    return Ok((exclusive, pin));
                }
                Err(TokenError::WrongPin { tries_left }) if self.entry.can_ask_again() => {
                    wrong = Some(match tries_left {
                        1 => "Wrong PIN. 1 try left before it is blocked.".to_owned(),
                        left => format!("Wrong PIN. {left} tries left before it is blocked."),
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
