//! A site's authority with a real keyd: it issues, and it says no.
//!
//! Laptops, tokens and people are those of `wardkey-fleet`, forged in memory byte for byte as
//! hardware would speak, and honest but for the one thing that a test spoils. keyd is the real
//! program. The authority is the real program too where a test is about the program, and else its
//! library, so that one step or one answer can be made to fail.
//!
//! # Where to start
//!
//! [`good_path`] goes once through everything. [`house`] sets the authority up, [`desk`] enrols.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

#[path = "../aging/mod.rs"]
mod aging;
mod answers;
mod bytes;
mod chains;
mod commands;
mod crash;
mod desk;
mod durability;
mod faults;
mod good_path;
mod house;
mod key_refusals;
mod laptop_refusals;
mod meddler;
mod recertification;
