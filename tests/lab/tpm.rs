//! Virtual TPMs: manufactured, powered and measured like the one in a laptop.
//!
//! The TPM is libtpms in swtpm, so everything it says is its own. [`TpmFactory`] makes one, with
//! endorsement keys certified by a private authority; [`VirtualTpm`] puts it into a laptop that is
//! switched on, sleeps, and loses power:
//!
//! | | reset count | restart count | PCRs | programs |
//! |---|---|---|---|---|
//! | [`VirtualTpm::reboot`] | +1 | 0 | cleared | cut off |
//! | [`VirtualTpm::boot_with_log`] | +1 | 0 | as recorded | cut off |
//! | [`VirtualTpm::power_cut`] | +1 | 0 | cleared, clock not *safe* | cut off |
//! | [`VirtualTpm::suspend_resume`] | same | +1 | kept | keep their keys |
//! | [`VirtualTpm::hibernate_resume`] | same | +1 | cleared | keep their keys |
//! | [`VirtualTpm::reset_alone`] | +1 | 0 | cleared | lose their keys |
//!
//! Programs reach it at [`VirtualTpm::address`], several at once, as through `/dev/tpmrm0`.

mod broker;
mod chip;
mod event_log;
mod factory;

use std::{
    fs, io,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex},
    thread,
};

use tpm2_protocol::data::TpmCc;
use wardkey_tpm::TpmAddress;

pub use event_log::RecordedBoot;
pub use factory::{Certified, TpmFactory};

use broker::Broker;
use chip::{Chip, Su};

/// What can go wrong with a virtual TPM.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VirtualTpmError {
    /// The event log cannot be measured again.
    #[error("cannot measure this event log again: {what}")]
    EventLog {
        /// Why.
        what: &'static str,
    },
    /// swtpm has ended.
    #[error("swtpm is gone")]
    Gone,
    /// A file, a socket or a process.
    #[error("the system refused")]
    Io(#[from] io::Error),
    /// A certificate of the authority cannot be read.
    #[error("{path} holds no certificate")]
    Pem {
        /// The file.
        path: PathBuf,
    },
    /// swtpm said no.
    #[error("swtpm refused `{what}` with {code:#x}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// What it said.
        code: u32,
    },
    /// One of swtpm's tools failed.
    #[error("`{tool}` ended with {status}: {said}")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// All it printed.
        said: String,
    },
    /// What the maker does through the laptop's own eyes failed.
    #[error("the TPM under manufacture did not do its part")]
    Tpm(#[from] wardkey_tpm::TpmError),
}

/// A TPM in a laptop that is switched on. Dropped, the laptop is gone: swtpm is ended by its
/// process id, and programs are cut off. When the process that holds it dies, swtpm ends too.
#[derive(Debug)]
pub struct VirtualTpm {
    folder: PathBuf,
    broker: Arc<Mutex<Broker>>,
    listener: Arc<UnixListener>,
}

impl VirtualTpm {
    /// Switches on the TPM that [`TpmFactory::make`] made in `folder`.
    ///
    /// # Errors
    ///
    /// If swtpm does not start, or does not find its state.
    pub fn start(folder: &Path) -> Result<Self, VirtualTpmError> {
        let folder = fs::canonicalize(folder)?;
        let mut chip = Self::insert(&folder)?;
        chip.power_on()?;
        chip.start_up(Su::Clear)?;
        let socket = folder.join("tpm.sock");
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let listener = Arc::new(UnixListener::bind(socket)?);
        let broker = Arc::new(Mutex::new(Broker::new(chip)));
        let (door, inside) = (Arc::clone(&listener), Arc::clone(&broker));
        thread::Builder::new()
            .name("virtual-tpm".to_owned())
            .spawn(move || {
                // Ends when the listener is shut down.
                while let Ok((stream, _)) = door.accept() {
                    let broker = Arc::clone(&inside);
                    let served =
                        thread::Builder::new().spawn(move || broker::serve(&broker, stream));
                    if served.is_err() {
                        break;
                    }
                }
            })?;
        Ok(Self {
            folder,
            broker,
            listener,
        })
    }

    /// Where programs reach it. The address stays the same over reboots.
    pub fn address(&self) -> TpmAddress {
        TpmAddress::Unix(self.folder.join("tpm.sock"))
    }

    /// The process id of swtpm, which changes with [`VirtualTpm::power_cut`].
    pub fn pid(&self) -> u32 {
        broker::lock(&self.broker).chip().pid()
    }

    /// Restarts the laptop in good order. Nothing is measured.
    ///
    /// # Errors
    ///
    /// If swtpm refuses.
    pub fn reboot(&self) -> Result<(), VirtualTpmError> {
        self.reboot_into(None)
    }

    /// Restarts the laptop in good order, and its firmware and boot loaders measure what `log`
    /// (crypto-agile, with a SHA-256 bank) says they measured once.
    ///
    /// # Errors
    ///
    /// If swtpm refuses, or the log cannot be measured again: see [`RecordedBoot::parse`].
    pub fn boot_with_log(&self, log: &[u8]) -> Result<(), VirtualTpmError> {
        self.reboot_into(Some(&RecordedBoot::parse(log)?))
    }

    /// Takes the power away without warning, and gives it back: swtpm is killed.
    ///
    /// # Errors
    ///
    /// If swtpm does not start again.
    pub fn power_cut(&self) -> Result<(), VirtualTpmError> {
        let mut broker = broker::lock(&self.broker);
        broker.hang_up();
        broker.chip().kill()?;
        let mut chip = Self::insert(&self.folder)?;
        chip.power_on()?;
        chip.start_up(Su::Clear)?;
        broker.exchange_chip(chip);
        Ok(())
    }

    /// Lets the laptop sleep (S3) and wakes it.
    ///
    /// # Errors
    ///
    /// If swtpm refuses.
    pub fn suspend_resume(&self) -> Result<(), VirtualTpmError> {
        self.sleep_and(Su::State, None)
    }

    /// Lets the laptop hibernate (S4) and wakes it. The firmware measures nothing here.
    ///
    /// # Errors
    ///
    /// If swtpm refuses.
    pub fn hibernate_resume(&self) -> Result<(), VirtualTpmError> {
        self.sleep_and(Su::Clear, None)
    }

    /// Lets the laptop hibernate (S4) and wakes it; its firmware and boot loaders measure what `log`
    /// says they measured once.
    ///
    /// # Errors
    ///
    /// If swtpm refuses, or the log cannot be measured again: see [`RecordedBoot::parse`].
    pub fn hibernate_with_log(&self, log: &[u8]) -> Result<(), VirtualTpmError> {
        self.sleep_and(Su::Clear, Some(&RecordedBoot::parse(log)?))
    }

    /// Resets the TPM under a running system, as someone with a wire on its reset pin would.
    ///
    /// # Errors
    ///
    /// If swtpm refuses.
    pub fn reset_alone(&self) -> Result<(), VirtualTpmError> {
        let mut broker = broker::lock(&self.broker);
        broker.forget_all();
        let chip = broker.chip();
        chip.power_off()?;
        chip.power_on()?;
        chip.start_up(Su::Clear)
    }

    /// Switches the laptop off in good order.
    ///
    /// # Errors
    ///
    /// If swtpm refuses.
    pub fn shut_down(self) -> Result<(), VirtualTpmError> {
        let mut broker = broker::lock(&self.broker);
        broker.hang_up();
        broker.chip().shut_down(Su::Clear)?;
        broker.chip().power_off()
    }

    pub(super) fn state_folder(folder: &Path) -> PathBuf {
        folder.join("state")
    }

    fn insert(folder: &Path) -> Result<Chip, VirtualTpmError> {
        Chip::insert(&Self::state_folder(folder), &folder.join("swtpm.log"))
    }

    fn reboot_into(&self, boot: Option<&RecordedBoot>) -> Result<(), VirtualTpmError> {
        let mut broker = broker::lock(&self.broker);
        broker.hang_up();
        let chip = broker.chip();
        chip.shut_down(Su::Clear)?;
        wake(chip, Su::Clear, boot)
    }

    fn sleep_and(&self, how: Su, boot: Option<&RecordedBoot>) -> Result<(), VirtualTpmError> {
        let mut broker = broker::lock(&self.broker);
        broker.swap_out_all()?;
        let chip = broker.chip();
        chip.shut_down(Su::State)?;
        wake(chip, how, boot)
    }
}

/// Power away and back; programs see nothing of what lies between.
fn wake(chip: &mut Chip, how: Su, boot: Option<&RecordedBoot>) -> Result<(), VirtualTpmError> {
    chip.power_off()?;
    chip.power_on()?;
    // The locality of the start-up command is what PCR 0 starts from.
    chip.set_locality(boot.map_or(0, |boot| boot.startup_locality))?;
    chip.start_up(how)?;
    chip.set_locality(0)?;
    for (pcr, digest) in boot.iter().flat_map(|boot| &boot.measurements) {
        chip.demand("TPM2_PCR_Extend", &extend(*pcr, digest))?;
    }
    Ok(())
}

impl Drop for VirtualTpm {
    fn drop(&mut self) {
        // Both can only fail if it is so already.
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).unwrap_or_default();
        let mut broker = broker::lock(&self.broker);
        broker.hang_up();
        broker.chip().kill().unwrap_or_default();
    }
}

/// `TPM2_PCR_Extend` in the SHA-256 bank, with an empty password.
fn extend(pcr: u8, digest: &[u8; 32]) -> Vec<u8> {
    let mut frame = vec![0x80, 0x02, 0, 0, 0, 65];
    frame.extend(TpmCc::PcrExtend.value().to_be_bytes());
    frame.extend([0, 0, 0, pcr]);
    frame.extend([0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0]);
    frame.extend([0, 0, 0, 1, 0, 0x0B]);
    frame.extend(digest);
    frame
}
