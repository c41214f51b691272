//! Reading files that the agent's user must not be able to write.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

use crate::folder::read_at_most;
use crate::limits;

/// Why a file was not believed or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedFileError {
    /// It, or a folder above it, belongs to a user who must not be able to change it.
    #[error("`{path}` belongs to user {owner}, who must not be able to change it")]
    Owner {
        /// The file or folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// It, or a folder above it, can be written by others than its owner.
    #[error("`{path}` can be written by others than its owner (mode {mode:o})")]
    Writable {
        /// The file or folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no ordinary file.
    #[error("`{path}` is not an ordinary file")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// It is not there.
    #[error("`{path}` does not exist")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The system did not let us read it.
    #[error("cannot read `{path}`")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Who may have written a trusted file: root, and the user as whom the gate runs. The agent's user
/// may not, unless the gate runs as that very user, as in a demonstration.
#[derive(Clone, Copy, Debug)]
pub struct Writers {
    gate: u32,
}

impl Writers {
    /// For this process.
    pub fn of_this_process() -> Self {
        Self {
            gate: geteuid().as_raw(),
        }
    }

    /// Whether nobody but the writers can change what `metadata` is about.
    fn check(self, path: &Path, metadata: &Metadata) -> Result<(), TrustedFileError> {
        let owner = metadata.uid();
        if owner != 0 && owner != self.gate {
            return Err(TrustedFileError::Owner {
                path: path.to_owned(),
                owner,
            });
        }
        // In a folder with the sticky bit only owners may rename and remove (chmod(2)).
        let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
        if metadata.mode() & 0o022 != 0 && !sticky {
            return Err(TrustedFileError::Writable {
                path: path.to_owned(),
                mode: metadata.mode() & 0o7777,
            });
        }
        Ok(())
    }

    /// Reads a small file, if nobody but the writers can change it or put another in its place.
    ///
    /// # Errors
    ///
    /// [`TrustedFileError`].
    pub fn read(self, path: &Path) -> Result<Vec<u8>, TrustedFileError> {
        self.read_most(path, limits::SMALL_FILE_BYTES)
    }

    /// The same for a file of at most `most` bytes.
    ///
    /// # Errors
    ///
    /// [`TrustedFileError`].
    pub fn read_most(self, path: &Path, most: u64) -> Result<Vec<u8>, TrustedFileError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| {
                if source.kind() == io::ErrorKind::NotFound {
                    TrustedFileError::Missing { path }
                } else {
                    TrustedFileError::Read { path, source }
                }
            }
        };
        let folder = path.parent().unwrap_or_else(|| Path::new("/"));
        let folder = folder.canonicalize().map_err(unreadable(path))?;
        for above in folder.ancestors() {
            let metadata = above.metadata().map_err(unreadable(above))?;
            self.check(above, &metadata)?;
        }
        let file = open_without_following(path).map_err(unreadable(path))?;
        // What is checked is the file that was opened, not whatever stands there by now.
        let metadata = file.metadata().map_err(unreadable(path))?;
        if !metadata.is_file() {
            return Err(TrustedFileError::NotAFile {
                path: path.to_owned(),
            });
        }
        self.check(path, &metadata)?;
        read_at_most(file, most).map_err(unreadable(path))
    }
}

/// Opens a file for reading, refuses a symbolic link, and does not wait for a FIFO's writer.
fn open_without_following(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, b"text").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        (place, file)
    }

    fn read(file: &Path) -> Result<Vec<u8>, TrustedFileError> {
        Writers::of_this_process().read(file)
    }

    #[test]
    fn a_file_that_only_its_owner_can_write_is_read() {
        let (_place, file) = place();
        assert_eq!(read(&file).unwrap(), b"text");
    }

    #[test]
    fn a_file_that_others_can_write_is_refused() {
        let (_place, file) = place();
        for mode in [0o664, 0o646, 0o666] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert!(matches!(
                read(&file),
                Err(TrustedFileError::Writable { .. })
            ));
        }
    }

    #[test]
    fn a_file_in_a_folder_that_others_can_write_is_refused() {
        let (place, file) = place();
        fs::set_permissions(place.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            read(&file),
            Err(TrustedFileError::Writable { .. })
        ));
        fs::set_permissions(place.path(), Permissions::from_mode(0o1777)).unwrap();
        assert!(read(&file).is_ok());
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let (_place, file) = place();
        if chown(&file, Some(12_345), None).is_err() {
            writeln!(io::stderr(), "skipped: only root can give a file away").unwrap();
            return;
        }
        assert!(matches!(
            read(&file),
            Err(TrustedFileError::Owner { owner: 12_345, .. })
        ));
    }

    #[test]
    fn a_link_a_folder_a_long_file_and_nothing_are_refused() {
        let (place, file) = place();
        let link = place.path().join("link");
        symlink(&file, &link).unwrap();
        assert!(matches!(read(&link), Err(TrustedFileError::Read { .. })));
        let inner = place.path().join("inner");
        fs::create_dir(&inner).unwrap();
        assert!(matches!(
            read(&inner),
            Err(TrustedFileError::NotAFile { .. })
        ));
        fs::write(&file, vec![0; 20_000]).unwrap();
        assert!(matches!(read(&file), Err(TrustedFileError::Read { .. })));
        assert!(matches!(
            read(&place.path().join("missing")),
            Err(TrustedFileError::Missing { .. })
        ));
    }
}
