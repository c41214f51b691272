//! Whom to believe: the trust bundle, verified from the pinned hash of the root before anything is
//! signed, and never an older one than was seen before.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wardkey_edge::client::Client;
use wardkey_schemas::bundle::{BundlePackage, BundleVersion, ServiceKeys};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::service::VerifiedServiceKeys;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::private_file;
use crate::settings::Settings;

/// Verifies that the root certificate in the settings is the pinned one.
///
/// # Errors
///
/// `ROOT_MISMATCH`.
pub fn verify_root(settings: &Settings) -> Result<(), Failure> {
    if settings.root_found == settings.root {
        return Ok(());
    }
    Err(Failure::not_believed(Refusal::new(
        Code::RootMismatch,
        format!(
            "a root certificate with hash {}",
            settings.root_found.to_hex()
        ),
        settings.root.to_hex(),
    )))
}

/// Fetches the trust bundle, verifies it, and remembers it as the newest seen.
///
/// # Errors
///
/// [`Failure::NotBelieved`] with the refusal of [`VerifiedBundle::verify`], or `BUNDLE_ROLLBACK`;
/// [`Failure::Unreachable`].
pub async fn fetch_bundle(
    keyd: &Client,
    settings: &Settings,
    memory: &Memory,
    now: Timestamp,
) -> Result<VerifiedBundle, Failure> {
    verify_root(settings)?;
    let package: BundlePackage = keyd.read_from("/v1/bundle").await?;
    memory.verify(&package, &settings.root, now)
}

/// Fetches the certificates of keyd's keys and verifies them under the bundle.
///
/// # Errors
///
/// As [`fetch_bundle`].
pub async fn fetch_service_keys(
    keyd: &Client,
    bundle: &VerifiedBundle,
    now: Timestamp,
) -> Result<VerifiedServiceKeys, Failure> {
    let certified: ServiceKeys = keyd.read_from("/v1/service-keys").await?;
    VerifiedServiceKeys::verify(&certified, bundle, now).map_err(Failure::not_believed)
}

/// What is remembered of the newest bundle seen: one file an installation.
#[derive(Clone, Debug)]
pub struct Memory {
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    version: BundleVersion,
    payload_sha256: Sha256,
}

impl Memory {
    /// The memory of the installation with this root.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if the environment names no place for it; without one, an older bundle
    /// could not be told from the newest.
    pub fn of(root: &Sha256, environment: &Environment) -> Result<Self, Failure> {
        let Some(folder) = &environment.state else {
            return Err(Failure::usage(
                "there is no place to remember the newest trust bundle",
                "set HOME or XDG_STATE_HOME",
            ));
        };
        private_file::make_folder(folder)?;
        let short: String = root.to_hex().chars().take(16).collect();
        Ok(Self {
            path: folder.join(format!("bundle-{short}.json")),
        })
    }

    /// Verifies a bundle, which may not be older than the newest seen, and remembers it.
    ///
    /// # Errors
    ///
    /// As [`fetch_bundle`].
    pub fn verify(
        &self,
        package: &BundlePackage,
        root: &Sha256,
        now: Timestamp,
    ) -> Result<VerifiedBundle, Failure> {
        let _lock = private_file::lock(&self.path, || ())?;
        let seen = self.load()?;
        let newest = seen.map_or(BundleVersion::new(0), |seen| seen.version);
        let bundle =
            VerifiedBundle::verify(package, root, newest, now).map_err(Failure::not_believed)?;
        if let Some(seen) = seen {
            bundle
                .verify_follows(seen.version, &seen.payload_sha256)
                .map_err(Failure::not_believed)?;
        }
        let now_seen = Seen {
            version: bundle.version(),
            payload_sha256: bundle.payload_sha256(),
        };
        if seen != Some(now_seen) {
            let bytes =
                serde_json::to_vec(&now_seen).map_err(|error| Failure::Output(error.into()))?;
            private_file::replace(&self.path, &bytes)?;
        }
        Ok(bundle)
    }

    fn load(&self) -> Result<Option<Seen>, Failure> {
        let Some(bytes) = private_file::read(&self.path)? else {
            return Ok(None);
        };
        // To forget what was seen because it cannot be read would let an older bundle in.
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| Failure::UnsafeFile {
                path: self.path.clone(),
                what: "it does not say which trust bundle was seen",
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(folder: &tempfile::TempDir) -> Memory {
        let environment = Environment {
            state: Some(folder.path().join("wardkey")),
            ..Environment::default()
        };
        Memory::of(&Sha256::of(b"root"), &environment).unwrap()
    }

    #[test]
    fn a_memory_that_cannot_be_read_is_not_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let memory = memory(&folder);
        assert_eq!(memory.load().unwrap(), None);
        private_file::replace(&memory.path, b"{").unwrap();
        assert!(matches!(memory.load(), Err(Failure::UnsafeFile { .. })));
    }

    #[test]
    fn without_a_place_to_remember_nothing_is_believed() {
        let failure = Memory::of(&Sha256::of(b"root"), &Environment::default()).unwrap_err();
        assert!(matches!(failure, Failure::Usage { .. }), "{failure}");
    }
}
