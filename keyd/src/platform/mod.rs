//! The video platform, as far as keyd has to do with it: make a room, mint a ticket, cut a
//! participant with proof, close.
//!
//! # Invariants
//!
//! - Absence is proved only by the platform's list ([`Absence`] has one constructor, which looks).
//! - An error says whether the platform said no, was not reached, was not believed, or still has
//!   the participant. None of them is an answer to anybody outside: a cut that failed is tried again.
//! - A platform never decides anything: a stop is done when it is on record, whatever the platform
//!   says.
//!
//! # Where to start
//!
//! [`RoomProvider`] is what a platform does; [`http`] speaks to one over HTTPS
//! (`docs/protocol/platform.md`); [`crate::cutting`] is who calls.

pub mod http;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use wardkey_edge::client::CallError;
use wardkey_schemas::Refusal;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{ParticipantId, RoomId};
use wardkey_schemas::room::RoomTicket;
use wardkey_schemas::time::Seconds;

/// What a platform's answer is waited for.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, PlatformError>> + Send + 'a>>;

/// What every platform does, each in its own way. All of it may be asked twice.
pub trait RoomProvider: fmt::Debug + Send + Sync {
    /// Makes a room.
    fn create(&self, room: RoomId) -> Doing<'_, ()>;

    /// Mints a ticket with which `participant` may join once, within `lasts`.
    fn mint(
        &self,
        room: RoomId,
        participant: ParticipantId,
        lasts: Seconds,
    ) -> Doing<'_, RoomTicket>;

    /// Takes back the participant's tickets, disconnects them, and lists the room to see that they
    /// are gone.
    fn cut(&self, room: RoomId, participant: ParticipantId) -> Doing<'_, Absence>;

    /// Disconnects everybody and removes the room.
    fn close(&self, room: RoomId) -> Doing<'_, ()>;
}

/// Why a platform did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// It said no.
    #[error("the platform said no: {0}")]
    Refused(String),
    /// It gave no answer in time.
    #[error("the platform was not reached")]
    NotReached(#[source] CallError),
    /// Something answered that is not the platform, or it answered something else.
    #[error("the platform's answer is not believed: {0}")]
    NotBelieved(Refusal),
    /// It says that it did it, and its list says that it did not.
    #[error("the participant is still in the platform's list")]
    StillThere,
    /// Something of ours is missing: randomness, a signature.
    #[error("the order to the platform cannot be made")]
    Ours(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl PlatformError {
    /// The word for the row of a cut, for metrics and for operators.
    pub const fn trouble(&self) -> Trouble {
        match self {
            Self::Refused(_) => Trouble::Refused,
            Self::NotReached(_) => Trouble::NotReached,
            Self::NotBelieved(_) => Trouble::NotBelieved,
            Self::StillThere => Trouble::StillThere,
            Self::Ours(_) => Trouble::Ours,
        }
    }
}

/// Why the last attempt at a cut brought no proof.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// The platform said no.
    Refused,
    /// The platform gave no answer in time.
    NotReached,
    /// What answered is not believed.
    NotBelieved,
    /// The participant is still listed.
    StillThere,
    /// The order could not be made.
    Ours,
}

impl Trouble {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NotReached => "not-reached",
            Self::NotBelieved => "not-believed",
            Self::StillThere => "still-there",
            Self::Ours => "ours",
        }
    }
}

/// Proof that a participant is not in a room: the platform's list, without them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Absence {
    evidence: String,
}

impl Absence {
    /// Looks for the participant in what the platform has listed. `evidence` is its own word, kept
    /// as it came.
    ///
    /// # Errors
    ///
    /// [`PlatformError::StillThere`].
    pub fn prove(
        participant: ParticipantId,
        listed: &[ParticipantId],
        evidence: String,
    ) -> Result<Self, PlatformError> {
        if listed.contains(&participant) {
            return Err(PlatformError::StillThere);
        }
        Ok(Self { evidence })
    }

    /// The platform's word.
    pub fn evidence(&self) -> &str {
        &self.evidence
    }

    /// SHA-256 of the platform's word, for the record.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(self.evidence.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_list_without_the_participant_proves_that_they_are_gone() {
        let (one, other) = (
            ParticipantId::from_bytes([1; 16]),
            ParticipantId::from_bytes([2; 16]),
        );
        let prove = |listed: &[ParticipantId]| Absence::prove(one, listed, "list".to_owned());
        assert!(matches!(
            prove(&[other, one]),
            Err(PlatformError::StillThere)
        ));
        for listed in [&[other][..], &[]] {
            assert_eq!(prove(listed).unwrap().sha256(), Sha256::of(b"list"));
        }
    }
}
