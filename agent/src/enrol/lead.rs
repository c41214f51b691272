//! The lead beside the laptop: their security key, its certificate, PIN and touch.
//!
//! Everything that can be told without a PIN is told before one is asked for. PIN and signature go
//! through one exclusive connection.

use wardkey_schemas::enrolment::LaptopApproval;
use wardkey_schemas::jws::{Jws, Unsigned};
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::message::{self, MessageError};
use wardkey_token::pin_entry::{PinEntry, PinRequest};
use wardkey_token::{Exclusive, Pin, Readers, Slot, Token, TokenError};
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::person::VerifiedPerson;

use super::Tell;
use crate::failure::Failure;
use crate::trust_file::Trusted;

/// How often the lead is asked for the touch.
const TOUCHES: u32 = 3;

/// A lead's security key that could enrol a laptop, as far as this laptop can tell.
#[derive(Debug)]
pub(super) struct Lead {
    token: Token,
    certificate: Vec<u8>,
    person: VerifiedPerson,
}

impl Lead {
    /// Finds the security key and verifies its certificate. Authority and key service, which have a
    /// calendar and know of holds, judge again.
    ///
    /// # Errors
    ///
    /// `TOKEN_MISSING`, `TOKEN_…`, `PIN_IS_DEFAULT`, `PIN_BLOCKED`, `KEY_NOT_RECOGNISED`, `KEY_ROLE`,
    /// `KEY_EXPIRED`; [`Failure::NotBelieved`] with the other refusals of [`VerifiedPerson::verify`].
    pub(super) fn find(serial: Option<TokenSerial>, trusted: &Trusted) -> Result<Self, Failure> {
        let token = find_token(&Readers::connect()?, serial)?;
        require_pin(&token)?;
        let Some(certificate) = token.find_certificate(Slot::Signature)? else {
            return Err(Failure::refused(Refusal::new(
                Code::KeyNotRecognised,
                format!("no certificate on security key {}", token.serial()),
                "the security key of a team lead",
            )));
        };
        let person = verify(&certificate, trusted)?;
        require_lead(person.role())?;
        Ok(Self {
            token,
            certificate,
            person,
        })
    }

    pub(super) const fn serial(&self) -> TokenSerial {
        self.token.serial()
    }

    /// The certificate (DER).
    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(super) const fn person(&self) -> &VerifiedPerson {
        &self.person
    }

    /// Signs with PIN and touch. A wrong PIN is asked for again where there is somebody to ask, a
    /// touch that does not come three times in all.
    ///
    /// # Errors
    ///
    /// `PIN_WRONG`, `PIN_BLOCKED`, `TOUCH_TIMEOUT`, `TOKEN_…`; [`Failure::Pin`],
    /// [`Failure::Signing`].
    pub(super) fn sign(
        &self,
        approval: &LaptopApproval,
        pins: &mut PinEntry,
        tell: Tell<'_>,
    ) -> Result<Jws<LaptopApproval>, Failure> {
        let (mut exclusive, pin) = self.unlock(approval, pins, tell)?;
        let key = self.person.key();
        let serial = self.serial();
        let mut times = 1;
        loop {
            let unsigned = Unsigned::new(approval, key.thumbprint()).map_err(MessageError::from)?;
            let waiting = || tell(&format!("touch security key {serial} now"));
            match message::sign(unsigned, &mut exclusive, key, waiting) {
                Err(MessageError::Token(TokenError::TouchTimeout)) if times < TOUCHES => {
                    times = times.saturating_add(1);
                    tell("nobody touched it in time");
                    // The PIN is spent with the touch that did not come.
                    exclusive.verify_pin(&pin)?;
                }
                other => return Ok(other?),
            }
        }
    }

    fn unlock(
        &self,
        approval: &LaptopApproval,
        pins: &mut PinEntry,
        tell: Tell<'_>,
    ) -> Result<(Exclusive, Pin), Failure> {
        let serial = self.serial();
        let description = format!(
            "The PIN of security key {serial}, to enrol laptop {} at {}",
            approval.asset, approval.site
        );
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
                Ok(()) => return Ok((exclusive, pin)),
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

/// The token with this serial number, or the only one there is.
fn find_token(readers: &Readers, serial: Option<TokenSerial>) -> Result<Token, Failure> {
    if let Some(serial) = serial {
        return Ok(Token::open_by_serial(readers, serial)?);
    }
    let tokens = readers.tokens()?;
    match tokens.as_slice() {
        [only] => Ok(Token::open(&only.reader)?),
        [] => Err(Failure::refused(Refusal::new(
            Code::TokenMissing,
            "no security key in any reader",
            "the security key of a team lead",
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
                "name the lead's with --serial, or take the others out",
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

/// Others would be refused by the authority, after a PIN for nothing.
fn require_lead(role: Role) -> Result<(), Failure> {
    match role {
        Role::Lead => Ok(()),
        Role::Staff | Role::SecurityOfficer | Role::NationalAdministrator | Role::Auditor => {
            Err(Failure::refused(Refusal::new(
                Code::KeyRole,
                format!("role {role}"),
                Role::Lead,
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use wardkey_told::Told as _;

    use super::*;

    #[test]
    fn only_a_lead_enrols_laptops() {
        for role in Role::ALL {
            let code = require_lead(role)
                .err()
                .and_then(|failure| failure.refusal())
                .map(|refusal| refusal.code());
            let wanted = (role != Role::Lead).then_some(Code::KeyRole);
            assert_eq!(code, wanted, "{role}");
        }
    }
}
