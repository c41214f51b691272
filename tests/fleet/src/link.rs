//! A laptop's end of a link, as cheap as it can be: frames are parsed, and verified by who wants.

use wardkey_edge::socket::{Socket, SocketError};
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::limits;
use wardkey_schemas::link::{Frame, LinkChallenge};

use crate::caller::Caller;
use crate::laptop::Laptop;

/// An open link.
#[derive(Debug)]
pub struct LinkClient {
    socket: Socket,
}

/// What came over a link.
#[derive(Debug)]
pub enum Heard {
    /// A frame of keyd.
    Said(Frame),
    /// keyd closed it, or it broke.
    Closed,
}

impl LinkClient {
    /// Opens a socket and reads keyd's challenge; the hello is up to the caller.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn knock(caller: &Caller) -> Result<(Self, LinkChallenge), SocketError> {
        // A resume order is the longest frame.
        let most = limits::EVIDENCE_BYTES.saturating_mul(2);
        let mut socket = Socket::open(caller.endpoint(), "/v1/link", most).await?;
        let challenge = socket.hear().await?.unwrap_or_default();
        let challenge = serde_json::from_str(&challenge).unwrap();
        Ok((Self { socket }, challenge))
    }

    /// Opens a link for `laptop`, which has acted on orders up to `last_order`.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn open(
        caller: &Caller,
        laptop: &Laptop,
        last_order: OrderSeq,
    ) -> Result<Self, SocketError> {
        let (mut link, challenge) = Self::knock(caller).await?;
        let hello = laptop.link_hello(challenge.nonce, last_order);
        link.say(laptop.sign(&hello).as_str()).await?;
        Ok(link)
    }

    /// Sends a text.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn say(&mut self, text: &str) -> Result<(), SocketError> {
        self.socket.say(text.to_owned()).await
    }

    /// The next frame.
    pub async fn hear(&mut self) -> Heard {
        match self.socket.hear().await {
            Ok(Some(text)) => Heard::Said(serde_json::from_str(&text).unwrap()),
            Ok(None) | Err(_) => Heard::Closed,
        }
    }
}
