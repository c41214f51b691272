//! Files that must survive a power cut: written anew, synced, renamed, and the rename synced.
//!
//! Each step is a call of its own on [`Folder`], so that a test can stop between any two of them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

/// A folder whose files can be replaced durably, step by step.
pub trait Folder {
    /// The whole of a file, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// What the system said; [`io::ErrorKind::FileTooLarge`] for more than `most` bytes.
    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>>;

    /// Writes a file from its beginning. It may still be in the kernel's memory only.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Returns once the content of a file is on the disk.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Puts one file in the place of another, in one step for every observer.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Returns once the folder's own list of names is on the disk.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn sync_folder(&self) -> io::Result<()>;
}

/// Replaces `name` by `bytes`. Once it returns, a power cut cannot bring the old content back; if
/// it fails, the file holds the old content or the new, never a mixture.
///
/// # Errors
///
/// What the system said.
pub fn replace<F: Folder + ?Sized>(folder: &F, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = format!("{name}.new");
    folder.write(&new, bytes)?;
    folder.sync(&new)?;
    folder.rename(&new, name)?;
    folder.sync_folder()
}

/// The gate's state folder, held by one gate at a time.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    /// The folder itself, for its fsync; the lock on it goes with this descriptor.
    folder: File,
}

/// Why the state folder could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Another gate has it.
    #[error("the state folder `{path}` is in use by another gate")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// It is not there, or not a folder, or may not be opened.
    #[error("cannot open the state folder `{path}`")]
    Open {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StateFolder {
    /// Takes the folder. It must exist: a folder that was lost would be a latch that was lost.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub fn take(path: &Path) -> Result<Self, FolderError> {
        let open = |source| FolderError::Open {
            path: path.to_owned(),
            source,
        };
        let flags = OFlags::DIRECTORY.bits();
        let folder = OpenOptions::new()
            .read(true)
            .custom_flags(i32::try_from(flags).unwrap_or(0))
            .open(path)
            .map_err(open)?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                folder,
            }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(FolderError::InUse {
                path: path.to_owned(),
            }),
            Err(error) => Err(open(error.into())),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Folder for StateFolder {
    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        match File::open(self.path.join(name)) {
            Ok(file) => read_at_most(file, most).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.path.join(name))?
            .write_all(bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        File::open(self.path.join(name))?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.folder.sync_all()
    }
}

/// Reads a file that has at most `most` bytes.
///
/// # Errors
///
/// [`io::ErrorKind::FileTooLarge`] if it has more; else what the system said.
pub fn read_at_most(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_read_back() {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::take(place.path()).unwrap();
        assert_eq!(folder.read("a", 10).unwrap(), None);
        replace(&folder, "a", b"one").unwrap();
        replace(&folder, "a", b"two").unwrap();
        assert_eq!(folder.read("a", 10).unwrap().as_deref(), Some(&b"two"[..]));
        let names: Vec<_> = std::fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn a_file_over_its_limit_is_not_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::take(place.path()).unwrap();
        replace(&folder, "a", b"four").unwrap();
        assert!(folder.read("a", 4).is_ok());
        let error = folder.read("a", 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_folder_has_one_gate_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let first = StateFolder::take(place.path()).unwrap();
        assert!(matches!(
            StateFolder::take(place.path()),
            Err(FolderError::InUse { .. })
        ));
        drop(first);
        assert!(StateFolder::take(place.path()).is_ok());
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_made() {
        let place = tempfile::tempdir().unwrap();
        let missing = place.path().join("missing");
        assert!(matches!(
            StateFolder::take(&missing),
            Err(FolderError::Open { .. })
        ));
        assert!(!missing.exists());
    }
}
