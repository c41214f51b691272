//! Keys in files (PKCS#8), which their owner alone may read.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair as _,
};
use wardkey_issuance::{AuthorityKey, EcdsaSignature, P384Key, Signer};
use wardkey_schemas::key::{PublicKey, SigningKey};
use zeroize::Zeroizing;

use super::SignerError;
use crate::durable::{self, FileError};

/// A private key is far shorter.
const MOST: usize = 4096;

/// Why a key in a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others than its owner may read it.
    #[error("`{}` can be read by others (mode {mode:o}); it must be 600", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It does not hold such a key.
    #[error("`{}` does not hold a key on {curve} (PKCS#8)", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Which kind of key is wanted.
        curve: Curve,
    },
    /// No key could be made.
    #[error("no key on {curve} could be made")]
    Generate {
        /// Which kind of key.
        curve: Curve,
    },
}

/// The curve of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Curve {
    /// For authorities below the root, and for everything else.
    P256,
    /// For the root.
    P384,
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        })
    }
}

impl Curve {
    const fn algorithm(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        }
    }
}

/// Makes a key and keeps it in a file that must not be there yet, for its owner alone.
///
/// # Errors
///
/// [`KeyFileError`].
pub fn create(path: &Path, curve: Curve) -> Result<(), KeyFileError> {
    let made = EcdsaKeyPair::generate_pkcs8(curve.algorithm(), &SystemRandom::new())
        .map_err(|_| KeyFileError::Generate { curve })?;
    let pkcs8 = Zeroizing::new(made.as_ref().to_vec());
    Ok(durable::write_new(path, &pkcs8, durable::PRIVATE)?)
}

/// Reads the PKCS#8 form of a key, if its owner alone may.
///
/// # Errors
///
/// [`KeyFileError::File`] or [`KeyFileError::Readable`].
pub fn load_pkcs8(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let metadata = fs::metadata(path).map_err(FileError::of(path, "read"))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(KeyFileError::Readable { path, mode });
    }
    Ok(Zeroizing::new(durable::read_at_most(path, MOST)?))
}

/// Reads a key that signs messages.
///
/// # Errors
///
/// [`KeyFileError`].
pub fn load_signing_key(path: &Path) -> Result<SigningKey, KeyFileError> {
    SigningKey::from_pkcs8(&load_pkcs8(path)?).map_err(|_| KeyFileError::Key {
        path: path.to_owned(),
        curve: Curve::P256,
    })
}

/// An authority's key, read from a file.
pub struct FileKey {
    pair: EcdsaKeyPair,
    public: AuthorityKey,
    random: SystemRandom,
}

impl FileKey {
    /// Reads an authority's key.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`].
    pub fn load(path: &Path, curve: Curve) -> Result<Self, KeyFileError> {
        let pkcs8 = load_pkcs8(path)?;
        let wrong = || KeyFileError::Key {
            path: path.to_owned(),
            curve,
        };
        let pair = EcdsaKeyPair::from_pkcs8(curve.algorithm(), &pkcs8).map_err(|_| wrong())?;
        let point = pair.public_key().as_ref();
        let public = match curve {
            Curve::P256 => PublicKey::from_point(point).map_err(|_| wrong())?.into(),
            Curve::P384 => P384Key::from_point(point).map_err(|_| wrong())?.into(),
        };
        let random = SystemRandom::new();
        Ok(Self {
            pair,
            public,
            random,
        })
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileKey").field(&self.public).finish()
    }
}

impl Signer for FileKey {
    type Error = SignerError;

    fn public_key(&self) -> &AuthorityKey {
        &self.public
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, SignerError> {
        let signature = self
            .pair
            .sign(&self.random, message)
            .map_err(|_| SignerError::Library)?;
        Ok(EcdsaSignature::Der(signature.as_ref().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        for curve in [Curve::P256, Curve::P384] {
            let path = folder.path().join(curve.to_string());
            create(&path, curve).unwrap();
            let made = FileKey::load(&path, curve).unwrap();
            let error = create(&path, curve).unwrap_err();
            assert!(matches!(error, KeyFileError::File(error) if error.is_there()));
            assert_eq!(
                FileKey::load(&path, curve).unwrap().public_key(),
                made.public_key()
            );
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, Curve::P256).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = FileKey::load(&path, Curve::P256).unwrap_err();
            assert!(matches!(error, KeyFileError::Readable { mode: found, .. } if found == mode));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        FileKey::load(&path, Curve::P256).unwrap();
    }

    #[test]
    fn a_key_of_another_kind_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, Curve::P384).unwrap();
        let error = FileKey::load(&path, Curve::P256).unwrap_err();
        assert!(matches!(error, KeyFileError::Key { .. }), "{error}");
        assert!(load_signing_key(&path).is_err());
    }
}
