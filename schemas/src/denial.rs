//! A signed no from keyd to a laptop: *stop* or *not now* (`docs/protocol/problems.md`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::Nonce;
use crate::ids::DeviceId;
use crate::jws::{Jws, Message};
use crate::limits;
use crate::order::Order;
use crate::refusal::{Refusal, Verdict};
use crate::time::{Seconds, Timestamp};

/// A signed refusal. Only a *stop* ends a call; *not now* lets it go on while its grace lasts.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    /// The laptop that asked.
    pub device: DeviceId,
    /// The nonce of the request that this answers; an answer to another request is not believed.
    pub nonce: Nonce,
    /// Whether a running call ends.
    pub verdict: Verdict,
    /// Which rule said no.
    pub refusal: Refusal,
    /// When to ask again, at the earliest.
    pub retry_after: Seconds,
    /// Orders that the laptop has not acknowledged yet.
    pub orders: Vec<Jws<Order>>,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for Denial {
    const TYP: &'static str = "wardkey-denial+jwt";
    const MAX: usize = limits::EVIDENCE_BYTES * limits::ORDERS;
}
