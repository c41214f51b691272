//! What a TPM 2.0 says, read byte by byte and judged (TPM 2.0 Library, Part 2).
//!
//! # Invariants
//!
//! - A structure is read to its last byte: nothing may be missing, nothing may be left over.
//! - What is hashed or verified is always the bytes that arrived, never a structure written again.
//! - An attest structure is read only after its signature verified, so nothing unsigned is looked at.
//! - `Verified*` comes out of one function each, the one that checked it.
//!
//! # Where to start
//!
//! [`attestation_key`] and [`device_key`] for the keys of an enrolment, [`quote`] and [`time_stamp`]
//! for what those keys say afterwards. [`public`], [`attest`] and [`creation`] only read.

pub mod attest;
pub mod attestation_key;
pub mod creation;
pub mod device_key;
pub mod name;
pub mod pcr;
pub mod public;
pub mod quote;
pub mod time_stamp;
mod wire;

pub use self::attest::{Attest, Attested, ClockInfo};
pub use self::attestation_key::{AkIdentity, VerifiedAk};
pub use self::device_key::VerifiedDeviceKey;
pub use self::name::{Name, QualifiedName};
pub use self::pcr::PcrSet;
pub use self::public::PublicArea;
pub use self::quote::VerifiedQuote;
pub use self::time_stamp::VerifiedTimeStamp;

/// Algorithm identifiers (TCG Algorithm Registry, `TPM_ALG_ID`).
pub(crate) mod alg {
    pub(crate) const RSA: u16 = 0x0001;
    pub(crate) const AES: u16 = 0x0006;
    pub(crate) const SHA256: u16 = 0x000b;
    pub(crate) const NULL: u16 = 0x0010;
    pub(crate) const RSAES: u16 = 0x0015;
    pub(crate) const ECDSA: u16 = 0x0018;
    pub(crate) const ECDAA: u16 = 0x001a;
    pub(crate) const ECC: u16 = 0x0023;
    pub(crate) const CFB: u16 = 0x0043;
}

/// `TPM_ECC_NIST_P256` (Part 2 §6.4).
pub(crate) const CURVE_P256: u16 = 0x0003;

/// `TPM_RH_ENDORSEMENT` (Part 2 §7.4), as the parent of a primary key is named: by its handle.
pub(crate) const ENDORSEMENT: [u8; 4] = [0x40, 0x00, 0x00, 0x0b];
