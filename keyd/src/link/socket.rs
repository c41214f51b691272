//! One link: handshake, heartbeats, orders.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message as Frame, WebSocket};
use tokio::time::{MissedTickBehavior, interval, timeout};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::{DeviceId, OrderSeq};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::link::{Frame as Said, Heartbeat, LinkChallenge, LinkHello};
use wardkey_schemas::order::Order;
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal, limits};

use super::hub::{Link, Outgoing};
use crate::app::App;
use crate::store::Wake;
use crate::{clock, random};

/// How long the handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long one frame may take to leave; a laptop that does not read is not linked.
const LEAVE: Duration = Duration::from_secs(10);

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the laptop hung up")]
    HungUp,
    #[error("a newer link took its place, or the node lets go")]
    Replaced,
    #[error("a frame did not leave in time")]
    Slow,
    #[error("the connection broke")]
    Broken(#[from] axum::Error),
    #[error("{0}")]
    Refused(Refusal),
    #[error("a fault of ours")]
    Fault(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Ended {
    fn fault(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Fault(error.into())
    }
}

/// Serves one link until it ends.
pub async fn serve(app: Arc<App>, mut socket: WebSocket) {
    let ended = match timeout(HANDSHAKE, handshake(&app, &mut socket)).await {
        Err(_) => Ended::Slow,
        Ok(Err(ended)) => ended,
        Ok(Ok(hello)) => {
            let link = app.hub.register(hello.device);
            metrics::gauge!("wardkey_links").increment(1);
            tracing::info!(device.id = %hello.device, "A laptop is linked");
            let ended = Open {
                app: &app,
                socket: &mut socket,
                link: &link,
                hello,
            }
            .run()
            .await;
            app.hub.forget(&link);
            metrics::gauge!("wardkey_links").decrement(1);
            ended
        }
    };
    match &ended {
        Ended::Refused(refusal) => {
            metrics::counter!("wardkey_refusals_total", "code" => refusal.code().as_str())
                .increment(1);
            tracing::info!(refusal.code = %refusal.code(), "A link was refused");
        }
        Ended::Fault(error) => tracing::error!(%error, "A link met a fault"),
        Ended::HungUp | Ended::Replaced | Ended::Slow | Ended::Broken(_) => {
            tracing::debug!(reason = %ended, "A link ended");
        }
    }
    drop(socket.send(Frame::Close(None)).await);
}

/// What the handshake proved.
struct Hello {
    device: DeviceId,
    link_nonce: Nonce,
    last_order: OrderSeq,
    heartbeat_every: Seconds,
}

async fn handshake(app: &App, socket: &mut WebSocket) -> Result<Hello, Ended> {
    let nonce = random::nonce().map_err(Ended::fault)?;
    let challenge = serde_json::to_string(&LinkChallenge { nonce }).map_err(Ended::fault)?;
    socket.send(Frame::Text(challenge.into())).await?;
    let text = loop {
        match socket.recv().await {
            Some(Ok(Frame::Text(text))) => break text,
            Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
            Some(Ok(Frame::Close(_))) | None => return Err(Ended::HungUp),
            Some(Ok(Frame::Binary(_))) => {
                let wanted = "a signed hello as text";
                let refusal = Refusal::new(Code::MessageMalformed, "a binary frame", wanted);
                return Err(Ended::Refused(refusal));
            }
            Some(Err(error)) => return Err(error.into()),
        }
    };
    if text.len() > limits::MESSAGE_BYTES {
        let wanted = format!("at most {}", limits::MESSAGE_BYTES);
        return Err(Ended::Refused(Refusal::new(
            Code::MessageTooLarge,
            text.len(),
            wanted,
        )));
    }
    let envelope: Jws<LinkHello> = Jws::parse(text.as_str().to_owned())
        .map_err(|error| Ended::Refused(Refusal::new(Code::MessageMalformed, error, "a hello")))?;
    let (device, opened) = app.open_from_device(&envelope).await.map_err(|no| {
        // The refusal is all that the laptop is told, and the log has the rest.
        Ended::Refused(no.refusal().clone())
    })?;
    let hello = opened.message();
    if hello.nonce != nonce {
        let refusal = Refusal::new(Code::NonceUnknown, "another nonce", "this link's nonce");
        return Err(Ended::Refused(refusal));
    }
    if hello.device != device.id || hello.generation != device.generation {
        let refusal = Refusal::new(Code::ContextDevice, hello.device, device.id);
        return Err(Ended::Refused(refusal));
    }
    let policy = app.policy_for(&device).await.map_err(Ended::fault)?;
    Ok(Hello {
        heartbeat_every: policy.heartbeat_every,
        device: device.id,
        link_nonce: hello.link_nonce,
        last_order: hello.last_order,
    })
}

struct Open<'a> {
    app: &'a Arc<App>,
    socket: &'a mut WebSocket,
    link: &'a Link,
    hello: Hello,
}

impl Open<'_> {
    async fn run(mut self) -> Ended {
        match self.attend().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn attend(&mut self) -> Result<std::convert::Infallible, Ended> {
        // What the laptop has acted on needs no sending; a receipt that was lost is asked for again
        // by its poll.
        let mut outgoing = Outgoing::after(self.hello.last_order);
        let mut beat = 0_u64;
        let mut beats = interval(self.hello.heartbeat_every.duration());
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first look comes before the first heartbeat.
        self.look(&mut outgoing).await?;
        loop {
            tokio::select! {
                biased;
                news = self.link.news() => {
                    if news.close {
                        return Err(Ended::Replaced);
                    }
                    let mut look = news.look;
                    for wake in news.orders {
                        let seq = OrderSeq::new(wake.seq);
                        if outgoing.is_next(seq) {
                            self.order(&mut outgoing, wake).await?;
                        } else if outgoing.is_new(seq) {
                            look = true;
                        }
                    }
                    if look {
                        self.look(&mut outgoing).await?;
                    }
                }
                frame = self.socket.recv() => match frame {
                    Some(Ok(Frame::Close(_))) | None => return Err(Ended::HungUp),
                    // Laptops speak through requests; a link only listens.
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.into()),
                },
                _ = beats.tick() => {
                    beat = beat.saturating_add(1);
                    self.heartbeat(beat, outgoing).await?;
                }
            }
        }
    }

    /// Sends what waits in the database.
    async fn look(&mut self, outgoing: &mut Outgoing) -> Result<(), Ended> {
        let most = u32::try_from(limits::ORDERS).unwrap_or(u32::MAX);
        loop {
            let waiting = self
                .app
                .store
                .waiting_orders_after(self.hello.device, outgoing.sent(), most)
                .await
                .map_err(Ended::fault)?;
            let last = waiting.len() < limits::ORDERS;
            for order in waiting {
                let (device, seq) = (order.device, order.seq.number());
                self.order(
                    outgoing,
                    Wake {
                        device,
                        seq,
                        body: order.body,
                        committed: None,
                    },
                )
                .await?;
            }
            if last {
                return Ok(());
            }
        }
    }

    async fn order(&mut self, outgoing: &mut Outgoing, wake: Wake) -> Result<(), Ended> {
        let order: Jws<Order> = Jws::parse(wake.body.as_ref().to_owned()).map_err(Ended::fault)?;
        self.say(&Said::Order(order)).await?;
        if let Some(committed) = wake.committed {
            metrics::histogram!("wardkey_order_to_link_seconds").record(committed.elapsed());
        }
        let seq = OrderSeq::new(wake.seq);
        outgoing.note(seq);
        self.app.note_sent(self.hello.device, seq);
        Ok(())
    }

    async fn heartbeat(&mut self, beat: u64, outgoing: Outgoing) -> Result<(), Ended> {
        let heartbeat = Heartbeat {
            device: self.hello.device,
            link_nonce: self.hello.link_nonce,
            beat,
            last_order: outgoing.sent(),
            next_within: self.hello.heartbeat_every,
            server_time: clock::now(),
        };
        let heartbeat = self.app.signers.answer(&heartbeat).map_err(Ended::fault)?;
        self.say(&Said::Heartbeat(heartbeat)).await
    }

    async fn say(&mut self, said: &Said) -> Result<(), Ended> {
        let text = serde_json::to_string(said).map_err(Ended::fault)?;
        match timeout(LEAVE, self.socket.send(Frame::Text(text.into()))).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(Ended::Slow),
        }
    }
}
