//! One site's key authority: it judges laptops and security keys by their hardware, and certifies
//! them for its own site.
//!
//! # Invariants
//!
//! - It judges for itself, whatever keyd says, and it knows nothing of holds: those are keyd's.
//! - What keyd says is believed only when it is signed under the pinned root and is about the very
//!   thing that was asked ([`link`]).
//! - Nothing is signed whose intent is not on disk, and nothing that was signed is released before
//!   its outcome is on disk and keyd has it ([`issue`]).
//! - What was written into the journal is never changed ([`journal`]).
//!
//! # Where to start
//!
//! [`cli`] is what an operator can ask for, [`serve`] the running service, [`api`] its routes;
//! [`laptop`] and [`key`] each read from top to bottom as one enrolment, and both end in [`issue`].

pub mod api;
pub mod app;
pub mod ceremony;
pub mod cli;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod durable;
pub mod failure;
pub mod issue;
pub mod journal;
pub mod key;
pub mod keyd;
pub mod keys;
pub mod laptop;
pub mod lead;
pub mod link;
pub mod listener;
pub mod open;
pub mod plan;
pub mod random;
pub mod recertification;
pub mod run;
pub mod serve;
pub mod set_up;
pub mod signer;
pub mod site_request;
pub mod trust;
pub mod turns;
pub mod waiting;
