//! Status lists: published from the rows, signed, and kept at hand for whoever asks
//! (`docs/protocol/status-lists.md`; decision 17).
//!
//! # Invariants
//!
//! - An epoch is written with its signature in one transaction, under the lock of its class: there
//!   is one publisher at a time, epochs only rise, and none is shown before it is on disk.
//! - Publishing costs what changed, not what there is: the changes and a few hashes are signed at
//!   once; a whole list is made at a slower pace, and never while a transaction is open.
//! - An epoch of a class has two signatures at most: its changes, and perhaps the whole list.
//! - What is handed out was made before anybody asked: a question costs no signature and no SQL.
//!
//! # Where to start
//!
//! [`publisher`] for when, [`publishing`] for what, [`shelf`] for what is handed out.

pub mod publisher;
pub mod publishing;
pub mod shelf;

use wardkey_schemas::time::Seconds;

/// The shortest time between two epochs of a class: what changes within it is published together.
pub const GAP: Seconds = Seconds::new(1);

/// The longest time between two epochs of a class: a list that is followed is never older, though
/// nothing changed.
pub const BEAT: Seconds = Seconds::new(600);

/// The shortest time between two whole lists of a class.
pub const FOLD: Seconds = Seconds::new(30);

/// How long a reader may keep a whole list before it asks for a newer one (`ttl`, `max-age`).
pub const TTL: Seconds = Seconds::new(30);

/// How long a list may be believed: long enough for a laptop that was off over night.
pub const BELIEVED: Seconds = Seconds::new(24 * 3600);

/// Epochs whose changes are kept at hand: at one a second, a quarter of an hour; without any change, a
/// week.
pub const KEPT: usize = 1024;
