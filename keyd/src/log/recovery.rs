//! The hold on everything that lets in, until a witness has seen that the record is whole
//! (architecture §6.14).
//!
//! A database that was restored, or that a standby has taken over, may have forgotten stops. So a
//! service with witnesses starts held, is held again whenever its database has moved, and goes on
//! only when a witness finds that the record continues what it signed last and none finds otherwise.
//! While held it may stop and record; it issues, leases, confirms and lifts nothing, and signs no
//! checkpoint, so that it never signs a second history.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use wardkey_schemas::{Code, Refusal};

use crate::app::App;
use crate::failure::Failure;

/// Why the service is held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Why {
    /// No witness was asked since the start, or since the database has moved.
    NotAsked,
    /// No witness answers.
    Silent,
    /// A witness has signed more entries than there are.
    Shortened {
        /// Which.
        witness: String,
        /// What it has signed.
        signed: u64,
        /// What is here.
        here: u64,
    },
    /// A witness has signed another history.
    Forked {
        /// Which.
        witness: String,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("no witness was asked yet"),
            Self::Silent => f.write_str("no witness answers"),
            Self::Shortened {
                witness,
                signed,
                here,
            } => write!(f, "{witness} has signed {signed} entries, {here} are here"),
            Self::Forked { witness } => write!(f, "{witness} has signed another history"),
        }
    }
}

/// Whether the service is held.
#[derive(Debug)]
pub struct Recovery(RwLock<Option<Why>>);

impl Recovery {
    /// Held from the beginning where there are witnesses to ask.
    pub fn new(has_witnesses: bool) -> Self {
        Self(RwLock::new(has_witnesses.then_some(Why::NotAsked)))
    }

    /// Why it is held, if it is.
    pub fn why(&self) -> Option<Why> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Holds, or lets go on with none. Says so where it is news.
    pub fn set(&self, why: Option<Why>) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if *held == why {
            return;
        }
        match &why {
            Some(Why::NotAsked) => tracing::warn!("Held until a witness has seen the record"),
            Some(why) => tracing::error!(%why, "Held: nothing is issued, leased or let back in"),
            None => tracing::info!("A witness has seen that the record continues"),
        }
        *held = why;
    }
}

impl App {
    /// Refuses what lets in while the record is not known to be whole. Nothing is written about such
    /// a no: the record is what is in doubt.
    ///
    /// # Errors
    ///
    /// `RECOVERY_HOLD`.
    pub fn require_recovered(&self) -> Result<(), Failure> {
        if self.witnesses.is_empty() {
            return Ok(());
        }
        let moved = self.store.has_moved().then_some(Why::NotAsked);
        match moved.or_else(|| self.recovery.why()) {
            None => Ok(()),
            Some(why) => {
                let wanted = "a record that continues what witnesses have signed";
                let refusal = Refusal::new(Code::RecoveryHold, why, wanted);
                Err(Failure::Recorded(refusal))
            }
        }
    }
}
