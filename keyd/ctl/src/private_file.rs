//! Files that are nobody else's: read, replaced and locked with that in mind.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// More than any file of ours holds, but for lists.
const MOST_BYTES: u64 = 64 * 1024;

/// Permissions of group and others.
const OTHERS: u32 = 0o077;

/// Makes a folder that only we can look into, unless it is there.
///
/// # Errors
///
/// [`Failure::UnsafeFile`] if it is another person's or others may write into it.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Failure::file(path, "cannot be made"))?;
    let found = fs::symlink_metadata(path).map_err(Failure::file(path, "cannot be looked at"))?;
    let refuse = |what| {
        Err(Failure::UnsafeFile {
            path: path.to_owned(),
            what,
        })
    };
    if !found.is_dir() {
        return refuse("it is no folder");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return refuse("it belongs to somebody else");
    }
    if found.mode() & 0o022 != 0 {
        return refuse("others may write into it");
    }
    Ok(())
}

/// Reads a file that must be ours and closed to others; `None` if there is none.
///
/// # Errors
///
/// [`Failure::UnsafeFile`] if it is not; [`Failure::File`].
pub fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    read_up_to(path, MOST_BYTES)
}

/// The same for a file that may be as long as `most` bytes.
///
/// # Errors
///
/// As [`read`].
pub fn read_up_to(path: &Path, most: u64) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let file = match open(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::file(path, "cannot be read")(error)),
    };
    let found = file
        .metadata()
        .map_err(Failure::file(path, "cannot be looked at"))?;
    let refuse = |what| {
        Err(Failure::UnsafeFile {
            path: path.to_owned(),
            what,
        })
    };
    if !found.is_file() {
        return refuse("it is no file");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return refuse("it belongs to somebody else");
    }
    if found.mode() & OTHERS != 0 {
        return refuse("others may read or change it");
    }
    if found.len() > most {
        return refuse("it is too long");
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(Failure::file(path, "cannot be read"))?;
    Ok(Some(bytes))
}

/// Puts `bytes` in the place of what the file holds, all or nothing. Whoever calls holds its lock.
///
/// # Errors
///
/// [`Failure::File`].
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let beside = with_ending(path, ".new");
    let written = (|| {
        // One that was left by a crash; the lock says that nobody is writing it.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = open(&beside, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    written.map_err(Failure::file(path, "cannot be written"))
}

/// Removes a file; says whether there was one.
///
/// # Errors
///
/// [`Failure::File`].
pub fn remove(path: &Path) -> Result<bool, Failure> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::file(path, "cannot be removed")(error)),
    }
}

/// The right to read and replace one file, until this is dropped. The kernel takes it back from a
/// program that dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Takes the lock of the file at `path`. `waiting` is called if another program has it.
///
/// # Errors
///
/// [`Failure::File`].
pub fn lock(path: &Path, waiting: impl FnOnce()) -> Result<Lock, Failure> {
    let beside = with_ending(path, ".lock");
    let fail = |error| Failure::file(&beside, "cannot be locked")(error);
    let file = open(
        &beside,
        OpenOptions::new().read(true).write(true).create(true),
    )
    .map_err(fail)?;
    if file.try_lock().is_err() {
        waiting();
        file.lock().map_err(fail)?;
    }
    Ok(Lock { _file: file })
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let no_links = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    options.mode(0o600).custom_flags(no_links).open(path)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    fn is_unsafe<T>(result: Result<T, Failure>) -> bool {
        matches!(result, Err(Failure::UnsafeFile { .. }))
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_written_is_ours_alone_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("wardkey");
        make_folder(&inner).unwrap();
        assert_eq!(fs::metadata(&inner).unwrap().mode() & 0o777, 0o700);
        let path = inner.join("file");
        assert_eq!(read(&path).unwrap(), None);
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap().as_slice(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(remove(&path).unwrap());
        assert!(!remove(&path).unwrap());
    }

    #[test]
    fn what_a_crash_left_behind_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(folder.path().join("file.new"), "half").unwrap();
        replace(&path, b"whole").unwrap();
        assert_eq!(read(&path).unwrap().unwrap().as_slice(), b"whole");
    }

    #[test]
    fn what_others_may_read_or_change_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"x").unwrap();
        assert!(read(&path).is_ok());
        for mode in [0o640, 0o604, 0o620] {
            set_mode(&path, mode);
            assert!(is_unsafe(read(&path)), "{mode:o}");
        }
        set_mode(folder.path(), 0o777);
        assert!(is_unsafe(make_folder(folder.path())));
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        replace(&path, b"x").unwrap();
        symlink(&path, &link).unwrap();
        assert!(read(&link).is_err());
    }

    #[test]
    fn the_second_waits_until_the_first_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let first = lock(&path, || panic!("nobody else has it")).unwrap();
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let second = scope.spawn(|| lock(&path, || tell.send(()).unwrap()).map(drop));
            told.recv().unwrap();
            drop(first);
            second.join().unwrap().unwrap();
        });
    }
}
