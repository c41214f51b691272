//! Holds, orders and receipts (`docs/states.md`, `docs/walkthroughs/stop.md`).
//!
//! A stop adds a [`Hold`]; an object is stopped while any hold stands; a resume names the holds it
//! lifts. An [`Order`] carries that to one laptop, and [`OrderReceipt`] is the laptop's word back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::bytes::{Bytes, Nonce, Sha256};
use crate::ids::{DeviceId, Generation, HoldId, OrderId, OrderSeq, SessionId};
use crate::jws::{Jws, Message};
use crate::key::Thumbprint;
use crate::limits;
use crate::names::Note;
use crate::role::Role;
use crate::time::{Seconds, Timestamp};

/// Why something was stopped; the class decides who may lift it.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum HoldClass {
    /// Lost.
    Lost,
    /// Stolen.
    Stolen,
    /// Part of an incident at the site.
    Incident,
    /// Misuse is suspected.
    Misuse,
    /// Maintenance.
    Maintenance,
    /// Anything else; the note says what.
    Other,
    /// Revoked: never lifted.
    Revoked,
}

impl HoldClass {
    /// All classes.
    pub const ALL: [Self; 7] = [
        Self::Lost,
        Self::Stolen,
        Self::Incident,
        Self::Misuse,
        Self::Maintenance,
        Self::Other,
        Self::Revoked,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Stolen => "stolen",
            Self::Incident => "incident",
            Self::Misuse => "misuse",
            Self::Maintenance => "maintenance",
            Self::Other => "other",
            Self::Revoked => "revoked",
        }
    }

    /// Whether two people of different roles must agree before it is lifted.
    pub const fn needs_two_roles(self) -> bool {
        match self {
            Self::Lost | Self::Stolen | Self::Incident => true,
            Self::Misuse | Self::Maintenance | Self::Other | Self::Revoked => false,
        }
    }

    /// Whether it can be lifted at all.
    pub const fn can_be_lifted(self) -> bool {
        !matches!(self, Self::Revoked)
    }
}

impl std::fmt::Display for HoldClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for HoldClass {
    type Err = UnknownHoldClass;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or(UnknownHoldClass)
    }
}

/// A word that is no class of hold.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a hold is one of lost, stolen, incident, misuse, maintenance, other, revoked")]
pub struct UnknownHoldClass;

/// When a stop takes effect.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// At once; a running call ends.
    Immediate,
    /// A running call may finish; nothing new starts.
    AfterThisCall,
}

impl Mode {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::AfterThisCall => "after-this-call",
        }
    }
}

/// One reason for which something is stopped.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Its number.
    pub id: HoldId,
    /// Its class.
    pub class: HoldClass,
    /// When it takes effect.
    pub mode: Mode,
    /// The role of the person who placed it.
    pub by: Role,
}

/// A human act with the certificate of the person who signed it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignedAct {
    /// The act.
    pub action: Jws<Action>,
    /// The certificate (DER) of the key that signed it.
    pub certificate: Bytes,
}

/// What a laptop is told to do.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Command {
    /// Latch these holds, then close. Obeyed whatever the gap in the sequence.
    Stop {
        /// The holds that stand now; the latch becomes the union.
        holds: Vec<Hold>,
    },
    /// End this session; nothing is latched.
    EndSession {
        /// The session.
        session: SessionId,
    },
    /// Lift these holds; the acts prove that people with the right roles agreed.
    Resume {
        /// The holds to lift.
        holds: Vec<HoldId>,
        /// The acts of those people.
        approvals: Vec<SignedAct>,
    },
    /// Show staff a line; nothing opens or closes by it.
    Message {
        /// What they read.
        text: Note,
    },
}

impl Command {
    /// The word for people and for the record.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Stop { .. } => "stop",
            Self::EndSession { .. } => "end-session",
            Self::Resume { .. } => "resume",
            Self::Message { .. } => "message",
        }
    }
}

/// An order to one laptop; signed by keyd's order key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Its number.
    pub order: OrderId,
    /// Its place in the row of orders to this laptop.
    pub seq: OrderSeq,
    /// The laptop.
    pub device: DeviceId,
    /// Its device key: an order to another key is not obeyed, whatever the number says.
    pub device_key: Thumbprint,
    /// Its enrolment.
    pub generation: Generation,
    /// What to do.
    pub command: Command,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for Order {
    const TYP: &'static str = "wardkey-order+jwt";
    const MAX: usize = limits::EVIDENCE_BYTES;
}

/// What became of an order on the laptop.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderResult {
    /// Latched, and the video stack was closed by it.
    Stopped,
    /// Latched; nothing was running.
    AlreadyClosed,
    /// Latched; it takes effect when the running call ends.
    AfterThisCall,
    /// The session was ended.
    SessionEnded,
    /// The holds were lifted.
    Resumed,
    /// The line is on the screen.
    Shown,
    /// Not obeyed: its approvals did not convince the gate.
    Refused,
}

impl OrderResult {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::AlreadyClosed => "already-closed",
            Self::AfterThisCall => "after-this-call",
            Self::SessionEnded => "session-ended",
            Self::Resumed => "resumed",
            Self::Shown => "shown",
            Self::Refused => "refused",
        }
    }
}

/// The laptop's word that it has acted; signed by the device key.
///
/// Times are lengths on the laptop's steady clock, counted back from the moment of signing: a
/// laptop has no time of its own to give.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OrderReceipt {
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// The order.
    pub order: OrderId,
    /// Its place.
    pub seq: OrderSeq,
    /// SHA-256 of the order's envelope.
    pub order_sha256: Sha256,
    /// Ties the answer to this request.
    pub nonce: Nonce,
    /// What became of it.
    pub result: OrderResult,
    /// Milliseconds since it arrived.
    pub received_ago_ms: u64,
    /// Milliseconds since it was done.
    pub acted_ago_ms: u64,
}

impl Message for OrderReceipt {
    const TYP: &'static str = "wardkey-order-receipt+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// The longest that a call may go on under a stop that waits for its end.
pub const AFTER_THIS_CALL_MOST: Seconds = Seconds::new(3600);
