//! What comes over a link, verified.

use std::time::Duration;

use wardkey_fleet::{Heard, Laptop, LinkClient};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::link::{Frame, Heartbeat};
use wardkey_schemas::order::Order;

use crate::running::{World, within};

/// A link with the nonce that its heartbeats must carry.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) client: LinkClient,
    pub(crate) device: wardkey_schemas::ids::DeviceId,
    pub(crate) link_nonce: Nonce,
}

impl Linked {
    /// A link of a laptop that has acted on nothing yet.
    pub(crate) async fn open(world: &World, laptop: &Laptop) -> Self {
        Self::open_after(world, laptop, OrderSeq::NONE).await
    }

    /// A link of a laptop that has acted on orders up to `last_order`.
    pub(crate) async fn open_after(world: &World, laptop: &Laptop, last_order: OrderSeq) -> Self {
        Self::open_at(&world.fleet.caller, laptop, last_order).await
    }

    /// The same at another node.
    pub(crate) async fn open_at(
        caller: &wardkey_fleet::Caller,
        laptop: &Laptop,
        last_order: OrderSeq,
    ) -> Self {
        let (mut client, challenge) = within(LinkClient::knock(caller)).await.unwrap();
        let hello = laptop.link_hello(challenge.nonce, last_order);
        client.say(laptop.sign(&hello).as_str()).await.unwrap();
        Self {
            client,
            device: laptop.device,
            link_nonce: hello.link_nonce,
        }
    }

    /// The next frame; none once keyd has closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        match within(self.client.hear()).await {
            Heard::Said(frame) => Some(frame),
            Heard::Closed => None,
        }
    }

    /// Reads until keyd closes.
    pub(crate) async fn until_closed(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// The next frame must be this heartbeat.
pub(crate) async fn heartbeat(world: &World, link: &mut Linked, beat: u64) -> Heartbeat {
    let Some(Frame::Heartbeat(heartbeat)) = link.next().await else {
        panic!("no heartbeat");
    };
    let heartbeat = world.fleet.keys.open(&heartbeat).unwrap().into_message();
    assert_eq!(heartbeat.device, link.device);
    assert_eq!(heartbeat.link_nonce, link.link_nonce);
    assert_eq!(heartbeat.beat, beat);
    assert!(heartbeat.next_within.duration() <= Duration::from_mins(1));
    heartbeat
}

/// The next order, whatever heartbeats come before it.
pub(crate) async fn order(world: &World, link: &mut Linked) -> (Jws<Order>, Order) {
    loop {
        match link.next().await.expect("keyd closed the link") {
            Frame::Heartbeat(_) => {}
            Frame::Order(envelope) => {
                let order = world.fleet.keys.open(&envelope).unwrap().into_message();
                assert_eq!(order.device, link.device);
                return (envelope, order);
            }
        }
    }
}
