//! PIV tokens over PC/SC: who is plugged in, what it says of itself, and its signature.
//!
//! The attester's other hand, beside the TPM: certificates and attestations leave this crate as
//! the token gave them, for a verifier to believe or not.
//!
//! # Invariants
//!
//! - PIN and signature travel in one **exclusive** connection ([`Exclusive`]), which ends with a
//!   reset of the card: no other program can use a PIN that was typed for us.
//! - The crate `yubikey` connects shared and keeps a copy of the PIN, so it never sees a PIN that
//!   a person chose, and never signs. It provisions ([`provision`]): management key, key pair,
//!   attestation, objects. Its `reconnect()` is never called.
//! - A token is named by its serial number and looked at again each time it is opened: what was
//!   in that reader a moment ago does not count.
//! - PINs, PUKs and management keys are wiped when dropped, are never logged, and print as `(..)`.
//! - No answer of a token makes the program panic, and a token that goes away is
//!   [`TokenError::Removed`], whatever the layers below call it.
//!
//! # Which pcscd
//!
//! libpcsclite finds the daemon at `/run/pcscd/pcscd.comm`, or at the path in the environment
//! variable `PCSCLITE_CSOCK_NAME`, which it reads by itself, once, when the program first
//! connects. So a program that is to use another daemon is started with that variable set; there
//! is nothing to pass to this crate.
//!
//! # Where to start
//!
//! [`Readers::connect`], then [`Readers::look`] for what is there now, [`Watcher`] for what comes
//! and goes, [`Token`] to read, [`Exclusive`] to sign. [`pin_entry`] asks for a PIN, [`message`]
//! signs one message, [`enrolment`] makes a new token.

mod apdu;
mod card;
mod chuid;
pub mod enrolment;
mod error;
mod exclusive;
mod limits;
pub mod message;
mod metadata;
mod pin;
pub mod pin_entry;
mod provision;
mod readers;
mod refusal;
mod signature;
mod slot;
mod tlv;
mod token;
mod watch;

pub use wardkey_schemas::names::{Firmware, TokenSerial};

pub use self::error::TokenError;
pub use self::exclusive::Exclusive;
pub use self::metadata::{Defaults, KeyMetadata, Origin, PinPolicy, TouchPolicy, Tries};
pub use self::pin::{NotAPin, Pin};
pub use self::provision::{
    NewKey, NotWritten, Provisioning, ProvisioningSecrets, WhenUsed, provision,
};
pub use self::readers::{Content, Reader, Readers, TokenInfo};
pub use self::signature::{SIGNATURE_SIZE, Signature};
pub use self::slot::Slot;
pub use self::token::Token;
pub use self::watch::{ReaderSource, Seen, Sighting, TokenEvent, Watcher};
