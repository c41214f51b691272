//! The launcher: steps into the cgroup, ties its life to the guardian's, and becomes the program.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Becomes `command`, inside `cgroup` if one is named, as a child of `guardian` that does not
/// outlive it. The environment and the working folder are those of this process.
///
/// Its standard input is a pipe to the guardian: it closes when the command has taken this
/// process's place, and carries one line of text if that failed.
pub fn launch(cgroup: Option<&Path>, guardian: i32, command: &[String]) -> ExitCode {
    let Ok(report) = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), 3) else {
        return ExitCode::FAILURE;
    };
    let error = become_program(cgroup, guardian, command);
    let mut report = fs::File::from(report);
    // If the guardian does not read any more there is nobody left to tell.
    let _ = writeln!(report, "{error}");
    ExitCode::FAILURE
}

/// Returns only if it failed.
fn become_program(cgroup: Option<&Path>, guardian: i32, command: &[String]) -> io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return io::Error::other("no command");
    };
    if let Some(cgroup) = cgroup {
        // "0" is the process that writes (cgroups(7)).
        if let Err(error) = fs::write(cgroup.join("cgroup.procs"), b"0") {
            return io::Error::new(
                error.kind(),
                format!("cannot enter {}: {error}", cgroup.display()),
            );
        }
    }
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // A guardian that died before that line sends no signal any more.
    if getppid()
        .map(rustix::process::Pid::as_raw_nonzero)
        .map(i32::from)
        != Some(guardian)
    {
        return io::Error::other("the guardian is gone");
    }
    let error = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .exec();
    io::Error::new(error.kind(), format!("cannot run {program}: {error}"))
}
