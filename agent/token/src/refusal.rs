//! What a security key says no with, in the words of everybody else: a code, found and wanted.

use wardkey_schemas::{Code, Refusal};
use wardkey_told::on_one_line;

use crate::TokenError;
use crate::message::MessageError;

impl TokenError {
    /// The refusal that it is to the person who holds the security key.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else a token, its reader or the software between fails with is a fault"
    )]
    pub fn refusal(&self) -> Refusal {
        let (code, wanted) = match self {
            Self::Busy { .. } => (
                Code::TokenBusy,
                "a security key that no other program holds",
            ),
            Self::Removed { .. } => (Code::TokenRemoved, "the security key left in its place"),
            Self::NotPluggedIn { .. } => (Code::TokenMissing, "the security key plugged in"),
            Self::WrongToken { .. } => (
                Code::TokenRemoved,
                "the security key that was there a moment ago",
            ),
            Self::PinBlocked => (Code::PinBlocked, "a PIN that is not blocked"),
            Self::WrongPin { .. } => (
                Code::PinWrong,
                "the PIN of the security key that is plugged in",
            ),
            Self::TouchTimeout => (Code::TouchTimeout, "a touch within 15 seconds"),
            Self::TrivialPin => (Code::PinTrivial, "a PIN that nobody would guess"),
            Self::FirmwareTooOld { .. } => (Code::TokenTooOld, "newer firmware"),
            Self::AlreadyUsed { .. } => (Code::TokenDuplicate, "a security key as it was sold"),
            Self::NoKey { .. } => (Code::KeyNotRecognised, "a security key that was enrolled"),
            Self::NotAYubiKey { .. } => (Code::TokenNotGenuine, "a YubiKey with PIV"),
            _ => (Code::TokenFault, "a security key that answers"),
        };
        Refusal::new(code, on_one_line(self), wanted)
    }

    /// What to try next; `program` is the one that the person runs.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "where there is nothing better to say, the code's own next step is said"
    )]
    pub fn hint(&self, program: &str) -> String {
        match self {
            Self::WrongPin { tries_left: 1 } => {
                "1 try left before the PIN is blocked: check which security key it is".to_owned()
            }
            Self::WrongPin { tries_left } => {
                format!("{tries_left} tries left before the PIN is blocked")
            }
            Self::AlreadyUsed { .. } => {
                "if nobody needs what is on it any more, add --reset: every key on it is lost"
                    .to_owned()
            }
            Self::ServiceUnavailable { .. } => {
                format!("start the smart card service `pcscd`, then run `{program} doctor`")
            }
            other => other.refusal().code().next_step().to_owned(),
        }
    }
}

impl MessageError {
    /// The refusal that a message is which was not signed.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not the token's own error is about its certificate"
    )]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Token(error) => error.refusal(),
            other => Refusal::new(
                Code::TokenKeyMismatch,
                on_one_line(other),
                "a signature by the key of the certificate",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::names::TokenSerial;

    use super::*;
    use crate::Slot;

    #[test]
    fn each_way_in_which_a_security_key_says_no_has_its_code() {
        let reader = || "reader".to_owned();
        let (serial, slot) = (TokenSerial::new(7), Slot::Signature);
        let cases = [
            (TokenError::Busy { reader: reader() }, Code::TokenBusy),
            (TokenError::Removed { reader: reader() }, Code::TokenRemoved),
            (TokenError::NotPluggedIn { serial }, Code::TokenMissing),
            (TokenError::PinBlocked, Code::PinBlocked),
            (TokenError::WrongPin { tries_left: 3 }, Code::PinWrong),
            (TokenError::TouchTimeout, Code::TouchTimeout),
            (TokenError::TrivialPin, Code::PinTrivial),
            (
                TokenError::AlreadyUsed { what: "a key" },
                Code::TokenDuplicate,
            ),
            (TokenError::NoKey { slot }, Code::KeyNotRecognised),
            (TokenError::Malformed { step: "sign" }, Code::TokenFault),
        ];
        for (error, code) in cases {
            assert_eq!(error.refusal().code(), code, "{error}");
            assert!(!error.hint("wardkey").is_empty());
        }
    }

    #[test]
    fn a_wrong_pin_says_how_many_tries_are_left() {
        let hint = |tries_left| TokenError::WrongPin { tries_left }.hint("wardkey");
        assert_eq!(hint(2), "2 tries left before the PIN is blocked");
        assert!(hint(1).starts_with("1 try left"));
    }
}
