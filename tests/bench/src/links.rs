//! T7: one order to one of many idle links, from its commit to its bytes on the link; alone, and
//! beside ten times the load of an ordinary day.
//!
//! keyd itself takes the time (`wardkey_order_to_link_seconds`), since nobody else knows when the
//! commit returned; the links are read at the other end, so what is counted has arrived.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use wardkey_fleet::{
    Fleet, Heard, Installation, Keyd, KeydOptions, Laptop, LinkClient, Person, Seed, Visit,
};
use wardkey_schemas::action::Target;
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::link::Frame;
use wardkey_schemas::order::HoldClass;
use wardkey_schemas::query::Question;
use wardkey_tests::binary::workspace_binary;

use crate::clocks::millis;
use crate::failure::Failure;
use crate::outcome::{Outcome, figure, quantile};

/// Linked laptops.
const LINKS: usize = 1000;
/// Links that are opened at once.
const AT_ONCE: usize = 32;
/// Orders, each to another laptop, without load and again with it.
const ORDERS: usize = 300;
/// How long an order may take before it counts as lost.
const LOST: Duration = Duration::from_secs(10);
/// Visits that are renewed during the load.
const VISITS: usize = 20;
/// Each open visit renews once a minute; if all laptops were in use, ten times that is:
const RENEWALS_A_SECOND: u32 = 167;
/// A console asks every ten seconds; ten consoles, ten times that:
const QUESTIONS_A_SECOND: u32 = 10;

pub(crate) fn run() -> Result<Outcome, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(measure())
}

/// A linked laptop.
struct Linked {
    laptop: Laptop,
    link: LinkClient,
}

async fn measure() -> Result<Outcome, Failure> {
    let seed = Seed::new(3);
    let mut installation = Installation::found(seed, &["hmp-x"]);
    let options = KeydOptions {
        log: "warn".to_owned(),
        ..KeydOptions::default()
    };
    let program = workspace_binary("wardkey-keyd", "keyd")?;
    let mut keyd = Keyd::start(&program, &mut installation, options);
    let fleet = Fleet::open(seed, installation, keyd.caller()).await?;
    let laptops = fleet.enrol(LINKS).await?;
    let linked = link_all(&fleet, laptops).await?;
    let (linked, idle_client) = orders(&fleet, linked, 0).await?;
    let idle = quantile_in(&keyd, "0.99").await?;
    let idle_half = quantile_in(&keyd, "0.5").await?;

    // A new process, so that its figures are those of the load alone.
    keyd.stop();
    keyd.serve();
    let laptops = linked.into_iter().map(|linked| linked.laptop).collect();
    let linked = link_all(&fleet, laptops).await?;
    let visits = visits(&fleet).await?;
    let reader = fleet.reader(&fleet.first().officer).await?;
    let done = AtomicBool::new(false);
    let (renewed, asked) = (AtomicU32::new(0), AtomicU32::new(0));
    let began = Instant::now();
    let load = async {
        let renewals = renew(&fleet, visits, &done, &renewed);
        let questions = ask(&fleet, &reader, &done, &asked);
        tokio::try_join!(renewals, questions).map(drop)
    };
    let measured = async {
        let result = orders(&fleet, linked, ORDERS).await;
        done.store(true, Ordering::Relaxed);
        result
    };
    let ((), (_, loaded_client)) = tokio::try_join!(load, measured)?;
    let seconds = began.elapsed().as_secs_f64();
    let loaded = quantile_in(&keyd, "0.99").await?;
    let rate = |count: &AtomicU32| f64::from(count.load(Ordering::Relaxed)) / seconds;
    Ok(Outcome {
        value: idle,
        target: 1.0,
        unit: "ms, p99 from commit to link",
        figures: vec![
            figure("p99 beside the load", loaded, "ms"),
            figure("p99 beside the load, against idle", loaded / idle, "x").at_most(2.0),
            figure("p50 idle", idle_half, "ms"),
            figure(
                "act sent to order read, p99 idle",
                quantile(&idle_client, 0.99),
                "ms",
            ),
            figure(
                "the same beside the load",
                quantile(&loaded_client, 0.99),
                "ms",
            ),
            figure("renewals a second in the load", rate(&renewed), "/s"),
            figure("questions a second in the load", rate(&asked), "/s"),
            figure("links", f64::from(u32::try_from(LINKS).unwrap_or(0)), ""),
        ],
    })
}

async fn link_all(fleet: &Fleet, laptops: Vec<Laptop>) -> Result<Vec<Linked>, Failure> {
    stream::iter(laptops)
        .map(|laptop| async {
            let mut link = LinkClient::open(&fleet.caller, &laptop, OrderSeq::NONE).await?;
            // The first heartbeat says that the link stands.
            match link.hear().await {
                Heard::Said(_) => Ok(Linked { laptop, link }),
                Heard::Closed => Err(Failure::other("a link was closed")),
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// Stops laptops, one after the other, and waits each time until the order is read at the other end;
/// the milliseconds from the sent act to the read order.
async fn orders(
    fleet: &Fleet,
    mut linked: Vec<Linked>,
    from: usize,
) -> Result<(Vec<Linked>, Vec<f64>), Failure> {
    let officer = &fleet.first().officer;
    let mut times = Vec::with_capacity(ORDERS);
    for linked in linked.iter_mut().skip(from).take(ORDERS) {
        let target = Target::Laptop {
            device: linked.laptop.device,
        };
        let nonce = fleet.caller.challenge_person().await?.nonce;
        let act = wardkey_schemas::action::Act::Stop {
            target,
            class: HoldClass::Maintenance,
            mode: wardkey_schemas::order::Mode::Immediate,
            note: "".parse().map_err(Failure::other)?,
        };
        let signed = officer.signed_act(&officer.action(nonce, act));
        let began = Instant::now();
        let (answer, read) = tokio::join!(
            fleet.caller.act(&signed),
            read_order(&mut linked.link, began)
        );
        answer?;
        times.push(millis(read?));
    }
    Ok((linked, times))
}

async fn read_order(link: &mut LinkClient, began: Instant) -> Result<Duration, Failure> {
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

async fn visits(fleet: &Fleet) -> Result<Vec<(Laptop, Visit)>, Failure> {
    stream::iter(0..VISITS)
        .map(|_| async {
            let people = fleet.first();
            let laptop = fleet.laptop(people).await?;
            let staff: Person = fleet.more_staff(people).await?;
            let visit = fleet.visit(&laptop, &staff).await?;
            Ok((laptop, visit))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// Renews visits in turn, at a steady rate.
async fn renew(
    fleet: &Fleet,
    mut visits: Vec<(Laptop, Visit)>,
    done: &AtomicBool,
    count: &AtomicU32,
) -> Result<(), Failure> {
    let mut ticks = steady(RENEWALS_A_SECOND);
    loop {
        for (laptop, visit) in &mut visits {
            ticks.tick().await;
            if done.load(Ordering::Relaxed) {
                return Ok(());
            }
            *visit = fleet.renew(laptop, visit).await?;
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Asks what consoles ask, at a steady rate.
async fn ask(
    fleet: &Fleet,
    reader: &wardkey_fleet::Reader,
    done: &AtomicBool,
    count: &AtomicU32,
) -> Result<(), Failure> {
    let mut ticks = steady(QUESTIONS_A_SECOND);
    loop {
        for question in [Question::Laptops, Question::Sessions, Question::Keys] {
            ticks.tick().await;
            if done.load(Ordering::Relaxed) {
                return Ok(());
            }
            fleet.ask(reader, question).await?;
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn steady(a_second: u32) -> tokio::time::Interval {
    let period = Duration::from_secs(1)
        .checked_div(a_second)
        .unwrap_or(Duration::from_secs(1));
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    ticks
}

/// A quantile of keyd's own figure, in milliseconds.
async fn quantile_in(keyd: &Keyd, share: &str) -> Result<f64, Failure> {
    let ops = keyd.ops();
    let said = ops
        .send(http::Method::GET, "/metrics", None, Vec::new())
        .await
        .map_err(Failure::other)?;
    let text = String::from_utf8_lossy(&said.body).into_owned();
    let name = format!("wardkey_order_to_link_seconds{{quantile=\"{share}\"}} ");
    let seconds = text
        .lines()
        .find_map(|line| line.strip_prefix(&name)?.trim().parse::<f64>().ok())
        .ok_or_else(|| Failure::other(format!("keyd does not tell {name}")))?;
    Ok(seconds * 1000.0)
}
