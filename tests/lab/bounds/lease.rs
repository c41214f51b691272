//! K4 and K5: no word of the stop arrives, and the end of the lease does.

use std::path::Path;

use super::{Measured, Run, Wanted};
use crate::net::{Block, Weather};
use crate::ward::Ward;
use crate::world::WorldError;

/// The shortest lease there may be, and a short grace: what is measured is the rule.
const RUN_FOR: u64 = 60;
const GRACE: u64 = 3;

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

/// K4: the laptop cannot reach keyd, and what carries the picture is open.
pub(super) fn unreachable(folder: &Path, wanted: &Wanted<'_>) -> Result<(), WorldError> {
    let mut ward = set(folder)?;
    let ms = lapsed(&mut ward, Block::SERVICES)?;
    wanted.found(Measured {
        name: "K4",
        says: "keyd out of reach: the lease runs out",
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
    let mut ward = set(folder)?;
    let ms = lapsed(&mut ward, Block::Everything)?;
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

fn set(folder: &Path) -> Result<Ward, WorldError> {
    let policy = policy();
    let lines: Vec<&str> = policy.iter().map(String::as_str).collect();
    Ward::set(folder, &lines)
}

fn lapsed(ward: &mut Ward, block: Block) -> Result<u64, WorldError> {
    ward.await_linked(true)?;
    ward.open()?;
    ward.net.set(Weather::blocked(block));
    ward.stop_and_watch("--lost")
}
