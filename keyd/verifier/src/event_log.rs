//! The measured-boot event log (TCG PC Client Platform Firmware Profile 1.05 §10).
//!
//! The log is an explanation that the laptop's firmware offers for its register values; it is no
//! evidence by itself. [`EventLog::parse`] reads it within fixed limits, [`EventLog::replay`] computes
//! what the registers would hold, and [`require_explained`] compares that with a quote.
//!
//! # Invariants
//!
//! - Crypto-agile logs with a SHA-256 bank only; the old SHA-1 form is refused.
//! - `EV_NO_ACTION` is never extended. PCR 0 starts at the locality that a `StartupLocality` event
//!   gives, and such an event counts only once and only before PCR 0 was extended.
//! - Replay vouches for digests and for the order in each register, and for nothing else: not for an
//!   event's type, not for its data. [`EventLog::bound_data`] gives out data only where the digest
//!   covers it.
//!
//! # Where to start
//!
//! [`EventLog`].

mod parse;
mod replay;

use std::fmt;

use wardkey_schemas::bytes::Sha256;

pub use self::replay::{KnownLog, RegisterValues, ReplayedLog, require_explained};

/// Events in one log. The longest real log seen has under 200; servers with many option ROMs some
/// hundreds.
const MOST_EVENTS: usize = 4096;

/// Bytes of data of one event. Vendor blobs of some tens of KiB are seen; the TCG gives no bound.
const MOST_EVENT_BYTES: usize = 256 * 1024;

/// A parsed event log.
#[derive(Debug)]
pub struct EventLog<'a> {
    bytes: &'a [u8],
    startup_locality: u8,
    events: Vec<Event<'a>>,
}

/// One event that was extended into a register of the SHA-256 bank.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The register, 0 to 23.
    pub pcr: u8,
    /// What the log says it is; not vouched for by anything.
    pub kind: EventKind,
    /// What was extended.
    pub sha256: Sha256,
    /// What the log says about it; see [`EventLog::bound_data`].
    data: &'a [u8],
}

/// Data of an event that its digest covers: these very bytes were measured into this register.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BoundData<'a> {
    /// The register.
    pub pcr: u8,
    /// What the log calls it. The firmware that measured the bytes is not bound to that word, so a
    /// reader must still find in the bytes themselves what it looks for.
    pub kind: EventKind,
    /// The bytes.
    pub data: &'a [u8],
}

impl<'a> EventLog<'a> {
    /// The events that were extended, in order.
    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }

    /// The locality from which the TPM was started: PCR 0 begins with it.
    pub const fn startup_locality(&self) -> u8 {
        self.startup_locality
    }

    /// The data of those events whose kind measures its data and whose digest is that of the data.
    ///
    /// Every other event's data is a hint from whoever wrote the log.
    pub fn bound_data(&self) -> impl Iterator<Item = BoundData<'a>> {
        self.events
            .iter()
            .filter(|event| {
                event.kind.measures_its_data() && Sha256::of(event.data) == event.sha256
            })
            .map(|event| BoundData {
                pcr: event.pcr,
                kind: event.kind,
                data: event.data,
            })
    }
}

/// The type of an event (`TCG_EVENTTYPE`, PFP §10.4.1).
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct EventKind(u32);

impl EventKind {
    /// `EV_NO_ACTION`: said, not measured.
    pub const NO_ACTION: Self = Self(0x0000_0003);
    /// `EV_SEPARATOR`: the end of a phase.
    pub const SEPARATOR: Self = Self(0x0000_0004);
    /// `EV_ACTION`: a fixed string.
    pub const ACTION: Self = Self(0x0000_0005);
    /// `EV_EFI_VARIABLE_DRIVER_CONFIG`: the Secure Boot variables.
    pub const VARIABLE_DRIVER_CONFIG: Self = Self(0x8000_0001);
    /// `EV_EFI_VARIABLE_BOOT`: boot order and options.
    pub const VARIABLE_BOOT: Self = Self(0x8000_0002);
    /// `EV_EFI_GPT_EVENT`: the partition table.
    pub const GPT_EVENT: Self = Self(0x8000_0006);
    /// `EV_EFI_ACTION`: a fixed string.
    pub const EFI_ACTION: Self = Self(0x8000_0007);
    /// `EV_EFI_VARIABLE_BOOT2`: the same as `VARIABLE_BOOT`, always with its name.
    pub const VARIABLE_BOOT2: Self = Self(0x8000_000c);
    /// `EV_EFI_VARIABLE_AUTHORITY`: the entry of `db` that allowed an image.
    pub const VARIABLE_AUTHORITY: Self = Self(0x8000_00e0);

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether firmware that follows the profile measures exactly the data of such an event, or at
    /// least may (some measure a boot variable's value alone).
    const fn measures_its_data(self) -> bool {
        matches!(
            self,
            Self::SEPARATOR
                | Self::ACTION
                | Self::VARIABLE_DRIVER_CONFIG
                | Self::VARIABLE_BOOT
                | Self::GPT_EVENT
                | Self::EFI_ACTION
                | Self::VARIABLE_BOOT2
                | Self::VARIABLE_AUTHORITY
        )
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventKind({self})")
    }
}
