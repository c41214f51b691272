//! What a token says no with, in the words of everybody else: a code, found and wanted.

use wardkey_schemas::{Code, Refusal};
use wardkey_token::TokenError;

/// The refusal that an error of a token is to the person who holds it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else a token, its reader or the software between fails with is a fault"
)]
pub(crate) fn of(error: &TokenError) -> Refusal {
    let (code, wanted) = match error {
        TokenError::Busy { .. } => (
            Code::TokenBusy,
            "a security key that no other program holds",
        ),
        TokenError::Removed { .. } => (Code::TokenRemoved, "the security key left in its place"),
        TokenError::NotPluggedIn { .. } => (Code::TokenMissing, "the security key plugged in"),
        TokenError::WrongToken { .. } => (
            Code::TokenRemoved,
            "the security key that was there a moment ago",
        ),
        TokenError::PinBlocked => (Code::PinBlocked, "a PIN that was not blocked"),
        TokenError::WrongPin { .. } => (
            Code::PinWrong,
            "the PIN of the security key that is plugged in",
        ),
        TokenError::TouchTimeout => (Code::TouchTimeout, "a touch within 15 seconds"),
        TokenError::TrivialPin => (Code::PinTrivial, "a PIN that nobody would guess"),
        TokenError::FirmwareTooOld { .. } => (Code::TokenTooOld, "newer firmware"),
        TokenError::AlreadyUsed { .. } => (Code::TokenDuplicate, "a security key as it was sold"),
        TokenError::NoKey { .. } => (Code::KeyNotRecognised, "a security key that was enrolled"),
        TokenError::NotAYubiKey { .. } => (Code::TokenNotGenuine, "a YubiKey with PIV"),
        _ => (Code::TokenFault, "a security key that answers"),
    };
    Refusal::new(code, error, wanted)
}

/// What to try next.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "where there is nothing better to say, the code's own next step is said"
)]
pub(crate) fn hint(error: &TokenError) -> String {
    match error {
        TokenError::WrongPin { tries_left: 1 } => {
            "1 try left before the PIN is blocked: check which security key it is".to_owned()
        }
        TokenError::WrongPin { tries_left } => {
            format!("{tries_left} tries left before the PIN is blocked")
        }
        TokenError::AlreadyUsed { .. } => {
            "if nobody needs what is on it any more, add --reset: every key on it is lost"
                .to_owned()
        }
        TokenError::ServiceUnavailable { .. } => {
            "start the smart card service `pcscd`, then run `wardkey doctor`".to_owned()
        }
        other => of(other).code().next_step().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use wardkey_token::{Slot, TokenSerial};

    use super::*;

    #[test]
    fn each_way_in_which_a_token_says_no_has_its_code() {
        let reader = || "reader".to_owned();
        let cases = [
            (TokenError::Busy { reader: reader() }, Code::TokenBusy),
            (TokenError::Removed { reader: reader() }, Code::TokenRemoved),
            (
                TokenError::NotPluggedIn {
                    serial: TokenSerial::new(7),
                },
                Code::TokenMissing,
            ),
            (TokenError::PinBlocked, Code::PinBlocked),
            (TokenError::WrongPin { tries_left: 3 }, Code::PinWrong),
            (TokenError::TouchTimeout, Code::TouchTimeout),
            (TokenError::TrivialPin, Code::PinTrivial),
            (
                TokenError::AlreadyUsed { what: "a key" },
                Code::TokenDuplicate,
            ),
            (
                TokenError::NoKey {
                    slot: Slot::Signature,
                },
                Code::KeyNotRecognised,
            ),
            (TokenError::Malformed { step: "sign" }, Code::TokenFault),
        ];
        for (error, code) in cases {
            assert_eq!(of(&error).code(), code, "{error}");
            assert!(!hint(&error).is_empty());
        }
    }

    #[test]
    fn the_last_try_is_announced() {
        let hint = hint(&TokenError::WrongPin { tries_left: 1 });
        assert!(hint.starts_with("1 try left"), "{hint}");
    }
}
