//! The permission to read: a key in this program's memory, for which a person signed once, and the
//! file in which it waits for the next command.
//!
//! A question carries a counter that only grows, so two programs that share the file take turns:
//! the lock is held from before the counter is read until the answer is there, and the counter is
//! on disk before the question leaves.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wardkey_schemas::bytes::{self, Sha256};
use wardkey_schemas::ids::ReaderId;
use wardkey_schemas::jws::{self, Jws, SigningError};
use wardkey_schemas::key::{KeyError, PublicKey, SigningKey};
use wardkey_schemas::names::{SiteCode, TokenSerial};
use wardkey_schemas::query::{Query, Question};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::{Seconds, Timestamp};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::private_file;
use crate::settings::Settings;

/// A permission this near to its end is not used: it might be over when the question arrives.
const TOO_LATE: Seconds = Seconds::new(5);

/// A key that may read.
pub struct Permission {
    kept: Kept,
    key: SigningKey,
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permission")
            .field("reader", &self.kept.reader)
            .field("ends_at", &self.kept.ends_at)
            .finish_non_exhaustive()
    }
}

/// As it stands in the file.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    site: SiteCode,
    /// The service that gave it, and the installation that it belongs to.
    keyd: String,
    root: Sha256,
    /// Whose it is.
    serial: TokenSerial,
    role: Role,
    reader: ReaderId,
    /// PKCS#8, base64url.
    private_key: Zeroizing<String>,
    /// The counter of the last question.
    counter: u64,
    /// By this computer's clock.
    ends_at: Timestamp,
}

/// A key that waits to be allowed to read.
pub struct NewReaderKey {
    key: SigningKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for NewReaderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewReaderKey({})", self.key.public().thumbprint())
    }
}

/// What a person allowed.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// keyd's number.
    pub reader: ReaderId,
    /// Until when, by this computer's clock.
    pub ends_at: Timestamp,
    /// With which security key.
    pub serial: TokenSerial,
    /// In which role.
    pub role: Role,
}

impl NewReaderKey {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`KeyError`] without randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let (key, pkcs8) = SigningKey::generate()?;
        Ok(Self { key, pkcs8 })
    }

    /// Its public half.
    pub const fn public(&self) -> &PublicKey {
        self.key.public()
    }

    /// The permission that a person has given it.
    pub fn allowed(self, allowed: &Allowed, settings: &Settings) -> Permission {
        Permission {
            kept: Kept {
                site: settings.site.clone(),
                keyd: settings.keyd.url.clone(),
                root: settings.root,
                serial: allowed.serial,
                role: allowed.role,
                reader: allowed.reader,
                private_key: Zeroizing::new(bytes::encode(&self.pkcs8)),
                counter: 0,
                ends_at: allowed.ends_at,
            },
            key: self.key,
        }
    }
}

impl Permission {
    /// Until when, by this computer's clock.
    pub const fn ends_at(&self) -> Timestamp {
        self.kept.ends_at
    }

    /// In which role it reads.
    pub const fn role(&self) -> Role {
        self.kept.role
    }

    /// With which security key it was given.
    pub const fn serial(&self) -> TokenSerial {
        self.kept.serial
    }

    /// Whether it is good for a question to the service of these settings, now.
    pub fn is_good(&self, settings: &Settings, now: Timestamp) -> bool {
        self.kept.site == settings.site
            && self.kept.keyd == settings.keyd.url
            && self.kept.root == settings.root
            && settings
                .serial
                .is_none_or(|serial| serial == self.kept.serial)
            && now.plus(TOO_LATE) < self.kept.ends_at
    }

    /// Signs the next question.
    ///
    /// # Errors
    ///
    /// [`SigningError`].
    pub fn sign(
        &mut self,
        question: &Question,
        about: Option<&SiteCode>,
    ) -> Result<Jws<Query>, SigningError> {
        self.kept.counter = self.kept.counter.saturating_add(1);
        let query = Query {
            reader: self.kept.reader,
            counter: self.kept.counter,
            about: about.cloned(),
            question: question.clone(),
        };
        jws::sign(&query, &self.key)
    }
}

/// Where a permission waits for the next command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PermissionFile(PathBuf);

impl PermissionFile {
    /// The file with this path.
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The usual file for a security key of a site.
    pub fn usual(folder: &Path, site: &SiteCode, serial: TokenSerial) -> Self {
        Self(folder.join(format!("reader-{site}-{serial}.json")))
    }

    /// All usual files of a site.
    ///
    /// # Errors
    ///
    /// [`Failure::File`].
    pub fn all(folder: &Path, site: &SiteCode) -> Result<Vec<Self>, Failure> {
        let begin = format!("reader-{site}-");
        let serial = |name: &str| -> Option<TokenSerial> {
            name.strip_prefix(&begin)?
                .strip_suffix(".json")?
                .parse()
                .ok()
        };
        let fail = || Failure::file(folder, "cannot be looked into");
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(fail())? {
            let name = entry.map_err(fail())?.file_name();
            if let Some(serial) = name.to_str().and_then(serial) {
                found.push(Self::usual(folder, site, serial));
            }
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(found)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Takes turns with other programs.
    ///
    /// # Errors
    ///
    /// [`Failure::File`].
    pub fn lock(&self, waiting: impl FnOnce()) -> Result<private_file::Lock, Failure> {
        private_file::lock(&self.0, waiting)
    }

    /// The permission in it; `None` if there is none, or nothing that can be used.
    ///
    /// # Errors
    ///
    /// [`Failure::UnsafeFile`] if others may read or change it: a key that others know is not used.
    pub fn find(&self) -> Result<Option<Permission>, Failure> {
        let Some(bytes) = private_file::read(&self.0)? else {
            return Ok(None);
        };
        // A file of another version, or half of one: a new permission takes its place.
        let Ok(kept) = serde_json::from_slice::<Kept>(&bytes) else {
            return Ok(None);
        };
        let pkcs8 = bytes::decode(&kept.private_key).map(Zeroizing::new);
        let key = pkcs8
            .ok()
            .and_then(|pkcs8| SigningKey::from_pkcs8(&pkcs8).ok());
        Ok(key.map(|key| Permission { kept, key }))
    }

    /// Keeps the permission with its counter. Whoever calls holds the lock.
    ///
    /// # Errors
    ///
    /// [`Failure::File`].
    pub fn keep(&self, permission: &Permission) -> Result<(), Failure> {
        let json = serde_json::to_vec(&permission.kept).map(Zeroizing::new);
        let json = json.map_err(|error| Failure::Output(error.into()))?;
        private_file::replace(&self.0, &json)
    }

    /// Forgets it; says whether there was one.
    ///
    /// # Errors
    ///
    /// [`Failure::File`].
    pub fn forget(&self) -> Result<bool, Failure> {
        private_file::remove(&self.0)
    }
}

#[cfg(test)]
mod tests;
