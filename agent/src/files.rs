//! The agent's state folder: small files that are replaced as a whole and survive a power cut.
//!
//! A file that is there and cannot be read is an error with a hint, and is never written over: what
//! it held may be all that proves this laptop's enrolment, or that a stop was obeyed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::geteuid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wardkey_gate::folder::{Folder, read_at_most, replace};

use crate::limits;

/// Why a file of the state could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The folder is not there, or may not be used.
    #[error("the state folder `{path}` cannot be used")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another agent has it.
    #[error("another agent runs with the state folder `{path}`")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot {deed} `{path}`")]
    Disk {
        /// What was tried.
        deed: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("`{path}` cannot be understood")]
    Content {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
}

impl StateError {
    /// What to try next, if we know.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Content { path, .. } => Some(format!(
                "nothing was changed; restore `{}` from a backup, or move it away and enrol this \
                 laptop again",
                path.display()
            )),
            Self::InUse { .. } => Some("stop the other agent first".to_owned()),
            Self::Folder { path, .. } => Some(format!(
                "make `{}`, owned by the user as whom the agent runs",
                path.display()
            )),
            Self::Disk { .. } => None,
        }
    }
}

/// The state folder.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    /// For its fsync and its lock.
    folder: File,
    owner: (u32, u32),
}

impl StateFolder {
    /// Opens the folder, which must exist.
    ///
    /// # Errors
    ///
    /// [`StateError::Folder`].
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let failed = |source| StateError::Folder {
            path: path.to_owned(),
            source,
        };
        let folder = OpenOptions::new()
            .read(true)
            .custom_flags(i32::try_from(OFlags::DIRECTORY.bits()).unwrap_or(0))
            .open(path)
            .map_err(failed)?;
        let metadata = folder.metadata().map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            folder,
            owner: (metadata.uid(), metadata.gid()),
        })
    }

    /// Makes this the only running agent with the folder, until it is dropped. Enrolling takes no
    /// lock, so that it works beside an agent that waits to be enrolled.
    ///
    /// # Errors
    ///
    /// [`StateError::InUse`].
    pub fn lock(&self) -> Result<(), StateError> {
        flock(&self.folder, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            let path = self.path.clone();
            if error == rustix::io::Errno::WOULDBLOCK {
                StateError::InUse { path }
            } else {
                let source = error.into();
                StateError::Folder { path, source }
            }
        })
    }

    /// Finds what the file `name` holds; `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// [`StateError::Disk`], [`StateError::Content`].
    pub fn find<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let path = self.path.join(name);
        let bytes = self
            .read(name, limits::STATE_FILE_BYTES)
            .map_err(|source| StateError::Disk {
                deed: "read",
                path: path.clone(),
                source,
            })?;
        bytes
            .map(|bytes| {
                serde_json::from_slice(&bytes)
                    .map_err(|source| StateError::Content { path, source })
            })
            .transpose()
    }

    /// Replaces the file `name`. Once this returns no power cut brings the old content back; if it
    /// fails, the file holds the old content or the new.
    ///
    /// # Errors
    ///
    /// [`StateError::Disk`].
    pub fn save<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StateError> {
        let write = || {
            let mut bytes = serde_json::to_vec(value).map_err(io::Error::from)?;
            bytes.push(b'\n');
            replace(self, name, &bytes)
        };
        write().map_err(|source| StateError::Disk {
            deed: "write",
            path: self.path.join(name),
            source,
        })
    }
}

impl Folder for StateFolder {
    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        match open(&self.path.join(name)) {
            Ok(file) => read_at_most(file, most).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path.join(name);
        // The folder is the agent's own, and enrolling writes into it as root: an agent that was
        // taken over must not lead root to another file by a link of this name. So what is there is
        // removed, and the file must be new (`O_EXCL` follows no link, open(2)).
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let (user, group) = self.owner;
        // Enrolling as root must leave files that the agent can read.
        if geteuid().is_root() && user != 0 {
            fchown(&file, Some(user), Some(group))?;
        }
        file.write_all(bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        open(&self.path.join(name))?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.folder.sync_all()
    }
}

/// Opens a file for reading, refuses a symbolic link, and does not wait for a FIFO's writer: root
/// reads here what the agent may have put here.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn what_was_saved_is_found_by_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(place.path()).unwrap();
        assert_eq!(folder.find::<u32>("n.json").unwrap(), None);
        folder.save("n.json", &1).unwrap();
        folder.save("n.json", &2).unwrap();
        assert_eq!(folder.find::<u32>("n.json").unwrap(), Some(2));
        let mode = place
            .path()
            .join("n.json")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_the_folder_leads_nobody_to_another_file() {
        let place = tempfile::tempdir().unwrap();
        let (own, other) = (place.path().join("own"), place.path().join("other"));
        std::fs::create_dir(&own).unwrap();
        std::fs::write(&other, b"3\n").unwrap();
        for name in ["n.json", "n.json.new"] {
            symlink(&other, own.join(name)).unwrap();
        }
        let folder = StateFolder::open(&own).unwrap();
        assert!(folder.find::<u32>("n.json").is_err());
        folder.save("n.json", &1).unwrap();
        assert_eq!(folder.find::<u32>("n.json").unwrap(), Some(1));
        assert_eq!(std::fs::read(&other).unwrap(), b"3\n");
        assert!(!own.join("n.json").symlink_metadata().unwrap().is_symlink());
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_an_error_with_a_hint_and_stays() {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(place.path()).unwrap();
        let path = place.path().join("n.json");
        std::fs::write(&path, b"{").unwrap();
        let error = folder.find::<u32>("n.json").unwrap_err();
        assert!(matches!(error, StateError::Content { .. }));
        assert!(error.hint().unwrap().contains("n.json"));
        assert_eq!(std::fs::read(&path).unwrap(), b"{");
    }

    #[test]
    fn a_folder_has_one_agent_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let (one, two) = (
            StateFolder::open(place.path()).unwrap(),
            StateFolder::open(place.path()).unwrap(),
        );
        one.lock().unwrap();
        assert!(matches!(two.lock(), Err(StateError::InUse { .. })));
        two.save("n.json", &1).unwrap();
        drop(one);
        two.lock().unwrap();
    }

    #[test]
    fn what_root_saves_belongs_to_the_owner_of_the_folder() {
        let place = tempfile::tempdir().unwrap();
        if std::os::unix::fs::chown(place.path(), Some(12_345), Some(54_321)).is_err() {
            writeln!(io::stderr(), "skipped: only root can give a folder away").unwrap();
            return;
        }
        let folder = StateFolder::open(place.path()).unwrap();
        folder.save("n.json", &1).unwrap();
        let metadata = place.path().join("n.json").metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (12_345, 54_321));
    }
}
