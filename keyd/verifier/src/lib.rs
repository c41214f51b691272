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
//! [`certificate`] parses certificates of makers and of ours and verifies single links.

pub mod certificate;
pub mod der;

#[cfg(feature = "appraisal")]
pub mod appraise;
#[cfg(feature = "appraisal")]
pub mod credential;
#[cfg(feature = "appraisal")]
pub mod ek;
#[cfg(feature = "appraisal")]
pub mod event_log;
#[cfg(feature = "appraisal")]
pub mod piv;
#[cfg(feature = "appraisal")]
pub mod tpm;
