//! Who this laptop is: a file that `wardkey-agent enrol` writes as root.
//!
//! The gate takes the laptop's number and the name of its device key from here and from nowhere
//! else. An agent that was taken over can ask for leases of another laptop, but not for a gate
//! that accepts them.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use wardkey_schemas::ids::{DeviceId, Generation};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_verifier::laptop::LaptopIdentity;

use crate::folder::{FolderError, StateFolder, replace};
use crate::trusted_file::{TrustedFileError, Writers};

/// The laptop, as it was enrolled last.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its number.
    pub device: DeviceId,
    /// Its device key.
    pub device_key: Thumbprint,
    /// Which enrolment it is.
    pub generation: Generation,
    /// Its site.
    pub site: SiteCode,
}

impl From<&Identity> for LaptopIdentity {
    fn from(identity: &Identity) -> Self {
        Self {
            device: identity.device,
            device_key: identity.device_key,
            generation: identity.generation,
            site: identity.site.clone(),
        }
    }
}

/// Why the laptop's identity is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file cannot be read or cannot be believed.
    #[error(transparent)]
    File(#[from] TrustedFileError),
    /// It is not an identity.
    #[error("`{path}` is not the identity of a laptop")]
    Content {
        /// The file.
        path: std::path::PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
}

impl IdentityError {
    /// Whether the laptop has no identity yet, as before its enrolment.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::File(TrustedFileError::Missing { .. }))
    }
}

impl Identity {
    /// Reads the identity from a file that the agent's user cannot write.
    ///
    /// # Errors
    ///
    /// [`IdentityError`].
    pub fn load(path: &Path, writers: Writers) -> Result<Self, IdentityError> {
        let bytes = writers.read(path)?;
        serde_json::from_slice(&bytes).map_err(|source| IdentityError::Content {
            path: path.to_owned(),
            source,
        })
    }

    /// Writes the identity durably, for everybody to read and its owner alone to write: the last
    /// step of an enrolment, done as root.
    ///
    /// # Errors
    ///
    /// [`WriteIdentityError`].
    pub fn write(&self, path: &Path) -> Result<(), WriteIdentityError> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
        else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
        };
        let mut bytes = serde_json::to_vec_pretty(self).map_err(io::Error::from)?;
        bytes.push(b'\n');
        let folder = StateFolder::take(folder)?;
        replace(&folder, name, &bytes)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))?;
        Ok(())
    }
}

/// Why an identity could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteIdentityError {
    /// Its folder cannot be opened or is being written to.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The disk did not do it.
    #[error("cannot write the identity")]
    Disk(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            device: DeviceId::from_random([1; 16]),
            device_key: Thumbprint::new([2; 32]),
            generation: Generation::FIRST,
            site: "hmp-x".parse().unwrap(),
        }
    }

    #[test]
    fn an_identity_is_written_and_read_back() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("identity.json");
        identity().write(&path).unwrap();
        let read = Identity::load(&path, Writers::of_this_process()).unwrap();
        assert_eq!(read, identity());
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn a_missing_identity_is_told_apart_from_a_wrong_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("identity.json");
        let load = || Identity::load(&path, Writers::of_this_process()).unwrap_err();
        assert!(load().is_missing());
        std::fs::write(&path, b"{}").unwrap();
        assert!(matches!(load(), IdentityError::Content { .. }));
    }
}
