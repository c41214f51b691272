//! Ending every child of this process, those it has adopted included.
//!
//! Gate and guardian are child subreapers (prctl(2)): what outlives its parent below them becomes
//! their child. So "no child is left" is a proof that nothing below is left, as far as it could not
//! hide in a namespace; and the first process of a PID namespace ends only after all others in it.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, set_child_subreaper,
    waitpid,
};

/// Makes this process the one that adopts.
pub(super) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Takes the exit statuses of children that have ended, so that none stays a zombie; never waits.
/// Leaves `except` to whoever waits for it.
pub(super) fn reap(except: Pid) -> io::Result<()> {
    for child in children()? {
        if child != except {
            waitpid(Some(child), WaitOptions::NOHANG)?;
        }
    }
    Ok(())
}

/// Sends SIGKILL to every child until there is none. This process must have one thread only.
///
/// # Errors
///
/// [`io::ErrorKind::TimedOut`] if one is left after `within`.
pub(super) fn end_all(within: Duration) -> io::Result<()> {
    let started = Instant::now();
    loop {
        let children = children()?;
        if children.is_empty() {
            return Ok(());
        }
        for child in children {
            // A child that nobody else waits for keeps its number until we have waited for it.
            match kill_process(child, Signal::KILL) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => (),
                Err(error) => return Err(error.into()),
            }
            wait_for(child, within.saturating_sub(started.elapsed()))?;
        }
    }
}

/// Waits for the end of one child and takes its status.
fn wait_for(child: Pid, within: Duration) -> io::Result<()> {
    let ended = pidfd_open(child, PidfdFlags::empty())?;
    let within = Timespec::try_from(within).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut fds = [PollFd::new(&ended, PollFlags::IN)];
    if poll(&mut fds, Some(&within))? == 0 {
        return Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("process {child} does not end"),
        ));
    }
    waitpid(Some(child), WaitOptions::empty())?;
    Ok(())
}

/// The children of this process, zombies included, from the process table (`proc_pid_stat(5)`).
fn children() -> io::Result<Vec<Pid>> {
    let own = getpid();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        let Some(pid) = number.and_then(Pid::from_raw) else {
            continue;
        };
        // One that has ended since the folder was read is nobody's child.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        if parent(&stat) == Some(own) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// The parent in the text of a `stat` file. The program's name before it may hold anything.
fn parent(stat: &str) -> Option<Pid> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let parent = after_name.split_ascii_whitespace().nth(1)?;
    parent.parse().ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_a_name_that_tries_to_look_like_it() {
        let stat = "42 (a) R 1 (b) S 7 42 42 0 -1";
        assert_eq!(parent(stat), Pid::from_raw(7));
        assert_eq!(parent("42 (a) S"), None);
        assert_eq!(parent(""), None);
    }
}
