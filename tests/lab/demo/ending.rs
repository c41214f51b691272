//! The end of everything that the story started, however it ended.
//!
//! Whatever loses its parent below this process becomes its child, and stays one, dead or alive,
//! until it is waited for. So the processes whose parent is this one are all there is to end, level
//! by level, and the kernel says when none is left: nothing is looked for by name, and nothing else
//! on the machine is touched.

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait};

/// Makes this process the parent of all orphans below it.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Ends all children, and theirs, and waits until they are gone.
pub(crate) fn end_orphans() -> io::Result<()> {
    loop {
        for child in children()? {
            match kill_process(child, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match wait(WaitOptions::empty()) {
            // Its own children are this process's by now.
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return Ok(()),
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
        // It may have ended meanwhile.
        let Ok(stat) = fs::read_to_string(process.path().join("stat")) else {
            continue;
        };
        if parent(&stat) == Some(this) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// The parent in a line of `stat` (`proc_pid_stat(5)`). The second field, the name, is in brackets and
/// may hold anything; state and parent follow it.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_follows_whatever_name_a_process_has() {
        assert_eq!(parent("7 (pcscd) S 5 7 7 0"), Some(5));
        assert_eq!(parent("7 (a) R 9 (b) S 5 7 7 0"), Some(5));
        assert_eq!(parent("7 (cut"), None);
        assert_eq!(parent(""), None);
    }
}
