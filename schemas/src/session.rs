//! The end of a visit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::Nonce;
use crate::ids::{DeviceId, Generation, SessionId};
use crate::jws::Message;
use crate::limits;
use crate::time::{Seconds, Timestamp};

/// Why a visit ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// Staff ended it.
    Staff,
    /// Its time was over.
    HardEnd,
    /// It was stopped from a distance.
    Stopped,
    /// The lease and its grace ran out without an answer.
    LeaseOver,
    /// The laptop was shut down, restarted, or its agent died.
    Shutdown,
    /// The TPM was reset under it.
    TpmReset,
    /// The video program ended by itself.
    VideoEnded,
    /// The key was taken out before the room was joined, or stayed out of a visit for which it must
    /// stay in.
    KeyRemoved,
    /// A new visit on the same laptop took its place.
    Superseded,
    /// It goes on at another laptop, in the same room.
    Moved,
}

impl EndReason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::HardEnd => "hard-end",
            Self::Stopped => "stopped",
            Self::LeaseOver => "lease-over",
            Self::Shutdown => "shutdown",
            Self::TpmReset => "tpm-reset",
            Self::VideoEnded => "video-ended",
            Self::KeyRemoved => "key-removed",
            Self::Superseded => "superseded",
            Self::Moved => "moved",
        }
    }
}

/// The laptop says that its visit has ended; signed by the device key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionEnd {
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// The session.
    pub session: SessionId,
    /// Ties the answer to this request.
    pub nonce: Nonce,
    /// Why.
    pub reason: EndReason,
    /// How long ago, on the laptop's steady clock.
    pub ended_ago: Seconds,
}

impl Message for SessionEnd {
    const TYP: &'static str = "wardkey-session-end+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// keyd's word that something is on record; signed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The laptop.
    pub device: DeviceId,
    /// The nonce of the request.
    pub nonce: Nonce,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for Recorded {
    const TYP: &'static str = "wardkey-recorded+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}
