//! Security keys: the attestation of a YubiKey's PIV key (Yubico, *PIV attestation*).
//!
//! The token signs a certificate about one of its keys, the *leaf*, with its attestation key, whose
//! certificate lies in slot F9. From there the maker's authorities lead to a pinned root. The maker's
//! certificates break many rules of RFC 5280, so the path is walked explicitly.
//!
//! # Invariants
//!
//! - Every authority on the path, and not only the root, is pinned by its hash in the trust bundle.
//! - The token's F9 certificate is issued directly by an authority for PIV; authorities for other
//!   applications and upper tiers do not count.
//! - Extensions are read in the raw form that genuine tokens write and in no other.
//! - An attestation carries no nonce: it shows what a key is, never that it is here. The caller
//!   demands a fresh signature by it.
//!
//! # Where to start
//!
//! [`verify_attestation`]; [`GenuineStatement`] is its first half, [`GenuineStatement::judge`] the
//! second.

mod anchors;
mod path;
mod policy;
mod statement;

use wardkey_schemas::Refusal;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::{Firmware, TokenSerial};

pub use self::anchors::TokenAnchors;
pub use self::policy::{FormFactor, PinPolicy, TokenPolicy, TouchPolicy};
pub use self::statement::GenuineStatement;

/// A key of which a genuine token says that it was made in slot 9c, can never leave, and asks for PIN
/// and touch every time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedToken {
    key: PublicKey,
    serial: TokenSerial,
    firmware: Firmware,
    form_factor: FormFactor,
    fips: bool,
    pin_policy: PinPolicy,
    touch_policy: TouchPolicy,
    attestation: Sha256,
    intermediate: Sha256,
    root: Sha256,
}

impl VerifiedToken {
    /// The attested key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The token's serial number.
    pub const fn serial(&self) -> TokenSerial {
        self.serial
    }

    /// Its firmware.
    pub const fn firmware(&self) -> Firmware {
        self.firmware
    }

    /// Its form.
    pub const fn form_factor(&self) -> FormFactor {
        self.form_factor
    }

    /// Whether it is of the FIPS series.
    pub const fn is_fips(&self) -> bool {
        self.fips
    }

    /// When the key asks for the PIN.
    pub const fn pin_policy(&self) -> PinPolicy {
        self.pin_policy
    }

    /// When the key asks for a touch.
    pub const fn touch_policy(&self) -> TouchPolicy {
        self.touch_policy
    }

    /// SHA-256 of the attestation certificate.
    pub const fn attestation(&self) -> Sha256 {
        self.attestation
    }

    /// SHA-256 of the F9 certificate; tokens of one batch may share it.
    pub const fn intermediate(&self) -> Sha256 {
        self.intermediate
    }

    /// SHA-256 of the maker's root to which the path led.
    pub const fn root(&self) -> Sha256 {
        self.root
    }
}

/// Verifies that the token with `serial` made `expected` in slot 9c under `policy`.
///
/// `leaf` is the attestation certificate (DER), `intermediate` the token's F9 certificate (DER).
///
/// # Errors
///
/// `KEY_NOT_ATTESTED`, `ATTESTATION_MALFORMED` or one of `TOKEN_*`.
pub fn verify_attestation(
    leaf: &[u8],
    intermediate: &[u8],
    anchors: &TokenAnchors,
    expected: &PublicKey,
    serial: TokenSerial,
    policy: &TokenPolicy,
) -> Result<VerifiedToken, Refusal> {
    GenuineStatement::verify(leaf, intermediate, anchors)?.judge(expected, serial, policy)
}
