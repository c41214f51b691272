//! The central service: it answers every question that changes by the second.
//!
//! Is this laptop with this key, now, in this state, at this site, allowed to open this room? keyd
//! hands out challenges, appraises evidence (by [`wardkey_verifier`], which is pure), gives short
//! leases, keeps the state of every laptop and key, pushes orders to linked laptops, and writes each
//! decision into a hash-linked record.
//!
//! # Invariants
//!
//! - A decision, its effect and its entry in the record are one transaction; nothing is answered
//!   before it is on disk.
//! - Who asks is shown by a signature over the request. The site comes from the certificate, never
//!   from a body or a path.
//! - A refusal is an answer with a stable code; a fault is the lack of one. Only a signed *stop*
//!   ends a call.
//! - One place each: SQL ([`store`]), the wall clock ([`clock`]), randomness ([`random`]), who may do
//!   what ([`authority`]), the arrows between states ([`states`]).
//!
//! # Where to start
//!
//! [`api`] is the list of all routes. Then the life of a laptop: [`register`], [`challenge`],
//! [`activate`], [`renew`], [`visit_end`]; what people do: [`act`]; how a stop travels: [`link`],
//! [`receipt`]. [`serve`] puts the running service together.

pub mod act;
pub mod activate;
pub mod api;
pub mod app;
pub mod authority;
pub mod caller;
pub mod challenge;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cutting;
pub mod delivery;
pub mod doctor;
pub mod failure;
pub mod keys;
pub mod leasing;
pub mod link;
pub mod log;
mod people;
pub mod personal;
pub mod platform;
pub(crate) mod policies;
pub mod policy;
pub mod random;
pub mod receipt;
pub mod register;
pub mod renew;
pub mod run;
pub mod serve;
pub mod signers;
pub mod standing;
pub mod states;
pub mod status_lists;
pub mod store;
pub mod trust;
pub mod visit_end;
pub mod webhooks;
