//! A hub: a private pcscd with slots, in namespaces of its own, and the cards plugged into it.
//!
//! vpcd, the virtual reader, listens on every address there is, so pcscd lives in a network
//! namespace in which nothing can reach it but the hub. The hub is process 1 of a process
//! namespace: when it ends, however it ends, the kernel ends pcscd with it. It ends when its
//! standard input does, so whoever holds the other end of that pipe takes everything along when
//! it dies, even by SIGKILL.
//!
//! [`enter`] makes the namespaces and starts this program again inside them as [`run`].

use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::card::CardError;

mod daemon;
mod desk;
mod plugged;
mod readers;

pub use self::desk::run;

/// Where a hub works and what it offers.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// Its own folder: sockets, configuration and logs. Its path must be short (see
    /// [`HubError::PathTooLong`]).
    pub folder: PathBuf,
    /// The folder in which each subfolder is a card.
    pub cards: PathBuf,
    /// How many readers; vpcd gives them in pairs, so an odd number is rounded up.
    pub slots: usize,
}

/// More readers than pcscd can have (`PCSCLITE_MAX_READERS_CONTEXTS` is 16).
const MAX_SLOTS: usize = 16;

/// Why a hub could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A unix socket's path has room for 107 octets.
    #[error("{0} is too long for the path of a socket (107 octets)")]
    PathTooLong(PathBuf),
    /// Between 1 and 16.
    #[error("a hub has 1 to {MAX_SLOTS} slots, not {0}")]
    Slots(usize),
    /// A program could not be started, or ended badly.
    #[error("could not run {program}")]
    Program {
        /// Which.
        program: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file or socket of the hub could not be used.
    #[error("could not use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// pcscd does not do as it should.
    #[error("pcscd: {what}")]
    Pcsc {
        /// What was wanted of it.
        what: &'static str,
        /// What it said.
        #[source]
        source: pcsc::Error,
    },
    /// pcscd did not get there in time.
    #[error("pcscd did not show {0} in time")]
    Late(&'static str),
    /// The virtual reader could not be reached.
    #[error("could not connect to slot {slot}")]
    Slot {
        /// Which.
        slot: usize,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The card could not be used.
    #[error(transparent)]
    Card(#[from] CardError),
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> HubError {
    move |source| HubError::File {
        path: path.to_owned(),
        source,
    }
}

/// Turns this process into a hub: makes the namespaces and starts this program inside them with
/// the argument `hub-inside`. The process id stays.
///
/// # Errors
///
/// [`HubError`]; if all goes well this function does not return.
pub fn enter(options: &HubOptions) -> Result<Infallible, HubError> {
    const PROGRAM: &str = "unshare";
    if options.slots == 0 || options.slots > MAX_SLOTS {
        return Err(HubError::Slots(options.slots));
    }
    std::fs::create_dir_all(&options.folder).map_err(file_error(&options.folder))?;
    let folder = options
        .folder
        .canonicalize()
        .map_err(file_error(&options.folder))?;
    let socket = daemon::socket_path(&folder)?;
    let failed = |source| HubError::Program {
        program: PROGRAM,
        source,
    };
    let this = std::env::current_exe().map_err(failed)?;

    let mut command = Command::new(PROGRAM);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child=KILL",
            "--",
        ])
        .arg(this);
    command.arg("hub-inside").arg("--folder").arg(folder);
    command.arg("--cards").arg(&options.cards);
    command.arg("--slots").arg(options.slots.to_string());
    // libpcsclite reads it when a program first speaks to pcscd.
    command.env("PCSCLITE_CSOCK_NAME", socket);
    Err(failed(command.exec()))
}
