//! The link: how orders reach a laptop at once (`docs/protocol/link.md`).
//!
//! keyd → laptop [`LinkChallenge`]; laptop → keyd [`LinkHello`]; then keyd sends [`Frame`]s: orders,
//! and heartbeats that prove the link alive, since proxies answer pings too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::Nonce;
use crate::ids::{DeviceId, Generation, OrderSeq};
use crate::jws::{Jws, Message};
use crate::limits;
use crate::order::Order;
use crate::time::{Seconds, Timestamp};

/// keyd's first word on a link.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LinkChallenge {
    /// Proves that the hello was made for this link.
    pub nonce: Nonce,
}

/// The laptop's answer; signed by the device key. The newest handshake owns the link.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LinkHello {
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// keyd's nonce, given back.
    pub nonce: Nonce,
    /// The laptop's nonce; heartbeats carry it.
    pub link_nonce: Nonce,
    /// The last order that it has acted on.
    pub last_order: OrderSeq,
}

impl Message for LinkHello {
    const TYP: &'static str = "wardkey-link-hello+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// A sign of life; signed by keyd's answer key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The laptop.
    pub device: DeviceId,
    /// The laptop's nonce of this link.
    pub link_nonce: Nonce,
    /// 1, 2, 3, …: an old heartbeat shown again proves nothing.
    pub beat: u64,
    /// The last order to this laptop; a higher one than it has seen means that one is missing.
    pub last_order: OrderSeq,
    /// When the next one comes.
    pub next_within: Seconds,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for Heartbeat {
    const TYP: &'static str = "wardkey-heartbeat+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// What keyd sends on a link once it is open.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Frame {
    /// A sign of life.
    Heartbeat(Jws<Heartbeat>),
    /// An order.
    Order(Jws<Order>),
}
