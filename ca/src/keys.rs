//! The keys of a site's authority on disk.
//!
//! The authority's key may move into hardware ([`crate::signer`]); the registrar key, which signs
//! what ca tells keyd, and the key of the listener stay files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use wardkey_schemas::key::SigningKey;
use zeroize::Zeroizing;

use crate::durable::FileError;
use crate::signer::file::{self, Curve, KeyFileError};

/// The name of the authority's key.
pub const AUTHORITY: &str = "authority";
/// The name of the key that signs what ca tells keyd.
pub const REGISTRAR: &str = "registrar";
/// The name of the listener's key.
pub const TLS: &str = "tls";

/// The folder of keys.
#[derive(Clone, Debug)]
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    /// The folder `keys` within the state folder.
    pub fn within(state: &Path) -> Self {
        Self(state.join("keys"))
    }

    /// The file of a key.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.p8"))
    }

    /// Makes every key that is missing, and says which it made.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`].
    pub fn create_missing(&self) -> Result<Vec<&'static str>, KeyFileError> {
        fs::create_dir_all(&self.0).map_err(FileError::of(&self.0, "made"))?;
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700))
            .map_err(FileError::of(&self.0, "closed to others"))?;
        let mut made = Vec::new();
        for name in [AUTHORITY, REGISTRAR, TLS] {
            match file::create(&self.path(name), Curve::P256) {
                Ok(()) => made.push(name),
                Err(KeyFileError::File(error)) if error.is_there() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    /// The key that signs what ca tells keyd.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`].
    pub fn load_registrar(&self) -> Result<SigningKey, KeyFileError> {
        file::load_signing_key(&self.path(REGISTRAR))
    }

    /// The listener's key, with its PKCS#8 form for TLS.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`].
    pub fn load_tls(&self) -> Result<(SigningKey, Zeroizing<Vec<u8>>), KeyFileError> {
        let path = self.path(TLS);
        Ok((file::load_signing_key(&path)?, file::load_pkcs8(&path)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::within(folder.path());
        assert_eq!(keys.create_missing().unwrap(), [AUTHORITY, REGISTRAR, TLS]);
        let registrar = *keys.load_registrar().unwrap().public();
        assert!(keys.create_missing().unwrap().is_empty());
        assert_eq!(*keys.load_registrar().unwrap().public(), registrar);
        assert_ne!(*keys.load_tls().unwrap().0.public(), registrar);
    }
}
