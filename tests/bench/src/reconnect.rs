//! T9: 5,000 laptops come back in the same moment, over TLS. What each costs keyd, against a bare TLS
//! handshake with the same keyd in the same run; how long it takes until all are served; and how
//! long a stop takes in the middle of it.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use wardkey_fleet::{
    Fleet, Heard, Installation, Keyd, KeydOptions, Laptop, LinkClient, Seed, return_at_once,
    shake_hands,
};
use wardkey_schemas::action::Target;
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::link::Frame;
use wardkey_schemas::order::HoldClass;
use wardkey_tests::binary::workspace_binary;

use crate::clocks::{micros, millis, process_cpu};
use crate::failure::Failure;
use crate::outcome::{Outcome, figure};

/// Laptops that come back.
const LAPTOPS: usize = 5_000;
/// Bare handshakes, to compare with.
const HANDSHAKES: usize = 2_000;
/// Of these at once.
const AT_ONCE: usize = 64;
/// How long it may take until all are served, and how long the stop may take (K1).
const SERVED_MS: f64 = 120_000.0;
const K1_MS: f64 = 10_000.0;
/// Beyond this a stop counts as lost.
const LOST: Duration = Duration::from_mins(2);

pub(crate) fn run() -> Result<Outcome, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(measure())
}

async fn measure() -> Result<Outcome, Failure> {
    let seed = Seed::new(9);
    let mut installation = Installation::found(seed, &["hmp-x"]);
    let options = KeydOptions {
        log: "warn".to_owned(),
        tls: true,
        ..KeydOptions::default()
    };
    let program = workspace_binary("wardkey-keyd", "keyd")?;
    let mut keyd = Keyd::start(&program, &mut installation, options);
    let fleet = Fleet::open(seed, installation, keyd.caller()).await?;
    let laptops = fleet.enrol(LAPTOPS).await?;
    let watched = fleet.laptop(fleet.first()).await?;
    // A new process: it remembers nobody.
    keyd.stop();
    keyd.serve();
    let pid = keyd.pid().ok_or_else(|| Failure::other("keyd has ended"))?;

    let before = process_cpu(pid)?;
    stream::iter(0..HANDSHAKES)
        .map(|_| shake_hands(&fleet.caller))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let bare = process_cpu(pid)?.saturating_sub(before);

    let mut link = LinkClient::open(&fleet.caller, &watched, OrderSeq::NONE).await?;
    let (linked, counted) = watch::channel(0);
    let before = process_cpu(pid)?;
    let began = Instant::now();
    let (stop, returned) = tokio::join!(
        stop_in_the_middle(&fleet, &watched, &mut link, counted),
        return_at_once(&fleet.caller, laptops, &linked)
    );
    let served = began.elapsed();
    let cpu = process_cpu(pid)?.saturating_sub(before);
    let tries: u32 = returned.iter().map(|returned| returned.tries).sum();

    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let each = micros(cpu) / number(LAPTOPS);
    let bare = micros(bare) / number(HANDSHAKES);
    let lost = LAPTOPS.saturating_sub(returned.len());
    Ok(Outcome {
        value: each / bare,
        target: 1.3,
        unit: "x bare TLS handshake, CPU of keyd for each laptop",
        figures: vec![
            figure("keyd, CPU for one laptop", each, "us"),
            figure("keyd, CPU for a bare handshake", bare, "us"),
            figure("until all are served", millis(served), "ms").at_most(SERVED_MS),
            figure("laptops that were lost", number(lost), "").at_most(0.0),
            figure("a stop in the middle, act to order", millis(stop?), "ms").at_most(K1_MS),
            figure("laptops", number(LAPTOPS), ""),
            figure("tries", f64::from(tries), ""),
        ],
    })
}

/// Waits until half of the laptops are linked, and stops one that was before: from the act to its
/// order.
async fn stop_in_the_middle(
    fleet: &Fleet,
    watched: &Laptop,
    link: &mut LinkClient,
    mut counted: watch::Receiver<usize>,
) -> Result<Duration, Failure> {
    counted
        .wait_for(|count| *count >= LAPTOPS / 2)
        .await
        .map_err(Failure::other)?;
    let target = Target::Laptop {
        device: watched.device,
    };
    let began = Instant::now();
    let officer = &fleet.first().officer;
    fleet.stop(officer, target, HoldClass::Lost).await?;
    let order = async {
        loop {
            match link.hear().await {
                Heard::Said(Frame::Order(_)) => return Ok(began.elapsed()),
                Heard::Said(Frame::Heartbeat(_)) => {}
                Heard::Closed => return Err(Failure::other("a link was closed")),
            }
        }
    };
    timeout(LOST, order)
        .await
        .map_err(|_| Failure::other("an order did not arrive"))?
}
