//! K2: no stream gets through, and questions do.

use std::path::Path;

use super::{Measured, Run, Wanted};
use crate::net::proxy::Manner;
use crate::net::{Block, Weather};
use crate::ward::Ward;
use crate::world::WorldError;

pub(super) fn play(folder: &Path, wanted: &Wanted<'_>) -> Result<(), WorldError> {
    let mut ward = Ward::set(folder, &[])?;
    let standing = forgotten(&mut ward)?;
    let refused = refused(&mut ward)?;
    wanted.found(Measured {
        name: "K2",
        says: "the stream blocked, questions pass: the next poll",
        bound_ms: 50_000,
        usual_ms: None,
        runs: vec![standing, refused],
    });
    Ok(())
}

/// A router forgets every connection in the moment of the stop: the stream looks open to both ends.
fn forgotten(ward: &mut Ward) -> Result<Run, WorldError> {
    ward.await_linked(true)?;
    ward.open()?;
    ward.net.set(Weather::blocked(Block::Standing));
    let ms = ward.stop_and_watch("--maintenance")?;
    ward.resume_laptop()?;
    Ok(Run {
        name: "a stream that hangs",
        ms,
    })
}

/// A proxy that speaks HTTP/1.1 and nothing else: there never was a stream.
fn refused(ward: &mut Ward) -> Result<Run, WorldError> {
    let proxy = ward.world.proxy(&ward.laptop)?;
    proxy.set(Manner::NoUpgrade);
    ward.world.send_through(&mut ward.laptop, &proxy)?;
    ward.open()?;
    ward.await_linked(false)?;
    let ms = ward.stop_and_watch("--maintenance")?;
    Ok(Run {
        name: "a proxy without WebSockets",
        ms,
    })
}
