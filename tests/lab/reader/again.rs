//! Runs a test once more, in a process whose PC/SC is a hub of the test's own.
//!
//! The first run starts the hub and then this same program again, for that one test, with
//! `PCSCLITE_CSOCK_NAME` set; the second run does what the test is about. So each test has
//! readers of its own, however many run at once.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{CardBox, Firmware, HUB_BINARY, PCSC_VARIABLE, ReaderDesk, ReaderHub, ReaderHubError};
use crate::binary::{MissingBinary, workspace_binary};

/// The variable that tells the second run where the first one's hub is.
const FOLDER_VARIABLE: &str = "WARDKEY_READER_LAB";

/// What a test finds in its second run.
#[derive(Debug)]
pub struct ReaderLab {
    folder: PathBuf,
    /// The hub's desk; its readers are the ones PC/SC shows in this process.
    pub desk: ReaderDesk,
    /// The cards.
    pub cards: CardBox,
}

impl ReaderLab {
    fn at(folder: PathBuf) -> Self {
        let desk = ReaderDesk::at(&hub_folder(&folder));
        let cards = CardBox::new(&folder);
        Self {
            folder,
            desk,
            cards,
        }
    }

    /// A folder of this test's own, on a short path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a card with current firmware and plugs it in; the name of its reader.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError`].
    pub fn plug_new(&self, name: &str, serial: u32) -> Result<String, ReaderHubError> {
        self.cards.make(name, serial, Firmware(5, 7, 4))?;
        self.desk.plug(name)
    }
}

/// Why the second run did not happen, or did not go well.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// The hub's program is not there.
    #[error(transparent)]
    Binary(#[from] MissingBinary),
    /// No folder, or no second run.
    #[error("could not run the test again")]
    Io(#[from] io::Error),
    /// The hub did not start.
    #[error("could not start a hub")]
    Hub(#[from] ReaderHubError),
    /// The second run failed.
    #[error("{0}")]
    Failed(String),
    /// There is no test of that name.
    #[error("there is no test called {0}")]
    NoSuchTest(String),
}

/// Does `body` in a process of its own with a hub of its own. `test` is the full name of the test
/// that calls this.
///
/// # Errors
///
/// [`AgainError::Failed`] with all that the second run printed.
pub fn with_readers(test: &str, body: impl FnOnce(&ReaderLab)) -> Result<(), AgainError> {
    if let Some(folder) = env::var_os(FOLDER_VARIABLE) {
        body(&ReaderLab::at(folder.into()));
        return Ok(());
    }
    let binary = workspace_binary(HUB_BINARY, HUB_BINARY)?;
    let folder = tempfile::Builder::new().prefix("wardkey-").tempdir()?;
    let cards = CardBox::new(folder.path());
    let hub = ReaderHub::start(&binary, &hub_folder(folder.path()), &cards, 2)?;
    let output = Command::new(env::current_exe()?)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(FOLDER_VARIABLE, folder.path())
        .env(PCSC_VARIABLE, hub.pcsc_socket())
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if !output.status.success() {
        return Err(AgainError::Failed(said));
    }
    // Asked for a name it does not know, a test program runs nothing and is content.
    if !said.contains("1 passed") {
        return Err(AgainError::NoSuchTest(test.to_owned()));
    }
    Ok(())
}

/// The program `name` with its arguments, set up to see the readers of `desk`.
pub fn client_of(desk: &ReaderDesk, program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    command.env(PCSC_VARIABLE, desk.pcsc_socket());
    command
}

fn hub_folder(folder: &Path) -> PathBuf {
    folder.join("hub")
}
