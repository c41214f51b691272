//! K3, K4 and K5: no word of the stop reaches the laptop. The platform cuts it, where there is one;
//! and its lease ends.

use std::path::Path;
use std::time::Duration;

use wardkey_fleet::Platform;
use wardkey_schemas::ids::{RoomId, SessionId};

use super::{Measured, Run, Wanted};
use crate::frames::{Picture, boottime_ms};
use crate::net::{Block, Weather};
use crate::ward::{TAG, Ward, gone_after};
use crate::world::WorldError;

/// The shortest lease there may be, and a short grace: what is measured is the rule.
const RUN_FOR: u64 = 60;
const GRACE: u64 = 3;

/// Longer than a cut may take.
const LONGEST: Duration = Duration::from_mins(1);

/// The usual policy: 300 s and 600 s.
const USUAL_MS: u64 = 900_000;

/// The rule of the gate: a lease runs for its time, and a call that nobody can renew for the grace.
const BOUND_MS: u64 = (RUN_FOR + GRACE) * 1000;

fn policy() -> [String; 3] {
    [
        format!("run_for = {RUN_FOR}"),
        "renew_every = 20".to_owned(),
        format!("grace = {GRACE}"),
    ]
}

/// The laptop cannot reach keyd, and what carries the picture is open. K3: the platform takes it out
/// of its room. K4: where there is no platform, the same laptop closes by itself.
pub(super) fn unreachable(folder: &Path, wanted: &Wanted<'_>) -> Result<(), WorldError> {
    let policy = policy();
    let lines: Vec<&str> = policy.iter().map(String::as_str).collect();
    let (mut ward, platform) = Ward::set_with_platform(folder, &lines)?;
    ward.await_linked(true)?;
    ward.open()?;
    let (session, room) = ward.visit()?;
    platform.join(room, session);
    ward.net.set(Weather::blocked(Block::SERVICES));
    let picture = Picture::of(&ward.laptop)?;
    let committed = ward.stop(TAG, "--lost")?;
    if wanted.wants("K3") {
        let cut = cut(&platform, room, session)?;
        wanted.found(Measured {
            name: "K3",
            says: "keyd out of the laptop's reach: the platform takes it out of its room",
            bound_ms: 15_000,
            usual_ms: None,
            runs: vec![Run {
                name: "keyd blocked, the platform not",
                ms: u64::try_from(cut.saturating_sub(committed)).unwrap_or(0),
            }],
        });
    }
    if !wanted.wants("K4") {
        return Ok(());
    }
    let ms = gone_after(&picture, committed)?;
    wanted.found(Measured {
        name: "K4",
        says: "keyd out of the laptop's reach and no platform: the lease runs out",
        bound_ms: BOUND_MS,
        usual_ms: Some(USUAL_MS),
        runs: vec![Run {
            name: "keyd blocked",
            ms,
        }],
    });
    Ok(())
}

/// K5: nothing comes or goes; and nothing starts until it does.
pub(super) fn offline(folder: &Path, wanted: &Wanted<'_>) -> Result<(), WorldError> {
    let policy = policy();
    let lines: Vec<&str> = policy.iter().map(String::as_str).collect();
    let mut ward = Ward::set(folder, &lines)?;
    ward.await_linked(true)?;
    ward.open()?;
    ward.net.set(Weather::blocked(Block::Everything));
    let ms = ward.stop_and_watch("--lost")?;
    let starts = ward.starts()?;
    if starts > 0 {
        let words = "a laptop that is offline has started a visit".to_owned();
        return Err(WorldError::Unexpected(words));
    }
    wanted.found(Measured {
        name: "K5",
        says: "the laptop offline: the lease runs out, and none starts",
        bound_ms: BOUND_MS,
        usual_ms: Some(USUAL_MS),
        runs: vec![Run {
            name: "cable out",
            ms,
        }],
    });
    Ok(())
}

/// Waits until a visit is out of its room; when that was, on the clock of frames.
fn cut(platform: &Platform, room: RoomId, session: SessionId) -> Result<i64, WorldError> {
    let failed = |error: std::io::Error| WorldError::Unexpected(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(failed)?;
    let gone = platform.until(|platform| !platform.is_there(room, session));
    let waited = runtime.block_on(async { tokio::time::timeout(LONGEST, gone).await });
    waited.map_err(|_| WorldError::Unexpected("the platform did not cut".to_owned()))?;
    Ok(boottime_ms())
}
