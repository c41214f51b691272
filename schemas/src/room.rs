//! What keyd says to a video platform, and what the platform says back
//! (`docs/protocol/platform.md`).
//!
//! keyd posts a [`RoomOrder`], signed by its order key, for each thing that a room platform does:
//! make a room, mint a ticket, cut a participant, list who is there, close. The platform answers
//! with a [`RoomAnswer`], signed by its own key, that carries the nonce of the order: a list that
//! proves an absence is the platform's word, given for this question.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::Nonce;
use crate::ids::{ParticipantId, RoomId};
use crate::jws::Message;
use crate::limits;
use crate::time::{Seconds, Timestamp};

/// What a platform is told to do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum RoomCommand {
    /// Make the room. One that is there already is no mistake.
    Create,
    /// Mint a ticket with which this participant may join once.
    Mint {
        /// Who joins with it.
        participant: ParticipantId,
        /// How long it is good.
        lasts: Seconds,
    },
    /// Take back what this participant may join with, then disconnect them. Nobody of that name is
    /// no mistake.
    Cut {
        /// Who goes.
        participant: ParticipantId,
    },
    /// List who is in the room, or could still join it with a ticket. A room that is not there has
    /// nobody in it.
    List,
    /// Disconnect everybody and remove the room. One that is not there is no mistake.
    Close,
}

impl RoomCommand {
    /// The word for metrics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Mint { .. } => "mint",
            Self::Cut { .. } => "cut",
            Self::List => "list",
            Self::Close => "close",
        }
    }
}

/// An order to a video platform; signed by keyd's order key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoomOrder {
    /// Makes the order count once; the answer carries it.
    pub nonce: Nonce,
    /// The room.
    pub room: RoomId,
    /// What to do.
    pub command: RoomCommand,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for RoomOrder {
    const TYP: &'static str = "wardkey-room-order+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// A ticket to a room: whoever holds it may join. Never in a log.
#[derive(Clone, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RoomTicket(String);

impl RoomTicket {
    /// Wraps a platform's own text; `None` if it is empty or too long.
    pub fn new(text: String) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= limits::TICKET_CHARS;
        fits.then_some(Self(text))
    }

    /// The text, for the one who may join.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for RoomTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RoomTicket(..)")
    }
}

/// What a platform did, or why it did not.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum RoomWord {
    /// It is done: made, cut or closed.
    Done,
    /// The ticket.
    Ticket(RoomTicket),
    /// Everybody who is in the room or could still join it.
    Participants(Vec<ParticipantId>),
    /// No: the platform does not do it.
    Refused {
        /// Why, in its own words.
        reason: String,
    },
}

/// The platform's answer to one order; signed by the platform's key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoomAnswer {
    /// The order's nonce.
    pub nonce: Nonce,
    /// The room.
    pub room: RoomId,
    /// What became of it.
    pub word: RoomWord,
}

impl Message for RoomAnswer {
    const TYP: &'static str = "wardkey-room-answer+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}
