//! What the tests share.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, reason = "a module of tests has no outside")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop at the first surprise and print what it measured"
)]
#![allow(
    clippy::allow_attributes,
    reason = "an expectation would fail in the files that use all"
)]

pub mod chip;
pub mod installation;
pub mod laptop;
pub mod logind;
pub mod pki;
pub mod stage;
pub mod video;
