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
    /// It is no file that can be run.
    #[error("`{path}` is not a file that can be run")]
    NotAProgram {
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

    /// Whether `user` is one of them.
    pub const fn include(self, user: u32) -> bool {
        user == 0 || user == self.gate
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
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(TrustedFileError::NotAFile {
                path: path.to_owned(),
            });
        };
        let folder = folder.canonicalize().map_err(unreadable(path))?;
        for above in folder.ancestors() {
            self.check_above(above)?;
        }
        let file = open_without_following(&folder.join(name)).map_err(unreadable(path))?;
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

    /// Verifies that nobody but the writers can change anything in a folder.
    ///
    /// # Errors
    ///
    /// [`TrustedFileError`].
    pub fn verify_folder(self, path: &Path) -> Result<(), TrustedFileError> {
        let folder = path.canonicalize().map_err(unreadable(path))?;
        self.check(path, &folder.metadata().map_err(unreadable(path))?)?;
        folder
            .ancestors()
            .skip(1)
            .try_for_each(|above| self.check_above(above))
    }

    /// Verifies that a program can be run and that nobody but the writers can put another in its
    /// place.
    ///
    /// # Errors
    ///
    /// [`TrustedFileError`].
    pub fn verify_program(self, path: &Path) -> Result<(), TrustedFileError> {
        let program = path.canonicalize().map_err(unreadable(path))?;
        let metadata = program.metadata().map_err(unreadable(path))?;
        if !metadata.is_file() || metadata.mode() & 0o111 == 0 {
            return Err(TrustedFileError::NotAProgram {
                path: path.to_owned(),
            });
        }
        self.check(path, &metadata)?;
        program
            .ancestors()
            .skip(1)
            .try_for_each(|above| self.check_above(above))
    }

    /// Whether nobody but the writers can change what `metadata` is about.
    fn check(self, path: &Path, metadata: &Metadata) -> Result<(), TrustedFileError> {
        let owner = metadata.uid();
        if !self.include(owner) {
            return Err(TrustedFileError::Owner {
                path: path.to_owned(),
                owner,
            });
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(TrustedFileError::Writable {
                path: path.to_owned(),
                mode: metadata.mode() & 0o7777,
            });
        }
        Ok(())
    }

    /// The same for a folder above, of which only the entry on our way counts: with the sticky bit
    /// nobody but owners can rename or remove what is in it (chmod(2)).
    fn check_above(self, folder: &Path) -> Result<(), TrustedFileError> {
        let metadata = folder.metadata().map_err(unreadable(folder))?;
        match self.check(folder, &metadata) {
            Err(TrustedFileError::Writable { .. }) if metadata.mode() & 0o1000 != 0 => Ok(()),
            other => other,
        }
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> TrustedFileError {
    let path = path.to_owned();
    move |source| {
        if source.kind() == io::ErrorKind::NotFound {
            TrustedFileError::Missing { path }
        } else {
            TrustedFileError::Read { path, source }
        }
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
    fn a_folder_in_which_others_can_make_files_is_refused_with_or_without_the_sticky_bit() {
        let (place, _) = place();
        let verify = || Writers::of_this_process().verify_folder(place.path());
        assert!(verify().is_ok());
        for mode in [0o770, 0o1777] {
            fs::set_permissions(place.path(), Permissions::from_mode(mode)).unwrap();
            assert!(matches!(verify(), Err(TrustedFileError::Writable { .. })));
        }
    }

    #[test]
    fn a_program_must_be_runnable_and_its_own_owners_through_every_link() {
        let (place, file) = place();
        let link = place.path().join("link");
        symlink(&file, &link).unwrap();
        let verify = || Writers::of_this_process().verify_program(&link);
        assert!(matches!(
            verify(),
            Err(TrustedFileError::NotAProgram { .. })
        ));
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        assert!(verify().is_ok());
        fs::set_permissions(&file, Permissions::from_mode(0o775)).unwrap();
        assert!(matches!(verify(), Err(TrustedFileError::Writable { .. })));
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
