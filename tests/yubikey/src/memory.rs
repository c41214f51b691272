//! What a card remembers besides the applet's own storage.
//!
//! The applet keeps keys, PIN counters and objects in two file system images; this file keeps
//! what a YubiKey adds: who it is, the policies of its keys, the management key, vendor objects.
//! It also knows PIN and PUK, as the chip of a real card does in its own way: the card needs them
//! to set the number of tries and to serve keys whose PIN policy is weaker than the applet's.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::apdu::Status;

/// Firmware version, `major.minor.patch`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Firmware(pub u8, pub u8, pub u8);

impl Firmware {
    /// AES management keys.
    pub const WITH_AES: Self = Self(5, 4, 2);
    /// GET METADATA.
    pub const WITH_METADATA: Self = Self(5, 3, 0);
    /// Moving keys, and AES-192 as the default management key.
    pub const WITH_MOVE: Self = Self(5, 7, 0);

    /// The three octets a YubiKey shows.
    pub const fn octets(self) -> [u8; 3] {
        [self.0, self.1, self.2]
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Not three decimal numbers with dots between.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("a firmware version looks like 5.7.4")]
pub struct NotAFirmware;

impl FromStr for Firmware {
    type Err = NotAFirmware;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Result<Vec<u8>, _> = text.split('.').map(str::parse).collect();
        match numbers.as_deref() {
            Ok([major, minor, patch]) => Ok(Self(*major, *minor, *patch)),
            _ => Err(NotAFirmware),
        }
    }
}

impl TryFrom<String> for Firmware {
    type Error = NotAFirmware;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Firmware> for String {
    fn from(firmware: Firmware) -> Self {
        firmware.to_string()
    }
}

/// The shape of the token, as attestations and the management application number it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FormFactor {
    /// 01.
    UsbAKeychain,
    /// 02.
    UsbANano,
    /// 03.
    UsbCKeychain,
    /// 04.
    UsbCNano,
    /// 05.
    UsbCLightning,
}

impl FormFactor {
    /// The octet of attestation extension 3.9.
    pub const fn octet(self) -> u8 {
        match self {
            Self::UsbAKeychain => 1,
            Self::UsbANano => 2,
            Self::UsbCKeychain => 3,
            Self::UsbCNano => 4,
            Self::UsbCLightning => 5,
        }
    }
}

/// When a key wants the PIN.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinPolicy {
    /// 01.
    Never,
    /// 02: once a session.
    Once,
    /// 03: just before each use.
    Always,
}

/// When a key wants a touch.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TouchPolicy {
    /// 01.
    Never,
    /// 02: at each use.
    Always,
    /// 03: unless touched in the last 15 s.
    Cached,
}

/// Both policies of a key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Policies {
    /// PIN.
    pub pin: PinPolicy,
    /// Touch.
    pub touch: TouchPolicy,
}

impl Policies {
    /// The policies for `slot` as asked for in elements AA and AB, defaults where absent or 00.
    ///
    /// # Errors
    ///
    /// 6A80 for a policy this card does not know (the biometric ones).
    pub(crate) fn parse(
        slot: u8,
        pin: Option<&[u8]>,
        touch: Option<&[u8]>,
    ) -> Result<Self, Status> {
        let pin = match pin.unwrap_or_default() {
            [] | [0] => match slot {
                0x9c => PinPolicy::Always,
                0x9e => PinPolicy::Never,
                _ => PinPolicy::Once,
            },
            [1] => PinPolicy::Never,
            [2] => PinPolicy::Once,
            [3] => PinPolicy::Always,
            _ => return Err(Status::INCORRECT_DATA),
        };
        let touch = match touch.unwrap_or_default() {
            [] | [0 | 1] => TouchPolicy::Never,
            [2] => TouchPolicy::Always,
            [3] => TouchPolicy::Cached,
            _ => return Err(Status::INCORRECT_DATA),
        };
        Ok(Self { pin, touch })
    }

    /// The two octets of metadata and attestation.
    pub const fn octets(self) -> [u8; 2] {
        let pin = match self.pin {
            PinPolicy::Never => 1,
            PinPolicy::Once => 2,
            PinPolicy::Always => 3,
        };
        [pin, self.touch.octet()]
    }
}

impl TouchPolicy {
    /// The octet of metadata and attestation.
    pub const fn octet(self) -> u8 {
        match self {
            Self::Never => 1,
            Self::Always => 2,
            Self::Cached => 3,
        }
    }
}

/// Where a key came from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Made in the card.
    Generated,
    /// Brought from outside, so never attested.
    Imported,
}

/// What the card knows of the key in a slot.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeyRecord {
    /// PIV algorithm: 11 P-256, 14 P-384.
    pub algorithm: u8,
    /// Its policies.
    pub policies: Policies,
    /// Its origin.
    pub origin: Origin,
    /// Its public point, uncompressed.
    #[serde(with = "hex")]
    pub point: Vec<u8>,
    /// The slot of the applet in which the private key lies: moving a key changes only the name
    /// under which the card shows it.
    pub home: u8,
}

/// The key that authorises administration (slot 9B).
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct ManagementKey {
    /// PIV algorithm: 03 3DES, 08 AES-128, 0A AES-192, 0C AES-256.
    pub algorithm: u8,
    /// The key.
    #[serde(with = "hex")]
    pub key: Vec<u8>,
    /// Whether using it takes a touch.
    pub touch: bool,
}

impl fmt::Debug for ManagementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagementKey")
            .field("algorithm", &self.algorithm)
            .field("touch", &self.touch)
            .finish_non_exhaustive()
    }
}

/// 0102…08, three times.
pub const DEFAULT_MANAGEMENT_KEY: [u8; 24] = [
    1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8,
];
/// 123456, padded as PIV pads.
pub const DEFAULT_PIN: [u8; 8] = *b"123456\xff\xff";
/// 12345678.
pub const DEFAULT_PUK: [u8; 8] = *b"12345678";
/// Tries of PIN and PUK as delivered.
pub const DEFAULT_TRIES: u8 = 3;

impl ManagementKey {
    fn factory(firmware: Firmware) -> Self {
        let algorithm = if firmware >= Firmware::WITH_MOVE {
            0x0a
        } else {
            0x03
        };
        Self {
            algorithm,
            key: DEFAULT_MANAGEMENT_KEY.to_vec(),
            touch: false,
        }
    }

    /// Whether this is the key every YubiKey is delivered with.
    pub fn is_default(&self) -> bool {
        self.key == DEFAULT_MANAGEMENT_KEY
    }
}

/// PIN, PUK and how often each may be wrong.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Codes {
    /// The PIN, padded.
    #[serde(with = "hex")]
    pub pin: [u8; 8],
    /// The PUK, padded.
    #[serde(with = "hex")]
    pub puk: [u8; 8],
    /// Tries of the PIN when fresh.
    pub pin_tries: u8,
    /// Tries of the PUK when fresh.
    pub puk_tries: u8,
}

impl Codes {
    const FACTORY: Self = Self {
        pin: DEFAULT_PIN,
        puk: DEFAULT_PUK,
        pin_tries: DEFAULT_TRIES,
        puk_tries: DEFAULT_TRIES,
    };
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codes(..)")
    }
}

/// Everything in `card.json`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Memory {
    /// The number engraved on the token.
    pub serial: u32,
    /// Its firmware; it decides which instructions there are.
    pub firmware: Firmware,
    /// Its shape.
    pub form_factor: FormFactor,
    /// PIN and PUK.
    pub codes: Codes,
    /// Slot 9B.
    pub management: ManagementKey,
    /// The keys, by slot.
    pub keys: BTreeMap<u8, KeyRecord>,
    /// Objects 5FFFxx, by their three octets in hexadecimal.
    pub objects: BTreeMap<String, String>,
    /// The applet's storage is to be wiped before the next use.
    pub wipe: bool,
}

impl Memory {
    /// A token fresh from the factory.
    pub fn factory(serial: u32, firmware: Firmware, form_factor: FormFactor) -> Self {
        Self {
            serial,
            firmware,
            form_factor,
            codes: Codes::FACTORY,
            management: ManagementKey::factory(firmware),
            keys: BTreeMap::new(),
            objects: BTreeMap::new(),
            wipe: false,
        }
    }

    /// As from the factory again; serial number, firmware and shape stay.
    pub fn reset(&mut self) {
        *self = Self {
            wipe: true,
            ..Self::factory(self.serial, self.firmware, self.form_factor)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_reads_as_it_prints() {
        assert_eq!("5.7.4".parse(), Ok(Firmware(5, 7, 4)));
        assert_eq!(Firmware(5, 7, 4).to_string(), "5.7.4");
        for wrong in ["5.7", "5.7.4.1", "5.7.x", "", "5.7.256"] {
            assert_eq!(wrong.parse::<Firmware>(), Err(NotAFirmware), "{wrong}");
        }
    }

    #[test]
    fn policies_default_by_slot() {
        let octets = |slot| Policies::parse(slot, None, None).unwrap().octets();
        assert_eq!(
            [octets(0x9a), octets(0x9c), octets(0x9e)],
            [[2, 1], [3, 1], [1, 1]]
        );
    }

    #[test]
    fn biometric_policies_are_refused() {
        assert_eq!(
            Policies::parse(0x9c, Some(&[4]), None),
            Err(Status::INCORRECT_DATA)
        );
        assert_eq!(
            Policies::parse(0x9c, None, Some(&[4])),
            Err(Status::INCORRECT_DATA)
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let memory = Memory::factory(7, Firmware(5, 7, 4), FormFactor::UsbAKeychain);
        let text = format!("{memory:?}");
        assert!(
            text.contains("Codes(..)") && !text.contains("49, 50"),
            "{text}"
        );
        assert!(!text.contains("key: ["), "{text}");
    }
}
