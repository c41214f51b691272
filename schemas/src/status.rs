//! The poll: how a laptop without a link learns of orders, and what state it is in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::BundleVersion;
use crate::bytes::Nonce;
use crate::ids::{DeviceId, Generation, OrderSeq};
use crate::jws::{Jws, Message};
use crate::limits;
use crate::order::{Hold, Order};
use crate::time::{Seconds, Timestamp};

/// Where an object stands; it moves only along drawn arrows.
///
/// Holds come on top: an *active* laptop with a hold is stopped.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectState {
    /// Announced by ca; nothing signed has been seen yet.
    Announced,
    /// Enrolled; waits to be confirmed on another screen.
    Pending,
    /// In use.
    Active,
    /// Back after a loss; must be enrolled again.
    Quarantine,
    /// Out of use, for good.
    Revoked,
}

impl ObjectState {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Announced,
        Self::Pending,
        Self::Active,
        Self::Quarantine,
        Self::Revoked,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Quarantine => "quarantine",
            Self::Revoked => "revoked",
        }
    }
}

impl std::fmt::Display for ObjectState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The laptop asks how it stands; signed by the device key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StatusRequest {
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// Ties the answer to this request.
    pub nonce: Nonce,
    /// The last order that it has acted on.
    pub last_order: OrderSeq,
}

impl Message for StatusRequest {
    const TYP: &'static str = "wardkey-status-request+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// How it stands; signed by keyd's answer key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The laptop.
    pub device: DeviceId,
    /// The nonce of the request.
    pub nonce: Nonce,
    /// Its state.
    pub state: ObjectState,
    /// The holds on it.
    pub holds: Vec<Hold>,
    /// Orders that it has not acknowledged yet, oldest first.
    pub orders: Vec<Jws<Order>>,
    /// The newest trust bundle.
    pub bundle: BundleVersion,
    /// How often to ask while there is no link, by the site's policy.
    pub poll_every: Seconds,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for Status {
    const TYP: &'static str = "wardkey-status+jwt";
    const MAX: usize = limits::EVIDENCE_BYTES * limits::ORDERS;
}
