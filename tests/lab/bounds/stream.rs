//! With a stream: K1, a stop by push; K7, an agent that dies or freezes; K8 and K6, no new start.

use std::path::Path;

use rustix::process::Signal;

use super::{Measured, Run, Wanted};
use crate::frames::{Picture, boottime_ms};
use crate::net::{Block, Weather};
use crate::ward::{TAG, Ward, gone_after};
use crate::world::WorldError;

pub(super) fn play(folder: &Path, wanted: &Wanted<'_>) -> Result<(), WorldError> {
    let mut ward = Ward::set(folder, &[])?;
    if wanted.wants("K1") {
        wanted.found(push(&mut ward)?);
    }
    if wanted.wants("K7") {
        wanted.found(death(&mut ward)?);
    }
    if wanted.wants("K8") {
        wanted.found(new_start(&mut ward)?);
    }
    // Last: a lost laptop is not had back by lifting a stop.
    if wanted.wants("K6") {
        wanted.found(stolen(&mut ward)?);
    }
    Ok(())
}

fn push(ward: &mut Ward) -> Result<Measured, WorldError> {
    let mut runs = Vec::new();
    for name in ["cable", "cable, again", "cable, once more"] {
        runs.push(pushed(ward, name)?);
    }
    ward.net.set(Weather::BAD_LINE);
    runs.push(pushed(ward, "300 ms each way and 2 % lost")?);

    let proxy = ward.world.proxy(&ward.laptop)?;
    ward.world.send_through(&mut ward.laptop, &proxy)?;
    runs.push(pushed(ward, "proxy that ends TLS")?);
    ward.net.set(Weather::BAD_LINE);
    runs.push(pushed(ward, "the same on the bad line")?);
    ward.world.send_directly(&mut ward.laptop)?;
    Ok(Measured {
        name: "K1",
        says: "a stop over the stream",
        bound_ms: 10_000,
        usual_ms: None,
        runs,
    })
}

fn pushed(ward: &mut Ward, name: &'static str) -> Result<Run, WorldError> {
    ward.await_linked(true)?;
    ward.open()?;
    let ms = ward.stop_and_watch("--maintenance")?;
    ward.resume_laptop()?;
    Ok(Run { name, ms })
}

fn death(ward: &mut Ward) -> Result<Measured, WorldError> {
    ward.open()?;
    let picture = Picture::of(&ward.laptop)?;
    let cause = boottime_ms();
    ward.laptop.kill_agent()?;
    let killed = gone_after(&picture, cause)?;
    ward.laptop.start()?;
    ward.laptop.await_state("locked")?;

    ward.open()?;
    let picture = Picture::of(&ward.laptop)?;
    let cause = boottime_ms();
    if let Some(agent) = ward.laptop.agent_process() {
        agent.signal(Signal::STOP)?;
    }
    let frozen = gone_after(&picture, cause)?;
    if let Some(agent) = ward.laptop.agent_process() {
        agent.signal(Signal::CONT)?;
    }
    ward.laptop.await_state("locked")?;
    let run = |name, ms| Run { name, ms };
    Ok(Measured {
        name: "K7",
        says: "the agent killed, or frozen so that it hears no stop",
        bound_ms: 15_000,
        usual_ms: None,
        runs: vec![run("killed", killed), run("frozen", frozen)],
    })
}

/// The laptop is not stopped, only the key: it is keyd that says no.
fn new_start(ward: &mut Ward) -> Result<Measured, WorldError> {
    let serial = ward.staff.serial.to_string();
    ward.await_linked(true)?;
    ward.stop(&serial, "--maintenance")?;
    let ms = ward.starts()?;
    ward.resume(&serial)?;
    // It was the stop that kept it shut, and nothing else.
    ward.open()?;
    Ok(Measured {
        name: "K8",
        says: "visits that start after the commit of a stop: none",
        bound_ms: 0,
        usual_ms: None,
        runs: vec![Run {
            name: "starts with a key that was just stopped",
            ms,
        }],
    })
}

fn stolen(ward: &mut Ward) -> Result<Measured, WorldError> {
    if !Picture::runs(&ward.laptop)? {
        ward.open()?;
    }
    ward.net.set(Weather::blocked(Block::Everything));
    ward.laptop.power_cut()?;
    ward.stop(TAG, "--stolen")?;
    ward.laptop.start()?;
    let alone = ward.starts()?;
    ward.net.set(Weather::FINE);
    ward.laptop.await_latch()?;
    let connected = ward.starts()?;
    let run = |name, ms| Run { name, ms };
    Ok(Measured {
        name: "K6",
        says: "starts of a laptop that was off, or was stolen and switched on: none",
        bound_ms: 0,
        usual_ms: None,
        runs: vec![
            run("starts without a network", alone),
            run("starts with one", connected),
        ],
    })
}
