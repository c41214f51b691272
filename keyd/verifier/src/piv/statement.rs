//! What a genuine token says of one of its keys, and whether that will do.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::{Firmware, TokenSerial};
use wardkey_schemas::{Code, Refusal};

use super::VerifiedToken;
use super::anchors::TokenAnchors;
use super::path;
use super::policy::{FormFactor, PinPolicy, TokenPolicy, TouchPolicy};
use crate::certificate::{Certificate, SubjectKey};
use crate::der::{self, DerError, Reader};

/// Yubico's PIV extensions of the attestation certificate.
mod extension {
    pub(super) const FIRMWARE: &str = "1.3.6.1.4.1.41482.3.3";
    pub(super) const SERIAL: &str = "1.3.6.1.4.1.41482.3.7";
    pub(super) const POLICY: &str = "1.3.6.1.4.1.41482.3.8";
    pub(super) const FORM_FACTOR: &str = "1.3.6.1.4.1.41482.3.9";
}

/// The subject of an attestation certificate, before the slot in hexadecimal.
const SUBJECT: &str = "YubiKey PIV Attestation ";

/// `id-at-commonName`.
const COMMON_NAME: &str = "2.5.4.3";

/// The slot for signatures (SP 800-73-5 Part 1 §3.1.3).
const SLOT_9C: u8 = 0x9c;

/// The bit beside the form factor that marks the FIPS series.
const FIPS: u8 = 0x80;

/// A statement that leads to a pinned root of the maker: whatever it says, a genuine token said it.
#[derive(Clone, Debug)]
pub struct GenuineStatement {
    key: SubjectKey,
    slot: u8,
    serial: TokenSerial,
    firmware: Firmware,
    form_factor: u8,
    policies: [u8; 2],
    attestation: Sha256,
    intermediate: Sha256,
    root: Sha256,
}

impl GenuineStatement {
    /// Walks from the attestation certificate `leaf` over the token's F9 certificate `intermediate`
    /// (both DER) to a pinned root, and reads what the leaf says.
    ///
    /// # Errors
    ///
    /// `KEY_NOT_ATTESTED` if there is no leaf, `ATTESTATION_MALFORMED`, `TOKEN_NOT_GENUINE`,
    /// `TOKEN_SERIAL` if the token has no serial number.
    pub fn verify(
        leaf: &[u8],
        intermediate: &[u8],
        anchors: &TokenAnchors,
    ) -> Result<Self, Refusal> {
        if leaf.is_empty() {
            return Err(Refusal::new(
                Code::KeyNotAttested,
                "no attestation certificate",
                "one for the key in slot 9c",
            ));
        }
        let leaf = parse(leaf, "attestation certificate")?;
        let f9 = parse(intermediate, "F9 certificate")?;
        let root = path::walk(&leaf, &f9, anchors)?;
        Self::read(&leaf, f9.sha256(), root)
    }

    fn read(leaf: &Certificate, intermediate: Sha256, root: Sha256) -> Result<Self, Refusal> {
        for found in leaf.extensions() {
            if found.is_critical() {
                return Err(malformed(
                    format_args!("critical extension {}", found.oid()),
                    "Yubico's extensions, none of them critical",
                ));
            }
        }
        let [major, minor, patch] = raw(leaf, extension::FIRMWARE)?;
        let [form_factor] = raw(leaf, extension::FORM_FACTOR)?;
        let policies = raw(leaf, extension::POLICY)?;
        let slot = slot(leaf.subject()).map_err(|error| {
            malformed(
                format_args!("subject: {error}"),
                "CN=YubiKey PIV Attestation and a slot",
            )
        })?;
        Ok(Self {
            key: leaf.key().clone(),
            slot,
            serial: serial(leaf)?,
            firmware: Firmware {
                major,
                minor,
                patch,
            },
            form_factor,
            policies,
            attestation: leaf.sha256(),
            intermediate,
            root,
        })
    }

    /// The attested key, if it is on P-256.
    pub const fn key(&self) -> Option<&PublicKey> {
        match &self.key {
            SubjectKey::P256(key) => Some(key),
            SubjectKey::P384(_)
            | SubjectKey::P521(_)
            | SubjectKey::Rsa(_)
            | SubjectKey::Other { .. } => None,
        }
    }

    /// The refusal of a key that is not on P-256.
    pub(crate) fn not_p256(&self) -> Refusal {
        Refusal::new(Code::TokenKeyAlgorithm, self.key.kind(), "a key on P-256")
    }

    /// The slot, for example `0x9c`.
    pub const fn slot(&self) -> u8 {
        self.slot
    }

    /// The token's serial number.
    pub const fn serial(&self) -> TokenSerial {
        self.serial
    }

    /// The token's firmware.
    pub const fn firmware(&self) -> Firmware {
        self.firmware
    }

    /// SHA-256 of the maker's root to which the path led.
    pub const fn root(&self) -> Sha256 {
        self.root
    }

    /// Judges the statement: it must be about `expected`, in slot 9c of the token with `serial`, and
    /// keep to `policy`.
    ///
    /// # Errors
    ///
    /// `TOKEN_FORM_FACTOR`, `TOKEN_TOO_OLD`, `TOKEN_SLOT`, `TOKEN_KEY_ALGORITHM`, `TOKEN_KEY_MISMATCH`,
    /// `TOKEN_PIN_POLICY`, `TOKEN_TOUCH_POLICY` or `TOKEN_SERIAL`.
    pub fn judge(
        &self,
        expected: &PublicKey,
        serial: TokenSerial,
        policy: &TokenPolicy,
    ) -> Result<VerifiedToken, Refusal> {
        let fips = self.form_factor & FIPS != 0;
        let form_factor = FormFactor::parse(self.form_factor & !FIPS)
            .filter(|found| policy.form_factors.contains(found))
            .ok_or_else(|| {
                Refusal::new(
                    Code::TokenFormFactor,
                    format_args!("form factor {:#04x}", self.form_factor),
                    "a known one that the policy allows",
                )
            })?;
        let oldest = policy.oldest_firmware_for(form_factor, fips);
        if self.firmware < oldest {
            return Err(Refusal::new(
                Code::TokenTooOld,
                format_args!("firmware {}", self.firmware),
                format_args!("{oldest} or newer"),
            ));
        }
        if self.slot != SLOT_9C {
            return Err(Refusal::new(
                Code::TokenSlot,
                format_args!("slot {:x}", self.slot),
                "slot 9c",
            ));
        }
        let key = self.key().ok_or_else(|| self.not_p256())?;
        if key != expected {
            return Err(Refusal::new(
                Code::TokenKeyMismatch,
                key.thumbprint(),
                expected.thumbprint(),
            ));
        }
        let [pin, touch] = self.policies;
        let (pin_policy, touch_policy) = (require_pin(pin)?, require_touch(touch)?);
        if self.serial != serial {
            return Err(Refusal::new(Code::TokenSerial, self.serial, serial));
        }
        Ok(VerifiedToken {
            key: *key,
            serial,
            firmware: self.firmware,
            form_factor,
            fips,
            pin_policy,
            touch_policy,
            attestation: self.attestation,
            intermediate: self.intermediate,
            root: self.root,
        })
    }
}

fn require_pin(octet: u8) -> Result<PinPolicy, Refusal> {
    match PinPolicy::parse(octet) {
        Some(PinPolicy::Always) => Ok(PinPolicy::Always),
        found => Err(Refusal::new(
            Code::TokenPinPolicy,
            format_args!(
                "{octet:#04x} ({})",
                found.map_or("unknown", PinPolicy::as_str)
            ),
            "0x03 (always)",
        )),
    }
}

fn require_touch(octet: u8) -> Result<TouchPolicy, Refusal> {
    match TouchPolicy::parse(octet) {
        Some(TouchPolicy::Always) => Ok(TouchPolicy::Always),
        found => Err(Refusal::new(
            Code::TokenTouchPolicy,
            format_args!(
                "{octet:#04x} ({})",
                found.map_or("unknown", TouchPolicy::as_str)
            ),
            "0x02 (always)",
        )),
    }
}

fn parse(bytes: &[u8], what: &str) -> Result<Certificate, Refusal> {
    Certificate::parse(bytes)
        .map_err(|error| malformed(format_args!("{what}: {error}"), "one X.509 certificate"))
}

fn malformed(found: impl std::fmt::Display, wanted: &str) -> Refusal {
    Refusal::new(Code::AttestationMalformed, found, wanted)
}

/// The raw bytes of an extension. Test tokens of other makers wrap them in an OCTET STRING; genuine
/// ones do not.
fn raw<const N: usize>(leaf: &Certificate, oid: &'static str) -> Result<[u8; N], Refusal> {
    let value = leaf
        .find_extension(oid)
        .map(crate::certificate::Extension::value);
    value
        .and_then(|value| value.try_into().ok())
        .ok_or_else(|| {
            malformed(
                format_args!("extension {oid} of {} bytes", value.map_or(0, <[u8]>::len)),
                "its raw bytes",
            )
        })
}

/// The serial number: a DER INTEGER. Tokens write four octets even where fewer would do.
fn serial(leaf: &Certificate) -> Result<TokenSerial, Refusal> {
    let missing = || Refusal::new(Code::TokenSerial, "no serial number", "one over zero");
    let extension = leaf.find_extension(extension::SERIAL).ok_or_else(missing)?;
    let unreadable = || {
        malformed(
            "a serial number that is none",
            "a positive INTEGER of 32 bits",
        )
    };
    let contents = der::only(extension.value(), der::INTEGER).map_err(|_| unreadable())?;
    let number = match contents {
        [0, digits @ ..] | digits if digits.len() <= 4 && is_positive(contents) => digits
            .iter()
            .fold(0_u32, |sum, octet| (sum << 8) | u32::from(*octet)),
        _ => return Err(unreadable()),
    };
    if number == 0 {
        return Err(missing());
    }
    Ok(TokenSerial::new(number))
}

fn is_positive(contents: &[u8]) -> bool {
    contents.first().is_some_and(|first| first & 0x80 == 0)
}

/// The slot in a subject that is exactly one common name of the known form.
fn slot(subject: &[u8]) -> Result<u8, DerError> {
    const SET: u8 = 0x31;
    const PRINTABLE_STRING: u8 = 0x13;
    let name = der::only(subject, der::SEQUENCE)?;
    let mut part = Reader::new(der::only(der::only(name, SET)?, der::SEQUENCE)?);
    let kind = der::oid_text(part.expect(der::OBJECT_IDENTIFIER)?)?;
    let text = part.element()?;
    part.finish()?;
    let is_text = matches!(text.tag, der::UTF8_STRING | PRINTABLE_STRING);
    std::str::from_utf8(text.contents)
        .ok()
        .filter(|_| is_text && kind == COMMON_NAME)
        .and_then(|text| text.strip_prefix(SUBJECT))
        .filter(|slot| slot.len() == 2 && slot.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|slot| u8::from_str_radix(slot, 16).ok())
        .ok_or(DerError::Contents)
}
