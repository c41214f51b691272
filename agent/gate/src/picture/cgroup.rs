//! One cgroup (version 2) for one showing: made, ended as a whole, removed.
//!
//! A process cannot leave it by forking twice, by a session of its own, or by outliving its parent,
//! and `cgroup.kill` ends all of it in one step, forks under way included (Linux 5.14,
//! Documentation/admin-guide/cgroup-v2.rst).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wardkey_schemas::bytes::Sha256;

/// Why a cgroup could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// No cgroup of version 2 is mounted, or this process is in none.
    #[error("no cgroup2 mount holds this process")]
    NoMount,
    /// The kernel has no `cgroup.kill`.
    #[error("`{path}` has no cgroup.kill")]
    NoKill {
        /// The cgroup.
        path: PathBuf,
    },
    /// Not everything in it ended in time.
    #[error("processes are left in `{path}`")]
    Populated {
        /// The cgroup.
        path: PathBuf,
    },
    /// The system did not do it.
    #[error("cannot {deed} `{path}`")]
    System {
        /// What was tried.
        deed: &'static str,
        /// The cgroup or a file of it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn failed(deed: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CgroupError {
    let path = path.to_owned();
    move |source| CgroupError::System { deed, path, source }
}

/// The cgroup in which this process runs, as a folder; the natural parent for one of its own.
pub(super) fn find_own() -> Result<PathBuf, CgroupError> {
    let read = |path: &str| fs::read_to_string(path).map_err(failed("read", Path::new(path)));
    let mounts = read("/proc/self/mountinfo")?;
    let membership = read("/proc/self/cgroup")?;
    own_folder(&mounts, &membership).ok_or(CgroupError::NoMount)
}

/// Finds the folder from the texts of `proc_pid_mountinfo(5)` and cgroups(7).
fn own_folder(mounts: &str, membership: &str) -> Option<PathBuf> {
    let own = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        if right.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = left.split(' ');
        let root = fields.nth(3)?;
        let mount_point = fields.next()?;
        // What is mounted may be a part of the tree; our path is told from the tree's root.
        let below = Path::new(own).strip_prefix(root).ok()?;
        Some(Path::new(mount_point).join(below))
    })
}

/// The name of the cgroups of the gate with this state folder. The gate holds that folder's lock,
/// so whatever bears the name when it starts was left by a predecessor that is dead.
pub(super) fn name(state_folder: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let hex = Sha256::of(state_folder.as_os_str().as_bytes()).to_hex();
    let short: String = hex.chars().take(16).collect();
    format!("wardkey-gate-{short}")
}

/// A cgroup of the gate's own.
#[derive(Debug)]
pub(super) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Takes hold of one that exists or not, without touching it.
    pub(super) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes it, empty. What a predecessor left in it is ended first.
    pub(super) fn make(path: PathBuf, within: Duration) -> Result<Self, CgroupError> {
        let cgroup = Self { path };
        cgroup.clear(within)?;
        fs::create_dir(&cgroup.path).map_err(failed("make", &cgroup.path))?;
        if cgroup.path.join("cgroup.kill").exists() {
            Ok(cgroup)
        } else {
            let _ = fs::remove_dir(&cgroup.path);
            Err(CgroupError::NoKill { path: cgroup.path })
        }
    }

    /// Ends everything in it and removes it, if it is there.
    pub(super) fn clear(&self, within: Duration) -> Result<(), CgroupError> {
        if !self.path.exists() {
            return Ok(());
        }
        self.kill()?;
        self.wait_until_empty(within)?;
        self.remove()
    }

    /// Ends everything in it; does not wait.
    pub(super) fn kill(&self) -> Result<(), CgroupError> {
        let file = self.path.join("cgroup.kill");
        match fs::write(&file, b"1") {
            // Another of the two that may end it was faster.
            Err(error) if is_gone(&error) => Ok(()),
            other => other.map_err(failed("write", &file)),
        }
    }

    /// Waits until no live process is in it or below it.
    pub(super) fn wait_until_empty(&self, within: Duration) -> Result<(), CgroupError> {
        let file = self.path.join("cgroup.events");
        let started = Instant::now();
        loop {
            // Opened before it is read: a change after this instant makes the descriptor ready.
            let events = match fs::File::open(&file) {
                Err(error) if is_gone(&error) => return Ok(()),
                other => other.map_err(failed("open", &file))?,
            };
            match io::read_to_string(&events) {
                Err(error) if is_gone(&error) => return Ok(()),
                Ok(text) if text.lines().any(|line| line == "populated 0") => return Ok(()),
                Ok(_) => (),
                Err(error) => return Err(failed("read", &file)(error)),
            }
            let left = within.saturating_sub(started.elapsed());
            let left = Timespec::try_from(left).map_err(|_| CgroupError::Populated {
                path: self.path.clone(),
            })?;
            let mut fds = [PollFd::new(&events, PollFlags::PRI)];
            let ready =
                poll(&mut fds, Some(&left)).map_err(|e| failed("watch", &file)(e.into()))?;
            if ready == 0 {
                return Err(CgroupError::Populated {
                    path: self.path.clone(),
                });
            }
        }
    }

    /// Removes it, with what the program made below it.
    pub(super) fn remove(&self) -> Result<(), CgroupError> {
        match remove_tree(&self.path) {
            Err(error) if is_gone(&error) => Ok(()),
            other => other.map_err(failed("remove", &self.path)),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A cgroup that was removed meanwhile answers with either.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

fn remove_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &str = "\
25 21 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw\n\
26 25 0:23 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
34 25 0:31 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_own_folder_is_found_beside_cgroups_of_version_1() {
        let membership = "9:name=systemd:/\n8:pids:/x\n0::/system.slice/gate.service\n";
        assert_eq!(
            own_folder(UNIFIED, membership),
            Some(PathBuf::from(
                "/sys/fs/cgroup/unified/system.slice/gate.service"
            ))
        );
    }

    #[test]
    fn the_own_folder_is_found_where_a_part_of_the_tree_is_mounted() {
        let mounts = "34 25 0:31 /part /cg rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            own_folder(mounts, "0::/part/gate\n"),
            Some(PathBuf::from("/cg/gate"))
        );
        assert_eq!(own_folder(mounts, "0::/elsewhere\n"), None);
    }

    #[test]
    fn without_version_2_there_is_none() {
        let mounts = UNIFIED.replace("cgroup2 cgroup2", "tmpfs tmpfs");
        assert_eq!(own_folder(&mounts, "0::/\n"), None);
        assert_eq!(own_folder(UNIFIED, "8:pids:/x\n"), None);
    }

    #[test]
    fn gates_with_different_state_folders_have_different_names() {
        assert_ne!(name(Path::new("/a")), name(Path::new("/b")));
        assert_eq!(name(Path::new("/a")), name(Path::new("/a")));
    }
}
