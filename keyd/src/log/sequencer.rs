//! Entries get into the tree at most a second after they were decided.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::store::tree::Place;
use crate::store::{Lane, StoreError};

/// How often it is looked whether the record has grown.
const EVERY: Duration = Duration::from_millis(500);

/// Runs until `stop` says so.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        // Whoever may have lost entries must not sign others in their places.
        if app.require_recovered().is_err() {
            continue;
        }
        if let Err(error) = place(&app).await {
            tracing::warn!(%error, "Entries wait for their place in the tree");
        }
    }
}

/// Places what waits, batch by batch, and says how large the tree is then.
///
/// # Errors
///
/// [`StoreError`]; what was placed before stays placed.
pub async fn place(app: &App) -> Result<u64, StoreError> {
    loop {
        let extent = app.store.extent().await?;
        // An empty record is signed once, so that there is a checkpoint from the beginning.
        if extent.placed >= extent.entries
            && (extent.placed > 0 || app.store.checkpoint().await?.is_some())
        {
            return Ok(extent.placed);
        }
        let key = Arc::clone(app.signers.log());
        app.store.write(Lane::Ordinary, Place { key }).await?;
    }
}
