//! A virtual YubiKey behind a real pcscd, for tests; never shipped.
//!
//! A card is a folder. Plugged into a slot of a [`hub`], it speaks ISO 7816 through vpcd, a real
//! virtual reader under a real pcscd, so whatever talks to it (our agent, `ykman`, `opensc-tool`)
//! does so exactly as with hardware. Keys, PINs and signatures are the business of
//! `piv-authenticator`, a PIV applet by other hands; what a YubiKey adds to PIV is added here.
//!
//! # Invariants
//!
//! - Everything it certifies ends in a root whose name says TEST ONLY.
//! - Keys come from the operating system's entropy; no two cards are alike.
//! - PIN and touch policies are enforced by the card, not by the good manners of its callers.
//! - A folder is in one reader at a time, whatever process holds the reader.
//! - When the process that started a hub is gone, so are hub, pcscd and cards.
//!
//! # Where to start
//!
//! [`card::create`] makes a card, [`hub`] gives it a reader, [`control`] is how to plug and touch
//! it. Inside, `yubikey` is what the card answers, one file an instruction family.

mod apdu;
pub mod attestation;
pub mod card;
mod chip;
pub mod control;
pub mod hub;
mod management;
pub mod memory;
mod tlv;
pub mod touch;
mod yubikey;
