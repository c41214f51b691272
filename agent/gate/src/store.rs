//! What the gate remembers over a power cut, and how it knows that it is the newest.
//!
//! One file, `state.json`: the latch, the newest trust bundle, and the number at which the security
//! chip's counter stood when it was written, under a seal that only this laptop can make. Whoever
//! puts an older copy of it back finds it refused: the counter has gone up since.
//!
//! # Order of the steps
//!
//! A change that matters writes the file with the next number first, and moves the counter second;
//! nobody acts on it, and nobody is told of it, before both are done. Power may fail in between: the
//! file is then ahead of the counter, which the next start mends. No number is ever given to two
//! changes that matter, so no file that was overtaken passes for the one that overtook it.
//!
//! # Where to start
//!
//! [`Store::settle`] is the judgement of what was found; [`Store::save`] the order above.

mod file;

use std::io;

use serde::{Deserialize, Serialize};
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::time::Timestamp;
use wardkey_tpm::{NvCounter, TpmError};

pub use self::file::{FileError, State};
use crate::boottime::Boottime;
use crate::causes::on_one_line;
use crate::chip::Chip;
use crate::folder::{Folder, replace};
use crate::latch::{Holds, Owner, Seal};
use crate::limits;

/// The file.
pub const STATE: &str = "state.json";

/// The newest trust bundle that was accepted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewestBundle {
    /// Its version.
    pub version: BundleVersion,
    /// SHA-256 of its payload: a version is one document.
    pub payload: Sha256,
    /// A moment that is certainly past, by what was signed under it.
    pub certainly_past: Timestamp,
}

/// Everything that is remembered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Kept {
    /// The latch.
    pub holds: Holds,
    /// The newest trust bundle.
    pub newest: Option<NewestBundle>,
}

impl Kept {
    /// Whether bringing `self` back in the place of `other` would change nothing that matters: the
    /// same laptop, the same holds, the same bundle. Which orders were answered and how does not
    /// matter; they are answered again.
    fn weighs_as_much_as(&self, other: &Self) -> bool {
        let bundle = |kept: &Self| kept.newest.map(|newest| (newest.version, newest.payload));
        self.holds.says_the_same_as(&other.holds) && bundle(self) == bundle(other)
    }
}

/// Why the state could not be written. It is a fault: the gate cannot tell what holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It has no JSON form.
    #[error("cannot write `{STATE}` as JSON")]
    Json(#[source] serde_json::Error),
    /// The disk did not do it.
    #[error("cannot write `{STATE}` in the state folder")]
    Disk(#[source] io::Error),
    /// The security chip did not do it.
    #[error("the security chip does not keep count")]
    Chip(#[from] TpmError),
    /// The counter was taken away while the gate ran.
    #[error("the security chip has lost its counter")]
    NoCounter,
    /// Nothing is written for a laptop that is not enrolled, or over a state that is not believed.
    #[error("there is no state that could be written to")]
    Unsettled,
}

/// The state folder and the security chip, as the gate uses them.
#[derive(Debug)]
pub struct Store<F, K> {
    folder: F,
    chip: K,
    secret: Option<[u8; 32]>,
    place: Option<Place>,
}

/// Where the last write left things.
#[derive(Debug)]
struct Place {
    /// Where the counter stands, or stood before a step of unknown outcome.
    counter: u64,
    /// Whether such a step was taken since.
    unsure: bool,
    /// The highest number that was given to a file, and to what.
    number: u64,
    tried: Kept,
    /// Whether that is certainly on the disk, and the counter certainly there.
    saved: bool,
    /// When the counter went up last.
    advanced: Boottime,
}

impl<F: Folder, K: Chip> Store<F, K> {
    /// Nothing is read or written before [`Self::settle`].
    pub const fn new(folder: F, chip: K) -> Self {
        Self {
            folder,
            chip,
            secret: None,
            place: None,
        }
    }

    /// What `laptop` remembers; or why it must stay shut, where that cannot be told. `in_memory` is
    /// what this run knows: nobody's holds, or those of the enrolment before if the laptop was
    /// enrolled anew under it.
    ///
    /// Only a counter that the enrolment has just made begins a new state. That takes over the holds
    /// of the enrolment before, if they are to be had.
    ///
    /// # Errors
    ///
    /// [`Seal`], which says what was found.
    pub fn settle(&mut self, laptop: Owner, in_memory: &Kept, now: Boottime) -> Result<Kept, Seal> {
        self.place = None;
        let secret = self.chip.secret().map_err(|error| silent(&error))?;
        self.secret = Some(secret);
        let counter = match self.chip.counter().map_err(|error| silent(&error))? {
            NvCounter::Missing => return Err(Seal::NoCounter),
            NvCounter::Fresh => return self.begin(laptop, in_memory, &secret, now),
            NvCounter::At(value) => value,
        };
        let State {
            counter: number,
            kept,
        } = self.read(&secret)?.ok_or(Seal::Gone)?;
        if kept.holds.owner() != Some(laptop) {
            return Err(kept
                .holds
                .owner()
                .map_or(Seal::Gone, |found| Seal::Foreign {
                    found,
                    wanted: laptop,
                }));
        }
        if number < counter {
            return Err(Seal::RolledBack {
                found: number,
                wanted: counter,
            });
        }
        let lead = number.saturating_sub(counter);
        if lead > limits::LEAD_MOST {
            return Err(Seal::Ahead {
                found: number,
                wanted: counter,
            });
        }
        let mut place = Place {
            counter,
            unsure: false,
            number,
            tried: kept.clone(),
            saved: true,
            advanced: now,
        };
        // If they differ, the power failed between the file and the counter.
        match place.raise(&mut self.chip) {
            Ok(()) => self.place = Some(place),
            Err(StoreError::Chip(error)) => return Err(silent(&error)),
            Err(_) => return Err(Seal::NoCounter),
        }
        Ok(kept)
    }

    /// The first state of an enrolment.
    fn begin(
        &mut self,
        laptop: Owner,
        in_memory: &Kept,
        secret: &[u8; 32],
        now: Boottime,
    ) -> Result<Kept, Seal> {
        let on_disk = self.read(secret).ok().flatten().map(|state| state.kept);
        let on_disk = on_disk.unwrap_or_default();
        let holds = match in_memory.holds.owner() {
            Some(_) => in_memory.holds.clone(),
            None => on_disk.holds,
        };
        let holds = match holds.owner() {
            Some(owner) if owner.may_serve(laptop) => holds,
            Some(owner) if owner.device == laptop.device => {
                return Err(Seal::Foreign {
                    found: owner,
                    wanted: laptop,
                });
            }
            // Of another laptop that this machine was: nobody can lift its holds any more.
            Some(_) | None => Holds::default(),
        };
        let kept = Kept {
            holds: holds.owned_by(laptop),
            newest: newer(in_memory.newest, on_disk.newest),
        };
        let counter = self.chip.advance().map_err(|error| silent(&error))?;
        let state = State {
            counter,
            kept: kept.clone(),
        };
        write(&self.folder, &state, secret)
            .map_err(|error| Seal::Unreadable(on_one_line(&error)))?;
        self.place = Some(Place {
            counter,
            unsure: false,
            number: counter,
            tried: kept.clone(),
            saved: true,
            advanced: now,
        });
        Ok(kept)
    }

    /// Writes everything down. Once it returns, no power cut undoes it, and if it changes anything
    /// that matters, no copy of an older file either.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the file then holds the old state or the new, and the next call writes anew.
    pub fn save(&mut self, kept: &Kept, now: Boottime) -> Result<(), StoreError> {
        let (Some(place), Some(secret)) = (&mut self.place, &self.secret) else {
            return Err(StoreError::Unsettled);
        };
        let same = place.tried == *kept;
        if place.saved && same {
            return Ok(());
        }
        let is_light = place.saved && place.tried.weighs_as_much_as(kept);
        let due = now >= place.advanced.plus(limits::ADVANCE_EVERY);
        if !same && (!is_light || due) {
            place.number = place.number.saturating_add(1);
        }
        place.saved = false;
        place.tried = kept.clone();
        let mut state = State {
            counter: place.number,
            kept: kept.clone(),
        };
        write(&self.folder, &state, secret)?;
        if place.counter < place.number {
            place.raise(&mut self.chip)?;
            place.advanced = now;
        }
        if place.counter > place.number {
            // Somebody else has moved it; the file says so too.
            place.number = place.counter;
            state.counter = place.counter;
            write(&self.folder, &state, secret)?;
        }
        place.saved = true;
        Ok(())
    }

    /// The file, if there is one.
    fn read(&self, secret: &[u8; 32]) -> Result<Option<State>, Seal> {
        let bytes = self
            .folder
            .read(STATE, limits::STATE_FILE_BYTES)
            .map_err(|error| Seal::Unreadable(error.to_string()))?;
        bytes
            .map(|bytes| State::open(&bytes, secret))
            .transpose()
            .map_err(|error| match error {
                FileError::Forged => Seal::Forged,
                FileError::Unreadable(why) => Seal::Unreadable(why),
            })
    }
}

impl Place {
    /// Makes the counter at least as high as the file's number.
    fn raise<K: Chip>(&mut self, chip: &mut K) -> Result<(), StoreError> {
        if self.unsure {
            match chip.counter()? {
                NvCounter::At(value) => self.counter = value,
                NvCounter::Missing | NvCounter::Fresh => return Err(StoreError::NoCounter),
            }
            self.unsure = false;
        }
        while self.counter < self.number {
            self.unsure = true;
            self.counter = chip.advance()?;
            self.unsure = false;
        }
        Ok(())
    }
}

fn write<F: Folder>(folder: &F, state: &State, secret: &[u8; 32]) -> Result<(), StoreError> {
    let bytes = state.seal(secret).map_err(StoreError::Json)?;
    replace(folder, STATE, &bytes).map_err(StoreError::Disk)
}

/// The newer of two notes of a bundle.
pub(crate) fn newer(
    one: Option<NewestBundle>,
    other: Option<NewestBundle>,
) -> Option<NewestBundle> {
    match (one, other) {
        (Some(one), Some(other)) if one.version > other.version => Some(one),
        (one, None) => one,
        (_, other) => other,
    }
}

fn silent(error: &TpmError) -> Seal {
    Seal::NoChip(on_one_line(error))
}
