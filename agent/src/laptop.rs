//! Who this laptop is: what its enrolment left in the state folder.
//!
//! The keys themselves are in the TPM, which makes them again from the salts; nothing in this file
//! is secret.

use serde::{Deserialize, Serialize};
use wardkey_gate::identity::Identity;
use wardkey_schemas::bytes::{self, Bytes};
use wardkey_schemas::ids::{DeviceId, Generation};
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::{AssetTag, SiteCode};
use wardkey_tpm::Salt;

use crate::files::{StateError, StateFolder};

/// The file's name.
pub const FILE: &str = "laptop.json";

/// What tells this enrolment's key from all others that the TPM can make. No secret.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeySalt([u8; 32]);

impl KeySalt {
    /// Wraps 32 random octets.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As the TPM layer takes it.
    pub const fn salt(self) -> Salt {
        Salt(self.0)
    }
}

impl TryFrom<String> for KeySalt {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        bytes::decode(&text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or("a salt is 32 bytes of base64url")
    }
}

impl From<KeySalt> for String {
    fn from(salt: KeySalt) -> Self {
        bytes::encode(&salt.0)
    }
}

/// The laptop, as it was enrolled last.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Laptop {
    /// Its number.
    pub device: DeviceId,
    /// Which enrolment it is.
    pub generation: Generation,
    /// Its site.
    pub site: SiteCode,
    /// The tag on its lid.
    pub asset: AssetTag,
    /// From which the TPM makes the attestation key.
    pub ak_salt: KeySalt,
    /// From which the TPM makes the device key.
    pub device_salt: KeySalt,
    /// The attestation key.
    pub ak: PublicKey,
    /// The device key.
    pub device_key: PublicKey,
    /// The device key's certificate (DER).
    pub device_certificate: Bytes,
    /// The attestation key's certificate (DER).
    pub ak_certificate: Bytes,
}

impl Laptop {
    /// Finds the laptop; `None` before its enrolment.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the file is there and cannot be understood: that is no laptop without an
    /// enrolment.
    pub fn find(folder: &StateFolder) -> Result<Option<Self>, StateError> {
        folder.find(FILE)
    }

    /// Writes it down durably.
    ///
    /// # Errors
    ///
    /// [`StateError::Disk`].
    pub fn save(&self, folder: &StateFolder) -> Result<(), StateError> {
        folder.save(FILE, self)
    }

    /// What the gate is told of it.
    pub fn identity(&self) -> Identity {
        Identity {
            device: self.device,
            device_key: self.device_key.thumbprint(),
            generation: self.generation,
            site: self.site.clone(),
        }
    }
}
