//! Virtual security keys in the readers of a private pcscd.
//!
//! [`ReaderHub::start`] starts the program `wardkey-virtual-yubikey` and waits until cards can be
//! plugged; [`ReaderDesk`] is where they are plugged, touched and taken out. A program that is to
//! see these readers is started with `PCSCLITE_CSOCK_NAME` set to [`ReaderDesk::pcsc_socket`].
//! This very process cannot be one, since libpcsclite reads that variable from its environment:
//! [`again`] runs a test once more in a process that can.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use wardkey_virtual_yubikey::attestation;
use wardkey_virtual_yubikey::card::{self, CardError, Factory};
use wardkey_virtual_yubikey::control::{CardState, Control, PCSC_SOCKET, Ready, Reply, Request};
use wardkey_virtual_yubikey::memory::FormFactor;

pub use wardkey_virtual_yubikey::memory::Firmware;
pub use wardkey_virtual_yubikey::touch::TouchMode;

pub mod again;

/// Package and name of the program that is a hub.
pub const HUB_BINARY: &str = "wardkey-virtual-yubikey";

/// The variable that tells libpcsclite where its daemon is.
pub const PCSC_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// How long a hub may take to end by itself.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Why the lab's readers did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderHubError {
    /// A card could not be made.
    #[error("could not make the card")]
    Card(#[from] CardError),
    /// The hub does not answer.
    #[error("the hub does not answer")]
    Gone(#[source] io::Error),
    /// The hub ended before it was ready.
    #[error("the hub did not start; it said: {said}")]
    NotStarted {
        /// What it wrote to its log.
        said: String,
    },
    /// The hub said no.
    #[error("the hub refused: {0}")]
    Refused(String),
    /// A process or a file of the hub.
    #[error("could not start {program}")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The folder of cards and of the TEST ONLY root that attests them.
#[derive(Clone, Debug)]
pub struct CardBox {
    folder: PathBuf,
}

impl CardBox {
    /// The box in `folder`, which is made with the first card.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Makes a card called `name`, fresh from the factory.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError::Card`] if there is one of that name, or it cannot be written.
    pub fn make(&self, name: &str, serial: u32, firmware: Firmware) -> Result<(), ReaderHubError> {
        let form_factor = FormFactor::UsbAKeychain;
        let root = self.root();
        card::create(
            &self.cards().join(name),
            &Factory {
                serial,
                firmware,
                form_factor,
                root,
            },
        )?;
        Ok(())
    }

    /// Makes the root that will attest the cards, if it is not there.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError::Card`] if it cannot be written.
    pub fn make_root(&self) -> Result<(), ReaderHubError> {
        attestation::Root::open_or_create(&self.root()).map_err(CardError::from)?;
        Ok(())
    }

    /// The root's certificate, PEM: what a test profile trusts. It is there with the first card, or
    /// after [`Self::make_root`].
    pub fn root_certificate(&self) -> PathBuf {
        attestation::root_certificate(&self.root())
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn cards(&self) -> PathBuf {
        self.folder.join("cards")
    }
}

/// Where cards are plugged, touched and taken out.
#[derive(Clone, Debug)]
pub struct ReaderDesk {
    folder: PathBuf,
}

impl ReaderDesk {
    /// The desk of the hub that was started in `folder`.
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The socket of the hub's pcscd: the value of [`PCSC_VARIABLE`] for its clients.
    pub fn pcsc_socket(&self) -> PathBuf {
        self.folder.join(PCSC_SOCKET)
    }

    /// Puts the card `name` into the first free slot; the name of its reader. Done when pcscd
    /// shows the card.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError::Refused`] if there is no such card, or it sits in a slot already, here
    /// or at another hub.
    pub fn plug(&self, name: &str) -> Result<String, ReaderHubError> {
        self.plug_into(name, None)
    }

    /// Puts the card `name` into the slot with this number.
    ///
    /// # Errors
    ///
    /// As [`Self::plug`], and if the slot is occupied.
    pub fn plug_into_slot(&self, name: &str, slot: usize) -> Result<String, ReaderHubError> {
        self.plug_into(name, Some(slot))
    }

    fn plug_into(&self, name: &str, slot: Option<usize>) -> Result<String, ReaderHubError> {
        let reply = self.ask(&Request::Plug {
            name: name.to_owned(),
            slot,
        })?;
        if let Reply::Plugged { reader } = reply {
            Ok(reader)
        } else {
            Err(out_of_turn(&reply))
        }
    }

    /// Takes the card out. Done when pcscd shows the reader as empty.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError::Refused`] if it is not plugged in.
    pub fn unplug(&self, name: &str) -> Result<(), ReaderHubError> {
        self.order(&Request::Unplug {
            name: name.to_owned(),
        })
    }

    /// Touches the card.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError::Refused`] if the card is not waiting for it.
    pub fn touch(&self, name: &str) -> Result<(), ReaderHubError> {
        self.order(&Request::Touch {
            name: name.to_owned(),
        })
    }

    /// Waits until the card wants a touch, then touches it.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError::Refused`] if it does not within `deadline`.
    pub fn touch_when_wanted(&self, name: &str, deadline: Duration) -> Result<(), ReaderHubError> {
        self.await_touch(name, deadline)?;
        self.touch(name)
    }

    /// Waits until the card wants a touch.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError::Refused`] if it does not within `deadline`.
    pub fn await_touch(&self, name: &str, deadline: Duration) -> Result<(), ReaderHubError> {
        let milliseconds = milliseconds(deadline);
        self.order(&Request::AwaitTouch {
            name: name.to_owned(),
            milliseconds,
        })
    }

    /// Changes who touches; a card is plugged in touching itself.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError::Refused`] if the card is not plugged in.
    pub fn set_touch_mode(&self, name: &str, mode: TouchMode) -> Result<(), ReaderHubError> {
        self.order(&Request::TouchMode {
            name: name.to_owned(),
            mode,
        })
    }

    /// Changes how long the card waits for a touch; 15 s when plugged in.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError::Refused`] if the card is not plugged in.
    pub fn set_touch_timeout(&self, name: &str, timeout: Duration) -> Result<(), ReaderHubError> {
        let milliseconds = milliseconds(timeout);
        self.order(&Request::TouchTimeout {
            name: name.to_owned(),
            milliseconds,
        })
    }

    /// The plugged cards.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError::Gone`].
    pub fn plugged(&self) -> Result<Vec<CardState>, ReaderHubError> {
        let reply = self.ask(&Request::State)?;
        if let Reply::State { cards, .. } = reply {
            Ok(cards)
        } else {
            Err(out_of_turn(&reply))
        }
    }

    fn order(&self, request: &Request) -> Result<(), ReaderHubError> {
        let reply = self.ask(request)?;
        if reply == Reply::Done {
            Ok(())
        } else {
            Err(out_of_turn(&reply))
        }
    }

    /// Asks on a line of its own, so that one thread can wait while another touches.
    fn ask(&self, request: &Request) -> Result<Reply, ReaderHubError> {
        let mut control = Control::connect(&self.folder).map_err(ReaderHubError::Gone)?;
        let reply = control.ask(request).map_err(ReaderHubError::Gone)?;
        if let Reply::Refused { reason } = reply {
            return Err(ReaderHubError::Refused(reason));
        }
        Ok(reply)
    }
}

/// A hub that runs as long as this is held: dropped, or if this process dies, it is gone with its
/// pcscd, and the cards are free.
#[derive(Debug)]
pub struct ReaderHub {
    desk: ReaderDesk,
    process: Child,
    /// The hub ends when this does.
    life: Option<ChildStdin>,
}

impl ReaderHub {
    /// Starts a hub with the program `binary` ([`HUB_BINARY`]) in `folder`, for the cards of
    /// `cards`, with at least `slots` readers. The path of `folder` must be short (see
    /// [`ReaderHubError::NotStarted`] otherwise).
    ///
    /// # Errors
    ///
    /// [`ReaderHubError`] if it does not get ready; it takes root or unprivileged namespaces.
    pub fn start(
        binary: &Path,
        folder: &Path,
        cards: &CardBox,
        slots: usize,
    ) -> Result<Self, ReaderHubError> {
        let failed = |source| ReaderHubError::Start {
            program: binary.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let log_path = folder.join("hub.log");
        let log = File::create(&log_path).map_err(failed)?;
        let mut process = Command::new(binary)
            .arg("hub")
            .arg("--folder")
            .arg(folder)
            .arg("--cards")
            .arg(cards.cards())
            .args(["--slots", &slots.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let life = process.stdin.take();
        let output = process.stdout.take();
        let hub = Self {
            desk: ReaderDesk::at(folder),
            process,
            life,
        };
        let mut first = String::new();
        if let Some(output) = output {
            BufReader::new(output)
                .read_line(&mut first)
                .map_err(failed)?;
        }
        if serde_json::from_str::<Ready>(&first).is_err() {
            let said = std::fs::read_to_string(&log_path).map_err(failed)?;
            return Err(ReaderHubError::NotStarted { said });
        }
        Ok(hub)
    }

    /// The process that everything of this hub hangs on.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }
}

impl Deref for ReaderHub {
    type Target = ReaderDesk;

    fn deref(&self) -> &ReaderDesk {
        &self.desk
    }
}

impl Drop for ReaderHub {
    fn drop(&mut self) {
        drop(self.life.take());
        if !has_ended(&self.process) {
            // Its namespace of processes ends with it.
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// Whether the process ends within [`PATIENCE`].
fn has_ended(process: &Child) -> bool {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    let Some(Ok(handle)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        return false;
    };
    let mut wanted = [PollFd::new(&handle, PollFlags::IN)];
    matches!(poll(&mut wanted, Some(&PATIENCE)), Ok(1))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn out_of_turn(reply: &Reply) -> ReaderHubError {
    ReaderHubError::Refused(format!("it answered {reply:?}"))
}
