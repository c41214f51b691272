//! The end of everything that the story started, however it ended.
//!
//! Whatever loses its parent below this process becomes its child, and stays one, dead or alive,
//! until it is waited for. So the processes whose parent is this one are all there is to end, level
//! by level: nothing is looked for by name, and nothing else on the machine is touched. Children
//! that this process was born with are not the story's, and are spared.

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
};

/// The parent of all orphans below this process.
#[derive(Debug)]
pub(crate) struct Guardian {
    spared: Vec<Pid>,
}

impl Guardian {
    /// Makes this process that parent; before the story starts anything.
    pub(crate) fn adopt() -> io::Result<Self> {
        let spared = children()?;
        set_child_subreaper(Some(getpid()))?;
        Ok(Self { spared })
    }

    /// Ends all that was started, and waits until it is gone.
    pub(crate) fn end_all(&self) -> io::Result<()> {
        loop {
            let mut children = children()?;
            children.retain(|child| !self.spared.contains(child));
            if children.is_empty() {
                return Ok(());
            }
            // One that cannot be ended keeps none of the others alive.
            let mut kept = None;
            for child in children {
                match kill_process(child, Signal::KILL) {
                    Ok(()) | Err(Errno::SRCH) => end_of(child)?,
                    Err(error) => kept = Some(error),
                }
            }
            if let Some(error) = kept {
                return Err(error.into());
            }
        }
    }
}

/// Waits for a child that was killed. What it leaves behind has this process as its parent by then.
fn end_of(child: Pid) -> io::Result<()> {
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(_) | Err(Errno::CHILD) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// All processes whose parent is this one.
fn children() -> io::Result<Vec<Pid>> {
    let this = getpid().as_raw_nonzero().get();
    let mut found = Vec::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let name = process.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        let Some(pid) = number.and_then(Pid::from_raw) else {
            continue;
        };
        let stat = match fs::read(process.path().join("stat")) {
            Ok(stat) => stat,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        if parent(&stat) == Some(this) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Whether a process ended before, or while, it was looked at.
fn is_gone(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [Errno::NOENT, Errno::SRCH]
        .iter()
        .any(|gone| number == Some(gone.raw_os_error()))
}

/// The parent in a line of `stat` (`proc_pid_stat(5)`). The second field, the name, is in brackets
/// and may hold anything; state and parent follow it.
fn parent(stat: &[u8]) -> Option<i32> {
    let stat = String::from_utf8_lossy(stat);
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_follows_whatever_name_a_process_has() {
        assert_eq!(parent(b"7 (pcscd) S 5 7 7 0"), Some(5));
        assert_eq!(parent(b"7 (a) R 9 (b) S 5 7 7 0"), Some(5));
        assert_eq!(parent(b"7 (cut \xc3) S 5 7 7 0"), Some(5));
        assert_eq!(parent(b"7 (cut"), None);
        assert_eq!(parent(b""), None);
    }
}
