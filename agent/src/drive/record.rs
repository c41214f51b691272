//! Looks now and then whether keyd's record continues what this laptop saw last, and remembers it.
//!
//! It runs beside the loop, which need not know: nothing waits for it, and no visit depends on it.

use std::path::PathBuf;

use tokio::time::{Instant, MissedTickBehavior, interval};
use wardkey_edge::client::{Client, ClientError, Endpoint};
use wardkey_schemas::bytes::Sha256;

use crate::failure::Failure;
use crate::files::StateFolder;
use crate::limits::{RECORD_EVERY, RECORD_TICK};
use crate::record::{self, Seen};
use crate::trust_file::{self, Trusted};

/// What it looks with.
#[derive(Debug)]
pub(super) struct Watch {
    keyd: Client,
    state: PathBuf,
    root_pin: Sha256,
}

impl Watch {
    /// Looks at the record of the service at `endpoint`.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub(super) fn new(
        endpoint: &Endpoint,
        state: PathBuf,
        root_pin: Sha256,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            keyd: Client::new(endpoint)?,
            state,
            root_pin,
        })
    }

    /// Runs until it is dropped.
    pub(super) async fn run(self) {
        let mut ticks = interval(RECORD_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked: Option<Instant> = None;
        loop {
            ticks.tick().await;
            if looked.is_some_and(|looked| looked.elapsed() < RECORD_EVERY) {
                continue;
            }
            match self.look().await {
                Ok(true) => looked = Some(Instant::now()),
                // Nobody is believed yet.
                Ok(false) => {}
                Err(Failure::NotBelieved(refusal)) => {
                    tracing::error!(
                        refusal.code = %refusal.code(), %refusal,
                        "The record does not continue what this laptop saw of it"
                    );
                }
                Err(failure) => {
                    let error = wardkey_told::on_one_line(&failure);
                    tracing::debug!(error, "The record was not looked at");
                }
            }
        }
    }

    /// Looks once; `false` before there is a trust bundle.
    async fn look(&self) -> Result<bool, Failure> {
        let folder = StateFolder::open(&self.state)?;
        let Some(kept) = trust_file::find(&folder)? else {
            return Ok(false);
        };
        let (pin, newest) = (self.root_pin, kept.newest);
        let trusted = Trusted::verify(kept.package, kept.service_keys, &pin, Some(&newest))
            .map_err(Failure::refused)?;
        let before = Seen::find(&folder)?;
        let bundle = trusted.trust().bundle();
        let continues = record::look(&self.keyd, bundle, before.as_ref()).await?;
        if before.as_ref() != Some(&continues.seen) {
            continues.seen.save(&folder)?;
        }
        Ok(true)
    }
}
