//! T15: how fast a picture closes: on a stop, from its commit to the last frame; on the agent's
//! death by SIGKILL, until no process of the video program is left.

use std::time::Duration;

use serde_json::Value;
use wardkey_schemas::time::Timestamp;
use wardkey_tests::frames::{Frames, Picture, boottime_ms, wall_minus_boottime_ms};

use crate::failure::Failure;
use crate::laptop::{Scene, as_millis, require_done};
use crate::outcome::{Outcome, figure, quantile};

/// Stops.
const STOPS: u32 = 20;
/// Deaths of the agent.
const DEATHS: u32 = 10;
/// How long a picture may take to close at all.
const LONGEST: Duration = Duration::from_secs(30);
/// The tag of the scene's laptop.
const LAPTOP: &str = "LAPTOP-1";

pub(crate) fn run() -> Result<Outcome, Failure> {
    let mut scene = Scene::set()?;
    let mut stops = Vec::new();
    for _ in 0..STOPS {
        scene.open()?;
        stops.push(stop(&mut scene)?);
        resume(&mut scene)?;
    }
    let mut deaths = Vec::new();
    for _ in 0..DEATHS {
        scene.open()?;
        deaths.push(kill(&mut scene)?);
        scene.laptop.start()?;
        scene.laptop.await_state("locked")?;
    }
    Ok(Outcome {
        value: quantile(&stops, 0.99),
        target: 250.0,
        unit: "ms, p99 from commit to last frame",
        figures: vec![
            figure("the same, median", quantile(&stops, 0.5), "ms"),
            figure("stops", f64::from(STOPS), ""),
            figure(
                "agent killed to no video process, slowest",
                quantile(&deaths, 1.0),
                "ms",
            )
            .at_most(250.0),
            figure("the same, median", quantile(&deaths, 0.5), "ms"),
            figure("deaths", f64::from(DEATHS), ""),
        ],
    })
}

/// Stops the laptop from a distance; milliseconds from the commit to the last frame.
fn stop(scene: &mut Scene) -> Result<f64, Failure> {
    let frames = Frames::of(&scene.laptop)?;
    let answer = scene
        .world
        .wardkey_done(&scene.officer, &["stop", LAPTOP, "--maintenance"])?;
    let committed = answer
        .get("committed_at")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let committed: Timestamp = committed
        .parse()
        .map_err(|_| Failure::other(format!("`{answer}` names no time of commit")))?;
    let committed = committed.millis().saturating_sub(wall_minus_boottime_ms());
    let last = frames.await_end()?;
    scene.laptop.await_latch()?;
    Ok(as_millis(last.saturating_sub(committed).max(0)))
}

/// Lifts the stop, by as many people as it takes.
fn resume(scene: &mut Scene) -> Result<(), Failure> {
    let asked = scene.world.wardkey(&scene.officer, &["resume", LAPTOP])?;
    let answer = asked.json();
    let request = answer.pointer("/outcome/request").and_then(Value::as_str);
    match (asked.code(), request) {
        (3, Some(request)) => {
            let agree = ["agree", request];
            scene.world.wardkey_done(&scene.lead, &agree)?;
        }
        (_, _) => require_done(&asked, "resume")?,
    }
    scene.laptop.await_state("locked")?;
    Ok(())
}

/// Kills the agent; milliseconds until the last process of the video program has ended.
fn kill(scene: &mut Scene) -> Result<f64, Failure> {
    let picture = Picture::of(&scene.laptop)?;
    let began = boottime_ms();
    scene.laptop.kill_agent()?;
    let ended = picture.await_end(LONGEST)?;
    Ok(as_millis(ended.saturating_sub(began)))
}
