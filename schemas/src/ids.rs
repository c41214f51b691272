//! Identifiers: one type for each kind of thing, so that one cannot stand in for another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an id: 32 lower case hexadecimal digits, as 8-4-4-4-12")]
pub struct IdError;

/// The only way in which an id is written: the one of RFC 9562 §4, in lower case, so that one thing
/// has one name. The library reads four other ways.
fn canonical(text: &str) -> Result<Uuid, IdError> {
    let id = Uuid::try_parse(text).map_err(|_| IdError)?;
    if id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text {
        Ok(id)
    } else {
        Err(IdError)
    }
}

/// Makes a newtype over a UUID (RFC 9562) that the side with the database gives out.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes an id from 16 random bytes (a version 4 UUID).
            pub const fn from_random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id from its 16 bytes, as a store keeps them.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                canonical(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::deserialize(deserializer, str::parse)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = $crate::bytes::BytesError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                Uuid::from_slice(bytes).map(Self).map_err(|_| $crate::bytes::BytesError::Length {
                    found: bytes.len(),
                    wanted: 16,
                })
            }
        }
    };
}

uuid_id!(
    /// An enrolled laptop; the same through all its generations.
    DeviceId
);
uuid_id!(
    /// A person, by a pseudonym; one person keeps it across sites.
    PersonId
);
uuid_id!(
    /// One consultation on one laptop, from the first lease to the end.
    SessionId
);
uuid_id!(
    /// One lease; every renewal has a new one.
    LeaseId
);
uuid_id!(
    /// One challenge that keyd handed out.
    ChallengeId
);
uuid_id!(
    /// One enrolment at a site authority.
    EnrolmentId
);
uuid_id!(
    /// One registration at keyd: what a site authority is about to sign.
    RegistrationId
);
uuid_id!(
    /// One reason for which something is stopped.
    HoldId
);
uuid_id!(
    /// One order to one laptop.
    OrderId
);
uuid_id!(
    /// One room on the video platform: one consultation, never used again.
    RoomId
);
uuid_id!(
    /// Somebody in a room on the video platform; a laptop is there under the number of its visit.
    ParticipantId
);
uuid_id!(
    /// One charter of one site.
    CharterId
);
uuid_id!(
    /// A short-lived permission to read, signed by a person's security key.
    ReaderId
);
uuid_id!(
    /// A human act that waits for a second person.
    ApprovalId
);

impl From<SessionId> for ParticipantId {
    fn from(session: SessionId) -> Self {
        Self(session.0)
    }
}
uuid_id!(
    /// Something that somebody should look at.
    AlertId
);

/// How often a laptop has been enrolled: 1 the first time, one more each time after.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct Generation(u32);

impl Generation {
    /// The generation of a first enrolment.
    pub const FIRST: Self = Self(1);

    /// Wraps a number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The next one; `None` after four thousand million enrolments.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of an order in the row of orders to one laptop: 1, 2, 3, …; 0 is *none yet*.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
)]
#[serde(transparent)]
pub struct OrderSeq(u64);

impl OrderSeq {
    /// Before the first order.
    pub const NONE: Self = Self(0);

    /// Wraps a number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for OrderSeq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_in_one_way() {
        let id: DeviceId = "0b9f2d60-0f7a-4d0b-9b3e-5d0e3f1b6c1a".parse().unwrap();
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, "\"0b9f2d60-0f7a-4d0b-9b3e-5d0e3f1b6c1a\"");
        assert_eq!(serde_json::from_str::<DeviceId>(&text).unwrap(), id);
    }

    #[test]
    fn every_other_way_to_write_an_id_is_refused() {
        for wrong in [
            "",
            "0B9F2D60-0F7A-4D0B-9B3E-5D0E3F1B6C1A",
            "0b9f2d600f7a4d0b9b3e5d0e3f1b6c1a",
            "{0b9f2d60-0f7a-4d0b-9b3e-5d0e3f1b6c1a}",
            "urn:uuid:0b9f2d60-0f7a-4d0b-9b3e-5d0e3f1b6c1a",
            "0b9f2d60-0f7a-4d0b-9b3e-5d0e3f1b6c1",
        ] {
            assert_eq!(wrong.parse::<DeviceId>(), Err(IdError), "{wrong}");
            let json = serde_json::to_string(wrong).unwrap();
            assert!(serde_json::from_str::<DeviceId>(&json).is_err(), "{wrong}");
        }
    }
}
