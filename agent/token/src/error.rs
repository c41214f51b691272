//! What can keep a token from doing what was asked.

use wardkey_schemas::names::{Firmware, TokenSerial};

use crate::slot::Slot;

/// Why a token, or the way to it, did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Another program holds the reader.
    #[error("another program is using the security key in {reader}")]
    Busy {
        /// The reader's name.
        reader: String,
    },
    /// The token answered with a status that means none of the other errors.
    #[error("{step}: the security key answered {status:04x}")]
    Answered {
        /// What was asked.
        step: &'static str,
        /// SW1 and SW2 (ISO 7816-4, 5.6).
        status: u16,
    },
    /// Something in the token has its factory value that must not, or the other way round.
    #[error("this security key has been used before: {what}")]
    AlreadyUsed {
        /// What shows it.
        what: &'static str,
    },
    /// The firmware is too old for what is needed.
    #[error("firmware {found} is older than {oldest}")]
    FirmwareTooOld {
        /// As the token says.
        found: Firmware,
        /// As needed.
        oldest: Firmware,
    },
    /// The certificate to be written is for another key.
    #[error("the certificate is not for the key in slot {slot}")]
    ForeignCertificate {
        /// Where it was to go.
        slot: Slot,
    },
    /// The crate `yubikey` failed in a way of its own.
    #[error("{step}: {source}")]
    Library {
        /// What was asked.
        step: &'static str,
        /// What it said.
        source: yubikey::Error,
    },
    /// The crate `yubikey` gave up on what the token answered.
    #[error("{step}: the answer could not be read")]
    LibraryPanicked {
        /// What was asked.
        step: &'static str,
    },
    /// The answer is not what PIV says it looks like.
    #[error("{step}: malformed answer")]
    Malformed {
        /// What was asked.
        step: &'static str,
    },
    /// The management key is not the one it should be.
    #[error("the security key does not accept this management key")]
    ManagementKeyRefused,
    /// There is no key in the slot.
    #[error("there is no key in slot {slot}")]
    NoKey {
        /// Which.
        slot: Slot,
    },
    /// No reader holds this token.
    #[error("security key {serial} is not plugged in")]
    NotPluggedIn {
        /// Which.
        serial: TokenSerial,
    },
    /// What was written does not read back the same.
    #[error("{what} does not read back as written")]
    NotAsWritten {
        /// What.
        what: &'static str,
    },
    /// What sits in the reader is not a YubiKey with PIV.
    #[error("what is in {reader} is not a YubiKey with PIV")]
    NotAYubiKey {
        /// The reader's name.
        reader: String,
    },
    /// The PIN is blocked: it was wrong too often.
    #[error("the PIN is blocked")]
    PinBlocked,
    /// The slot wants the PIN, and it was not given just before.
    #[error("the PIN must be given just before slot {slot} is used")]
    PinNeeded {
        /// Which.
        slot: Slot,
    },
    /// PC/SC failed.
    #[error("{step}: PC/SC failed")]
    Pcsc {
        /// What was asked.
        step: &'static str,
        /// What it said.
        source: pcsc::Error,
    },
    /// The token was taken out.
    #[error("the security key was taken out of {reader}")]
    Removed {
        /// The reader's name.
        reader: String,
    },
    /// There is no PC/SC daemon, or it went away.
    #[error("the smart card service cannot be reached")]
    ServiceUnavailable {
        /// What PC/SC said.
        source: pcsc::Error,
    },
    /// Nobody touched the token in time.
    #[error("nobody touched the security key in time")]
    TouchTimeout,
    /// The PIN that was chosen is one that anybody would try.
    #[error("this PIN is too easy to guess")]
    TrivialPin,
    /// The PIN is wrong.
    #[error("wrong PIN, {tries_left} tries left")]
    WrongPin {
        /// How often it may still be wrong.
        tries_left: u8,
    },
    /// Another token is in the reader than was expected.
    #[error("security key {found} is in {reader}, not {wanted}")]
    WrongToken {
        /// The one that is there.
        found: TokenSerial,
        /// The one that was expected.
        wanted: TokenSerial,
        /// The reader's name.
        reader: String,
    },
}

impl TokenError {
    /// Whether the token is gone, so that asking again is of no use before it comes back.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Removed { .. } | Self::NotPluggedIn { .. })
    }
}
