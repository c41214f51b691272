//! Opening, extending and renewing visits.

use wardkey_edge::client::CallError;
use wardkey_schemas::activation::{ActivationBody, LeaseAnswer};
use wardkey_schemas::challenge::{Challenge, Purpose, RoomChoice};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::lease::Lease;

use super::Fleet;
use crate::laptop::Laptop;
use crate::person::Person;
use crate::visit::{ActivationDraft, Visit};

impl Fleet {
    /// Asks for a challenge.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn challenge(
        &self,
        laptop: &Laptop,
        person: &Person,
        purpose: Purpose,
        room: RoomChoice,
    ) -> Result<Challenge, CallError> {
        let request = laptop.challenge_request(person, purpose, room);
        let challenge = self.caller.challenge(&laptop.seal(&request)).await?;
        Ok(self.keys.open(&challenge.message).unwrap().into_message())
    }

    /// Sends the answer to a challenge.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn activate(&self, body: &ActivationBody) -> Result<Visit, CallError> {
        let LeaseAnswer { lease } = self.caller.activate(body).await?;
        Ok(self.visit_of(lease))
    }

    /// The visit of a lease that keyd has signed.
    pub fn visit_of(&self, lease: Jws<Lease>) -> Visit {
        Visit {
            lease: self.keys.open(&lease).unwrap().into_message(),
            envelope: lease,
        }
    }

    /// Opens a visit in a new room.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn visit(&self, laptop: &Laptop, person: &Person) -> Result<Visit, CallError> {
        self.visit_for(laptop, person, Purpose::Activate, RoomChoice::New)
            .await
    }

    /// Opens or extends a visit.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn visit_for(
        &self,
        laptop: &Laptop,
        person: &Person,
        purpose: Purpose,
        room: RoomChoice,
    ) -> Result<Visit, CallError> {
        let challenge = self.challenge(laptop, person, purpose, room).await?;
        let draft = ActivationDraft::new(laptop, person, &challenge, purpose);
        self.activate(&draft.sign(laptop, person)).await
    }

    /// Extends a visit with somebody's key.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn extend(
        &self,
        laptop: &Laptop,
        person: &Person,
        visit: &Visit,
    ) -> Result<Visit, CallError> {
        let purpose = Purpose::Extend {
            session: visit.lease.session,
        };
        let room = RoomChoice::Existing {
            room: visit.lease.room,
        };
        self.visit_for(laptop, person, purpose, room).await
    }

    /// Renews a visit's lease with a quote.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn requote(&self, laptop: &Laptop, visit: &Visit) -> Result<Visit, CallError> {
        let body = visit.requote_body(laptop);
        let LeaseAnswer { lease } = self.caller.renew(&body).await?;
        Ok(self.visit_of(lease))
    }

    /// Renews a visit's lease.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn renew(&self, laptop: &Laptop, visit: &Visit) -> Result<Visit, CallError> {
        let body = visit.renewal_body(laptop);
        let LeaseAnswer { lease } = self.caller.renew(&body).await?;
        Ok(self.visit_of(lease))
    }
}
