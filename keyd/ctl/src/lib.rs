//! The operators' command line: lists, stops, approvals and enrolments, signed by the operator's
//! own security key.
//!
//! # Invariants
//!
//! - Before anything is signed, the trust bundle is verified from the pinned hash of the root, never
//!   an older one than was seen before, and the certificate on the security key is verified for the
//!   site in the settings.
//! - keyd's answers to acts and its lists are not signed; they are shown as such, and nothing is
//!   decided by them but which number a name stands for, which the person is shown before they sign.
//! - A PIN is asked for once a command, kept in memory, wiped with the command. The permission to
//!   read is a key of its own, in a file that nobody else can read, for a quarter of an hour.
//! - What comes from a service is shown without anything that a terminal obeys.
//! - Standard output is for data, standard error for talk; the exit codes are those of
//!   [`wardkey_told::Exit`].
//!
//! # Where to start
//!
//! [`cli`] for what can be typed, [`commands::run`] for what is done, [`desk`] for what every
//! command works with.

mod alike;
pub mod cli;
mod clock;
pub mod commands;
pub mod desk;
pub mod environment;
pub mod failure;
pub mod operator;
pub mod output;
pub mod permission;
pub mod pins;
pub mod plugging;
pub mod private_file;
mod random;
pub mod settings;
pub mod show;
pub mod status_lists;
pub mod table;
pub mod target;
mod text;
pub mod times;
pub mod trust;
pub mod witness;
