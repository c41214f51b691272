//! A card is a folder: memory, chip images, identity. It can be carried from reader to reader.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::attestation::{AttestationError, Identity, Root};
use crate::chip;
use crate::memory::{Firmware, FormFactor, Memory};
use crate::touch::{TouchMode, TouchSensor};
use crate::yubikey::YubiKey;

/// Why a card could not be made, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// There is something at that path already.
    #[error("there is a card in {0} already")]
    Exists(PathBuf),
    /// The folder holds no card.
    #[error("there is no card in {0}")]
    Missing(PathBuf),
    /// Some reader holds the card.
    #[error("the card in {0} is plugged in elsewhere")]
    PluggedElsewhere(PathBuf),
    /// A file of the card could not be used.
    #[error("could not use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `card.json` does not read.
    #[error("{path} is no memory of a card")]
    Memory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The attestation identity could not be made or read.
    #[error("the card has no identity")]
    Identity(#[from] AttestationError),
    /// The applet could not be started for the first time.
    #[error("the applet did not start")]
    Applet,
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> CardError {
    move |source| CardError::File {
        path: path.to_owned(),
        source,
    }
}

/// What is decided when a card is made.
#[derive(Clone, Debug)]
pub struct Factory {
    /// The number engraved on it.
    pub serial: u32,
    /// Its firmware.
    pub firmware: Firmware,
    /// Its shape.
    pub form_factor: FormFactor,
    /// The folder of the TEST ONLY root that vouches for it; made on first use.
    pub root: PathBuf,
}

/// Makes a card in `folder`, which must not exist; it appears there whole or not at all.
///
/// # Errors
///
/// [`CardError`].
pub fn create(folder: &Path, factory: &Factory) -> Result<(), CardError> {
    if folder.exists() {
        return Err(CardError::Exists(folder.to_owned()));
    }
    let half_made = folder.with_extension("part");
    let _ = fs::remove_dir_all(&half_made);
    fs::create_dir_all(&half_made).map_err(file_error(&half_made))?;

    let identity = Root::open_or_create(&factory.root)?.certify(factory.firmware)?;
    identity.store(&half_made)?;
    let memory = Memory::factory(factory.serial, factory.firmware, factory.form_factor);
    let lock_path = half_made.join("lock");
    let lock = File::create(&lock_path).map_err(file_error(&lock_path))?;
    let mut card = Card {
        folder: half_made.clone(),
        memory,
        identity,
        _lock: lock,
    };
    card.save()?;
    // Formats the chip and lets the applet set itself up.
    let touch = TouchSensor::new(TouchMode::Never, std::time::Duration::ZERO);
    chip::power(&half_made, |clients| {
        drop(YubiKey::new(clients, &mut card, &touch));
    })
    .ok_or(CardError::Applet)?;
    fs::rename(&half_made, folder).map_err(file_error(folder))
}

/// A card in somebody's hand: no other process can open it meanwhile.
#[derive(Debug)]
pub struct Card {
    folder: PathBuf,
    /// What it remembers; [`Self::save`] keeps it.
    pub memory: Memory,
    /// Who vouches for it.
    pub identity: Identity,
    _lock: File,
}

impl Card {
    /// Takes the card in `folder`.
    ///
    /// # Errors
    ///
    /// [`CardError::PluggedElsewhere`] while anybody else holds it; others if it is not whole.
    pub fn open(folder: &Path) -> Result<Self, CardError> {
        let memory_path = memory_path(folder);
        let lock_path = folder.join("lock");
        let lock = match File::open(&lock_path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(CardError::Missing(folder.to_owned()));
            }
            Err(error) => return Err(file_error(&lock_path)(error)),
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(CardError::PluggedElsewhere(folder.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(file_error(&lock_path)(error)),
        }
        let json = fs::read(&memory_path).map_err(file_error(&memory_path))?;
        let memory = serde_json::from_slice(&json).map_err(|source| CardError::Memory {
            path: memory_path,
            source,
        })?;
        let identity = Identity::load(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            memory,
            identity,
            _lock: lock,
        })
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the memory, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`CardError::File`].
    pub fn save(&self) -> Result<(), CardError> {
        let path = memory_path(&self.folder);
        let half_written = path.with_extension("part");
        let json = serde_json::to_vec_pretty(&self.memory).map_err(|source| CardError::Memory {
            path: path.clone(),
            source,
        })?;
        fs::write(&half_written, json)
            .and_then(|()| fs::rename(&half_written, &path))
            .map_err(file_error(&path))
    }

    /// One power cycle: the application is there for the length of `session`.
    ///
    /// # Errors
    ///
    /// [`CardError`] if the chip cannot be powered.
    pub(crate) fn power<R>(
        &mut self,
        touch: &TouchSensor,
        session: impl FnOnce(YubiKey<'_, '_>) -> R,
    ) -> Result<R, CardError> {
        let folder = self.folder.clone();
        if self.memory.wipe {
            chip::wipe(&folder).map_err(file_error(&folder))?;
            self.memory.wipe = false;
            self.save()?;
        }
        chip::power(&folder, |clients| {
            session(YubiKey::new(clients, self, touch))
        })
        .ok_or(CardError::Applet)
    }
}

fn memory_path(folder: &Path) -> PathBuf {
    folder.join("card.json")
}
