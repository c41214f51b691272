//! The attester on the laptop: reads the security key and the TPM, asks keyd for leases, keeps the
//! gate open while they stand, and hands over whatever closes it.
//!
//! # Invariants
//!
//! - Every answer it acts on is signed by keyd and belongs to the question that it asked
//!   ([`answers::Believed`]). What is not signed is weather: it is waited out, and neither ends a
//!   call nor makes it longer.
//! - The [`session`] knows no clock, no socket and no randomness; the [`drive`] has all of them and
//!   decides nothing.
//! - Whatever must be told to keyd is on the disk before it is sent, and leaves it only when keyd
//!   has said that it is on record ([`outbox`]).
//! - A PIN stays in memory for two minutes at most, in the one thread that shows it to the token.
//!
//! # Where to start
//!
//! [`session::Session::step`] decides; [`drive::run`] is the only loop; [`enrol`], [`losing`] and
//! [`doctor`] are programs of their own that need no running agent.

pub mod answers;
pub mod boot;
pub mod certificates;
pub mod cli;
pub mod commands;
pub mod config;
pub mod control;
pub mod doctor;
pub mod drive;
pub mod enrol;
pub mod failure;
pub mod files;
pub mod holder;
pub mod laptop;
pub mod limits;
pub mod losing;
pub mod outbox;
pub mod output;
pub mod random;
pub mod record;
pub mod refusals;
pub mod root;
pub mod session;
pub mod trust_file;
pub mod words;
