//! T15: how fast a picture closes: on a stop, from its commit to the last frame; on the agent's
//! death by SIGKILL, until no process of the video program is left.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::Value;
use wardkey_schemas::time::Timestamp;

use crate::clocks::millis;
use crate::failure::Failure;
use crate::laptop::{Scene, as_millis, require_done};
use crate::measure::{Frames, wall_minus_boottime_ms};
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
            let agree = ["resume", LAPTOP, "--request", request];
            scene.world.wardkey_done(&scene.lead, &agree)?;
        }
        (_, _) => require_done(&asked, "resume")?,
    }
    scene.laptop.await_state("locked")?;
    Ok(())
}

/// Kills the agent; milliseconds until the last process of the video program has ended.
fn kill(scene: &mut Scene) -> Result<f64, Failure> {
    let processes = video(scene.folder())?;
    if processes.is_empty() {
        return Err(Failure::other("no video process was found"));
    }
    let began = Instant::now();
    scene.laptop.kill_agent()?;
    for process in &processes {
        let left = LONGEST.saturating_sub(began.elapsed());
        let left = Timespec::try_from(left).ok();
        let mut ended = [PollFd::new(process, PollFlags::IN)];
        let ready = poll(&mut ended, left.as_ref()).map_err(std::io::Error::from)?;
        if ready == 0 {
            return Err(Failure::other("a video process outlived the agent"));
        }
    }
    Ok(millis(began.elapsed()))
}

/// The processes of the video program, and what it is confined by: all that name its frames.
fn video(folder: &Path) -> Result<Vec<OwnedFd>, Failure> {
    let frames = folder.join("laptop-1/frames/frames");
    let frames = frames.to_string_lossy();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(frames.as_ref())
            && let Some(pid) = Pid::from_raw(pid)
            && let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
        {
            found.push(process);
        }
    }
    Ok(found)
}
