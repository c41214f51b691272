//! A model of what stops and what runs, explored in every order of events.
//!
//! One laptop, one security key, one key service, a few people. Everything that decides is the
//! product's own code: the gate's machine and its latch, the verifier, the arithmetic of leases, the
//! rules of holds and of who may lift them. What the model adds is what tests cannot wait for: every
//! order in which messages can arrive, twice, late or never, and every moment at which a program can
//! die (`docs/working/model.md`).
//!
//! # Invariants
//!
//! - Everything that is signed in the model is signed and verified for real.
//! - What was sent once can arrive any number of times, at any later moment, in any order.
//! - The account of what really happened ([`account::Account`]) decides nothing.
//!
//! # Where to start
//!
//! [`scene::Scene`] says what may happen and which rule is taken out; [`world::World`] is the state;
//! [`properties`] is what must hold.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "what a model in memory cannot make is a mistake in the model"
)]

pub mod account;
pub mod forge;
pub mod keyd;
pub mod laptop;
mod moves;
pub mod properties;
pub mod scene;
pub mod time;
pub mod world;
