//! What the gate touches: the picture, the latch's file, the identity's file.

use wardkey_schemas::session::EndReason;

use super::{Gate, GateError};
use crate::causes::on_one_line;
use crate::chip::Chip;
use crate::clock::Clock;
use crate::folder::Folder;
use crate::identity::{Identity, IdentityError};
use crate::latch::{Holds, Latch, Owner};
use crate::machine::Deed;
use crate::picture::Picture;
use crate::protocol::{Event, FromGate};
use crate::store::{Kept, NewestBundle, StoreError, newer};

impl<F: Folder, K: Chip, P: Picture, C: Clock> Gate<F, K, P, C> {
    /// Does what was decided.
    pub(super) fn perform(
        &mut self,
        deeds: &[Deed],
        said: &mut Vec<FromGate>,
    ) -> Result<(), GateError> {
        for deed in deeds {
            match *deed {
                Deed::Open(showing) => {
                    if let Err(error) = self.picture.open(showing) {
                        // Nothing runs; the visit is over before it began.
                        self.machine.end(EndReason::VideoEnded);
                        return Err(error.into());
                    }
                    tracing::info!(session.id = %showing.session, "Opened");
                }
                Deed::Prolong(until) => {
                    if let Err(error) = self.picture.prolong(until) {
                        // A guardian that cannot be told anything guards nothing.
                        self.close(EndReason::VideoEnded, said)?;
                        return Err(error.into());
                    }
                }
                Deed::Darken { session } => {
                    self.picture.close()?;
                    let at = self.clock.read().now;
                    tracing::warn!(session.id = %session, "Slept: no picture until a fresh quote");
                    said.push(FromGate::Event(Event::Darkened { session, at }));
                }
                Deed::Show(showing) => {
                    if let Err(error) = self.picture.open(showing) {
                        self.close(EndReason::VideoEnded, said)?;
                        return Err(error.into());
                    }
                    tracing::info!(session.id = %showing.session, "The picture is back");
                }
                Deed::Close { session, reason } => {
                    self.picture.close()?;
                    let at = self.clock.read().now;
                    tracing::info!(session.id = %session, reason = reason.as_str(), "Closed");
                    said.push(FromGate::Event(Event::Closed {
                        session,
                        reason,
                        at,
                    }));
                }
            }
        }
        Ok(())
    }

    /// Makes sure that a latch is on the disk, and that no older one can take its place.
    pub(super) fn write_latch(&mut self, latch: &Latch) -> Result<(), StoreError> {
        match latch {
            Latch::Kept(holds) => self.store.save(
                &Kept {
                    holds: holds.clone(),
                    newest: self.newest,
                },
                self.clock.read().now,
            ),
            // Nobody knows what the disk says, so nothing may be said to be on it.
            Latch::Sealed(seal) if !seal.is_for_good() => Err(StoreError::Unsettled),
            // It stays on the disk as it was found.
            Latch::Sealed(_) => Ok(()),
        }
    }

    /// Makes sure that no older bundle is ever believed again, on a laptop that can remember one.
    pub(super) fn write_bundle(&mut self, newest: NewestBundle) -> Result<(), StoreError> {
        let latch = self.machine.latch().clone();
        if let (Some(_), Latch::Kept(holds)) = (self.settled, latch) {
            let kept = Kept {
                holds,
                newest: Some(newest),
            };
            self.store.save(&kept, self.clock.read().now)?;
        }
        self.newest = Some(newest);
        Ok(())
    }

    /// Reads who we are.
    pub(super) fn read_identity(&mut self) -> Result<Identity, IdentityError> {
        let identity = Identity::load(&self.files.identity, self.files.writers)?;
        self.identity = Some(identity.clone());
        Ok(identity)
    }

    /// Who we are, or were when that could last be told: closing must not depend on a file.
    pub(super) fn known_identity(&mut self) -> Option<Identity> {
        match self.read_identity() {
            Ok(identity) => Some(identity),
            Err(error) => {
                tracing::error!(error = on_one_line(&error), "Who we are cannot be read");
                self.identity.clone()
            }
        }
    }

    /// Makes sure that the latch is this laptop's, or is sealed. It costs nothing while it is; what
    /// is sealed is looked at again, as the laptop may have been enrolled anew.
    pub(super) fn settle(&mut self, identity: &Identity) {
        let laptop = Owner {
            device: identity.device,
            generation: identity.generation,
        };
        let holds = match self.machine.latch() {
            Latch::Kept(_) if self.settled == Some(laptop) => return,
            Latch::Kept(holds) => holds.clone(),
            Latch::Sealed(_) => Holds::default(),
        };
        let in_memory = Kept {
            holds,
            newest: self.newest,
        };
        let now = self.clock.read().now;
        let latch = match self.store.settle(laptop, &in_memory, now) {
            Ok(kept) => {
                self.newest = newer(self.newest, kept.newest);
                Latch::Kept(kept.holds)
            }
            Err(seal) => {
                tracing::error!(%seal, "The latch is sealed; nothing will open");
                Latch::Sealed(seal)
            }
        };
        self.settled = Some(laptop);
        self.machine.bind(latch);
    }
}
