//! What the state folder holds when the program starts, verified.

use wardkey_schemas::bytes::Sha256;

use crate::boot::BootId;
use crate::files::{StateError, StateFolder};
use crate::laptop::Laptop;
use crate::outbox;
use crate::session::Memory;
use crate::trust_file::{self, Trusted};

/// Reads all of it.
///
/// A bundle that does not verify below the pin is not used, and is fetched anew; what was once the
/// newest version stays known.
///
/// # Errors
///
/// [`StateError`] for a file that is there and cannot be understood.
pub(super) fn recall(
    folder: &StateFolder,
    root_pin: Sha256,
    boot: BootId,
) -> Result<Memory, StateError> {
    let kept = trust_file::find(folder)?;
    let newest = kept.as_ref().map(|kept| kept.newest);
    let trusted = kept.and_then(|kept| {
        Trusted::verify(
            kept.package,
            kept.service_keys,
            &root_pin,
            Some(&kept.newest),
        )
        .inspect_err(|refusal| {
            tracing::warn!(refusal.code = %refusal.code(), %refusal, "The kept bundle is not used");
        })
        .ok()
    });
    Ok(Memory {
        root_pin,
        laptop: Laptop::find(folder)?,
        trusted,
        newest,
        outbox: folder.find(outbox::FILE)?.unwrap_or_default(),
        boot,
    })
}
