//! Decides what deserves belief: certificates, bundles, leases, orders and hardware evidence.
//!
//! This crate is the verifier of RFC 9334 and nothing else: bytes, trust anchors, a policy and a
//! time go in; a proof or a [`Refusal`](wardkey_schemas::Refusal) comes out.
//!
//! # Invariants
//!
//! - No clock, no randomness, no socket, no file. Time is an argument.
//! - A value named `Verified*`, `OpeningLease` or `Appraised` can be made in one place only, the
//!   function that checked it.
//! - Absent input is refused, never skipped; an empty set never passes.
//! - Paths are walked explicitly, by pinned hashes and exact names. There is no search for a path.
//!
//! # Where to start
//!
//! [`bundle`] turns the pinned hash of a root into everything else that is trusted. With it,
//! [`person`] and [`device`] verify certificates, [`service`] keyd's own keys, [`act`] what people
//! signed, [`lease`] what a gate asks, [`order`] what a laptop obeys, [`announced`] what a site's
//! authority is about to sign. Certificates of makers and of ours are parsed in [`certificate`].
#![cfg_attr(
    feature = "appraisal",
    doc = "\n\nFor evidence from hardware start at [`appraise`], which reads as the list of all checks."
)]

pub mod act;
pub mod announced;
pub mod bundle;
pub mod certificate;
pub mod charter;
pub mod der;
pub mod device;
pub mod envelope;
pub mod event_log;
pub mod laptop;
pub mod lease;
pub mod lifetime;
pub mod lifting;
pub mod log_key;
pub mod order;
pub mod person;
pub mod pins;
mod profile;
pub mod service;

#[cfg(feature = "appraisal")]
pub mod appraise;
#[cfg(feature = "appraisal")]
pub mod credential;
#[cfg(feature = "appraisal")]
pub mod ek;
#[cfg(feature = "appraisal")]
pub mod piv;
#[cfg(feature = "status-lists")]
pub mod status_list;
#[cfg(feature = "appraisal")]
pub mod tpm;
