//! Asking for a challenge (`docs/walkthroughs/activation.md`): the laptop names what it
//! wants, keyd answers with a nonce.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::BundleVersion;
use crate::bytes::{Bytes, Nonce, Sha256};
use crate::ids::{ChallengeId, DeviceId, Generation, RoomId, SessionId};
use crate::jws::Message;
use crate::limits;
use crate::names::SiteCode;
use crate::time::{Seconds, Timestamp};

/// What a challenge and an activation are for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Purpose {
    /// Start a visit.
    Activate,
    /// Move the running visit of the security key to this laptop: the same room, and the end of the
    /// visit at the laptop where it runs, which may be dead.
    Move,
    /// Give the running visit more time, or take it over with a colleague's key.
    Extend {
        /// The running session.
        session: SessionId,
    },
}

/// Which room.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum RoomChoice {
    /// A new one, made for this visit.
    New,
    /// One that exists.
    Existing {
        /// Its number.
        room: RoomId,
    },
}

/// The laptop asks for a challenge; signed by the device key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeRequest {
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// What for.
    pub purpose: Purpose,
    /// Which room.
    pub room: RoomChoice,
    /// The certificate (DER) on the security key that is plugged in.
    pub staff_certificate: Bytes,
    /// The gate's nonce; the answer carries it back, and so will the lease.
    pub gate_nonce: Nonce,
    /// SHA-256 of the event log of this boot.
    pub event_log: Sha256,
    /// The trust bundle it has.
    pub bundle: BundleVersion,
    /// The agent's version, for people.
    pub agent_version: String,
}

impl Message for ChallengeRequest {
    const TYP: &'static str = "wardkey-challenge-request+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// keyd's challenge.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// Its number.
    pub challenge: ChallengeId,
    /// keyd's nonce.
    pub nonce: Nonce,
    /// The gate's nonce, given back.
    pub gate_nonce: Nonce,
    /// The laptop.
    pub device: DeviceId,
    /// The site.
    pub site: SiteCode,
    /// The room.
    pub room: RoomId,
    /// The PCRs of the SHA-256 bank to quote, ascending.
    pub pcrs: Vec<u8>,
    /// Whether the event log itself must be sent; keyd keeps those it has replayed.
    pub event_log_wanted: bool,
    /// How long it waits.
    pub expires_in: Seconds,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for Challenge {
    const TYP: &'static str = "wardkey-challenge+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}
