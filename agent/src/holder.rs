//! A person beside this laptop: their security key, its certificate, PIN and touch.
//!
//! For programs that need no running agent. Everything that can be told without a PIN is told before
//! one is asked for. PIN and signature go through one exclusive connection.

use wardkey_schemas::jws::{Jws, Message, Unsigned};
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::message::{self, MessageError};
use wardkey_token::pin_entry::{PinEntry, PinRequest};
use wardkey_token::{Exclusive, Pin, Readers, Slot, Token, TokenError};
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::person::VerifiedPerson;

use crate::failure::Failure;
use crate::trust_file::Trusted;

/// Somebody to tell how far it has come, a line at a time.
pub type Tell<'a> = &'a dyn Fn(&str);

/// How often the holder is asked for the touch.
const TOUCHES: u32 = 3;

/// A security key whose holder could sign, as far as this laptop can tell.
#[derive(Debug)]
pub struct Holder {
    token: Token,
    certificate: Vec<u8>,
    person: VerifiedPerson,
}

/// The same with its PIN shown, in nobody else's hands.
#[derive(Debug)]
pub struct Unlocked<'a> {
    holder: &'a Holder,
    exclusive: Exclusive,
    pin: Pin,
}

impl Holder {
    /// Finds the security key and verifies its certificate. The services, which have a calendar and
    /// know of holds, judge again. `whose` says whose is wanted.
    ///
    /// # Errors
    ///
    /// `TOKEN_MISSING`, `TOKEN_…`, `PIN_IS_DEFAULT`, `PIN_BLOCKED`, `KEY_NOT_RECOGNISED`,
    /// `KEY_EXPIRED`; [`Failure::NotBelieved`] with the other refusals of [`VerifiedPerson::verify`].
    pub fn find(
        serial: Option<TokenSerial>,
        trusted: &Trusted,
        whose: &'static str,
    ) -> Result<Self, Failure> {
        let token = find_token(&Readers::connect()?, serial, whose)?;
        require_pin(&token)?;
        let Some(certificate) = token.find_certificate(Slot::Signature)? else {
            return Err(Failure::refused(Refusal::new(
                Code::KeyNotRecognised,
                format!("no certificate on security key {}", token.serial()),
                whose,
            )));
        };
        let person = verify(&certificate, trusted)?;
        Ok(Self {
            token,
            certificate,
            person,
        })
    }

    /// The number printed on it.
    pub const fn serial(&self) -> TokenSerial {
        self.token.serial()
    }

    /// The certificate (DER).
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Whose it is.
    pub const fn person(&self) -> &VerifiedPerson {
        &self.person
    }

    /// Asks for the PIN and shows it to the key; a wrong one is asked for again where there is
    /// somebody to ask. `purpose` completes *the PIN of security key …, to …*.
    ///
    /// # Errors
    ///
    /// `PIN_WRONG`, `PIN_BLOCKED`, `TOKEN_…`; [`Failure::Pin`].
    pub fn unlock(
        &self,
        purpose: &str,
        pins: &mut PinEntry,
        tell: Tell<'_>,
    ) -> Result<Unlocked<'_>, Failure> {
        let serial = self.serial();
        let description = format!("The PIN of security key {serial}, to {purpose}");
        let mut wrong: Option<String> = None;
        loop {
            if pins.can_ask_again() {
                tell(&format!("type the PIN of security key {serial}"));
            }
            let pin = pins.ask(&PinRequest {
                title: "Wardkey",
                description: &description,
                error: wrong.as_deref(),
            })?;
            // Not before there is a PIN: nobody else is kept from the token while a person types.
            let mut exclusive = Exclusive::open(&self.token)?;
            match exclusive.verify_pin(&pin) {
                Ok(()) => {
                    return Ok(Unlocked {
                        holder: self,
                        exclusive,
                        pin,
                    });
                }
                Err(TokenError::WrongPin { tries_left }) if pins.can_ask_again() => {
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

impl Unlocked<'_> {
    /// Signs with a touch, which is asked for three times in all.
    ///
    /// # Errors
    ///
    /// `TOUCH_TIMEOUT`, `TOKEN_…`; [`Failure::Signing`].
    pub fn sign<T: Message>(mut self, message: &T, tell: Tell<'_>) -> Result<Jws<T>, Failure> {
        let key = self.holder.person.key();
        let serial = self.holder.serial();
        let mut times = 1;
        loop {
            let unsigned = Unsigned::new(message, key.thumbprint()).map_err(MessageError::from)?;
            let waiting = || tell(&format!("touch security key {serial} now"));
            match message::sign(unsigned, &mut self.exclusive, key, waiting) {
                Err(MessageError::Token(TokenError::TouchTimeout)) if times < TOUCHES => {
                    times = times.saturating_add(1);
                    tell("nobody touched it in time");
                    // The PIN is spent with the touch that did not come.
                    self.exclusive.verify_pin(&self.pin)?;
                }
                other => return Ok(other?),
            }
        }
    }
}

/// The token with this serial number, or the only one there is.
fn find_token(
    readers: &Readers,
    serial: Option<TokenSerial>,
    whose: &'static str,
) -> Result<Token, Failure> {
    if let Some(serial) = serial {
        return Ok(Token::open_by_serial(readers, serial)?);
    }
    let tokens = readers.tokens()?;
    match tokens.as_slice() {
        [only] => Ok(Token::open(&only.reader)?),
        [] => Err(Failure::refused(Refusal::new(
            Code::TokenMissing,
            "no security key in any reader",
            whose,
        ))),
        several => {
            let serials: Vec<String> = several
                .iter()
                .map(|token| token.serial.to_string())
                .collect();
            Err(Failure::usage(
                format!(
                    "several security keys are plugged in: {}",
                    serials.join(", ")
                ),
                "name one with --serial, or take the others out",
            ))
        }
    }
}

fn require_pin(token: &Token) -> Result<(), Failure> {
    if token.pin_tries()?.left == 0 {
        return Err(TokenError::PinBlocked.into());
    }
    if token.defaults()?.pin {
        return Err(Failure::refused(Refusal::new(
            Code::PinIsDefault,
            "the PIN it was sold with",
            "a PIN that its holder chose",
        )));
    }
    Ok(())
}

fn verify(certificate: &[u8], trusted: &Trusted) -> Result<VerifiedPerson, Failure> {
    let begins = Certificate::parse(certificate)
        .map(|parsed| parsed.validity().not_before)
        .map_err(|error| {
            Failure::not_believed(Refusal::new(
                Code::CertificateMalformed,
                error,
                "an X.509 certificate in slot 9c",
            ))
        })?;
    // The laptop has no calendar: what was signed lies in the past.
    let now = trusted.trust().note().certainly_past.max(begins);
    VerifiedPerson::verify(certificate, trusted.trust().bundle(), now).map_err(|refusal| {
        if refusal.code() == Code::KeyExpired {
            // Genuine, and over.
            Failure::refused(refusal)
        } else {
            Failure::not_believed(refusal)
        }
    })
}
