//! Who is at the keyboard: a person with a security key that is certified for the site, and their
//! signature.
//!
//! The certificate is verified before the PIN is asked for; the PIN is shown and the signature made
//! in one exclusive connection.

use wardkey_schemas::jws::{Jws, Message, Unsigned};
use wardkey_schemas::names::{SiteCode, TokenSerial};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::message::{self, MessageError};
use wardkey_token::{Exclusive, Pin, Readers, Slot, Token, TokenError};
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::person::VerifiedPerson;

use crate::failure::Failure;
use crate::output::Output;
use crate::pins::Pins;

/// How often a person is asked for one touch.
const TOUCHES: u32 = 3;

/// A person with their security key.
#[derive(Clone, Debug)]
pub struct Operator {
    token: Token,
    certificate: Vec<u8>,
    person: VerifiedPerson,
}

/// Finds the token that is to be used: the one with this serial number, or the only one there is.
///
/// # Errors
///
/// `TOKEN_MISSING`; [`Failure::Usage`] if several are plugged in and none was named.
pub fn find_token(readers: &Readers, serial: Option<TokenSerial>) -> Result<Token, Failure> {
    if let Some(serial) = serial {
        return Ok(Token::open_by_serial(readers, serial)?);
    }
    let mut tokens = readers.tokens()?;
    match (tokens.pop(), tokens.is_empty()) {
        (Some(only), true) => Ok(Token::open(&only.reader)?),
        (Some(last), false) => {
            let serials: Vec<String> = tokens
                .iter()
                .chain([&last])
                .map(|token| token.serial.to_string())
                .collect();
            Err(Failure::usage(
                format!(
                    "several security keys are plugged in: {}",
                    serials.join(", ")
                ),
                "name yours with --serial, or take the others out",
            ))
        }
        (None, _) => Err(Failure::Refused(Box::new(Refusal::new(
            Code::TokenMissing,
            "no security key in any reader",
            "your security key plugged in",
        )))),
    }
}

impl Operator {
    /// Reads and verifies the certificate on `token`, which must be of `site`.
    ///
    /// # Errors
    ///
    /// `KEY_NOT_RECOGNISED` if there is none; `KEY_NOT_FOR_THIS_SITE`, `KEY_EXPIRED`; and
    /// [`Failure::NotBelieved`] with the other refusals of [`VerifiedPerson::verify`].
    pub fn verify(
        token: Token,
        bundle: &VerifiedBundle,
        site: &SiteCode,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let Some(certificate) = token.find_certificate(Slot::Signature)? else {
            return Err(Failure::Refused(Box::new(Refusal::new(
                Code::KeyNotRecognised,
                format!("no certificate on security key {}", token.serial()),
                "a security key that was enrolled",
            ))));
        };
        let person = VerifiedPerson::verify(&certificate, bundle, now).map_err(|refusal| {
            if refusal.code() == Code::KeyExpired {
                // Genuine, and over.
                Failure::Refused(Box::new(refusal))
            } else {
                Failure::not_believed(refusal)
            }
        })?;
        person
            .verify_site(site)
            .map_err(|refusal| Failure::Refused(Box::new(refusal)))?;
        Ok(Self {
            token,
            certificate,
            person,
        })
    }

    /// The token.
    pub const fn token(&self) -> &Token {
        &self.token
    }

    /// The certificate (DER).
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// What the certificate says.
    pub const fn person(&self) -> &VerifiedPerson {
        &self.person
    }

    /// The same person, whose token was plugged in anew.
    #[must_use]
    pub fn at(&self, token: Token) -> Self {
        Self {
            token,
            ..self.clone()
        }
    }

    /// Takes the token for this program alone and shows it the PIN, for `purpose`.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn unlock<'a>(
        &'a self,
        pins: &'a mut Pins,
        purpose: &str,
    ) -> Result<Unlocked<'a>, Failure> {
        let whose = format!("{} at {}", self.person.role(), self.person.site());
        let (exclusive, pin) = pins.unlock(&self.token, &whose, purpose)?;
        Ok(Unlocked {
            operator: self,
            exclusive,
            pin,
        })
    }
}

/// A token that nobody else can use and that has seen the PIN.
#[derive(Debug)]
pub struct Unlocked<'a> {
    operator: &'a Operator,
    exclusive: Exclusive,
    pin: &'a Pin,
}

impl Unlocked<'_> {
    /// Signs `message` with PIN and touch; a touch that does not come is asked for again.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn sign<T: Message>(mut self, message: &T, output: Output) -> Result<Jws<T>, Failure> {
        let key = self.operator.person.key();
        let serial = self.operator.token.serial();
        with_touch(serial, output, |waiting| {
            let unsigned = Unsigned::new(message, key.thumbprint()).map_err(MessageError::from)?;
            let signed = message::sign(unsigned, &mut self.exclusive, key, waiting);
            if matches!(signed, Err(MessageError::Token(TokenError::TouchTimeout))) {
                // The PIN is spent with the touch that did not come.
                self.exclusive.verify_pin(self.pin)?;
            }
            signed
        })
    }
}

/// Does what wants a touch, and asks for it again if it does not come, three times in all.
///
/// # Errors
///
/// `TOUCH_TIMEOUT` after the last; any other error at once.
pub fn with_touch<T>(
    serial: TokenSerial,
    output: Output,
    mut signing: impl FnMut(&dyn Fn()) -> Result<T, MessageError>,
) -> Result<T, Failure> {
    let waiting = || output.talk(&format!("touch security key {serial} now"));
    for _ in 1..TOUCHES {
        match signing(&waiting) {
            Err(MessageError::Token(TokenError::TouchTimeout)) => {
                output.talk("nobody touched it in time");
            }
            other => return Ok(other?),
        }
    }
    Ok(signing(&waiting)?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::output::Format;

    fn tried(until: u32) -> (Result<(), Failure>, u32) {
        let times = Cell::new(0_u32);
        let result = with_touch(TokenSerial::new(7), Output::new(Format::Json), |_| {
            times.set(times.get().saturating_add(1));
            if times.get() < until {
                Err(TokenError::TouchTimeout.into())
            } else {
                Ok(())
            }
        });
        (result, times.get())
    }

    #[test]
    fn a_touch_is_asked_for_three_times() {
        assert!(matches!(tried(1), (Ok(()), 1)));
        assert!(matches!(tried(3), (Ok(()), 3)));
        let (result, times) = tried(4);
        assert!(matches!(
            result,
            Err(Failure::Token(TokenError::TouchTimeout))
        ));
        assert_eq!(times, 3);
    }

    #[test]
    fn nothing_else_is_tried_again() {
        let times = Cell::new(0_u32);
        let result = with_touch(TokenSerial::new(7), Output::new(Format::Json), |_| {
            times.set(times.get() + 1);
            Err::<(), _>(TokenError::PinBlocked.into())
        });
        assert!(matches!(
            result,
            Err(Failure::Token(TokenError::PinBlocked))
        ));
        assert_eq!(times.get(), 1);
    }
}
