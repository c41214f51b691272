//! The hold on everything that lets in, until a witness has seen that the record is whole
//! (architecture §6.14).
//!
//! A database that was restored, or that a standby has taken over, may have forgotten stops. So a
//! service with witnesses starts held, is held again whenever its database has moved, and goes on
//! only when a witness finds that the record continues what it signed last and none finds otherwise.
//! While held it may stop and record; it issues, leases, confirms and lifts nothing, and signs no
//! checkpoint and no status list, so that it never signs a second history.
//!
//! # Invariants
//!
//! - A connection that has come to another database says so here before it is used.
//! - What lets in looks twice: before anything is judged, and inside the transaction that decides
//!   ([`Tx::require_recovered`]), which may have waited while the database moved.
//! - What a witness said about a database from which connections have moved since counts for nothing.
//!
//! # Where to start
//!
//! [`Recovery`]; who calls it: the store's connections, [`super::witnesses`], and every work that
//! lets in.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use wardkey_schemas::{Code, Refusal};

use crate::app::App;
use crate::failure::Failure;
use crate::store::{StoreError, Tx};

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

/// How often connections have come to another database.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Moves(u64);

#[derive(Debug, Default)]
struct State {
    /// Whether there are witnesses to wait for.
    witnessed: bool,
    why: Option<Why>,
    /// Where connections have come to: a cluster and its timeline.
    at: Option<String>,
    moves: Moves,
}

/// Whether the service is held.
#[derive(Debug, Default)]
pub struct Recovery(RwLock<State>);

impl Recovery {
    /// There are witnesses: held from now on, until one of them has seen the record.
    pub fn wait_for_witnesses(&self) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.witnessed = true;
        state.why = Some(Why::NotAsked);
        tracing::warn!("Held until a witness has seen the record");
    }

    /// A connection has come to `found`.
    pub fn see(&self, found: String) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.at.as_ref() == Some(&found) {
            return;
        }
        let before = state.at.replace(found);
        let Some(before) = before else { return };
        state.moves.0 = state.moves.0.saturating_add(1);
        let now = state.at.as_deref().unwrap_or_default();
        tracing::warn!(from = before, to = now, "The database has moved");
        if state.witnessed {
            state.why = Some(Why::NotAsked);
        }
    }

    /// Why it is held, if it is.
    pub fn why(&self) -> Option<Why> {
        self.read(|state| state.why.clone())
    }

    /// How often the database has moved.
    pub fn moves(&self) -> Moves {
        self.read(|state| state.moves)
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Holds, or lets go on with none, by what was heard about the database as it was after `moves`.
    /// Says so where it is news.
    pub fn set(&self, why: Option<Why>, moves: Moves) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.why == why || state.moves != moves {
            return;
        }
        if let Some(why) = &why {
            tracing::error!(%why, "Held: nothing is issued, leased or let back in");
        } else {
            tracing::info!("A witness has seen that the record continues");
        }
        state.why = why;
    }

    /// Refuses while the record is not known to be whole.
    ///
    /// # Errors
    ///
    /// `RECOVERY_HOLD`.
    pub fn require(&self) -> Result<(), Refusal> {
        match self.why() {
            None => Ok(()),
            Some(why) => {
                let wanted = "a record that continues what witnesses have signed";
                Err(Refusal::new(Code::RecoveryHold, why, wanted))
            }
        }
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
        self.store.recovery().require().map_err(Failure::Recorded)
    }
}

impl Tx {
    /// The same inside the transaction that lets in: its connection was opened, and has said where
    /// it came to, before this is asked.
    ///
    /// # Errors
    ///
    /// `RECOVERY_HOLD`; what the work has written is taken back.
    pub fn require_recovered(&self) -> Result<(), StoreError> {
        let held = self.recovery().require();
        held.map_err(|refusal| StoreError::Refused(Box::new(refusal)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witnessed() -> Recovery {
        let recovery = Recovery::default();
        recovery.see("7/00000001".to_owned());
        recovery.wait_for_witnesses();
        recovery.set(None, recovery.moves());
        recovery.require().unwrap();
        recovery
    }

    #[test]
    fn a_new_timeline_or_cluster_holds_and_the_same_one_does_not() {
        let recovery = witnessed();
        recovery.see("7/00000001".to_owned());
        assert_eq!(recovery.why(), None);
        recovery.see("7/00000002".to_owned());
        assert_eq!(recovery.why(), Some(Why::NotAsked));
        assert_eq!(recovery.require().unwrap_err().code(), Code::RecoveryHold);
        recovery.set(None, recovery.moves());
        recovery.see("8/00000002".to_owned());
        assert_eq!(recovery.why(), Some(Why::NotAsked));
    }

    #[test]
    fn what_a_witness_said_before_the_database_moved_counts_for_nothing() {
        let recovery = witnessed();
        let asked = recovery.moves();
        recovery.see("7/00000002".to_owned());
        recovery.set(None, asked);
        assert_eq!(recovery.why(), Some(Why::NotAsked));
        recovery.set(None, recovery.moves());
        assert_eq!(recovery.why(), None);
    }

    #[test]
    fn without_witnesses_nobody_is_held() {
        let recovery = Recovery::default();
        recovery.see("7/00000001".to_owned());
        recovery.see("7/00000002".to_owned());
        recovery.require().unwrap();
    }
}
