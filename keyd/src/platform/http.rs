//! A platform that is spoken to over HTTPS: each order is a JWS of keyd's order key, each answer a
//! JWS of the platform's own key over the order's nonce (`docs/protocol/platform.md`).
//!
//! What a real platform needs is a small adapter beside it that opens orders and calls the
//! platform's own interface.

use std::sync::Arc;
use std::time::Duration;

use wardkey_edge::client::{CallError, Client, ClientError, Endpoint};
use wardkey_schemas::ids::{ParticipantId, RoomId};
use wardkey_schemas::jws::{Jws, Sealed};
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::room::{RoomAnswer, RoomCommand, RoomOrder, RoomTicket, RoomWord};
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal, limits};
use wardkey_verifier::envelope;

use super::{Absence, Doing, PlatformError, RoomProvider};
use crate::signers::Signers;
use crate::{clock, random};

/// Where an adapter takes orders, below its address.
pub const PATH: &str = "/v1/rooms";

/// How long one answer is waited for. A cut is two questions, and several attempts must fit into
/// the fifteen seconds that a stop may take by this way (K3).
const ANSWER: Duration = Duration::from_secs(2);

/// What has to be known of a platform.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlatformSettings {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The key with which it signs its answers.
    pub key: PublicKey,
}

/// The driver.
#[derive(Debug)]
pub struct HttpPlatform {
    client: Client,
    key: PublicKey,
    signers: Arc<Signers>,
}

impl HttpPlatform {
    /// Makes a driver; nothing is called yet.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub fn new(settings: &PlatformSettings, signers: Arc<Signers>) -> Result<Self, ClientError> {
        Ok(Self {
            client: Client::new(&settings.endpoint)?,
            key: settings.key,
            signers,
        })
    }

    /// Gives one order and believes its answer only if the platform signed it for this order.
    async fn order(
        &self,
        room: RoomId,
        command: RoomCommand,
    ) -> Result<(RoomWord, String), PlatformError> {
        let order = RoomOrder {
            nonce: random::nonce().map_err(ours)?,
            room,
            command,
            server_time: clock::now(),
        };
        let envelope = self.signers.room_order(&order).map_err(ours)?;
        let body = Sealed::new(envelope);
        let answer: Sealed<RoomAnswer> = self
            .client
            .post_within(PATH, &body, ANSWER)
            .await
            .map_err(unanswered)?;
        let word = believe(&answer.message, &self.key, &order)?;
        Ok((word, answer.message.as_str().to_owned()))
    }

    async fn done(&self, room: RoomId, command: RoomCommand) -> Result<(), PlatformError> {
        match self.order(room, command).await?.0 {
            RoomWord::Done => Ok(()),
            other
            @ (RoomWord::Ticket(_) | RoomWord::Participants(_) | RoomWord::Refused { .. }) => {
                Err(said_no(other, "that it is done"))
            }
        }
    }
}

impl RoomProvider for HttpPlatform {
    fn create(&self, room: RoomId) -> Doing<'_, ()> {
        Box::pin(self.done(room, RoomCommand::Create))
    }

    fn mint(
        &self,
        room: RoomId,
        participant: ParticipantId,
        lasts: Seconds,
    ) -> Doing<'_, RoomTicket> {
        Box::pin(async move {
            let lasts = lasts.min(limits::TICKET_MOST);
            let command = RoomCommand::Mint { participant, lasts };
            match self.order(room, command).await?.0 {
                RoomWord::Ticket(ticket) => Ok(ticket),
                other @ (RoomWord::Done | RoomWord::Participants(_) | RoomWord::Refused { .. }) => {
                    Err(said_no(other, "a ticket"))
                }
            }
        })
    }

    fn cut(&self, room: RoomId, participant: ParticipantId) -> Doing<'_, Absence> {
        Box::pin(async move {
            self.done(room, RoomCommand::Cut { participant }).await?;
            match self.order(room, RoomCommand::List).await? {
                (RoomWord::Participants(listed), evidence) => {
                    Absence::prove(participant, &listed, evidence)
                }
                (other @ (RoomWord::Done | RoomWord::Ticket(_) | RoomWord::Refused { .. }), _) => {
                    Err(said_no(other, "a list of participants"))
                }
            }
        })
    }

    fn close(&self, room: RoomId) -> Doing<'_, ()> {
        Box::pin(self.done(room, RoomCommand::Close))
    }
}

/// Opens an answer: the platform's signature, over this order's nonce and room.
fn believe(
    answer: &Jws<RoomAnswer>,
    key: &PublicKey,
    order: &RoomOrder,
) -> Result<RoomWord, PlatformError> {
    let opened = envelope::open(answer, key).map_err(PlatformError::NotBelieved)?;
    let answer = opened.into_message();
    if answer.nonce != order.nonce || answer.room != order.room {
        let found = format!("an answer to another order, about room {}", answer.room);
        let wanted = format!("the answer to this one, about room {}", order.room);
        return Err(not_believed(found, wanted));
    }
    Ok(answer.word)
}

/// A word that is not the one that was asked for.
fn said_no(word: RoomWord, wanted: &str) -> PlatformError {
    match word {
        RoomWord::Refused { reason } => {
            // A platform's own words go into our log: as many as a reason needs.
            PlatformError::Refused(reason.chars().take(limits::NOTE_CHARS).collect())
        }
        RoomWord::Done | RoomWord::Ticket(_) | RoomWord::Participants(_) => {
            not_believed("another word".to_owned(), wanted.to_owned())
        }
    }
}

/// No answer, or one of something that does not speak as platforms do.
fn unanswered(error: CallError) -> PlatformError {
    match error {
        CallError::Refused(_) | CallError::NotAnAnswer { .. } => {
            PlatformError::NotBelieved(error.refusal())
        }
        // Nothing came; a way that is added later is no answer of the platform either.
        CallError::Unreachable { .. } | _ => PlatformError::NotReached(error),
    }
}

fn not_believed(found: String, wanted: String) -> PlatformError {
    PlatformError::NotBelieved(Refusal::new(Code::AnswerNotBelieved, found, wanted))
}

fn ours(error: impl std::error::Error + Send + Sync + 'static) -> PlatformError {
    PlatformError::Ours(Box::new(error))
}
