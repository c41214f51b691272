//! What a token may be, and the floors under its firmware.

use std::fmt;

use wardkey_schemas::bundle::PolicyFloor;
use wardkey_schemas::names::Firmware;

/// When a key asks for the PIN (Yubico extension 3.8, first byte).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PinPolicy {
    /// Never.
    Never,
    /// Once after the token is plugged in.
    Once,
    /// Every time.
    Always,
    /// Once, or a finger (Bio series).
    MatchOnce,
    /// Every time, or a finger (Bio series).
    MatchAlways,
}

impl PinPolicy {
    pub(super) const fn parse(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Never),
            2 => Some(Self::Once),
            3 => Some(Self::Always),
            4 => Some(Self::MatchOnce),
            5 => Some(Self::MatchAlways),
            _ => None,
        }
    }

    /// The word in refusals and in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Once => "once",
            Self::Always => "always",
            Self::MatchOnce => "match-once",
            Self::MatchAlways => "match-always",
        }
    }
}

/// When a key asks for a touch (Yubico extension 3.8, second byte).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TouchPolicy {
    /// Never.
    Never,
    /// Every time.
    Always,
    /// Once in 15 seconds.
    Cached,
}

impl TouchPolicy {
    pub(super) const fn parse(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Never),
            2 => Some(Self::Always),
            3 => Some(Self::Cached),
            _ => None,
        }
    }

    /// The word in refusals and in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Always => "always",
            Self::Cached => "cached",
        }
    }
}

/// What a token looks like (Yubico extension 3.9, without the FIPS bit).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FormFactor {
    /// USB-A on a key ring.
    UsbAKeychain,
    /// USB-A, as small as its plug.
    UsbANano,
    /// USB-C on a key ring.
    UsbCKeychain,
    /// USB-C, as small as its plug.
    UsbCNano,
    /// USB-C and Lightning.
    UsbCLightning,
    /// USB-A with a fingerprint reader.
    UsbABio,
    /// USB-C with a fingerprint reader.
    UsbCBio,
}

impl FormFactor {
    /// All that are known.
    pub const ALL: [Self; 7] = [
        Self::UsbAKeychain,
        Self::UsbANano,
        Self::UsbCKeychain,
        Self::UsbCNano,
        Self::UsbCLightning,
        Self::UsbABio,
        Self::UsbCBio,
    ];

    pub(super) const fn parse(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::UsbAKeychain),
            2 => Some(Self::UsbANano),
            3 => Some(Self::UsbCKeychain),
            4 => Some(Self::UsbCNano),
            5 => Some(Self::UsbCLightning),
            6 => Some(Self::UsbABio),
            7 => Some(Self::UsbCBio),
            _ => None,
        }
    }

    /// Whether it belongs to the Bio series.
    pub const fn is_bio(self) -> bool {
        matches!(self, Self::UsbABio | Self::UsbCBio)
    }

    /// The words in refusals and in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsbAKeychain => "usb-a-keychain",
            Self::UsbANano => "usb-a-nano",
            Self::UsbCKeychain => "usb-c-keychain",
            Self::UsbCNano => "usb-c-nano",
            Self::UsbCLightning => "usb-c-lightning",
            Self::UsbABio => "usb-a-bio",
            Self::UsbCBio => "usb-c-bio",
        }
    }
}

impl fmt::Display for FormFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The site's rules for tokens. PIN *always*, touch *always* and slot 9c are no matter of policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenPolicy {
    /// Oldest firmware that is accepted; the floors that close YSA-2024-03 stand beneath it.
    pub oldest_firmware: Firmware,
    /// Forms that are allowed; an empty list allows none.
    pub form_factors: Vec<FormFactor>,
}

/// Firmware that does not leak ECDSA keys (YSA-2024-03, CVE-2024-45678).
const SAFE: Firmware = Firmware {
    major: 5,
    minor: 7,
    patch: 0,
};

/// The same for the FIPS and Bio series.
const SAFE_FIPS_OR_BIO: Firmware = Firmware {
    major: 5,
    minor: 7,
    patch: 2,
};

impl TokenPolicy {
    /// The policy that a trust bundle's floor gives, with every form allowed.
    pub fn of_floor(floor: &PolicyFloor) -> Self {
        Self {
            oldest_firmware: floor.oldest_token_firmware,
            form_factors: FormFactor::ALL.to_vec(),
        }
    }

    /// The oldest firmware with which a token of this kind may hold an ECDSA key.
    pub fn oldest_firmware_for(&self, form_factor: FormFactor, fips: bool) -> Firmware {
        let safe = if fips || form_factor.is_bio() {
            SAFE_FIPS_OR_BIO
        } else {
            SAFE
        };
        safe.max(self.oldest_firmware)
    }
}
