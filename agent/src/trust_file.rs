//! Whom this laptop believes, kept over restarts: the newest trust bundle and keyd's keys.
//!
//! Verified from the pinned hash of the root each time it is read. What was once the newest version
//! stays on record, so that no older bundle is ever taken back.

use serde::{Deserialize, Serialize};
use wardkey_gate::store::NewestBundle;
use wardkey_gate::trust::Trust;
use wardkey_schemas::Refusal;
use wardkey_schemas::bundle::{BundlePackage, ServiceKeys};
use wardkey_schemas::bytes::Sha256;

use crate::files::{StateError, StateFolder};

/// The file's name.
pub const FILE: &str = "trust.json";

/// What is kept.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The bundle with what leads to it from the root.
    pub package: BundlePackage,
    /// keyd's function keys.
    pub service_keys: ServiceKeys,
    /// What is remembered of it.
    pub newest: NewestBundle,
}

/// A bundle and keys that were verified, with the form in which they travel.
#[derive(Clone, Debug)]
pub struct Trusted {
    trust: Trust,
    kept: Kept,
}

impl Trusted {
    /// Verifies a bundle and keys below the pinned root, and that they are no step back from what
    /// was in use.
    ///
    /// # Errors
    ///
    /// Those of [`Trust::verify`].
    pub fn verify(
        package: BundlePackage,
        service_keys: ServiceKeys,
        pin: &Sha256,
        newest: Option<&NewestBundle>,
    ) -> Result<Self, Refusal> {
        let trust = Trust::verify(&package, &service_keys, pin, newest)?;
        let newest = trust.note();
        let kept = Kept {
            package,
            service_keys,
            newest,
        };
        Ok(Self { trust, kept })
    }

    /// Whom to believe.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The same as it travels and is kept.
    pub const fn kept(&self) -> &Kept {
        &self.kept
    }
}

/// Finds what was kept; `None` before the first bundle.
///
/// # Errors
///
/// [`StateError`] if the file cannot be understood.
pub fn find(folder: &StateFolder) -> Result<Option<Kept>, StateError> {
    folder.find(FILE)
}

/// Writes it down durably.
///
/// # Errors
///
/// [`StateError::Disk`].
pub fn save(folder: &StateFolder, kept: &Kept) -> Result<(), StateError> {
    folder.save(FILE, kept)
}
