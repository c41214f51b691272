//! What the gate touches: the picture, the latch's file, the identity's file.

use wardkey_schemas::session::EndReason;

use super::{Gate, GateError};
use crate::causes::on_one_line;
use crate::clock::Clock;
use crate::folder::Folder;
use crate::identity::{Identity, IdentityError};
use crate::latch::{Latch, Owner};
use crate::machine::Deed;
use crate::picture::Picture;
use crate::protocol::{Event, FromGate};
use crate::store::StoreError;

impl<F: Folder, P: Picture, C: Clock> Gate<F, P, C> {
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

    /// Makes sure that a latch is on the disk.
    pub(super) fn write_latch(&mut self, latch: &Latch) -> Result<(), StoreError> {
        if self.on_disk.as_ref() == Some(latch) {
            return Ok(());
        }
        // One that is sealed stays on the disk as it was found.
        if let Latch::Kept(holds) = latch {
            self.on_disk = None;
            self.store.save_latch(holds)?;
        }
        self.on_disk = Some(latch.clone());
        Ok(())
    }

    /// Reads who we are, and makes the latch ours.
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

    /// Makes sure that the latch is this laptop's.
    pub(super) fn bind_latch(&mut self, identity: &Identity) -> Result<(), StoreError> {
        let owner = Owner {
            device: identity.device,
            generation: identity.generation,
        };
        if let Some(latch) = self.machine.latch_of(owner) {
            if let Some(seal) = latch.seal() {
                tracing::error!(%seal, "The latch is closed for good; nothing will open");
            }
            self.write_latch(&latch)?;
            self.machine.bind(latch);
        }
        Ok(())
    }
}
