//! keyd's own keys on disk: the service authority, the function keys, and the log's.
//!
//! Each is a PKCS#8 file that only keyd's user may read; it is made once and never overwritten. The
//! certificates are made at start-up by the service authority, for 90 days, and replaced when a
//! third of that is left.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::Ed25519KeyPair;
use wardkey_schemas::bundle::Function;
use wardkey_schemas::key::{KeyError, SigningKey};
use wardkey_tlog::key::{KeyName, Kind, SignerKey};
use zeroize::Zeroizing;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("`{path}` cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error("`{path}` can be read by others (mode {mode:o}); it must be 600")]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It does not hold a key.
    #[error("`{path}` does not hold a P-256 key")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// It does not hold the key of a log.
    #[error("`{path}` does not hold an Ed25519 key")]
    LogKey {
        /// The file.
        path: PathBuf,
    },
}

/// A key with its file's content, for those who need PKCS#8 (TLS).
#[derive(Debug)]
pub struct StoredKey {
    /// The key.
    pub key: SigningKey,
    /// Its PKCS#8 form.
    pub pkcs8: Zeroizing<Vec<u8>>,
}

/// The folder of keys.
#[derive(Clone, Debug)]
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    /// The folder `keys` within the state folder.
    pub fn within(state: &Path) -> Self {
        Self(state.join("keys"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.p8"))
    }

    /// Makes every key that is missing, and says which it made.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`].
    pub fn create_missing(&self) -> Result<Vec<&'static str>, KeyFileError> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| KeyFileError::File { path, source }
        };
        fs::create_dir_all(&self.0).map_err(file(&self.0))?;
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700)).map_err(file(&self.0))?;
        let mut made = Vec::new();
        for name in Self::names() {
            let path = self.path(name);
            if path.exists() {
                continue;
            }
            let pkcs8 = generate(name, &path)?;
            let mut options = OpenOptions::new();
            let mut to = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(file(&path))?;
            to.write_all(&pkcs8)
                .and_then(|()| to.sync_all())
                .map_err(file(&path))?;
            made.push(name);
        }
        // The names are durable once the folder is.
        fs::File::open(&self.0)
            .and_then(|folder| folder.sync_all())
            .map_err(file(&self.0))?;
        Ok(made)
    }

    fn names() -> impl Iterator<Item = &'static str> {
        [AUTHORITY, TLS, LOG]
            .into_iter()
            .chain(Function::ALL.into_iter().map(Function::as_str))
    }

    /// Reads a key.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`].
    pub fn load(&self, name: &str) -> Result<StoredKey, KeyFileError> {
        let (path, pkcs8) = self.read(name)?;
        let key =
            SigningKey::from_pkcs8(&pkcs8).map_err(|source| KeyFileError::Key { path, source })?;
        Ok(StoredKey { key, pkcs8 })
    }

    /// Reads the key of the log with this name.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`].
    pub fn load_log(&self, origin: &KeyName) -> Result<SignerKey, KeyFileError> {
        let (path, pkcs8) = self.read(LOG)?;
        SignerKey::from_pkcs8(origin.clone(), Kind::Log, &pkcs8)
            .map_err(|_| KeyFileError::LogKey { path })
    }

    fn read(&self, name: &str) -> Result<(PathBuf, Zeroizing<Vec<u8>>), KeyFileError> {
        let path = self.path(name);
        let file = |source| KeyFileError::File {
            path: path.clone(),
            source,
        };
        let mode = fs::metadata(&path).map_err(file)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Readable { path, mode });
        }
        let pkcs8 = Zeroizing::new(fs::read(&path).map_err(file)?);
        Ok((path, pkcs8))
    }
}

/// A new key in PKCS#8: Ed25519 for the log, P-256 for everything else.
fn generate(name: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let path = path.to_owned();
    if name != LOG {
        let generated = SigningKey::generate();
        return generated
            .map(|(_, pkcs8)| pkcs8)
            .map_err(|source| KeyFileError::Key { path, source });
    }
    let generated = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8());
    match generated {
        Ok(pkcs8) => Ok(Zeroizing::new(pkcs8.as_ref().to_vec())),
        Err(_) => Err(KeyFileError::LogKey { path }),
    }
}

/// The name of the service authority's key.
pub const AUTHORITY: &str = "service-authority";

/// The name of the key that signs checkpoints of the record.
pub const LOG: &str = "log";

/// The name of the key of keyd's listeners.
pub const TLS: &str = "tls";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept_to_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::within(folder.path());
        assert_eq!(keys.create_missing().unwrap().len(), 7);
        let first = *keys.load("lease").unwrap().key.public();
        assert!(keys.create_missing().unwrap().is_empty());
        assert_eq!(*keys.load("lease").unwrap().key.public(), first);
    }

    #[test]
    fn a_key_that_others_may_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::within(folder.path());
        keys.create_missing().unwrap();
        fs::set_permissions(keys.path("order"), fs::Permissions::from_mode(0o640)).unwrap();
        let error = keys.load("order").unwrap_err();
        assert!(
            matches!(error, KeyFileError::Readable { mode: 0o640, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_no_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::within(folder.path());
        keys.create_missing().unwrap();
        fs::write(keys.path("answer"), b"nothing").unwrap();
        assert!(matches!(
            keys.load("answer").unwrap_err(),
            KeyFileError::Key { .. }
        ));
    }
}
