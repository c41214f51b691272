//! What hardware says no with, in the words of everybody else: a code, found and wanted.

use wardkey_schemas::{Code, Refusal};
use wardkey_token::TokenError;
use wardkey_token::message::MessageError;
use wardkey_tpm::TpmError;

use crate::causes::on_one_line;

/// The refusal that an error of a security key is to the person who holds it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else a token, its reader or the software between fails with is a fault"
)]
pub fn of_token(error: &TokenError) -> Refusal {
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
        TokenError::PinBlocked => (Code::PinBlocked, "a PIN that is not blocked"),
        TokenError::WrongPin { .. } => (
            Code::PinWrong,
            "the PIN of the security key that is plugged in",
        ),
        TokenError::TouchTimeout => (Code::TouchTimeout, "a touch within 15 seconds"),
        TokenError::FirmwareTooOld { .. } => (Code::TokenTooOld, "newer firmware"),
        TokenError::NoKey { .. } => (Code::KeyNotRecognised, "a security key that was enrolled"),
        TokenError::NotAYubiKey { .. } => (Code::TokenNotGenuine, "a YubiKey with PIV"),
        _ => (Code::TokenFault, "a security key that answers"),
    };
    Refusal::new(code, on_one_line(error), wanted)
}

/// The refusal that a message is which was not signed.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not the token's own error is about its certificate"
)]
pub fn of_message(error: &MessageError) -> Refusal {
    match error {
        MessageError::Token(error) => of_token(error),
        other => Refusal::new(
            Code::TokenKeyMismatch,
            on_one_line(other),
            "a signature by the key of the certificate",
        ),
    }
}

/// The refusal that an error of the TPM is.
pub fn of_tpm(error: &TpmError) -> Refusal {
    Refusal::new(
        Code::TpmUnavailable,
        on_one_line(error),
        "a TPM that answers",
    )
}

#[cfg(test)]
mod tests {
    use wardkey_token::Slot;

    use super::*;

    #[test]
    fn each_way_in_which_a_security_key_says_no_has_its_code() {
        let reader = || "reader".to_owned();
        let cases = [
            (TokenError::Busy { reader: reader() }, Code::TokenBusy),
            (TokenError::Removed { reader: reader() }, Code::TokenRemoved),
            (TokenError::PinBlocked, Code::PinBlocked),
            (TokenError::WrongPin { tries_left: 3 }, Code::PinWrong),
            (TokenError::TouchTimeout, Code::TouchTimeout),
            (
                TokenError::NoKey {
                    slot: Slot::Signature,
                },
                Code::KeyNotRecognised,
            ),
            (TokenError::Malformed { step: "sign" }, Code::TokenFault),
        ];
        for (error, code) in cases {
            assert_eq!(of_token(&error).code(), code, "{error}");
        }
    }
}
