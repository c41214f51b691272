//! A witness of a log (C2SP `tlog-witness`): it signs that it saw a checkpoint, and only those that
//! continue what it signed before.
//!
//! It knows nothing of laptops or people. Run by somebody else than keyd, it is what a database
//! cannot be restored past, and what makes two histories impossible to hide.
//!
//! # Invariants
//!
//! - What is signed was written and synced first; a crash in between costs a signature, never the
//!   memory of one.
//! - One decision at a time.

mod server;
mod state;

pub use self::server::{ServeError, router, serve};
pub use self::state::{Answer, State, WitnessError};
