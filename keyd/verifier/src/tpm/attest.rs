//! `TPMS_ATTEST`: what a TPM signs about itself (Part 2 §10.12).

use std::fmt;

use wardkey_schemas::evidence::Attestation;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::{Code, Refusal};

use super::name::QualifiedName;
use super::pcr::PcrSelection;
use super::wire::Wire;

/// `TPM_GENERATED_VALUE`: a restricted key signs nothing from outside that begins with it.
const MAGIC: u32 = 0xff54_4347;

/// `TPM_ST_ATTEST_*` (Part 2 §6.9).
mod tag {
    pub(super) const CERTIFY: u16 = 0x8017;
    pub(super) const QUOTE: u16 = 0x8018;
    pub(super) const TIME: u16 = 0x8019;
    pub(super) const CREATION: u16 = 0x801a;
}

/// The TPM's clock and its counters (`TPMS_CLOCK_INFO`, Part 2 §10.11).
///
/// True values, because our keys live in the endorsement hierarchy; in any other the counters are
/// obfuscated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClockInfo {
    /// Milliseconds of power that the TPM has seen; it stands still while the power is off.
    pub clock_ms: u64,
    /// How often the TPM was reset: one more with every start of the laptop.
    pub reset_count: u32,
    /// How often it was restarted or resumed since: one more with every sleep.
    pub restart_count: u32,
    /// Whether no higher value of the clock was ever reported.
    pub safe: bool,
}

impl ClockInfo {
    fn parse(wire: &mut Wire<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            clock_ms: wire.u64()?,
            reset_count: wire.u32()?,
            restart_count: wire.u32()?,
            safe: match wire.u8()? {
                0 => false,
                1 => true,
                other => return Err(wire.refuse(format_args!("safe = {other}"), "0 or 1")),
            },
        })
    }
}

impl fmt::Display for ClockInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "clock {} ms, reset {}, restart {}",
            self.clock_ms, self.reset_count, self.restart_count
        )
    }
}

/// What the structure is about.
#[derive(Clone, Copy, Debug)]
pub enum Attested<'a> {
    /// Another key of the same TPM (`TPMS_CERTIFY_INFO`).
    Certify {
        /// Its Name.
        name: &'a [u8],
    },
    /// Registers (`TPMS_QUOTE_INFO`).
    Quote {
        /// Which.
        selection: PcrSelection,
        /// The digest of their values.
        digest: &'a [u8],
    },
    /// The time (`TPMS_TIME_ATTEST_INFO`).
    Time,
    /// How a key was made (`TPMS_CREATION_INFO`).
    Creation {
        /// Its Name.
        name: &'a [u8],
        /// The digest of its creation data.
        creation_hash: &'a [u8],
    },
}

impl Attested<'_> {
    const fn word(&self) -> &'static str {
        match self {
            Self::Certify { .. } => "CERTIFY",
            Self::Quote { .. } => "QUOTE",
            Self::Time => "TIME",
            Self::Creation { .. } => "CREATION",
        }
    }
}

/// A parsed `TPMS_ATTEST`.
#[derive(Clone, Copy, Debug)]
pub struct Attest<'a> {
    signer: &'a [u8],
    extra_data: &'a [u8],
    clock: ClockInfo,
    firmware_version: u64,
    attested: Attested<'a>,
}

impl<'a> Attest<'a> {
    /// Parses a `TPMS_ATTEST` of type certify, quote, time or creation.
    ///
    /// # Errors
    ///
    /// `ATTEST_MAGIC` if no TPM made it, `ATTEST_TYPE` for another type, `TPM_STRUCTURE` if a byte is
    /// missing or left over.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut wire = Wire::whole(bytes, "TPMS_ATTEST")?;
        let magic = wire.u32()?;
        if magic != MAGIC {
            return Err(Refusal::new(
                Code::AttestMagic,
                format_args!("{magic:#010x}"),
                format_args!("{MAGIC:#010x}"),
            ));
        }
        let kind = wire.u16()?;
        let signer = wire.sized()?;
        let extra_data = wire.sized()?;
        let clock = ClockInfo::parse(&mut wire)?;
        let firmware_version = wire.u64()?;
        let attested = match kind {
            tag::CERTIFY => parse_certify(&mut wire)?,
            tag::QUOTE => parse_quote(&mut wire)?,
            tag::TIME => parse_time(&mut wire, &clock)?,
            tag::CREATION => parse_creation(&mut wire)?,
            other => {
                return Err(Refusal::new(
                    Code::AttestType,
                    format_args!("type {other:#06x}"),
                    "certify, quote, time or creation",
                ));
            }
        };
        wire.finish()?;
        Ok(Self {
            signer,
            extra_data,
            clock,
            firmware_version,
            attested,
        })
    }

    /// Parses an attestation whose signature verifies under `key`; `code` refuses one that does not.
    ///
    /// Nothing is parsed before the signature verified.
    pub(crate) fn signed_by(
        attestation: &'a Attestation,
        key: &PublicKey,
        code: Code,
    ) -> Result<Self, Refusal> {
        let bytes = attestation.attest.as_slice();
        if !key.verifies(bytes, &attestation.signature) {
            return Err(Refusal::new(
                code,
                "a signature that does not verify",
                format_args!("a signature by the attestation key {}", key.thumbprint()),
            ));
        }
        Self::parse(bytes)
    }

    /// Refuses a structure that names another signer than `wanted`.
    pub(crate) fn require_signer(&self, wanted: &QualifiedName) -> Result<(), Refusal> {
        if self.signer == wanted.as_bytes() {
            return Ok(());
        }
        Err(Refusal::new(
            Code::AttestSigner,
            format_args!("qualified signer {}", Hex(self.signer)),
            wanted,
        ))
    }

    /// Refuses a structure that covers other `extraData` than `wanted`, with `code`.
    pub(crate) fn require_extra_data(&self, wanted: &[u8], code: Code) -> Result<(), Refusal> {
        if self.extra_data == wanted {
            return Ok(());
        }
        Err(Refusal::new(
            code,
            format_args!("extraData {}", Hex(self.extra_data)),
            Hex(wanted),
        ))
    }

    /// What it is about.
    pub const fn attested(&self) -> &Attested<'a> {
        &self.attested
    }

    /// The TPM's clock when it was made.
    pub const fn clock(&self) -> ClockInfo {
        self.clock
    }

    /// `TPM2_PT_FIRMWARE_VERSION_1` and `_2` as one number.
    pub const fn firmware_version(&self) -> u64 {
        self.firmware_version
    }

    /// A refusal because the structure is not a `wanted`.
    pub(crate) fn another_type(&self, wanted: &'static str) -> Refusal {
        Refusal::new(Code::AttestType, self.attested.word(), wanted)
    }
}

fn parse_certify<'a>(wire: &mut Wire<'a>) -> Result<Attested<'a>, Refusal> {
    let name = wire.sized()?;
    // The qualified name says in which hierarchy the key hangs. Any will do for a key that can leave
    // neither its TPM nor its parent, so it is read and not used.
    wire.sized()?;
    Ok(Attested::Certify { name })
}

fn parse_quote<'a>(wire: &mut Wire<'a>) -> Result<Attested<'a>, Refusal> {
    Ok(Attested::Quote {
        selection: PcrSelection::parse(wire)?,
        digest: wire.sized()?,
    })
}

fn parse_time<'a>(wire: &mut Wire<'a>, outer: &ClockInfo) -> Result<Attested<'a>, Refusal> {
    // `time` counts from the last start of the TPM and tells nothing that `clock` does not.
    wire.u64()?;
    let inner = ClockInfo::parse(wire)?;
    wire.u64()?;
    // The head and the body repeat the counters. They differ only where a key outside the
    // endorsement hierarchy signed and the head is obfuscated.
    if (inner.reset_count, inner.restart_count) != (outer.reset_count, outer.restart_count) {
        return Err(wire.refuse(inner, "the counters at its head"));
    }
    Ok(Attested::Time)
}

fn parse_creation<'a>(wire: &mut Wire<'a>) -> Result<Attested<'a>, Refusal> {
    Ok(Attested::Creation {
        name: wire.sized()?,
        creation_hash: wire.sized()?,
    })
}

/// Bytes for a refusal: hexadecimal, at most 34 of them.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(none)");
        }
        self.0
            .iter()
            .take(34)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
