//! Webhooks: other services are told, signed, of what was stopped and what came back
//! (`docs/operations/webhooks.md`).
//!
//! # Invariants
//!
//! - What is told was written in the transaction of the decision; a decision never waits for it.
//! - Each is told at least once, or given up after so many tries and counted; `id` tells those who
//!   hear it twice.
//! - Any node sends; a row is taken before it is sent, for as long as a try may take.
//! - What leaves holds no name, no note and no person's number.
//!
//! # Where to start
//!
//! [`sender::Sender::look`].

pub mod sender;
pub mod settings;

use wardkey_schemas::time::Seconds;

/// Tries before one is given up: with the pauses below, after about eight hours.
pub const MOST_TRIES: u32 = 16;

/// The pause after the first try; it doubles with each.
pub const FIRST_PAUSE: Seconds = Seconds::new(5);

/// The longest pause.
pub const LONGEST_PAUSE: Seconds = Seconds::new(3600);

/// How long one try may take.
pub const TRY: Seconds = Seconds::new(10);

/// How long a row is taken for: longer than a try, so that nobody else sends it meanwhile.
pub const TAKEN: Seconds = Seconds::new(60);

/// How many are sent at once.
pub const AT_ONCE: u32 = 16;
