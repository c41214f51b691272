//! A network namespace: a stack of its own, with nothing in it but loopback.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::NetError;
use crate::process::{self, Running};

/// What holds a namespace open: it does nothing, in there.
const HOLDER: &str = "ip link set lo up && echo ready && exec sleep infinity";

/// A namespace, until dropped.
#[derive(Debug)]
pub(super) struct Namespace {
    path: PathBuf,
    holder: Running,
}

impl Namespace {
    /// Makes one.
    pub(super) fn make(log: &Path) -> Result<Self, NetError> {
        let program = Path::new("unshare");
        let mut command = process::tied(program);
        command.args(["--net", "--", "sh", "-c", HOLDER]);
        let failed = |error| NetError::Namespace(Box::new(error));
        let holder = Running::start(command, program, log).map_err(failed)?;
        Ok(Self {
            path: PathBuf::from(format!("/proc/{}/ns/net", holder.pid())),
            holder,
        })
    }

    /// The file by which the kernel knows it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves this thread, and what it starts from now on, into it.
    pub(super) fn enter(&self) -> Result<(), NetError> {
        let file = File::open(&self.path).map_err(NetError::Enter)?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| NetError::Enter(io::Error::from(error)))
    }

    /// The process that holds it.
    pub(super) fn pid(&self) -> String {
        self.holder.pid().to_string()
    }

    /// Runs `ip` in it.
    pub(super) fn ip(&self, words: &[&str]) -> Result<(), NetError> {
        let mut command = process::tied("nsenter");
        command.arg(format!("--net={}", self.path.display()));
        done(command.arg("ip").args(words))
    }
}

/// Runs `ip` where this thread is.
pub(super) fn here(words: &[&str]) -> Result<(), NetError> {
    done(process::tied("ip").args(words))
}

fn done(command: &mut Command) -> Result<(), NetError> {
    process::succeed(command)
        .map(drop)
        .map_err(|error| NetError::Namespace(Box::new(error)))
}
