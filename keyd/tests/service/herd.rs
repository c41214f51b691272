//! Everybody comes back at once: all are served, and a stop in the middle is not slowed.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use wardkey_fleet::{Database as Where, Heard, KeydOptions, LinkClient, return_at_once};
use wardkey_schemas::action::Target;
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::link::Frame;
use wardkey_schemas::order::HoldClass;

use crate::running::{World, within};

/// Laptops; `cargo xtask bench T9` does the same with 5,000.
const LAPTOPS: usize = 150;

/// How long a stop may take by push (K1).
const K1: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn everybody_who_comes_back_at_once_is_served_and_a_stop_among_them_is_in_time() {
    let options = KeydOptions {
        tls: true,
        ..KeydOptions::default()
    };
    let world = World::on(Where::Sqlite, options).await;
    let fleet = &world.fleet;
    let laptops = fleet.enrol(LAPTOPS).await.unwrap();
    let watched = fleet.laptop(fleet.first()).await.unwrap();
    let mut link = LinkClient::open(&fleet.caller, &watched, OrderSeq::NONE)
        .await
        .unwrap();
    assert!(matches!(within(link.hear()).await, Heard::Said(_)));

    let (linked, mut counted) = watch::channel(0);
    let stop = async {
        counted
            .wait_for(|count| *count >= LAPTOPS / 2)
            .await
            .unwrap();
        let officer = &fleet.first().officer;
        let target = Target::Laptop {
            device: watched.device,
        };
        let began = Instant::now();
        let stopped = fleet.stop(officer, target, HoldClass::Lost).await;
        stopped.unwrap();
        while let Heard::Said(frame) = within(link.hear()).await {
            if matches!(frame, Frame::Order(_)) {
                return began.elapsed();
            }
        }
        panic!("the link was closed");
    };
    let (took, returned) = tokio::join!(stop, return_at_once(&fleet.caller, laptops, &linked));
    assert!(took < K1, "{took:?}");
    assert_eq!(returned.len(), LAPTOPS);
    let ready = world.keyd.ops();
    let said = ready.send(http::Method::GET, "/readyz", None, Vec::new());
    let said: serde_json::Value = serde_json::from_slice(&said.await.unwrap().body).unwrap();
    assert_eq!(said["links"], LAPTOPS + 1);
}
