//! What the tests with real processes share.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, reason = "a module of tests has no outside")]
#![allow(clippy::panic, reason = "a test may stop at the first surprise")]
#![allow(
    clippy::allow_attributes,
    reason = "an expectation would fail in the files that use all"
)]

pub mod video;
