//! The link to keyd: hello, then one frame after the other, until it ends.

use tokio::task::AbortHandle;
use wardkey_edge::client::Endpoint;
use wardkey_edge::socket::{Socket, SocketError};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::jws::Message as _;
use wardkey_schemas::link::{Frame, LinkChallenge, LinkHello};
use wardkey_schemas::order::Order;
use wardkey_told::on_one_line;

use super::Events;
use super::chip::Chip;
use crate::laptop::Laptop;
use crate::session::{Input, Ticket};

/// A frame: an order, the longest of them, with JSON around it.
const FRAME_BYTES: usize = Order::MAX + 1024;

/// What a hello says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hello {
    pub(super) ticket: Ticket,
    pub(super) link_nonce: Nonce,
    pub(super) last_order: OrderSeq,
}

/// A link, or the attempt at one; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Link {
    ticket: Ticket,
    task: AbortHandle,
}

impl Link {
    /// Opens it; every frame is handed over, and [`Input::LinkLost`] at its end.
    pub(super) fn open(
        endpoint: Endpoint,
        chip: Chip,
        laptop: Laptop,
        hello: Hello,
        events: Events,
    ) -> Self {
        let ticket = hello.ticket;
        let task = tokio::spawn(async move {
            match serve(&endpoint, &chip, &laptop, hello, &events).await {
                Ok(()) => tracing::debug!("The key service has ended the link"),
                Err(error) => {
                    tracing::warn!(error, "No link to the key service");
                }
            }
            events.send(Input::LinkLost { ticket }).await;
        });
        Self {
            ticket,
            task: task.abort_handle(),
        }
    }

    /// Which it is.
    pub(super) const fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    endpoint: &Endpoint,
    chip: &Chip,
    laptop: &Laptop,
    hello: Hello,
    events: &Events,
) -> Result<(), String> {
    let broken = |error: SocketError| on_one_line(&error);
    let malformed = |error: serde_json::Error| format!("not a word of a key service: {error}");
    let mut socket = Socket::open(endpoint, "/v1/link", FRAME_BYTES)
        .await
        .map_err(broken)?;
    let Some(text) = socket.hear().await.map_err(broken)? else {
        return Ok(());
    };
    let LinkChallenge { nonce } = serde_json::from_str(&text).map_err(malformed)?;
    let words = LinkHello {
        device: laptop.device,
        generation: laptop.generation,
        nonce,
        link_nonce: hello.link_nonce,
        last_order: hello.last_order,
    };
    let signed = chip.sign(&words, &laptop.device_key).await;
    let signed = signed.map_err(|refusal| refusal.to_string())?;
    socket
        .say(signed.as_str().to_owned())
        .await
        .map_err(broken)?;
    let ticket = hello.ticket;
    while let Some(text) = socket.hear().await.map_err(broken)? {
        let frame: Frame = serde_json::from_str(&text).map_err(malformed)?;
        events.send(Input::LinkFrame { ticket, frame }).await;
    }
    Ok(())
}
