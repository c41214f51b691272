//! The record as others see it: placed in a tree, signed, witnessed, and served.
//!
//! # Invariants
//!
//! - A checkpoint is signed in the transaction that writes its tiles, under the lock of the tree's
//!   head: one root for one size, whatever the number of nodes.
//! - What is served under a tile's address never changes.
//!
//! # Where to start
//!
//! [`sequencer`] for how entries get into the tree, [`serve`] for what is answered, [`witnesses`] for
//! who looks at it, [`recovery`] for what happens when they find it short.

pub mod recover;
pub mod recovery;
pub mod sequencer;
pub mod serve;
pub mod witnesses;
