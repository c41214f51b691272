//! The running service, from outside: the real program over HTTP, on SQLite and on PostgreSQL.
//!
//! Laptops, people and sites are those of `wardkey-fleet`, forged in memory and honest but for the
//! one thing that a test spoils. PostgreSQL takes part where `WARDKEY_TEST_POSTGRES` names an
//! administrator's connection; the test command starts one and sets it.
//!
//! # Where to start
//!
//! [`good_path`] goes once through everything. [`running`] starts the service, [`database`] looks
//! at its tables from beside it.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and says what it left out"
)]

#[path = "service/authorisation.rs"]
mod authorisation;
#[path = "service/bodies.rs"]
mod bodies;
#[path = "service/cluster.rs"]
mod cluster;
#[path = "service/cuts.rs"]
mod cuts;
#[path = "service/database.rs"]
mod database;
#[path = "service/enrolment.rs"]
mod enrolment;
#[path = "service/failover.rs"]
mod failover;
#[path = "service/failures.rs"]
mod failures;
#[path = "service/good_path.rs"]
mod good_path;
#[path = "service/herd.rs"]
mod herd;
#[path = "service/leavers.rs"]
mod leavers;
#[path = "service/limits.rs"]
mod limits;
#[path = "service/link.rs"]
mod link;
#[path = "service/links.rs"]
mod links;
#[path = "service/log.rs"]
mod log;
#[path = "service/losses.rs"]
mod losses;
#[path = "service/personal.rs"]
mod personal;
#[path = "service/races.rs"]
mod races;
#[path = "service/reach.rs"]
mod reach;
#[path = "service/recertification.rs"]
mod recertification;
#[path = "service/recovery.rs"]
mod recovery;
#[path = "service/refusals/mod.rs"]
mod refusals;
#[path = "service/repeats.rs"]
mod repeats;
#[path = "service/running.rs"]
mod running;
#[path = "service/samples.rs"]
mod samples;
#[path = "service/spares.rs"]
mod spares;
#[path = "service/status_lists.rs"]
mod status_lists;
#[path = "service/swaps/mod.rs"]
mod swaps;
#[path = "service/wire.rs"]
mod wire;
